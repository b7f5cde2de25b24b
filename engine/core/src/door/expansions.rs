//! Expand, from bytes to what is to be opened and from sets to bytes.
//!
//! Law: a request is read here only where it is plain, as in `questions`; an answer is what `wire/expansions.py` would make
//! of the same sets, or there is none: where operators nest deeper than a reader follows, and where a caveat's context
//! cannot be written exactly.

use serde_json::Value as Json;

use super::notation::is_name;
use super::protobuf::{Fields, Value, put_bytes, put_double, put_message, put_number};
use super::questions::{Asked, at_least_of, checked, framed, put_time, read_object, set, store_of};
use super::tokens::Token;
use crate::caveats::Context;
use crate::expansion::{Conditions, Node, Object, Opening, Reference, Set, Subject};

/// `wire/expansions.py`: how deep messages may nest down to a node, and how deep the first one of a set is.
const NESTING_MAX: usize = 36;
const DEFINITION_NESTING: usize = 3;

/// A plain `remit.v1.ExpandRequest`; `None` for any other bytes. Cost: O(bytes), nothing allocated.
pub fn read_expand(message: &[u8]) -> Option<Asked<'_, Opening<'_>>> {
    let (mut store, mut consistency, mut resource, mut permission, mut depth) = (None, None, None, None, None);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.read().ok()? {
        match (number, value) {
            (1, _) => set(&mut store, value)?,
            (2, _) => set(&mut consistency, value)?,
            (3, _) => set(&mut resource, value)?,
            (4, _) => set(&mut permission, value)?,
            (5, Value::Varint(sets)) if depth.is_none() => depth = Some(u32::try_from(sets).ok()?),
            _ => return None,
        }
    }
    let (type_, id) = read_object(resource?)?;
    let opening = Opening {
        resource: Object { type_, id },
        permission: checked(permission?, is_name)?,
        depth_max: depth.unwrap_or_default().into(),
    };
    Some(Asked { store: store_of(store)?, at_least: at_least_of(consistency)?, questions: opening })
}

