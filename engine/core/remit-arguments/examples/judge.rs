//! What a call costs: to read its arguments, to parse a document once, and to judge one by the other; then those that take
//! longest.
//!
//! `cargo run --release --example judge`. Figures are the best of many of this machine in this moment: compare ratios.

use remit_arguments::{Document, ReadCall, Side, judge};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The least time of one of a batch.
fn least(each: usize, mut work: impl FnMut()) -> Duration {
    let batch = |_| {
        let began = Instant::now();
        (0..each).for_each(|_| work());
        began.elapsed() / each as u32
    };
    (0..30).map(batch).min().unwrap_or_default()
}

fn measure(name: &str, document: &str, arguments: &str, each: usize) {
    let declared = [("user".to_owned(), "contact".to_owned())];
    let parse = || Document::parse(document, Side::Arguments, &declared).expect("it is a document");
    let read = || ReadCall::read("erp.pay", arguments.as_bytes(), "invoices").expect("it is a call");
    let (parsed, call) = (parse(), read());
    let verdict = judge(&parsed, &call);
    println!(
        "{name:24} parse {:>10.2?}  read {:>10.2?}  judge {:>10.2?}  work {:>6}",
        least(each, || drop(black_box(parse()))),
        least(each, || drop(black_box(read()))),
        least(each, || drop(black_box(judge(black_box(&parsed), black_box(&call))))),
        verdict.work,
    );
}

fn main() {
    let related = r#"{"related":{"type":"user","permission":"contact"}}"#;
    let pay = format!(
        r#"{{"purpose":{{"equals":"invoices"}},"amount":{{"max":"100.00"}},"currency":{{"one_of":["EUR","USD"]}},
            "to":{{"each":{related}}},"memo":{{"max_length":140}},"file":{{"subpath":"/srv/invoices"}}}}"#
    );
    let paid = r#"{"amount":"99.90","currency":"EUR","to":["ann@example.com"],"memo":"invoice 881","file":"/srv/invoices/881.pdf"}"#;
    measure("nothing", "{}", "{}", 10_000);
    measure("six constraints", &pay, paid, 1_000);
    let url = r#"{"u":{"url":{"host":[".example.com"],"path":"/srv"}}}"#;
    measure("a url", url, r#"{"u":"https://files.example.com/srv/a?b=c"}"#, 1_000);
    measure("a glob", r#"{"f":{"glob":"/srv/**/*.pdf"}}"#, r#"{"f":"/srv/invoices/2026/881.pdf"}"#, 1_000);
    let to = |count: usize| (0..count).map(|n| format!("\"u{n}\"")).collect::<Vec<_>>().join(",");
    measure("100 related", &format!(r#"{{"to":{{"each":{related}}}}}"#), &format!(r#"{{"to":[{}]}}"#, to(100)), 100);
    let urls = vec![r#"{"url":{"host":"b"}}"#; 120].join(",");
    let long = format!(r#"{{"u":"https://a/{}"}}"#, "%20".repeat(20_000));
    measure("120 urls, 60 kB", &format!(r#"{{"u":{{"any_of":[{urls}]}}}}"#), &long, 1);
    let globs = vec![format!(r#"{{"glob":"/{}"}}"#, "*a".repeat(500)); 15].join(",");
    let paths = vec![format!("\"/{}\"", "a".repeat(4_000)); 16].join(",");
    measure(
        "15 globs, 16 paths",
        &format!(r#"{{"f":{{"each":{{"any_of":[{globs}]}}}}}}"#),
        &format!(r#"{{"f":[{paths}]}}"#),
        1,
    );
    let globs = vec![r#"{"glob":"/*a*a*a*a*a*a*a*a*a*b"}"#; 240].join(",");
    measure(
        "240 globs, 16 paths",
        &format!(r#"{{"f":{{"each":{{"any_of":[{globs}]}}}}}}"#),
        &format!(r#"{{"f":[{paths}]}}"#),
        1,
    );
    let limits = vec![format!(r#"{{"min":"{}"}}"#, "9".repeat(50)); 200].join(",");
    measure(
        "200 limits, 60 kB",
        &format!(r#"{{"n":{{"any_of":[{limits}]}}}}"#),
        &format!(r#"{{"n":"{}"}}"#, "9".repeat(60_000)),
        1,
    );
}
