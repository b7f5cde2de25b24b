//! Expand, from bytes to what is to be opened and from sets to bytes.
//!
//! Law: a request is read here only where it is plain, as in `questions`; an answer is what `wire/expansions.py` would make
//! of the same sets, or there is none: where operators nest deeper than a reader follows, and where a caveat's context
//! cannot be written exactly.

use serde_json::Value as Json;

use super::questions::{PlainRequest, at_least_of, checked, framed, put_time, read_object, set, store_of};
use crate::codec::field_numbers::google::{fields_entry, list_value, r#struct, value};
use crate::codec::field_numbers::remit::{
    caveat, expand_along, expand_arrow, expand_exclusion, expand_leaf, expand_node, expand_nodes, expand_reference,
    expand_request, expand_response, expand_set, expand_subject, expand_subject_filter, object_reference, relationship,
    subject_reference,
};
use crate::codec::notation::is_name;
use crate::codec::tokens::Token;
use remit_core::check::caveats::Context;
use remit_core::expand::{Conditions, ExpandRequest, Node, Object, Reference, Set, Subject};
use remit_core::protobuf::{Fields, Value, put_bytes, put_double, put_message, put_number, put_varint};

/// `wire/expansions.py`: how deep messages may nest down to a node, and how deep the first one of a set is.
const NESTING_MAX: usize = 36;
const DEFINITION_NESTING: usize = 3;

/// A plain `remit.v1.ExpandRequest`; `None` for any other bytes. Cost: O(bytes), nothing allocated.
pub fn read_expand(message: &[u8]) -> Option<PlainRequest<'_, ExpandRequest<'_>>> {
    let (mut store, mut consistency, mut resource, mut permission, mut depth) = (None, None, None, None, None);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.read().ok()? {
        match (number, value) {
            (expand_request::STORE, _) => set(&mut store, value)?,
            (expand_request::CONSISTENCY, _) => set(&mut consistency, value)?,
            (expand_request::RESOURCE, _) => set(&mut resource, value)?,
            (expand_request::PERMISSION, _) => set(&mut permission, value)?,
            (expand_request::DEPTH, Value::Varint(sets)) if depth.is_none() => depth = Some(u32::try_from(sets).ok()?),
            _ => return None,
        }
    }
    let (type_, id) = read_object(resource?)?;
    let opening = ExpandRequest {
        resource: Object { type_, id },
        permission: checked(permission?, is_name)?,
        depth_max: depth.unwrap_or_default().into(),
    };
    Some(PlainRequest { store: store_of(store)?, at_least: at_least_of(consistency)?, body: opening })
}

/// A `remit.v1.ExpandResponse` of about `bytes_max` bytes at most, as a gRPC message. Cost: O(nodes).
pub fn write_expand(sets: &[Set<'_>], head: &Token, now_us: i64, bytes_max: usize) -> Option<Vec<u8>> {
    let mut is_whole = true;
    let written = framed(96 + 256 * sets.len(), |out| {
        is_whole = sets.iter().all(|set| Writing { set, bytes_max }.put_set(out).is_some());
        put_bytes(out, expand_response::TOKEN, &head.encode());
        put_time(out, expand_response::EVALUATED_AT, now_us);
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
        put_message(out, expand_response::SETS, |out| {
            put_object(out, expand_set::RESOURCE, &self.set.resource);
            put_bytes(out, expand_set::RELATION, self.set.relation.as_bytes());
            put_message(out, expand_set::DEFINITION, |out| self.put_node(out, &self.set.definition, DEFINITION_NESTING))
        })
    }

    fn put_node(&self, out: &mut Vec<u8>, node: &Node<'_>, nesting: usize) -> Option<()> {
        if nesting > NESTING_MAX || out.len() > self.bytes_max {
            return None;
        }
        match node {
            Node::Reference(reference) => put_reference(out, expand_node::REFERENCE, reference),
            Node::Union(children) => {
                put_message(out, expand_node::UNION, |out| self.put_nodes(out, children, nesting))?;
            }
            Node::Intersection(children) => {
                put_message(out, expand_node::INTERSECTION, |out| self.put_nodes(out, children, nesting))?;
            }
            Node::Exclusion { base, subtracted } => put_message(out, expand_node::EXCLUSION, |out| {
                put_message(out, expand_exclusion::BASE, |out| self.put_node(out, base, nesting + 2))?;
                put_message(out, expand_exclusion::SUBTRACTED, |out| self.put_node(out, subtracted, nesting + 2))
            })?,
            Node::Leaf { relation, subjects } => {
                put_message(out, expand_node::LEAF, |out| self.put_leaf(out, relation, subjects))?;
            }
            Node::Arrow { relation, permission, every, targets } => put_message(out, expand_node::ARROW, |out| {
                put_bytes(out, expand_arrow::RELATION, relation.as_bytes());
                put_bytes(out, expand_arrow::PERMISSION, permission.as_bytes());
                put_number(out, expand_arrow::ALL, u64::from(*every));
                targets.iter().try_for_each(|each| self.put_subject(out, expand_arrow::TARGETS, each, relation))
            })?,
            Node::Along { child, relations } => put_message(out, expand_node::ALONG, |out| {
                let child = Node::Reference(*child);
                put_message(out, expand_along::CHILD, |out| self.put_node(out, &child, nesting + 2))?;
                relations.iter().for_each(|relation| put_bytes(out, expand_along::RELATIONS, relation.as_bytes()));
                Some(())
            })?,
            Node::SubjectFilter(permission) => put_message(out, expand_node::SUBJECT_FILTER, |out| {
                put_bytes(out, expand_subject_filter::PERMISSION, permission.as_bytes());
            }),
            Node::Exists { relation, subjects } => {
                put_message(out, expand_node::EXISTS, |out| self.put_leaf(out, relation, subjects))?;
            }
            Node::Itself => put_object(out, expand_node::SELF, &self.set.resource),
            Node::Nobody => put_bytes(out, expand_node::NOBODY, b""),
        }
        Some(())
    }

    fn put_nodes(&self, out: &mut Vec<u8>, children: &[Node<'_>], nesting: usize) -> Option<()> {
        children.iter().try_for_each(|child| {
            put_message(out, expand_nodes::CHILDREN, |out| self.put_node(out, child, nesting + 2))
        })
    }

    fn put_leaf(&self, out: &mut Vec<u8>, relation: &str, subjects: &[Subject<'_>]) -> Option<()> {
        put_bytes(out, expand_leaf::RELATION, relation.as_bytes());
        subjects.iter().try_for_each(|each| self.put_subject(out, expand_leaf::SUBJECTS, each, relation))
    }

    /// A `remit.v1.ExpandSubject`: the fact, as a `remit.v1.Relationship`, and perhaps a set.
    fn put_subject(&self, out: &mut Vec<u8>, field: u64, subject: &Subject<'_>, relation: &str) -> Option<()> {
        if out.len() > self.bytes_max {
            return None;
        }
        put_message(out, field, |out| {
            put_message(out, expand_subject::RELATIONSHIP, |out| {
                put_object(out, relationship::RESOURCE, &self.set.resource);
                put_bytes(out, relationship::RELATION, relation.as_bytes());
                put_message(out, relationship::SUBJECT, |out| {
                    put_object(out, subject_reference::OBJECT, &subject.object);
                    if !subject.relation.is_empty() {
                        put_bytes(out, subject_reference::RELATION, subject.relation.as_bytes());
                    }
                });
                subject.conditions.as_ref().map_or(Some(()), |conditions| put_conditions(out, conditions))
            })?;
            if let Some(userset) = &subject.userset {
                put_reference(out, expand_subject::USERSET, userset);
            }
            Some(())
        })
    }
}

fn put_conditions(out: &mut Vec<u8>, conditions: &Conditions<'_>) -> Option<()> {
    if let Some((name, context)) = conditions.caveat {
        let Context { values: context, .. } = Context::from_json(context)?;
        put_message(out, relationship::CAVEAT, |out| {
            put_bytes(out, caveat::NAME, name.as_bytes());
            if context.is_empty() {
                return Some(());
            }
            put_message(out, caveat::CONTEXT, |out| put_struct(out, &context))
        })?;
    }
    let times =
        [(relationship::NOT_BEFORE, conditions.not_before_us), (relationship::EXPIRATION, conditions.expiration_us)];
    for (field, time_us) in times {
        if let Some(time_us) = time_us {
            put_time(out, field, time_us);
        }
    }
    Some(())
}

fn put_reference(out: &mut Vec<u8>, field: u64, reference: &Reference<'_>) {
    put_message(out, field, |out| {
        put_object(out, expand_reference::RESOURCE, &reference.resource);
        put_bytes(out, expand_reference::RELATION, reference.relation.as_bytes());
        put_number(out, expand_reference::TRUNCATED, u64::from(reference.truncated));
    });
}

/// A `remit.v1.ObjectReference`.
fn put_object(out: &mut Vec<u8>, field: u64, object: &Object<'_>) {
    put_message(out, field, |out| {
        put_bytes(out, object_reference::TYPE, object.type_.as_bytes());
        put_bytes(out, object_reference::ID, object.id.as_bytes());
    });
}

/// The fields of a `google.protobuf.Struct`, in the order of their names.
fn put_struct(out: &mut Vec<u8>, context: &serde_json::Map<String, Json>) -> Option<()> {
    context.iter().try_for_each(|(name, value)| {
        put_message(out, r#struct::FIELDS, |out| {
            put_bytes(out, fields_entry::KEY, name.as_bytes());
            put_message(out, fields_entry::VALUE, |out| put_value(out, value))
        })
    })
}

/// A `google.protobuf.Value`, whose numbers are all doubles.
fn put_value(out: &mut Vec<u8>, json: &Json) -> Option<()> {
    match json {
        Json::Null => put_choice(out, value::NULL_VALUE, false),
        Json::Number(number) => put_double(out, value::NUMBER_VALUE, number.as_f64()?),
        Json::String(text) => put_bytes(out, value::STRING_VALUE, text.as_bytes()),
        Json::Bool(truth) => put_choice(out, value::BOOL_VALUE, *truth),
        Json::Object(inner) => put_message(out, value::STRUCT_VALUE, |out| put_struct(out, inner))?,
        Json::Array(items) => put_message(out, value::LIST_VALUE, |out| {
            items.iter().try_for_each(|item| put_message(out, list_value::VALUES, |out| put_value(out, item)))
        })?,
    }
    Some(())
}

/// A varint field that is written also where it is 0: it stands in a oneof.
fn put_choice(out: &mut Vec<u8>, field: u64, is_one: bool) {
    put_varint(out, field << 3);
    put_varint(out, u64::from(is_one));
}

#[cfg(test)]
pub mod tests {
    use super::super::questions::PREFIX_BYTES;
    use super::super::questions::tests::object;
    use super::*;
    use crate::codec::notation::{is_id, is_type};
    use proptest::prelude::*;

    const README: Object<'_> = Object { type_: "doc", id: "readme" };

    /// An `ExpandRequest`'s bytes.
    pub fn expand_request(store: &str, opening: &ExpandRequest<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        if !store.is_empty() {
            put_bytes(&mut out, 1, store.as_bytes());
        }
        put_bytes(&mut out, 3, &object(opening.resource.type_, opening.resource.id));
        put_bytes(&mut out, 4, opening.permission.as_bytes());
        put_number(&mut out, 5, opening.depth_max as u64);
        out
    }

    proptest! {
        #[test]
        fn a_plain_request_is_read_as_it_was_made(
            store in "[a-z][a-z0-9_-]{0,20}", kind in "[a-z]{1,9}(/[a-z]{1,9})?", id in "[!-\"$-Z^-~]{1,40}",
            permission in "[a-z]{1,20}", depth: u32,
        ) {
            prop_assume!(id != "*");
            let resource = Object { type_: &kind, id: &id };
            let opening = ExpandRequest { resource, permission: &permission, depth_max: depth.into() };
            let bytes = expand_request(&store, &opening);
            prop_assert_eq!(read_expand(&bytes), Some(PlainRequest { store: &store[..], at_least: None, body: opening }));
        }

        #[test]
        fn whatever_bytes_come_nothing_panics_and_what_is_read_is_valid(
            bytes in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, byte: u8,
        ) {
            let mut near = expand_request("", &ExpandRequest { resource: README, permission: "view", depth_max: 3 });
            let at = at.index(near.len());
            near[at] = byte;
            for message in [&bytes, &near] {
                if let Some(PlainRequest { body: ExpandRequest { resource, permission, depth_max }, .. }) = read_expand(message) {
                    prop_assert!(is_type(resource.type_.as_bytes()) && is_id(resource.id.as_bytes()));
                    prop_assert!(is_name(permission.as_bytes()) && (0..1 << 32).contains(&depth_max));
                }
            }
        }
    }

    #[test]
    fn what_asks_for_more_is_not_plain() {
        let plain = expand_request("", &ExpandRequest { resource: README, permission: "view", depth_max: 0 });
        assert!(read_expand(&plain).is_some());
        // `contextual`, a field nobody knows, a second `permission`, a depth of 33 bits, two depths, one as bytes
        let depths: [&[u8]; 3] = [&[0x28, 0x80, 0x80, 0x80, 0x80, 0x10], &[0x28, 1, 0x28, 1], &[0x2a, 1, 1]];
        for more in [&[0x32, 0][..], &[0x7a, 0], &[0x22, 1, b'x']].into_iter().chain(depths) {
            assert_eq!(read_expand(&[&plain, more].concat()), None, "{more:?}");
        }
    }

    fn message(fields: &[(u64, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        fields.iter().for_each(|(number, bytes)| put_bytes(&mut out, *number, bytes));
        out
    }

    fn set_of(definition: Node<'_>) -> Set<'_> {
        Set { resource: README, relation: "viewer", definition }
    }

    #[test]
    fn an_answer_is_the_bytes_that_protobuf_would_write() {
        let group = Object { type_: "group", id: "g" };
        let conditions =
            |caveat, expiration_us| Some(Box::new(Conditions { caveat, not_before_us: None, expiration_us }));
        let userset = Some(Reference { resource: group, relation: "member", truncated: true });
        let subjects = vec![
            Subject { object: group, relation: "member", conditions: conditions(Some(("c", "{}")), None), userset },
            Subject {
                object: Object { type_: "user", id: "ann" },
                relation: "",
                conditions: conditions(Some(("c", r#"{"a":[null,true],"b":1.5}"#)), Some(1_000_000)),
                userset: None,
            },
        ];
        let sets = [set_of(Node::Leaf { relation: "viewer", subjects })];
        let (doc, g, ann) = (object("doc", "readme"), object("group", "g"), object("user", "ann"));
        let truth = message(&[(1, &[0x08, 0]), (1, &[0x20, 1])]);
        let entries = [
            message(&[(1, b"a"), (2, &message(&[(6, &truth)]))]),
            message(&[(1, b"b"), (2, &[&[0x11][..], &1.5f64.to_le_bytes()].concat())]),
        ];
        let facts = [
            message(&[
                (1, &doc),
                (2, b"viewer"),
                (3, &message(&[(1, &g), (2, b"member")])),
                (4, &message(&[(1, b"c")])),
            ]),
            message(&[
                (1, &doc),
                (2, b"viewer"),
                (3, &message(&[(1, &ann)])),
                (4, &message(&[(1, b"c"), (2, &message(&[(1, &entries[0]), (1, &entries[1])]))])),
                (6, &[0x08, 1]),
            ]),
        ];
        let reference = [message(&[(1, &g), (2, b"member")]), vec![0x18, 1]].concat();
        let leaf = message(&[
            (1, b"viewer"),
            (2, &message(&[(1, &facts[0]), (2, &reference)])),
            (2, &message(&[(1, &facts[1])])),
        ]);
        let set = message(&[(1, &doc), (2, b"viewer"), (3, &message(&[(5, &leaf)]))]);
        let head = Token::default();
        let expected = message(&[(1, &set), (2, &head.encode()), (3, &[0x08, 2])]);
        let written = write_expand(&sets, &head, 2_000_000, 4096).unwrap();
        assert_eq!(written[PREFIX_BYTES..], expected);
        assert_eq!(write_expand(&sets, &head, 2_000_000, 100), None, "longer than it may be");
    }

    #[test]
    fn what_cannot_be_written_exactly_is_left_to_python() {
        let nested = |operators| {
            let mut definition = Node::Nobody;
            for _ in 0..operators {
                definition = Node::Exclusion { base: Box::new(definition), subtracted: Box::new(Node::Itself) };
            }
            write_expand(&[set_of(definition)], &Token::default(), 0, 4096).is_some()
        };
        assert!(nested(16) && !nested(17));
        let child = Reference { resource: README, relation: "viewer", truncated: false };
        let mut along = Node::Along { child, relations: vec!["boss"] };
        for _ in 0..16 {
            along = Node::Union(vec![along]);
        }
        assert_eq!(write_expand(&[set_of(along)], &Token::default(), 0, 4096), None);
        let lone = Conditions { caveat: Some(("c", r#"{"a":"\ud800"}"#)), not_before_us: None, expiration_us: None };
        let subject = Subject { object: README, relation: "", conditions: Some(Box::new(lone)), userset: None };
        let leaf = set_of(Node::Leaf { relation: "viewer", subjects: vec![subject] });
        assert_eq!(write_expand(&[leaf], &Token::default(), 0, 4096), None);
    }
}
