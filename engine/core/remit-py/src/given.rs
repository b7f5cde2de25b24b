//! What Python gives: questions, changes, contexts and schemas, copied out of its objects.
//!
//! `eval/native_plan.py`, `graph/native.py` and `_core.pyi` say in which form they come.
//! Law: what is made here, but for a `text` on its way, holds nothing of Python's and may be used without the GIL; what only
//! Python can read is left to it.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use remit_core::check::calls::Call;
use remit_core::check::caveats::{Context, Declared};
use remit_core::graph::overlay::Changed;
use remit_core::graph::{QualifiersText, Triple};
use remit_core::schema::plan::{Asking, Definition, Expression, Member};
use remit_core::store::Question;
use serde_json::{Map, Number, Value};
use std::sync::Arc;

pub fn text<'py>(tuple: &Bound<'py, PyTuple>, place: usize) -> PyResult<Bound<'py, PyString>> {
    Ok(tuple.get_item(place)?.cast_into::<PyString>()?)
}

/// A triple of its own: the six parts in one piece of memory.
pub struct Key {
    parts: String,
    ends: [usize; 6],
}

impl Key {
    pub fn of(resource: &Bound<'_, PyTuple>, relation: &str, subject: &Bound<'_, PyTuple>) -> PyResult<Key> {
        let mut key = Key { parts: String::new(), ends: [0; 6] };
        let (resource_type, resource_id) = (text(resource, 0)?, text(resource, 1)?);
        let (subject_type, subject_id, subject_relation) = (text(subject, 0)?, text(subject, 1)?, text(subject, 2)?);
        let parts = [
            resource_type.to_str()?,
            resource_id.to_str()?,
            relation,
            subject_type.to_str()?,
            subject_id.to_str()?,
            subject_relation.to_str()?,
        ];
        for (end, part) in key.ends.iter_mut().zip(parts) {
            key.parts.push_str(part);
            *end = key.parts.len();
        }
        Ok(key)
    }

    fn part(&self, place: usize) -> &str {
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.parts[start..self.ends[place]]
    }

    pub fn triple(&self) -> Triple<'_> {
        Triple {
            resource_type: self.part(0),
            resource_id: self.part(1),
            relation: self.part(2),
            subject_type: self.part(3),
            subject_id: self.part(4),
            subject_relation: self.part(5),
        }
    }
}

pub struct OwnedQuestion {
    parts: [String; 6],
    pub context: Option<Context>, // None where it is Python's to read
}

impl OwnedQuestion {
    pub fn of(question: &Question<'_>, context: Option<Context>) -> OwnedQuestion {
        let Question { resource_type, resource_id, permission, subject_type, subject_id, subject_relation } = question;
        let parts = [resource_type, resource_id, permission, subject_type, subject_id, subject_relation];
        OwnedQuestion { parts: parts.map(|part| (*part).to_owned()), context }
    }

    pub fn question(&self) -> Question<'_> {
        let [resource_type, resource_id, permission, subject_type, subject_id, subject_relation] = &self.parts;
        Question { resource_type, resource_id, permission, subject_type, subject_id, subject_relation }
    }
}

pub struct Change {
    key: Key,
    pub qualifiers: Option<QualifiersText>,
}

impl Change {
    pub fn of(change: &Bound<'_, PyAny>) -> PyResult<Change> {
        let change = change.cast::<PyTuple>()?;
        let key = change.get_item(0)?.cast_into::<PyTuple>()?;
        let (resource, relation, subject) = (key.get_item(0)?, text(&key, 1)?, key.get_item(2)?);
        let key = Key::of(resource.cast::<PyTuple>()?, relation.to_str()?, subject.cast::<PyTuple>()?)?;
        let qualifiers = change.get_item(1)?;
        if qualifiers.is_none() {
            return Ok(Change { key, qualifiers: None });
        }
        let (caveat, not_before_us, expiration_us) = qualifiers.extract()?;
        Ok(Change { key, qualifiers: Some(QualifiersText { caveat, not_before_us, expiration_us }) })
    }

    pub fn triple(&self) -> Triple<'_> {
        self.key.triple()
    }
}

pub fn changes_of(changes: &Bound<'_, PyList>) -> PyResult<Vec<Change>> {
    changes.iter().map(|each| Change::of(&each)).collect()
}

pub fn changed_of(changes: &[Change]) -> Changed<'_> {
    Changed::of(changes.iter().map(|change| (change.triple(), change.qualifiers.as_ref())).collect())
}

/// A caveat's name, its parameters with their types, and its checked expression.
pub type CaveatTuple = (String, Vec<(String, String)>, Vec<u8>);

pub fn declared((name, parameters, checked): CaveatTuple) -> Declared {
    Declared { name, parameters, checked }
}

/// Lists and maps within each other, in a context. Python's limit is above.
const CONTEXT_DEPTH_MAX: usize = 8;

/// A call's tool, arguments, purpose and descriptor.
pub type CallTuple<'py> = (Bound<'py, PyString>, Bound<'py, PyBytes>, Bound<'py, PyString>, Bound<'py, PyString>);

