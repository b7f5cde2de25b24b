//! SpiceDB's CheckPermission and CheckBulkPermissions: the same questions and answers in its messages, as
//! `wire/spicedb` has them.
//!
//! Law: a request is read here only where it is plain, as in `questions`; it is about the store `default`.

use super::engine::CheckItem;
use super::questions::{CheckAnswer, DEFAULT_STORE, Dialect, Parts, PlainRequest, framed, read_item, set};
use crate::codec::field_numbers::authzed::{
    check_bulk_permissions_pair, check_bulk_permissions_request, check_bulk_permissions_response,
    check_bulk_permissions_response_item, check_permission_request, check_permission_response, consistency,
    permissionship, zed_token,
};
use crate::codec::tokens::Token;
use remit_core::protobuf::{Fields, Value, put_bytes, put_number};

const SPICEDB: Dialect = Dialect { itself: b"...", has_calls: false };

/// A plain `authzed.api.v1.CheckPermissionRequest`; `None` for any other bytes.
pub fn read_check(message: &[u8], context_bytes_max: usize) -> Option<PlainRequest<'_, CheckItem<'_>>> {
    let mut consistency = None;
    let mut parts = Parts::default();
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.read().ok()? {
        match number {
            check_permission_request::CONSISTENCY => set(&mut consistency, value)?,
            check_permission_request::RESOURCE => set(&mut parts.resource, value)?,
            check_permission_request::PERMISSION => set(&mut parts.permission, value)?,
            check_permission_request::SUBJECT => set(&mut parts.subject, value)?,
            check_permission_request::CONTEXT => set(&mut parts.context, value)?,
            _ => return None,
        }
    }
    let body = parts.item(SPICEDB, context_bytes_max)?;
    Some(PlainRequest { store: DEFAULT_STORE, at_least: at_least_of(consistency)?, body })
}

/// The items of a request, and each as it was sent, for an answer repeats it.
pub struct Items<'a> {
    pub items: Vec<CheckItem<'a>>,
    pub sent: Vec<&'a [u8]>,
}

/// A plain `authzed.api.v1.CheckBulkPermissionsRequest` of 1 to `items_max` items; `None` for any other bytes.
pub fn read_bulk(message: &[u8], items_max: usize, context_bytes_max: usize) -> Option<PlainRequest<'_, Items<'_>>> {
    let mut consistency = None;
    let (mut items, mut sent) = (Vec::new(), Vec::new());
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.read().ok()? {
        match (number, value) {
            (check_bulk_permissions_request::CONSISTENCY, _) => set(&mut consistency, value)?,
            (check_bulk_permissions_request::ITEMS, Value::Bytes(item)) if items.len() < items_max => {
                items.push(read_item(item, SPICEDB, context_bytes_max)?);
                sent.push(item);
            }
            _ => return None,
        }
    }
    let at_least = at_least_of(consistency)?;
    (!items.is_empty()).then_some(PlainRequest { store: DEFAULT_STORE, at_least, body: Items { items, sent } })
}

/// A `Consistency` that asks for the head, by whichever word, or for what is at least as fresh as a token.
fn at_least_of(message: Option<&[u8]>) -> Option<Option<Token>> {
    let mut fields = Fields::new(message.unwrap_or_default());
    let at_least = match fields.read().ok()? {
        None | Some((consistency::MINIMIZE_LATENCY | consistency::FULLY_CONSISTENT, Value::Varint(_))) => None,
        Some((consistency::AT_LEAST_AS_FRESH, Value::Bytes(token))) => {
            let mut within = Fields::new(token);
            let Some((zed_token::TOKEN, Value::Bytes(text))) = within.read().ok()? else {
                return None;
            };
            within.read().ok()?.is_none().then_some(())?;
            Some(Token::decode(text)?)
        }
        Some(_) => return None,
    };
    fields.read().ok()?.is_none().then_some(at_least)
}

fn permissionship_of(answer: CheckAnswer) -> u64 {
    if answer.is_yes { permissionship::HAS_PERMISSION } else { permissionship::NO_PERMISSION }
}

fn put_token(out: &mut Vec<u8>, field: u64, head: &Token) {
    let mut token = Vec::with_capacity(56);
    put_bytes(&mut token, zed_token::TOKEN, &head.encode());
    put_bytes(out, field, &token);
}

/// A `CheckPermissionResponse`, as a gRPC message.
pub fn write_check(answer: CheckAnswer, head: &Token) -> Vec<u8> {
    framed(96, |out| {
        put_token(out, check_permission_response::CHECKED_AT, head);
        put_number(out, check_permission_response::PERMISSIONSHIP, permissionship_of(answer));
    })
}

