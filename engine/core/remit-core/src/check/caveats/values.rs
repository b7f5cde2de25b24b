//! What a caveat is given: JSON from a relationship and from a request, as the values its parameters are declared to be.
//!
//! `language/parameters.py` says how JSON becomes a value of each type. Here is read what most requests bring; what is
//! rarer (numbers with exponents as text, whole numbers beyond 2^53, NUL in a text) is left to Python.
//! Law: a value that converts here is the value that it converts to there.

use super::super::calls::Call;
use crate::protobuf::{Fields, Value as Field};
use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::Val;
use serde_json::{Map, Number, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Beyond this a double skips whole numbers.
const EXACT_MAX: i64 = 1 << 53;

/// Lists and maps within each other, in a request. Python's limit is above.
const DEPTH_MAX: usize = 8;

/// What a byte of protobuf's Struct may become as JSON: a control character is `\\u0001` there.
const JSON_BYTES_OF_ONE: usize = 6;

/// Characters of text that cost as much to look at as one value.
const BYTES_OF_ONE: usize = 64;

/// What a request, or a relationship, brings for caveats: values by name, and a request perhaps a call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    pub values: Map<String, Value>,
    pub call: Option<Arc<Call>>,
}

impl Context {
    pub fn of(values: Map<String, Value>) -> Context {
        Context { values, call: None }
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty() && self.call.is_none()
    }

    /// From canonical JSON. `None` where it is no object.
    pub fn from_json(text: &str) -> Option<Context> {
        if text == "{}" {
            return Some(Context::default());
        }
        serde_json::from_str(text).ok().map(Context::of)
    }

    /// From a `google.protobuf.Struct` that `notation.normalized_context` would take, and that is sure to have no more than
    /// `bytes_max` bytes as canonical JSON; `None` for what is not plain.
    pub fn from_struct(message: &[u8], bytes_max: usize) -> Option<Context> {
        if message.len().saturating_mul(JSON_BYTES_OF_ONE) > bytes_max {
            return None;
        }
        read_struct(message, DEPTH_MAX).map(Context::of)
    }
}

fn read_struct(message: &[u8], depth: usize) -> Option<Map<String, Value>> {
    let mut found = Map::new();
    let mut fields = Fields::new(message);
    while let Some((number, field)) = fields.read().ok()? {
        let (1, Field::Bytes(entry)) = (number, field) else {
            return None;
        };
        let mut parts = Fields::new(entry);
        let (Some((1, Field::Bytes(key))), Some((2, Field::Bytes(value)))) = (parts.read().ok()?, parts.read().ok()?)
        else {
            return None;
        };
        parts.read().ok()?.is_none().then_some(())?;
        let key = std::str::from_utf8(key).ok()?.to_owned();
        // Protobuf lets the last of two win.
        found.insert(key, read_value(value, depth)?).is_none().then_some(())?;
    }
    Some(found)
}

fn read_value(message: &[u8], depth: usize) -> Option<Value> {
    let mut fields = Fields::new(message);
    let value = match fields.read().ok()?? {
        (1, Field::Varint(0)) => Value::Null,
        (2, Field::Fixed64(bits)) => number(f64::from_bits(bits))?,
        (3, Field::Bytes(text)) => Value::String(std::str::from_utf8(text).ok()?.to_owned()),
        (4, Field::Varint(truth @ 0..=1)) => Value::Bool(truth == 1),
        (5, Field::Bytes(inner)) if depth > 0 => Value::Object(read_struct(inner, depth - 1)?),
        (6, Field::Bytes(inner)) if depth > 0 => Value::Array(read_list(inner, depth - 1)?),
        _ => return None,
    };
    fields.read().ok()?.is_none().then_some(value)
}

fn read_list(message: &[u8], depth: usize) -> Option<Vec<Value>> {
    let mut found = Vec::new();
    let mut fields = Fields::new(message);
    while let Some((number, field)) = fields.read().ok()? {
        let (1, Field::Bytes(item)) = (number, field) else {
            return None;
        };
        found.push(read_value(item, depth)?);
    }
    Some(found)
}

/// Whole numbers are integers, as in `notation.normalized_context`; -0.0 is one of them.
fn number(number: f64) -> Option<Value> {
    if number.fract() == 0.0 && number.abs() <= EXACT_MAX as f64 {
        return Some(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number)
}

// --- types ------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scalar {
    Bool,
    Int,
    Double,
    Text,
}

