//! Constraint documents and the arguments of calls, from outside: up to the first line feed the one, then the other.
//!
//! Law: whatever comes is judged or refused; what is read, serde_json reads to the same, and it is read again from its text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use remit_arguments::{Document, Json, ReadCall, Side, Type, Types, judge};
use serde_json::Value;

fn is_same(json: &Json, value: &Value) -> bool {
    match (json, value) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(truth), Value::Bool(other)) => truth == other,
        (Json::Number(text), Value::Number(number)) => text.parse() == Ok(number.as_f64().expect("it is a double")),
        (Json::Text(text), Value::String(other)) => **text == **other,
        (Json::List(items), Value::Array(others)) => {
            items.len() == others.len() && items.iter().zip(others).all(|(item, other)| is_same(item, other))
        }
        (Json::Object(object), Value::Object(others)) => {
            let is_in = |(key, item): &(Box<str>, Json)| others.get(&**key).is_some_and(|other| is_same(item, other));
            object.entries().len() == others.len() && object.entries().iter().all(is_in)
        }
        _ => false,
    }
}

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(2, |&byte| byte == b'\n');
    let (document, arguments) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let declared = [("user", "contact"), ("binding", "link")].map(|(type_, name)| (type_.to_owned(), name.to_owned()));
    let call = ReadCall::read("erp.pay", arguments, "");
    if let Ok(call) = &call {
        let value: Value = serde_json::from_slice(arguments).expect("what is read is JSON");
        assert!(is_same(call.arguments(), &value));
        let text = call.arguments().canonical();
        let again = ReadCall::read("erp.pay", text.as_bytes(), "").expect("what is written is read");
        assert_eq!((again.arguments(), again.arguments().canonical()), (call.arguments(), text));
    }
    let Ok(text) = std::str::from_utf8(document) else {
        return;
    };
    let types =
        || Types::of(Type::ALL.map(|type_| (["/a", "/b", "/c", "/d", "/e", "/f/*", "/g/*"][type_ as usize], type_)));
    for side in [Side::Arguments, Side::Matching] {
        if let (Ok(document), Ok(call)) = (Document::parse(text, side, &declared), &call) {
            judge(&document, call);
            judge(&document, &call.clone().typed(types()));
        }
    }
});