/// A `remit.v1.ExpandResponse` of about `bytes_max` bytes at most, as a gRPC message. Cost: O(nodes).
pub fn write_expand(sets: &[Set<'_>], head: &Token, now_us: i64, bytes_max: usize) -> Option<Vec<u8>> {
    let mut is_whole = true;
    let written = framed(96 + 256 * sets.len(), |out| {
        is_whole = sets.iter().all(|set| Writing { set, bytes_max }.put_set(out).is_some());
        put_bytes(out, 2, &head.encode());
        put_time(out, 3, now_us);
    });
    is_whole.then_some(written)
}

/// One set on its way into an answer. `None` from any of it: Python has to write it.
struct Writing<'s, 'a> {
    set: &'s Set<'a>,
    bytes_max: usize,
}

impl Writing<'_, '_> {
    fn put_set(&self, out: &mut Vec<u8>) -> Option<()> {
        put_message(out, 1, |out| {
            put_object(out, 1, &self.set.resource);
            put_bytes(out, 2, self.set.relation.as_bytes());
            put_message(out, 3, |out| self.put_node(out, &self.set.definition, DEFINITION_NESTING))
        })
    }

    fn put_node(&self, out: &mut Vec<u8>, node: &Node<'_>, nesting: usize) -> Option<()> {
        if nesting > NESTING_MAX || out.len() > self.bytes_max {
            return None;
        }
        match node {
            Node::Reference(reference) => put_reference(out, 1, reference),
            Node::Union(children) => put_message(out, 2, |out| self.put_nodes(out, children, nesting))?,
            Node::Intersection(children) => put_message(out, 3, |out| self.put_nodes(out, children, nesting))?,
            Node::Exclusion { base, subtracted } => put_message(out, 4, |out| {
                put_message(out, 1, |out| self.put_node(out, base, nesting + 2))?;
                put_message(out, 2, |out| self.put_node(out, subtracted, nesting + 2))
            })?,
            Node::Leaf { relation, subjects } => put_message(out, 5, |out| self.put_leaf(out, relation, subjects))?,
            Node::Arrow { relation, permission, every, targets } => put_message(out, 6, |out| {
                put_bytes(out, 1, relation.as_bytes());
                put_bytes(out, 2, permission.as_bytes());
                put_number(out, 3, u64::from(*every));
                targets.iter().try_for_each(|each| self.put_subject(out, 4, each, relation))
            })?,
            Node::Along { child, relations } => put_message(out, 7, |out| {
                put_message(out, 1, |out| self.put_node(out, &Node::Reference(*child), nesting + 2))?;
                relations.iter().for_each(|relation| put_bytes(out, 2, relation.as_bytes()));
                Some(())
            })?,
            Node::SubjectFilter(permission) => put_message(out, 8, |out| put_bytes(out, 1, permission.as_bytes())),
            Node::Exists { relation, subjects } => put_message(out, 9, |out| self.put_leaf(out, relation, subjects))?,
            Node::Itself => put_object(out, 10, &self.set.resource),
            Node::Nobody => put_bytes(out, 11, b""),
        }
        Some(())
    }

    fn put_nodes(&self, out: &mut Vec<u8>, children: &[Node<'_>], nesting: usize) -> Option<()> {
        children.iter().try_for_each(|child| put_message(out, 1, |out| self.put_node(out, child, nesting + 2)))
    }

    fn put_leaf(&self, out: &mut Vec<u8>, relation: &str, subjects: &[Subject<'_>]) -> Option<()> {
        put_bytes(out, 1, relation.as_bytes());
        subjects.iter().try_for_each(|each| self.put_subject(out, 2, each, relation))
    }

    /// A `remit.v1.ExpandSubject`: the fact, as a `remit.v1.Relationship`, and perhaps a set.
    fn put_subject(&self, out: &mut Vec<u8>, field: u64, subject: &Subject<'_>, relation: &str) -> Option<()> {
        if out.len() > self.bytes_max {
            return None;
        }
        put_message(out, field, |out| {
            put_message(out, 1, |out| {
                put_object(out, 1, &self.set.resource);
                put_bytes(out, 2, relation.as_bytes());
                put_message(out, 3, |out| {
                    put_object(out, 1, &subject.object);
                    if !subject.relation.is_empty() {
                        put_bytes(out, 2, subject.relation.as_bytes());
                    }
                });
                subject.conditions.as_ref().map_or(Some(()), |conditions| put_conditions(out, conditions))
            })?;
            if let Some(userset) = &subject.userset {
                put_reference(out, 2, userset);
            }
            Some(())
        })
    }
}

fn put_conditions(out: &mut Vec<u8>, conditions: &Conditions<'_>) -> Option<()> {
    if let Some((name, context)) = conditions.caveat {
        let Context(context) = Context::from_json(context)?;
        put_message(out, 4, |out| {
            put_bytes(out, 1, name.as_bytes());
            if context.is_empty() { Some(()) } else { put_message(out, 2, |out| put_struct(out, &context)) }
        })?;
    }
    for (field, time_us) in [(5, conditions.not_before_us), (6, conditions.expiration_us)] {
        if let Some(time_us) = time_us {
            put_time(out, field, time_us);
        }
    }
    Some(())
}

fn put_reference(out: &mut Vec<u8>, field: u64, reference: &Reference<'_>) {
    put_message(out, field, |out| {
        put_object(out, 1, &reference.resource);
        put_bytes(out, 2, reference.relation.as_bytes());
        put_number(out, 3, u64::from(reference.truncated));
    });
}

/// A `remit.v1.ObjectReference`.
fn put_object(out: &mut Vec<u8>, field: u64, object: &Object<'_>) {
    put_message(out, field, |out| {
        put_bytes(out, 1, object.type_.as_bytes());
        put_bytes(out, 2, object.id.as_bytes());
    });
}

/// The fields of a `google.protobuf.Struct`, in the order of their names.
fn put_struct(out: &mut Vec<u8>, context: &serde_json::Map<String, Json>) -> Option<()> {
    context.iter().try_for_each(|(name, value)| {
        put_message(out, 1, |out| {
            put_bytes(out, 1, name.as_bytes());
            put_message(out, 2, |out| put_value(out, value))
        })
    })
}

/// A `google.protobuf.Value`, whose numbers are all doubles.
fn put_value(out: &mut Vec<u8>, value: &Json) -> Option<()> {
    match value {
        Json::Null => out.extend_from_slice(&[0x08, 0]),
        Json::Number(number) => put_double(out, 2, number.as_f64()?),
        Json::String(text) => put_bytes(out, 3, text.as_bytes()),
        Json::Bool(truth) => out.extend_from_slice(&[0x20, u8::from(*truth)]),
        Json::Object(inner) => put_message(out, 5, |out| put_struct(out, inner))?,
        Json::Array(items) => put_message(out, 6, |out| {
            items.iter().try_for_each(|item| put_message(out, 1, |out| put_value(out, item)))
        })?,
    }
    Some(())
}