/// What an expression of CEL is, as far as it is evaluated here. The keys of a map are text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    One(Scalar),
    List(Scalar),
    Map(Scalar),
}

/// What a parameter is declared as: `uint` is an int to CEL, and never negative.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Type {
    pub kind: Kind,
    is_unsigned: bool,
}

/// A value of a parameter, and about how many small values it is made of.
#[derive(Debug)]
pub struct Datum {
    pub value: Box<dyn Val>,
    pub size: usize,
}

impl Type {
    /// By its name in a schema; `None` for what is not evaluated here.
    pub fn parse(text: &str) -> Option<Type> {
        let (kind, inner): (fn(Scalar) -> Kind, &str) = match text.split_once('<') {
            Some(("list", rest)) => (Kind::List, rest.strip_suffix('>')?),
            Some(("map", rest)) => (Kind::Map, rest.strip_suffix('>')?),
            Some(_) => return None,
            None => (Kind::One, text),
        };
        let scalar = match inner {
            "bool" => Scalar::Bool,
            "int" | "uint" => Scalar::Int,
            "double" => Scalar::Double,
            "string" => Scalar::Text,
            _ => return None,
        };
        Some(Type { kind: kind(scalar), is_unsigned: inner == "uint" })
    }

    /// The value, where it is of this type. Cost: O(size).
    pub fn convert(&self, value: &Value) -> Option<Datum> {
        match (self.kind, value) {
            (Kind::One(scalar), value) => {
                let size = size_of_text(value);
                Some(Datum { value: self.scalar(scalar, value)?, size })
            }
            (Kind::List(scalar), Value::Array(items)) => {
                let values = items.iter().map(|item| self.scalar(scalar, item)).collect::<Option<Vec<_>>>()?;
                let size = 1 + items.iter().map(size_of_text).sum::<usize>();
                Some(Datum { value: Box::new(CelList::from(values)), size })
            }
            (Kind::Map(scalar), Value::Object(entries)) => {
                let mut values: HashMap<CelMapKey<'static>, Box<dyn Val>> = HashMap::with_capacity(entries.len());
                let mut size = 1;
                for (key, value) in entries {
                    values.insert(CelMapKey::from(text(key)?), self.scalar(scalar, value)?);
                    size += 1 + key.len() / BYTES_OF_ONE + size_of_text(value);
                }
                Some(Datum { value: Box::new(CelMap::from(values)), size })
            }
            _ => None,
        }
    }

    fn scalar(&self, scalar: Scalar, value: &Value) -> Option<Box<dyn Val>> {
        Some(match scalar {
            Scalar::Bool => Box::new(CelBool::from(value.as_bool()?)),
            Scalar::Text => Box::new(CelString::from(text(value.as_str()?)?)),
            Scalar::Double => Box::new(CelDouble::from(double(value)?)),
            Scalar::Int => {
                let number = integer(value)?;
                if self.is_unsigned && number < 0 {
                    return None;
                }
                Box::new(CelInt::from(number))
            }
        })
    }
}

fn size_of_text(value: &Value) -> usize {
    1 + value.as_str().map_or(0, |text| text.len() / BYTES_OF_ONE)
}

/// Python's CEL ends a text at its first NUL, so there it is refused.
fn text(text: &str) -> Option<String> {
    (!text.contains('\0')).then(|| text.to_owned())
}

fn double(value: &Value) -> Option<f64> {
    match (value.as_i64(), value.as_f64()) {
        (Some(whole), _) => (whole.abs() <= EXACT_MAX).then_some(whole as f64),
        (None, Some(number)) => (number.abs() < EXACT_MAX as f64).then_some(number),
        _ => None,
    }
}

/// A whole number, or one in plain decimal digits as text.
fn integer(value: &Value) -> Option<i64> {
    if let Some(whole) = value.as_i64() {
        return Some(whole);
    }
    if let Some(number) = value.as_f64() {
        let is_whole = number.fract() == 0.0 && number.abs() <= EXACT_MAX as f64;
        return is_whole.then_some(number as i64);
    }
    let text = value.as_str()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = (1..=18).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}
