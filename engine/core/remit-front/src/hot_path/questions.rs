//! Check and CheckMany, from bytes to questions and from answers to bytes.
//!
//! Read by hand, for `prost` copies every string, and passes over fields that it does not know: the fuzz targets hold
//! that it reads the same.
//! Law: a request is read here only where it is plain: every field known, none twice, every name and id one that
//! `notation` lets pass, nothing asked for but a verdict at the head. What is written is byte for byte what protobuf
//! would write for the same answer.

use super::engine::{CheckItem, Question};
use crate::codec::field_numbers::google::timestamp;
use crate::codec::field_numbers::remit::{
    call, check_answer, check_item, check_many_request, check_many_response, check_many_result, check_request,
    check_response, consistency, object_reference, subject_reference, verdict,
};
use crate::codec::notation::{is_id, is_name, is_type};
use crate::codec::tokens::Token;
use remit_core::check::calls::Call;
use remit_core::check::caveats::Context;
use remit_core::protobuf::{Fields, Value, put_bytes, put_number};
use std::sync::Arc;

pub const DEFAULT_STORE: &str = "default";

/// What of a question differs between the wires.
#[derive(Clone, Copy)]
pub(super) struct Dialect {
    /// A word for no relation, beside "".
    pub(super) itself: &'static [u8],
    pub(super) has_calls: bool,
}

const REMIT: Dialect = Dialect { itself: b"", has_calls: true };

/// A request that is plain.
#[derive(Debug, PartialEq, Eq)]
pub struct PlainRequest<'a, Body> {
    pub store: &'a str,
    pub at_least: Option<Token>,
    /// What is asked of the store.
    pub body: Body,
}

/// A plain `remit.v1.CheckRequest`; `None` for any other bytes. Cost: O(bytes), nothing allocated but for a context.
pub fn read_check(message: &[u8], context_bytes_max: usize) -> Option<PlainRequest<'_, CheckItem<'_>>> {
    let (mut store, mut consistency) = (None, None);
    let mut parts = Parts::default();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.read().ok()? {
        match number {
            check_request::STORE => set(&mut store, value)?,
            check_request::CONSISTENCY => set(&mut consistency, value)?,
            check_request::RESOURCE => set(&mut parts.resource, value)?,
            check_request::PERMISSION => set(&mut parts.permission, value)?,
            check_request::SUBJECT => set(&mut parts.subject, value)?,
            check_request::CONTEXT => set(&mut parts.context, value)?,
            check_request::CALL => set(&mut parts.call, value)?,
            _ => return None,
        }
    }
    let body = parts.item(REMIT, context_bytes_max)?;
    Some(PlainRequest { store: store_of(store)?, at_least: at_least_of(consistency)?, body })
}

/// A plain `remit.v1.CheckManyRequest` of 1 to `items_max` questions; `None` for any other bytes.
pub fn read_check_many(
    message: &[u8],
    items_max: usize,
    context_bytes_max: usize,
) -> Option<PlainRequest<'_, Vec<CheckItem<'_>>>> {
    let (mut store, mut consistency) = (None, None);
    let mut items = Vec::with_capacity(items_max.min(message.len() / 48 + 1));
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.read().ok()? {
        match (number, value) {
            (check_many_request::STORE, _) => set(&mut store, value)?,
            (check_many_request::CONSISTENCY, _) => set(&mut consistency, value)?,
            (check_many_request::ITEMS, Value::Bytes(item)) if items.len() < items_max => {
                items.push(read_item(item, REMIT, context_bytes_max)?);
            }
            _ => return None,
        }
    }
    // Of no questions at all only Python knows whether there is a schema to ask them of.
    let request = PlainRequest { store: store_of(store)?, at_least: at_least_of(consistency)?, body: items };
    (!request.body.is_empty()).then_some(request)
}

/// An item of many questions, whose fields are numbered alike on both wires (`spicedb` holds that).
pub(super) fn read_item(message: &[u8], dialect: Dialect, context_bytes_max: usize) -> Option<CheckItem<'_>> {
    let mut parts = Parts::default();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.read().ok()? {
        match number {
            check_item::RESOURCE => set(&mut parts.resource, value)?,
            check_item::PERMISSION => set(&mut parts.permission, value)?,
            check_item::SUBJECT => set(&mut parts.subject, value)?,
            check_item::CONTEXT => set(&mut parts.context, value)?,
            check_item::CALL if dialect.has_calls => set(&mut parts.call, value)?,
            _ => return None,
        }
    }
    parts.item(dialect, context_bytes_max)
}

