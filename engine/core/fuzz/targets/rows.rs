//! Rows as they come out of the store when a graph is loaded, damaged in any way.
//!
//! Law: a row is read or refused; what is read is what a msgpack reader of others reads of the same bytes.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use remit_core::graph::QualifiersText;
use remit_core::graph::rows::Rows;
use rmpv::Value;

#[derive(Arbitrary, Debug)]
struct Given {
    triple_start: u8,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
}

fuzz_target!(|given: Given| {
    let triple_start = usize::from(given.triple_start % 8);
    let mut rows = Rows::default();
    let mut second = Vec::new();
    for (key, value) in &given.rows {
        if rows.push(key, value, triple_start).is_err() {
            return; // whoever loads stops here
        }
        second.push(read(key, value, triple_start));
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
    let timed = second.into_iter().filter_map(|(parts, each)| {
        each.not_before_us.or(each.expiration_us)?;
        Some((each.not_before_us, each.expiration_us, parts))
    });
    assert_eq!(rows.timed(), timed.collect::<Vec<_>>());
});

/// What a row that could be read says: six parts, and what qualifies them.
fn read(key: &[u8], value: &[u8], triple_start: usize) -> (Vec<String>, QualifiersText) {
    let mut rest = value;
    let fields = rmp::decode::read_array_len(&mut rest).expect("a value is an array");
    let (mut whole, mut qualifiers) = (key[triple_start..].to_vec(), QualifiersText::default());
    if fields > 3 {
        let mut next = || rmpv::decode::read_value(&mut rest).expect("what is read is there");
        for _ in 0..3 {
            next();
        }
        let (caveat, context, not_before, expiration) = (next(), next(), next(), next());
        let context = context.as_str().expect("a context is text").to_owned();
        let caveat = (!caveat.is_nil()).then(|| (caveat.as_str().expect("a caveat is text").to_owned(), context));
        qualifiers = QualifiersText { caveat, not_before_us: time(&not_before), expiration_us: time(&expiration) };
        if fields == 8 {
            whole = next().as_slice().expect("a triple is bytes").to_vec();
        }
    }
    let whole = String::from_utf8(whole).expect("parts are text");
    (whole.split('\0').map(str::to_owned).collect(), qualifiers)
}

fn time(value: &Value) -> Option<i64> {
    (!value.is_nil()).then(|| value.as_i64().expect("a time is a whole number"))
}
