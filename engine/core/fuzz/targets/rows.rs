//! Rows as they come out of the store when a graph is loaded, damaged in any way.
//!
//! Law: a row is read or refused; what is read is what a msgpack reader of others reads of the same bytes.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use remit_core::graph::QualifiersText;
use remit_core::graph::rows::Rows;
use rmpv::Value;

const KEY_MAX: usize = 511;

#[derive(Arbitrary, Debug)]
struct Given {
    key_start: u8,
    /// Whether each key is as long as keys may be, which is what a triple too long for one looks like.
    is_long: bool,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
}

fuzz_target!(|given: Given| {
    let key_start = usize::from(given.key_start % 8);
    let mut rows = Rows::default();
    let mut second = Vec::new();
    for (key, value) in &given.rows {
        let key_max = if given.is_long { key.len() } else { KEY_MAX };
        if rows.push(key, value, key_start, key_max).is_err() {
            return; // whoever loads stops here
        }
        second.push(read(key, value, key_start, key_max));
    }
    let found: Vec<_> = rows
        .iter()
        .map(|(triple, qualifiers)| {
            let parts = [
                triple.resource_type,
                triple.resource_id,
                triple.relation,
                triple.subject_type,
                triple.subject_id,
                triple.subject_relation,
            ];
            (parts.map(str::to_owned).to_vec(), qualifiers.clone())
        })
        .collect();
    assert_eq!(found, second);
    let due = second.into_iter().filter_map(|(parts, each)| Some((each.expiration_us?, parts)));
    assert_eq!(rows.due(), due.collect::<Vec<_>>());
});

/// What a row that could be read says: six parts, and what qualifies them.
fn read(key: &[u8], value: &[u8], key_start: usize, key_max: usize) -> (Vec<String>, QualifiersText) {
    let is_long = key.len() == key_max && key_max >= 33 && key[key_max - 33] == 1;
    let mut rest = value;
    let fields = rmp::decode::read_array_len(&mut rest).expect("a value is an array");
    let (mut whole, mut qualifiers) = (key[key_start..].to_vec(), QualifiersText::default());
    if fields > 3 || is_long {
        let mut next = || rmpv::decode::read_value(&mut rest).expect("what is read is there");
        for _ in 0..3 {
            next();
        }
        let (caveat, context, not_before, expiration) = (next(), next(), next(), next());
        let context = context.as_str().expect("a context is text").to_owned();
        let caveat = (!caveat.is_nil()).then(|| (caveat.as_str().expect("a caveat is text").to_owned(), context));
        qualifiers = QualifiersText { caveat, not_before_us: time(&not_before), expiration_us: time(&expiration) };
        if is_long {
            whole = next().as_slice().expect("a triple is bytes").to_vec();
        }
    }
    let whole = String::from_utf8(whole).expect("parts are text");
    (whole.split('\0').map(str::to_owned).collect(), qualifiers)
}

fn time(value: &Value) -> Option<i64> {
    (!value.is_nil()).then(|| value.as_i64().expect("a time is a whole number"))
}