/// A question's parts, as they come.
#[derive(Default)]
pub struct Parts<'a> {
    pub resource: Option<&'a [u8]>,
    pub permission: Option<&'a [u8]>,
    pub subject: Option<&'a [u8]>,
    pub context: Option<&'a [u8]>,
    pub call: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    /// The question, and what the request brings with it, where all parts are valid.
    pub(super) fn item(self, dialect: Dialect, context_bytes_max: usize) -> Option<CheckItem<'a>> {
        let mut context = read_context(self.context, context_bytes_max)?;
        if let Some(sent) = self.call {
            context.call = Some(read_call(sent)?);
        }
        Some(CheckItem { question: self.question(dialect.itself)?, context })
    }

    fn question(self, itself: &[u8]) -> Option<Question<'a>> {
        let (resource_type, resource_id) = read_object(self.resource?)?;
        let (mut object, mut relation) = (None, None);
        let mut fields = Fields::new(self.subject?);
        while let Some((number, value)) = fields.read().ok()? {
            match number {
                subject_reference::OBJECT => set(&mut object, value)?,
                subject_reference::RELATION => set(&mut relation, value)?,
                _ => return None,
            }
        }
        let (subject_type, subject_id) = read_object(object?)?;
        Some(Question {
            resource_type,
            resource_id,
            permission: checked(self.permission?, is_name)?,
            subject_type,
            subject_id,
            subject_relation: match relation {
                None | Some(b"") => "",
                Some(relation) if relation == itself => "",
                Some(relation) => checked(relation, is_name)?,
            },
        })
    }
}

/// Where every context of a question comes in, on both wires: what may be longer than its limit is not even read.
fn read_context(sent: Option<&[u8]>, bytes_max: usize) -> Option<Context> {
    sent.map_or_else(|| Some(Context::default()), |sent| Context::from_struct(sent, bytes_max))
}

/// A `remit.v1.Call`; None as well for one that is refused, whose fault Python names.
#[cold]
fn read_call(message: &[u8]) -> Option<Arc<Call>> {
    let (mut tool, mut arguments, mut purpose, mut descriptor) = (None, None, None, None);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.read().ok()? {
        match number {
            call::TOOL => set(&mut tool, value)?,
            call::ARGUMENTS => set(&mut arguments, value)?,
            call::PURPOSE => set(&mut purpose, value)?,
            call::DESCRIPTOR => set(&mut descriptor, value)?,
            _ => return None,
        }
    }
    let [tool, purpose, descriptor] =
        [tool, purpose, descriptor].map(|field| std::str::from_utf8(field.unwrap_or_default()).ok());
    Call::read(tool?, arguments.unwrap_or_default(), purpose?, descriptor?).map(Arc::new)
}

/// The type and id of a `remit.v1.ObjectReference`.
pub(super) fn read_object(message: &[u8]) -> Option<(&str, &str)> {
    let (mut kind, mut id) = (None, None);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.read().ok()? {
        match number {
            object_reference::TYPE => set(&mut kind, value)?,
            object_reference::ID => set(&mut id, value)?,
            _ => return None,
        }
    }
    Some((checked(kind?, is_type)?, checked(id?, is_id)?))
}

/// A field that is there once, and is of bytes. Protobuf would merge or replace; that is not plain.
pub fn set<'a>(field: &mut Option<&'a [u8]>, value: Value<'a>) -> Option<()> {
    match (&field, value) {
        (None, Value::Bytes(bytes)) => {
            *field = Some(bytes);
            Some(())
        }
        _ => None,
    }
}

pub(super) fn checked(bytes: &[u8], is_good: fn(&[u8]) -> bool) -> Option<&str> {
    if is_good(bytes) { std::str::from_utf8(bytes).ok() } else { None }
}

/// "" means `default`. What is no store's name is the name of no store.
pub(super) fn store_of(bytes: Option<&[u8]>) -> Option<&str> {
    match bytes {
        None | Some(b"") => Some(DEFAULT_STORE),
        Some(name) => std::str::from_utf8(name).ok(),
    }
}

