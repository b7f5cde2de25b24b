//! Values under a closed schema, judged by the crate `jsonschema`: the twin of `arguments/schema_library.py`.
//!
//! Law: which values fit depends on the schema alone, and no value holds a thread beyond its size times the schema's.

use crate::closed_schema::{Size, as_value, joined};
use crate::json_text::{Json, Problem};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError};
use serde_json::Value;

/// What the library says of values under one closed schema.
#[derive(Debug)]
pub struct Validator {
    library: jsonschema::Validator,
    pub size: Size,
}

/// Values times subschemas: what is judged at most, and of how many it is told what does not fit, which takes longer.
pub const WORK_MAX: usize = 200_000;
const WORK_TOLD_MAX: usize = 20_000;
/// Bytes of texts times characters of patterns that are as good as one of those.
const STEPS_EACH: usize = 500;
/// What an engine may keep of a pattern to be quicker, for as long as the schema is kept, which may have a thousand.
const ENGINE_BYTES: usize = 32 * 1024;

impl Validator {
    /// An error is what the library has against a schema that was found good.
    pub fn of(schema: &Value, size: Size) -> Result<Validator, String> {
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .offline()
            .should_validate_formats(false)
            .with_pattern_options(PatternOptions::regex().dfa_size_limit(ENGINE_BYTES))
            .build(schema)
            .map(|library| Validator { library, size })
            .map_err(|error| error.to_string())
    }

    /// What it may take to judge a value, as WORK_MAX counts it.
    pub fn work(&self, value: &Json) -> usize {
        value.values() * self.size.subschemas + text_bytes(value) * self.size.patterns / STEPS_EACH
    }

    /// Of what does not fit the first, by its pointer and then by its reason. Cost: O(WORK_MAX).
    pub fn unfit(&self, value: &Json) -> Option<Problem> {
        let problem = |reason: String| Some(Problem { pointer: String::new(), reason });
        let work = self.work(value);
        if work > WORK_MAX {
            return problem(self.too_much(value));
        }
        let value = as_value(value);
        if self.library.is_valid(&value) {
            return None;
        }
        if work > WORK_TOLD_MAX {
            return problem("does not fit, and is too much to tell where".into());
        }
        let misfits = self.library.iter_errors(&value).map(|error| misfit(&error, &value));
        misfits.min_by(|one, other| (&one.pointer, &one.reason).cmp(&(&other.pointer, &other.reason)))
    }

    fn too_much(&self, value: &Json) -> String {
        let (values, Size { subschemas, patterns }) = (value.values(), self.size);
        if values * subschemas > WORK_MAX {
            return format!("has {values} values, too many to hold against a schema of {subschemas} subschemas");
        }
        let bytes = text_bytes(value);
        format!("has {bytes} bytes of text, too many to hold against patterns of {patterns} characters")
    }
}

/// How many bytes its texts and keys have.
fn text_bytes(value: &Json) -> usize {
    match value {
        Json::Text(text) => text.len(),
        Json::List(items) => items.iter().map(text_bytes).sum(),
        Json::Object(object) => object.entries().iter().map(|(key, each)| key.len() + text_bytes(each)).sum(),
        _ => 0,
    }
}

fn misfit(error: &ValidationError, value: &Value) -> Problem {
    let pointer = error.instance_path().as_str();
    let unknown =
        |key: &str| Problem { pointer: joined(pointer, key), reason: "is not among what the schema describes".into() };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unknown(unexpected.iter().min().expect("one was unexpected"))
        }
        // `additionalProperties` is the only keyword that may have `false` under it: here without any `properties`.
        ValidationErrorKind::FalseSchema => {
            let object = value.pointer(pointer).and_then(Value::as_object);
            unknown(object.and_then(|object| object.keys().min()).expect("an object with a key"))
        }
        ValidationErrorKind::Required { property: Value::String(name) } => {
            Problem { pointer: joined(pointer, name), reason: "is required, and not there".into() }
        }
        kind => Problem { pointer: pointer.into(), reason: format!("does not fit `{}`", kind.keyword()) },
    }
}
