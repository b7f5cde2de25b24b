//! What a tool says of its arguments: a JSON Schema, and what its texts mean beyond being texts. The twin of
//! `arguments/tool_schema.py`.
//!
//! Law: the same arguments filled in twice are the same, and what is filled in fits.

use crate::call::Types;
use crate::closed_schema::{ClosedSchema, Default, Kinds, OPEN, Place, Size, closed, joined};
use crate::json_text::{DEPTH_MAX, Json, Numbers, Object, Problem, path_of, read_object};
use crate::schema_library::{Validator, WORK_MAX};
use crate::values::Type;
use std::collections::BTreeMap;

const BYTES_MAX: usize = 64 * 1024;
const VALUES_MAX: usize = 1_000; // of arguments, with what was filled in
const EACH: &str = "*"; // in a pointer: every item of a list

/// A tool's description, read and checked.
#[derive(Debug)]
pub struct Descriptor {
    types: Types,
    place: Place,
    validator: Validator,
}

impl Descriptor {
    /// A descriptor from its document; the problem has a pointer into it. Cost: O(bytes).
    pub fn read(document: &[u8]) -> Result<Descriptor, Problem> {
        if document.len() > BYTES_MAX {
            return refused("", format!("has {} bytes, and may have {BYTES_MAX}", document.len()));
        }
        let whole = read_object(document, Numbers::Exact, usize::MAX)?;
        let known = ["name", "description", "input_schema", "types"];
        if let Some((key, _)) = whole.entries().iter().find(|(key, _)| !known.contains(&&**key)) {
            return refused("", format!("has the unknown key `{key}`"));
        }
        let Some(schema) = whole.get("input_schema") else {
            return refused("", "has no `input_schema`");
        };
        for key in ["name", "description"] {
            if whole.get(key).is_some_and(|text| text.as_text().is_none()) {
                return refused(&joined("", key), "is not a string");
            }
        }
        let ClosedSchema { schema, place, defaults, size } = closed(schema, "/input_schema")?;
        check_defaults(&defaults)?;
        let types = whole.get("types").map_or(Ok(Types::default()), |types| read_types(types, &place))?;
        Ok(Descriptor { types, place, validator: validator(&schema, size, "/input_schema")? })
    }

    /// The semantic types of its arguments.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// How much there is of its schema: what it takes to be kept is bounded by that.
    pub fn subschemas(&self) -> usize {
        self.validator.size.subschemas
    }

    /// The arguments as the tool gets to see them, or why they do not fit. They have to fit as they were given, and with
    /// what is filled in. Cost: O(values x subschemas + bytes of texts x characters of patterns).
    pub fn filled(&self, arguments: &Json) -> Result<Json, Problem> {
        if let Some(unfit) = self.validator.unfit(arguments) {
            return Err(unfit);
        }
        if !self.place.fills {
            return Ok(arguments.clone());
        }
        let filled = Filling::default().fill(&self.place, arguments, 1)?;
        let size = filled.canonical().len();
        if size > BYTES_MAX {
            return refused("", format!("has {size} bytes with its defaults, and may have {BYTES_MAX}"));
        }
        self.validator.unfit(&filled).map_or(Ok(filled), Err)
    }
}

fn refused<T>(pointer: &str, reason: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { pointer: pointer.into(), reason: reason.into() })
}

fn validator(schema: &serde_json::Value, size: Size, at: &str) -> Result<Validator, Problem> {
    Validator::of(schema, size).or_else(|problem| refused(at, format!("is no schema to the library: {problem}")))
}

/// That each fits as it stands, and with the defaults below it. All of them together may take as long as the arguments of
/// one call: each of several in one another is looked at with all that is below it.
fn check_defaults(defaults: &[Default]) -> Result<(), Problem> {
    let mut work = 0;
    for default in defaults {
        let wrong = |unfit: Problem| Problem {
            pointer: format!("{}{}", default.at, unfit.pointer),
            reason: format!("{}, as a default", unfit.reason),
        };
        let validator = validator(&default.schema, default.size, &default.at)?;
        validator.unfit(&default.value).map_or(Ok(()), Err).map_err(wrong)?;
        let filled = Filling::default().fill(&default.place, &default.value, 1).map_err(wrong)?;
        work += validator.work(&filled);
        if work > WORK_MAX {
            return refused(&default.at, "is, with the defaults before it, too much to judge");
        }
        validator.unfit(&filled).map_or(Ok(()), Err).map_err(wrong)?;
    }
    Ok(())
}