/// A `remit.v1.Consistency` that asks for the head, or for what is at least as fresh as a token.
pub(super) fn at_least_of(message: Option<&[u8]>) -> Option<Option<Token>> {
    let mut at_least = None;
    let mut fields = Fields::new(message.unwrap_or_default());
    while let Some((number, value)) = fields.read().ok()? {
        match number {
            consistency::AT_LEAST => set(&mut at_least, value)?,
            _ => return None,
        }
    }
    match at_least {
        None => Some(None),
        Some(text) => Token::decode(text).map(Some),
    }
}

// --- answers ----------------------------------------------------------------------------------------------------

/// A `remit.v1.CheckAnswer`: to one question, and the steps it took.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct CheckAnswer {
    pub is_yes: bool,
    pub steps: u64,
}

impl CheckAnswer {
    fn verdict(self) -> u64 {
        if self.is_yes { verdict::YES } else { verdict::NO }
    }
}

/// How many bytes a gRPC message begins with: whether it is compressed, and its length.
pub const PREFIX_BYTES: usize = 5;

/// A `remit.v1.CheckResponse`, as a gRPC message.
pub fn write_check(answer: CheckAnswer, head: &Token, now_us: i64) -> Vec<u8> {
    framed(96, |out| {
        put_number(out, check_response::VERDICT, answer.verdict());
        put_bytes(out, check_response::TOKEN, &head.encode());
        put_time(out, check_response::EVALUATED_AT, now_us);
        put_number(out, check_response::STEPS, answer.steps);
    })
}

/// A `remit.v1.CheckManyResponse`, as a gRPC message.
pub fn write_check_many(answers: &[CheckAnswer], head: &Token, now_us: i64) -> Vec<u8> {
    framed(96 + 12 * answers.len(), |out| {
        let (mut answer, mut result) = (Vec::with_capacity(16), Vec::with_capacity(16));
        for each in answers {
            answer.clear();
            put_number(&mut answer, check_answer::VERDICT, each.verdict());
            put_number(&mut answer, check_answer::STEPS, each.steps);
            result.clear();
            put_bytes(&mut result, check_many_result::ANSWER, &answer);
            put_bytes(out, check_many_response::RESULTS, &result);
        }
        put_bytes(out, check_many_response::TOKEN, &head.encode());
        put_time(out, check_many_response::EVALUATED_AT, now_us);
    })
}

/// A `google.protobuf.Timestamp`.
pub(super) fn put_time(out: &mut Vec<u8>, field: u64, time_us: i64) {
    let (seconds, us) = (time_us.div_euclid(1_000_000), time_us.rem_euclid(1_000_000));
    let mut time = Vec::with_capacity(16);
    // A negative number travels as the 64 bits it is made of.
    put_number(&mut time, timestamp::SECONDS, seconds as u64);
    put_number(&mut time, timestamp::NANOS, us as u64 * 1_000);
    put_bytes(out, field, &time);
}

