//! Answers of any kind, as bytes: whatever was decided, at whatever revision and time.
//!
//! Law: what is written is what prost reads, to the same answer, and is byte for byte what prost would write.
#![no_main]

use std::fmt::Debug;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use prost::Message;
use remit_front::codec::tokens::Token;
use remit_front::hot_path::questions::{CheckAnswer, only_message, write_check, write_check_many};
use remit_front::hot_path::spicedb;
use second::{
    BulkItem, BulkPair, CheckBulkResponse, CheckManyResponse, CheckManyResult, CheckPermissionResponse, CheckResponse,
    Item, Object, Timestamp, ZedToken,
};

#[derive(Arbitrary, Debug)]
struct Answers {
    uuid: [u8; 16],
    epoch: u64,
    revision: u64,
    now_us: i64,
    decided: Vec<(bool, u64, String)>,
}

fuzz_target!(|given: Answers| {
    let head = Token { uuid: given.uuid, epoch: given.epoch, revision: given.revision };
    let token = String::from_utf8(head.encode().to_vec()).expect("a token is ASCII");
    let decided: Vec<_> = given.decided.iter().map(|&(is_yes, steps, _)| CheckAnswer { is_yes, steps }).collect();
    let items: Vec<_> = given.decided.iter().map(|(.., id)| item(id)).collect();
    let evaluated_at = Some(timestamp(given.now_us));
    if let Some(&first) = decided.first() {
        let second = CheckResponse { verdict: verdict(first), token: token.clone(), evaluated_at, steps: first.steps };
        require(&write_check(first, &head, given.now_us), &second);
        let checked_at = Some(ZedToken { token: token.clone() });
        let second = CheckPermissionResponse { checked_at, permissionship: permissionship(first) };
        require(&spicedb::write_check(first, &head), &second);
    }
    let results = decided
        .iter()
        .map(|each| CheckManyResult {
            answer: Some(second::CheckAnswer { verdict: verdict(*each), steps: each.steps }),
        })
        .collect();
    require(
        &write_check_many(&decided, &head, given.now_us),
        &CheckManyResponse { results, token: token.clone(), evaluated_at },
    );
    let pairs = decided
        .iter()
        .zip(&items)
        .map(|(each, item)| BulkPair {
            request: Some(item.clone()),
            item: Some(BulkItem { permissionship: permissionship(*each) }),
        })
        .collect();
    let raw: Vec<_> = items.iter().map(Message::encode_to_vec).collect();
    let raw: Vec<_> = raw.iter().map(Vec::as_slice).collect();
    let second = CheckBulkResponse { checked_at: Some(ZedToken { token }), pairs };
    require(&spicedb::write_bulk(&decided, &raw, &head), &second);
});

fn require<M: Message + Default + PartialEq + Debug>(written: &[u8], second: &M) {
    let message = only_message(written).expect("it is one whole message");
    assert_eq!(M::decode(message).as_ref(), Ok(second));
    assert_eq!(message, second.encode_to_vec());
}

fn verdict(answer: CheckAnswer) -> i32 {
    if answer.is_yes { 3 } else { 1 }
}

fn permissionship(answer: CheckAnswer) -> i32 {
    if answer.is_yes { 2 } else { 1 }
}

fn timestamp(now_us: i64) -> Timestamp {
    let nanos = i32::try_from(now_us.rem_euclid(1_000_000) * 1_000).expect("less than a second");
    Timestamp { seconds: now_us.div_euclid(1_000_000), nanos }
}

fn item(id: &str) -> Item {
    Item { resource: Some(Object { kind: "doc".to_owned(), id: id.to_owned() }), ..Item::default() }
}
