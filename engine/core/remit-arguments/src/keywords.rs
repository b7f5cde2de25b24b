//! The keywords that a tool's JSON Schema may have, and what may stand under each: the twin of `arguments/keywords.py`.
//!
//! Law: what is accepted here means one thing; what could mean two, or is of another draft, is refused by its name.

use crate::json_text::Json;
use crate::patterns::written_out;

pub const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
pub const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;

/// What stands under a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    Note,
    Rule,
    Schema,
    Schemas,
    SchemasByName,
}

/// Of each keyword; none where it is not one.
pub fn holds(keyword: &str) -> Option<Holds> {
    match keyword {
        "$schema" => Some(Holds::Note),
        "default" | "$ref" => Some(Holds::Rule),
        "items" | "contains" | "additionalProperties" | "propertyNames" | "not" | "if" | "then" | "else" => {
            Some(Holds::Schema)
        }
        "prefixItems" | "allOf" | "anyOf" | "oneOf" => Some(Holds::Schemas),
        "properties" | "dependentSchemas" | "$defs" => Some(Holds::SchemasByName),
        _ if is_note(keyword) => Some(Holds::Note),
        _ if is_rule(keyword) => Some(Holds::Rule),
        _ => None,
    }
}

/// What tells people something.
pub fn is_note(keyword: &str) -> bool {
    matches!(
        keyword,
        "title"
            | "description"
            | "$comment"
            | "format"
            | "contentEncoding"
            | "contentMediaType"
            | "deprecated"
            | "readOnly"
            | "writeOnly"
            | "examples"
    )
}

/// What is asked of a value.
pub fn is_rule(keyword: &str) -> bool {
    matches!(
        keyword,
        "type"
            | "enum"
            | "const"
            | "multipleOf"
            | "maximum"
            | "exclusiveMaximum"
            | "minimum"
            | "exclusiveMinimum"
            | "maxLength"
            | "minLength"
            | "pattern"
            | "maxItems"
            | "minItems"
            | "uniqueItems"
            | "maxContains"
            | "minContains"
            | "maxProperties"
            | "minProperties"
            | "required"
            | "dependentRequired"
    )
}

/// What a keyword says nothing without.
pub fn needs(keyword: &str) -> Option<&'static str> {
    match keyword {
        "then" | "else" => Some("if"),
        "minContains" | "maxContains" => Some("contains"),
        _ => None,
    }
}

/// What is wrong with what stands under a note or a rule.
pub fn wrong(keyword: &str, value: &Json) -> Option<String> {
    match keyword {
        "title" | "description" | "$comment" | "format" | "contentEncoding" | "contentMediaType" => {
            (!matches!(value, Json::Text(_))).then(|| "is not a string".into())
        }
        "deprecated" | "readOnly" | "writeOnly" | "uniqueItems" => {
            (!matches!(value, Json::Bool(_))).then(|| "is neither true nor false".into())
        }
        "examples" => (!matches!(value, Json::List(_))).then(|| "is not a list".into()),
        "type" => {
            let names = match value {
                Json::List(items) => items.as_slice(),
                _ => std::slice::from_ref(value),
            };
            let is_one = |name: &Json| name.as_text().is_some_and(|name| TYPES.contains(&name));
            let are_types = !names.is_empty() && are_different_names(names) && names.iter().all(is_one);
            let known = TYPES.map(|name| format!("`{name}`")).join(", ");
            (!are_types).then(|| format!("is none of {known}, and no list of these"))
        }
        "enum" => match value {
            Json::List(items) if !items.is_empty() => wrong_constant(value),
            _ => Some("is not a list of at least one value".into()),
        },
        "const" => wrong_constant(value),
        "multipleOf" => match value {
            Json::Number(text) if text.contains(['.', 'e']) => {
                Some("is not a whole number, and floating-point arithmetic decides what is a multiple of it".into())
            }
            Json::Number(text) if &**text == "0" => Some("is 0, of which nothing is a multiple".into()),
            _ => wrong_count(value),
        },
        "maximum" | "exclusiveMaximum" | "minimum" | "exclusiveMinimum" => wrong_number(value),
        "maxLength" | "minLength" | "maxItems" | "minItems" | "maxContains" | "minContains" | "maxProperties"
        | "minProperties" => wrong_count(value),
        "required" => wrong_names(value),
        "dependentRequired" => match value {
            Json::Object(object) => object.entries().iter().find_map(|(_, names)| wrong_names(names)),
            _ => Some("is not an object".into()),
        },
        "pattern" => match value {
            Json::Text(text) => written_out(text).err(),
            _ => Some("is not a string".into()),
        },
        _ => None,
    }
}

fn wrong_count(value: &Json) -> Option<String> {
    let is_count = match value {
        Json::Number(text) => text.bytes().all(|byte| byte.is_ascii_digit()) && double(text) <= WHOLE_MAX,
        _ => false,
    };
    (!is_count).then(|| "is not a whole number from 0 to 2^53 - 1".into())
}

fn wrong_number(value: &Json) -> Option<String> {
    match value {
        Json::Number(text) if double(text).abs() <= WHOLE_MAX => None,
        Json::Number(_) => Some("is beyond 2^53 - 1, from where on readers round differently".into()),
        _ => Some("is not a number".into()),
    }
}

fn wrong_constant(value: &Json) -> Option<String> {
    match value {
        Json::Object(object) => object.entries().iter().find_map(|(_, each)| wrong_constant(each)),
        Json::List(items) => items.iter().find_map(wrong_constant),
        Json::Number(_) => wrong_number(value).map(|wrong| format!("has a number that {wrong}")),
        _ => None,
    }
}

fn wrong_names(value: &Json) -> Option<String> {
    let are_names = matches!(value, Json::List(items) if are_different_names(items));
    (!are_names).then(|| "is not a list of different names".into())
}

fn are_different_names(items: &[Json]) -> bool {
    let mut names: Vec<&str> = items.iter().filter_map(Json::as_text).collect();
    names.sort_unstable();
    names.dedup();
    names.len() == items.len()
}

/// The double that the text of a number is.
pub fn double(text: &str) -> f64 {
    text.parse().expect("a number of JSON")
}

/// Why a keyword is refused that is none of those above, as the rest of a sentence.
pub fn refusal_of(keyword: &str) -> String {
    let why = match keyword {
        "patternProperties" => "tells keys by expressions",
        "unevaluatedProperties" | "unevaluatedItems" => "depends on what other keywords looked at",
        "$id" => "gives a schema an address of its own",
        "$anchor" => "gives a schema a name of its own",
        "$dynamicRef" => "leads elsewhere depending on where it is met",
        "$dynamicAnchor" => "is for `$dynamicRef`",
        "$vocabulary" => "is for schemas of schemas",
        "contentSchema" => "describes what is inside a string",
        "definitions" | "dependencies" | "additionalItems" | "$recursiveRef" | "$recursiveAnchor" | "id"
        | "extends" | "disallow" | "divisibleBy" | "nullable" | "example" | "discriminator" => {
            "is not of draft 2020-12"
        }
        _ => return format!("has the unknown keyword `{keyword}`"),
    };
    format!("has `{keyword}`, which {why}")
}