/// A `CheckBulkPermissionsResponse`, as a gRPC message: each item as it was asked, and what it came to.
pub fn write_bulk(answers: &[CheckAnswer], sent: &[&[u8]], head: &Token) -> Vec<u8> {
    let capacity = 96 + sent.iter().map(|item| item.len() + 16).sum::<usize>();
    framed(capacity, |out| {
        put_token(out, check_bulk_permissions_response::CHECKED_AT, head);
        let mut pair = Vec::with_capacity(128);
        for (each, item) in answers.iter().zip(sent) {
            pair.clear();
            put_bytes(&mut pair, check_bulk_permissions_pair::REQUEST, item);
            let mut answer = Vec::with_capacity(2);
            put_number(&mut answer, check_bulk_permissions_response_item::PERMISSIONSHIP, permissionship_of(*each));
            put_bytes(&mut pair, check_bulk_permissions_pair::ITEM, &answer);
            put_bytes(out, check_bulk_permissions_response::PAIRS, &pair);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::questions::PREFIX_BYTES;
    use super::super::questions::tests::{QUESTION, object};
    use super::*;

    fn item(relation: &[u8]) -> Vec<u8> {
        let mut subject = Vec::new();
        put_bytes(&mut subject, 1, &object("user", "ann"));
        put_bytes(&mut subject, 2, relation);
        let mut item = Vec::new();
        put_bytes(&mut item, 1, &object("doc", "readme"));
        put_bytes(&mut item, 2, b"view");
        put_bytes(&mut item, 3, &subject);
        item
    }

    fn with_consistency(consistency: &[u8]) -> Vec<u8> {
        let mut request = Vec::new();
        put_bytes(&mut request, 1, consistency);
        put_bytes(&mut request, 2, &item(b""));
        request
    }

    #[test]
    fn items_are_numbered_as_our_own_are() {
        use crate::codec::field_numbers::authzed::check_bulk_permissions_request_item as theirs;
        use crate::codec::field_numbers::remit::check_item as ours;
        assert_eq!(
            [theirs::RESOURCE, theirs::PERMISSION, theirs::SUBJECT, theirs::CONTEXT],
            [ours::RESOURCE, ours::PERMISSION, ours::SUBJECT, ours::CONTEXT],
        );
    }

    #[test]
    fn the_object_itself_is_said_by_dots_or_not_at_all() {
        for relation in [&b""[..], b"..."] {
            assert_eq!(read_item(&item(relation), SPICEDB, 0).unwrap().question, QUESTION);
        }
        assert_eq!(read_item(&item(b"member"), SPICEDB, 0).unwrap().question.subject_relation, "member");
        assert_eq!(read_item(&item(b"Member"), SPICEDB, 0), None);
    }

    #[test]
    fn the_head_is_asked_for_by_several_words() {
        let head = Token { uuid: [1; 16], epoch: 2, revision: 3 };
        let mut zed_token = Vec::new();
        put_bytes(&mut zed_token, 1, &head.encode());
        let mut at_least = Vec::new();
        put_bytes(&mut at_least, 2, &zed_token);
        let asked = |consistency: &[u8]| read_bulk(&with_consistency(consistency), 9, 0).map(|asked| asked.at_least);
        for any in [&[][..], &[0x08, 1], &[0x20, 1]] {
            assert_eq!(asked(any), Some(None), "{any:?}");
        }
        assert_eq!(asked(&at_least), Some(Some(head)));
        for other in [&[0x12, 0][..], &[0x1a, 0], &[0x08, 1, 0x20, 1], &[0x12, 3, 0x0a, 1, b'x']] {
            assert_eq!(asked(other), None, "{other:?}");
        }
    }

    #[test]
    fn each_item_comes_back_with_its_answer() {
        let asked = item(b"");
        let (head, given) = (Token::default(), CheckAnswer { is_yes: true, steps: 9 });
        let answer = write_bulk(&[given], &[&asked], &head);
        let end = [&[0x12, asked.len() as u8 + 6, 0x0a, asked.len() as u8][..], &asked, &[0x12, 2, 0x08, 2]].concat();
        assert!(answer.ends_with(&end));
        let one = write_check(given, &head);
        assert_eq!(one[PREFIX_BYTES..PREFIX_BYTES + 4], [0x0a, 53, 0x0a, 51]);
        assert_eq!(one[one.len() - 2..], [0x10, 2]);
    }
}