// --- types ------------------------------------------------------------------------------------------------------

fn read_types(types: &Json, place: &Place) -> Result<Types, Problem> {
    let Some(types) = types.as_object() else {
        return refused("/types", "is not an object");
    };
    let mut read: Vec<(String, Type)> = Vec::new();
    let mut seen: BTreeMap<Vec<Box<str>>, &str> = BTreeMap::new();
    for (name, word) in types.entries() {
        let at = joined("/types", name);
        let path = if name.starts_with('/') { path_of(name) } else { Some(vec![name.clone()]) };
        let Some(path) = path else {
            return refused(&at, "is no JSON Pointer");
        };
        if let Some(before) = seen.insert(path.clone(), name) {
            return refused(&at, format!("names what `{before}` names"));
        }
        let Some(kind) = word.as_text().and_then(Type::parse) else {
            return refused(&at, "is no type");
        };
        check_typed(place, &path, kind, &at)?;
        read.push((path.iter().fold(String::new(), |pointer, key| joined(&pointer, key)), kind));
    }
    Ok(Types::of(read.iter().map(|(pointer, kind)| (&**pointer, *kind))))
}

/// That the path leads to a text, through what is described.
fn check_typed(place: &Place, path: &[Box<str>], kind: Type, at: &str) -> Result<(), Problem> {
    let (mut place, mut pointer) = (place, String::new());
    for key in path {
        let through = pointer;
        pointer = joined(&through, key);
        let nesting = place.kinds.and(Kinds::NESTED);
        place = if nesting == Kinds::ARRAY {
            match &place.items {
                Some(items) if &**key == EACH && place.prefix.is_empty() => items,
                _ => return refused(at, format!("leads to `{pointer}`, in a list")),
            }
        } else if nesting != Kinds::OBJECT {
            let what = if nesting.is_any() { "may be an object or a list" } else { "is neither an object nor a list" };
            return refused(at, format!("leads through `{through}`, which {what}"));
        } else if &**key == EACH {
            return refused(at, format!("leads to `{pointer}`, in an object"));
        } else {
            match place.properties.get(key) {
                Some(property) => &property.place,
                None => return refused(at, format!("leads to `{pointer}`, which `properties` lacks")),
            }
        };
    }
    if !place.kinds.and(Kinds::STRING).is_any() || place.kinds.without(Kinds::STRING).without(Kinds::NULL).is_any() {
        let others = place.kinds.without(Kinds::NULL).names().join(" or ");
        return refused(at, format!("is `{}`, which is a string, and the schema says {others}", kind.name()));
    }
    Ok(())
}

// --- defaults ---------------------------------------------------------------------------------------------------

/// Fills in what one call left out. A list of a thousand objects may lack as many defaults, so it counts.
#[derive(std::default::Default)]
struct Filling {
    values: usize,
}

impl Filling {
    /// The value with its defaults, `depth` objects and lists within others.
    fn fill(&mut self, place: &Place, value: &Json, depth: usize) -> Result<Json, Problem> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return refused("", format!("has more than {VALUES_MAX} values with its defaults"));
        }
        if matches!(value, Json::Object(_) | Json::List(_)) && depth > DEPTH_MAX {
            return refused("", format!("is nested deeper than {DEPTH_MAX} with its defaults"));
        }
        match value {
            Json::Object(object) => {
                let mut filled = Vec::new();
                for (key, each) in object.entries() {
                    let named = place.properties.get(key).map(|property| &property.place);
                    let below = named.or(place.additional.as_deref()).unwrap_or(&OPEN);
                    filled.push((key.clone(), self.fill(below, each, depth + 1)?));
                }
                for (key, property) in &place.properties {
                    if let (None, Some(default)) = (object.get(key), &property.default) {
                        filled.push((key.clone(), self.fill(&property.place, default, depth + 1)?));
                    }
                }
                Ok(Json::Object(Object::of(filled)))
            }
            Json::List(items) => {
                let rest = place.items.as_deref().unwrap_or(&OPEN);
                let places = place.prefix.iter().chain(std::iter::repeat(rest));
                let filled: Result<Vec<Json>, Problem> =
                    items.iter().zip(places).map(|(each, below)| self.fill(below, each, depth + 1)).collect();
                filled.map(Json::List)
            }
            scalar => Ok(scalar.clone()),
        }
    }
}
