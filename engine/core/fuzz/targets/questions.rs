//! Bytes as questions, on both wires: the first byte says which.
//!
//! Law: what is read here prost reads too, to the same question and nothing beside it; and what prost writes of it is
//! read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use prost::Message;
use remit_core::Question;
use remit_core::check::calls::Call;
use remit_front::codec::tokens::Token;
use remit_front::hot_path::engine::CheckItem;
use remit_front::hot_path::expansions::read_expand;
use remit_front::hot_path::questions::{DEFAULT_STORE, read_check, read_check_many};
use remit_front::hot_path::spicedb;
use second::{
    CheckBulkRequest, CheckManyRequest, CheckPermissionRequest, CheckRequest, Consistency, ExpandRequest, Item, Struct,
    ZedConsistency,
};

const ITEMS_MAX: usize = 10;
const CONTEXT_BYTES_MAX: usize = 256;
/// How SpiceDB may write that no relation is meant.
const ELLIPSIS: &str = "...";

fuzz_target!(|data: &[u8]| {
    let Some((wire, message)) = data.split_first() else {
        return;
    };
    match wire % 5 {
        0 => check(message),
        1 => check_many(message),
        2 => check_permission(message),
        3 => check_bulk(message),
        _ => expand(message),
    }
});

fn check(message: &[u8]) {
    let Some(request) = read_check(message, CONTEXT_BYTES_MAX) else {
        return;
    };
    let second = CheckRequest::decode(message).expect("prost reads it");
    assert!(!second.explain && second.contextual.is_empty());
    require_same(&request.body, &second.item(), "");
    require_store(request.store, &second.store);
    require_consistency(request.at_least, second.consistency.as_ref());
    let again = second.encode_to_vec();
    assert_eq!(read_check(&again, CONTEXT_BYTES_MAX), Some(request));
}

fn check_many(message: &[u8]) {
    let Some(request) = read_check_many(message, ITEMS_MAX, CONTEXT_BYTES_MAX) else {
        return;
    };
    let second = CheckManyRequest::decode(message).expect("prost reads it");
    assert!(second.contextual.is_empty() && second.items.len() <= ITEMS_MAX);
    require_all(&request.body, &second.items, "");
    require_store(request.store, &second.store);
    require_consistency(request.at_least, second.consistency.as_ref());
    let again = second.encode_to_vec();
    assert_eq!(read_check_many(&again, ITEMS_MAX, CONTEXT_BYTES_MAX), Some(request));
}

fn check_permission(message: &[u8]) {
    let Some(request) = spicedb::read_check(message, CONTEXT_BYTES_MAX) else {
        return;
    };
    let second = CheckPermissionRequest::decode(message).expect("prost reads it");
    assert!(!second.with_tracing);
    require_same(&request.body, &second.item(), ELLIPSIS);
    require_zed_consistency(request.at_least, second.consistency.as_ref());
    let again = second.encode_to_vec();
    assert_eq!(spicedb::read_check(&again, CONTEXT_BYTES_MAX), Some(request));
}

fn check_bulk(message: &[u8]) {
    let Some(request) = spicedb::read_bulk(message, ITEMS_MAX, CONTEXT_BYTES_MAX) else {
        return;
    };
    let second = CheckBulkRequest::decode(message).expect("prost reads it");
    assert!(!second.with_tracing && second.items.len() <= ITEMS_MAX);
    require_all(&request.body.items, &second.items, ELLIPSIS);
    for (raw, item) in request.body.sent.iter().zip(&second.items) {
        assert_eq!(Item::decode(*raw).as_ref(), Ok(item), "an answer repeats what was asked");
    }
    require_zed_consistency(request.at_least, second.consistency.as_ref());
}

fn expand(message: &[u8]) {
    let Some(request) = read_expand(message) else {
        return;
    };
    let second = ExpandRequest::decode(message).expect("prost reads it");
    assert!(second.contextual.is_empty());
    let resource = second.resource.as_ref().expect("it has a resource");
    assert_eq!((request.body.resource.type_, request.body.resource.id), (&*resource.kind, &*resource.id));
    assert_eq!((request.body.permission, request.body.depth_max), (&*second.permission, i64::from(second.depth)));
    require_store(request.store, &second.store);
    require_consistency(request.at_least, second.consistency.as_ref());
    let again = second.encode_to_vec();
    assert_eq!(read_expand(&again), Some(request));
}

fn require_all(items: &[CheckItem<'_>], second: &[Item], itself: &str) {
    assert_eq!(items.len(), second.len());
    for (item, second) in items.iter().zip(second) {
        require_same(item, second, itself);
    }
}

fn require_same(item: &CheckItem<'_>, second: &Item, itself: &str) {
    let context = second.context.as_deref().map(|bytes| Struct::decode(bytes).expect("prost reads it"));
    assert_eq!(item.context.values.is_empty(), context.is_none_or(|context| context.fields.is_empty()));
    let call = second.call.as_ref().map(|sent| {
        Call::read(&sent.tool, &sent.arguments, &sent.purpose, &sent.descriptor).expect("what is read is read again")
    });
    assert_eq!(item.context.call.as_deref(), call.as_ref());
    let resource = second.resource.as_ref().expect("it has a resource");
    let subject = second.subject.as_ref().expect("it has a subject");
    let object = subject.object.as_ref().expect("its subject is an object");
    let relation = if subject.relation == itself { "" } else { &subject.relation };
    let question = Question {
        resource_type: &resource.kind,
        resource_id: &resource.id,
        permission: &second.permission,
        subject_type: &object.kind,
        subject_id: &object.id,
        subject_relation: relation,
    };
    assert_eq!(item.question, question);
}

fn require_store(store: &str, second: &str) {
    assert_eq!(store, if second.is_empty() { DEFAULT_STORE } else { second });
}

fn require_consistency(at_least: Option<Token>, second: Option<&Consistency>) {
    assert_eq!(second.and_then(|each| each.at_exactly.as_ref()), None);
    let text = second.and_then(|each| each.at_least.as_ref());
    assert_eq!(at_least.map(|token| token.encode().to_vec()), text.map(|text| text.clone().into_bytes()));
}

fn require_zed_consistency(at_least: Option<Token>, second: Option<&ZedConsistency>) {
    assert_eq!(second.and_then(|each| each.at_exact_snapshot.as_ref()), None);
    let text = second.and_then(|each| each.at_least_as_fresh.as_ref());
    assert_eq!(at_least.map(|token| token.encode().to_vec()), text.map(|it| it.token.clone().into_bytes()));
}