pub fn framed(capacity: usize, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(capacity);
    out.extend_from_slice(&[0; PREFIX_BYTES]);
    write(&mut out);
    let length = u32::try_from(out.len() - PREFIX_BYTES).expect("an answer is bounded by the number of its questions");
    out[1..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    out
}

/// The one message of a gRPC request's body, uncompressed and whole; `None` for any other body.
pub fn only_message(body: &[u8]) -> Option<&[u8]> {
    let (prefix, message) = body.split_at_checked(PREFIX_BYTES)?;
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    (prefix[0] == 0 && length as usize == message.len()).then_some(message)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    pub const QUESTION: Question<'_> = Question {
        resource_type: "doc",
        resource_id: "readme",
        permission: "view",
        subject_type: "user",
        subject_id: "ann",
        subject_relation: "",
    };

    pub fn object(kind: &str, id: &str) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, 1, kind.as_bytes());
        put_bytes(&mut out, 2, id.as_bytes());
        out
    }

    fn subject(question: &Question<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, 1, &object(question.subject_type, question.subject_id));
        if !question.subject_relation.is_empty() {
            put_bytes(&mut out, 2, question.subject_relation.as_bytes());
        }
        out
    }

    /// A `CheckRequest`'s bytes.
    pub fn check_request(store: &str, question: &Question<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        if !store.is_empty() {
            put_bytes(&mut out, 1, store.as_bytes());
        }
        put_bytes(&mut out, 3, &object(question.resource_type, question.resource_id));
        put_bytes(&mut out, 4, question.permission.as_bytes());
        put_bytes(&mut out, 5, &subject(question));
        out
    }

    /// A `CheckItem`'s bytes.
    pub fn check_item(question: &Question<'_>) -> Vec<u8> {
        let mut item = Vec::new();
        put_bytes(&mut item, 1, &object(question.resource_type, question.resource_id));
        put_bytes(&mut item, 2, question.permission.as_bytes());
        put_bytes(&mut item, 3, &subject(question));
        item
    }

    pub fn check_many_request(questions: &[Question<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        questions.iter().for_each(|question| put_bytes(&mut out, 3, &check_item(question)));
        out
    }

    proptest! {
        #[test]
        fn a_plain_question_is_read_as_it_was_asked(
            store in "[a-z][a-z0-9_-]{0,20}", kind in "[a-z]{1,9}(/[a-z]{1,9})?", id in "[!-\"$-Z^-~]{1,40}",
            permission in "[a-z]{1,20}", relation in "([a-z]{1,9})?",
        ) {
            prop_assume!(id != "*");
            let question = Question { resource_type: &kind, resource_id: &id, permission: &permission, subject_type: &kind, subject_id: &id, subject_relation: &relation };
            let bytes = check_request(&store, &question);
            let item = |question| CheckItem { question, context: Context::default() };
            prop_assert_eq!(read_check(&bytes, 0), Some(PlainRequest { store: &store[..], at_least: None, body: item(question) }));
            let bytes = check_many_request(&[question, QUESTION]);
            let asked = read_check_many(&bytes, 2, 0).unwrap();
            prop_assert_eq!(asked.body, vec![item(question), item(QUESTION)]);
            prop_assert_eq!(read_check_many(&bytes, 1, 0), None);
        }

        #[test]
        fn whatever_bytes_come_nothing_panics_and_what_is_read_is_valid(bytes in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, byte: u8) {
            let _ = read_check_many(&bytes, 10, 4096);
            let _ = Context::from_struct(&bytes, 4096);
            let mut near = check_request("", &QUESTION);
            let at = at.index(near.len());
            near[at] = byte;
            for message in [&bytes, &near] {
                if let Some(asked) = read_check(message, 4096) {
                    let question = asked.body.question;
                    prop_assert!(is_type(question.resource_type.as_bytes()) && is_id(question.resource_id.as_bytes()));
                    prop_assert!(is_type(question.subject_type.as_bytes()) && is_id(question.subject_id.as_bytes()));
                    prop_assert!(is_name(question.permission.as_bytes()));
                }
            }
        }
    }

    #[test]
    fn what_asks_for_more_than_a_verdict_is_not_plain() {
        let plain = check_request("", &QUESTION);
        assert!(read_check(&plain, 0).is_some());
        // two `context`s, `explain`, `contextual`, a field nobody knows, a second `permission`, `store` as a number
        for more in [&[0x32, 0, 0x32, 0][..], &[0x38, 1], &[0x42, 0], &[0x7a, 0], &[0x22, 1, b'x'], &[0x08, 1]] {
            let request = [&plain, more].concat();
            assert_eq!(read_check(&request, 0), None, "{more:?}");
        }
        // `at_exactly`, an empty `at_least`, no token
        for consistency in [&[0x12, 1, b'x'][..], &[0x0a, 0], &[0x0a, 1, b'x']] {
            let mut request = plain.clone();
            put_bytes(&mut request, 2, consistency);
            assert_eq!(read_check(&request, 0), None, "{consistency:?}");
        }
    }

    fn call(tool: &str, arguments: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, 1, tool.as_bytes());
        put_bytes(&mut out, 2, arguments);
        out
    }

    #[test]
    fn a_call_is_read_where_nothing_of_it_is_refused() {
        let with = |call: &[u8]| {
            let (mut request, mut item) = (check_request("", &QUESTION), check_item(&QUESTION));
            put_bytes(&mut request, 9, call);
            put_bytes(&mut item, 5, call);
            let mut many = Vec::new();
            put_bytes(&mut many, 3, &item);
            let read = read_check(&request, 0).map(|asked| asked.body);
            let among_many = read_check_many(&many, 1, 0).map(|asked| asked.body[0].clone());
            assert_eq!(read, among_many, "{call:?}");
            assert_eq!(read_item(&item, Dialect { itself: b"...", has_calls: false }, 0), None, "SpiceDB has no calls");
            read.and_then(|item| item.context.call)
        };
        let pays = call("pay", b"{\"a\":1}");
        assert_eq!(with(&pays).as_deref(), Call::read("pay", b"{\"a\":1}", "", "").as_ref());
        let whole = [&pays[..], &[0x1a, 1, b'p', 0x22, 1, b'd']].concat();
        assert_eq!(with(&whole).as_deref(), Call::read("pay", b"{\"a\":1}", "p", "d").as_ref());
        let refused: [&[u8]; 6] = [b"", b"[]", b"{\"a\":1e2}", b"{\"a\":1,\"a\":1}", b"\xff", b"{"];
        for arguments in refused {
            assert_eq!(with(&call("pay", arguments)), None, "{arguments:?}");
        }
        // No tool, none that has an id; a purpose or a descriptor that is none; a second tool; a field nobody knows.
        for (tool, more) in [
            ("", &b""[..]),
            ("*", b""),
            ("t", b"\x1a\x01\xff"),
            ("t", b"\x22\x01#"),
            ("t", b"\x0a\x01t"),
            ("t", b"\x2a\0"),
        ] {
            assert_eq!(with(&[&call(tool, b"{}")[..], more].concat()), None, "{tool} {more:?}");
        }
    }

    #[test]
    fn a_token_that_is_one_is_plain() {
        let token = Token { uuid: [1; 16], epoch: 2, revision: 3 };
        let mut consistency = Vec::new();
        put_bytes(&mut consistency, 1, &token.encode());
        let mut request = check_request("", &QUESTION);
        put_bytes(&mut request, 2, &consistency);
        assert_eq!(read_check(&request, 0).unwrap().at_least, Some(token));
    }

    #[test]
    fn a_wildcard_is_no_subject_to_ask_about() {
        assert_eq!(read_check(&check_request("", &Question { subject_id: "*", ..QUESTION }), 0), None);
    }

    #[test]
    fn answers_are_the_bytes_that_protobuf_would_write() {
        let head = Token::default();
        let one = write_check(CheckAnswer { is_yes: true, steps: 300 }, &head, 1_800_000_000_000_001);
        let token = head.encode();
        let mut expected = vec![0, 0, 0, 0, 0, 0x08, 3, 0x1a, 51];
        expected.extend_from_slice(&token);
        expected.extend_from_slice(&[0x22, 9, 0x08, 0x80, 0xa4, 0xa7, 0xda, 0x06, 0x10, 0xe8, 0x07, 0x28, 0xac, 0x02]);
        expected[4] = (expected.len() - PREFIX_BYTES) as u8;
        assert_eq!(one, expected);
        assert_eq!(only_message(&one), Some(&expected[PREFIX_BYTES..]));
        let many = write_check_many(
            &[CheckAnswer { is_yes: false, steps: 0 }, CheckAnswer { is_yes: true, steps: 1 }],
            &head,
            0,
        );
        assert_eq!(many[PREFIX_BYTES..PREFIX_BYTES + 14], [0x0a, 4, 0x0a, 2, 8, 1, 0x0a, 6, 0x0a, 4, 8, 3, 24, 1]);
        assert_eq!(many[many.len() - 2..], [0x1a, 0]);
    }

    #[test]
    fn a_body_is_one_whole_message_or_none() {
        assert_eq!(only_message(&[0, 0, 0, 0, 1, 9]), Some(&[9][..]));
        for body in [&[][..], &[0, 0, 0, 0], &[1, 0, 0, 0, 1, 9], &[0, 0, 0, 0, 2, 9], &[0, 0, 0, 0, 0, 9]] {
            assert_eq!(only_message(body), None, "{body:?}");
        }
    }
}
