//! Names, types and ids from outside.
//!
//! Law: one passes exactly where the patterns and lengths of `notation.py` let it pass.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use regex::bytes::Regex;
use remit_front::codec::notation::{is_id, is_name, is_type};

const NAME: &str = "[a-z](?:[a-z0-9_]{0,62}[a-z0-9])?";
static IS_NAME: LazyLock<Regex> = LazyLock::new(|| pattern(NAME));
static IS_TYPE: LazyLock<Regex> = LazyLock::new(|| pattern(&format!("(?:{NAME}/)*{NAME}")));
static IS_ID: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\x21\x22\x24-\x5a\x5c\x5e-\x7e]+"));

fn pattern(text: &str) -> Regex {
    Regex::new(&format!(r"\A(?-u:{text})\z")).expect("it is a pattern")
}

fuzz_target!(|text: &[u8]| {
    assert_eq!(is_name(text), IS_NAME.is_match(text));
    assert_eq!(is_type(text), text.len() <= 256 && IS_TYPE.is_match(text));
    assert_eq!(is_id(text), text.len() <= 1024 && text != b"*" && IS_ID.is_match(text));
});