/// What a request brings for caveats, and its call; None where there is something in them that only Python reads.
pub fn context_of(context: Option<&Bound<'_, PyAny>>, call: Option<&CallTuple<'_>>) -> Option<Context> {
    let values = match context {
        None => Map::new(),
        Some(context) => map_of(context.cast().ok()?, CONTEXT_DEPTH_MAX)?,
    };
    let call = match call {
        None => None,
        Some(call) => Some(Arc::new(call_of(call)?)),
    };
    Some(Context { values, call })
}

fn call_of((tool, arguments, purpose, descriptor): &CallTuple<'_>) -> Option<Call> {
    let [tool, purpose, descriptor] = [tool, purpose, descriptor].map(|text| text.to_str().ok());
    Call::read(tool?, arguments.as_bytes(), purpose?, descriptor?)
}

fn map_of(dict: &Bound<'_, PyDict>, depth: usize) -> Option<Map<String, Value>> {
    let depth = depth.checked_sub(1)?;
    let entry = |(key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
        Some((key.cast::<PyString>().ok()?.to_str().ok()?.to_owned(), value_of(&value, depth)?))
    };
    dict.iter().map(entry).collect()
}

fn value_of(value: &Bound<'_, PyAny>, depth: usize) -> Option<Value> {
    if value.is_none() {
        return Some(Value::Null);
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Some(Value::String(text.to_str().ok()?.to_owned()));
    }
    if let Ok(truth) = value.cast::<PyBool>() {
        return Some(Value::Bool(truth.is_true()));
    }
    if value.is_instance_of::<PyInt>() {
        return value.extract::<i64>().ok().map(Value::from);
    }
    if let Ok(number) = value.cast::<PyFloat>() {
        return Number::from_f64(number.value()).map(Value::Number);
    }
    if let Ok(items) = value.cast::<PyList>() {
        let depth = depth.checked_sub(1)?;
        return items.iter().map(|item| value_of(&item, depth)).collect::<Option<_>>().map(Value::Array);
    }
    map_of(value.cast::<PyDict>().ok()?, depth).map(Value::Object)
}

/// Its name, its relations, its permissions with their expressions, and alternatives of which documents may ask something.
type DefinitionTuple<'py> = (String, Vec<String>, Vec<(String, Bound<'py, PyTuple>)>, Vec<AskingTuple>);

/// A relation, its subjects (a type, a relation of it, whether all of them), the caveat, whether it ends and begins, and the
/// permissions with their types.
type AskingTuple = (String, (String, String, bool), String, (bool, bool), Vec<Member>);

/// Definitions, caveats, and whether it uses arguments.
pub type SchemaTuple<'py> = (Bound<'py, PyList>, Vec<CaveatTuple>, bool);

pub fn definitions_of(definitions: &Bound<'_, PyList>) -> PyResult<Vec<Definition>> {
    let mut found = Vec::with_capacity(definitions.len());
    for definition in definitions.iter() {
        let (name, relations, permissions, asking): DefinitionTuple = definition.extract()?;
        let permissions = permissions
            .into_iter()
            .map(|(name, expression)| Ok((name, expression_of(&expression)?)))
            .collect::<PyResult<_>>()?;
        let asking = asking.into_iter().map(asking_of).collect();
        found.push(Definition { name, relations, permissions, asking });
    }
    Ok(found)
}

fn asking_of((relation, subjects, caveat, (expires, begins), declared): AskingTuple) -> Asking {
    let (subject_type, subject_relation, is_wildcard) = subjects;
    Asking { relation, subject_type, subject_relation, is_wildcard, caveat, expires, begins, declared }
}

/// An expression as a tuple: what it is, and its fields.
fn expression_of(tuple: &Bound<'_, PyTuple>) -> PyResult<Expression> {
    let word = |place| text(tuple, place).and_then(|text| Ok(text.to_str()?.to_owned()));
    let inner = |place| expression_of(tuple.get_item(place)?.cast::<PyTuple>()?);
    let all = |place| -> PyResult<Vec<Expression>> {
        let children: Vec<Bound<'_, PyTuple>> = tuple.get_item(place)?.extract()?;
        children.iter().map(expression_of).collect()
    };
    Ok(match word(0)?.as_str() {
        "nil" => Expression::Nil,
        "self" => Expression::Itself,
        "name" => Expression::Name(word(1)?),
        "union" => Expression::Union(all(1)?),
        "intersection" => Expression::Intersection(all(1)?),
        "exclusion" => Expression::Exclusion(Box::new(inner(1)?), Box::new(inner(2)?)),
        "arrow" => Expression::Arrow { relation: word(1)?, name: word(2)?, every: tuple.get_item(3)?.extract()? },
        "subject" => Expression::SubjectArrow(word(1)?),
        "exists" => Expression::Exists(word(1)?),
        "along" => Expression::Along { child: word(1)?, relations: tuple.get_item(2)?.extract()? },
        unknown => return Err(PyTypeError::new_err(format!("no expression is a `{unknown}`"))),
    })
}
