//! JSON read strictly, and written in its one form.
//!
//! What two readers could understand differently is refused: a key that stands twice, half of a surrogate pair, a number that
//! is not written as RFC 8785 writes it. What is left has one meaning and one text.
//! Law: what is read and written again is the same value; two texts of one value are written as the same bytes; and what
//! Python refuses is refused here, for the same reason.

use crate::numbers::{is_number, is_same_number, number_text};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt::Write;

/// A value. Numbers are kept as their text, which is the one that RFC 8785 gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Box<str>),
    Text(Box<str>),
    List(Vec<Json>),
    Object(Object),
}

impl Json {
    /// The text that RFC 8785 gives it.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Json::Number(text) => out.push_str(text),
            Json::Text(text) => write_text(text, out),
            Json::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(object) => {
                out.push('{');
                for (at, (key, value)) in object.in_order().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// How many values there are: every object, list and scalar is one, keys are none.
    pub fn values(&self) -> usize {
        match self {
            Json::List(items) => 1 + items.iter().map(Json::values).sum::<usize>(),
            Json::Object(object) => object.values(),
            _ => 1,
        }
    }

    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            control => write!(out, "\\u{control:04x}").expect("a string takes everything"),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Keys and values in the order of the text; no key twice.
#[derive(Clone, Debug, Default)]
pub struct Object {
    entries: Vec<(Box<str>, Json)>,
    sorted: Vec<u32>, // the entries by their keys, where there are more than a few
}

/// So many keys are looked through as quickly as they are searched.
const FEW: usize = 8;

impl Object {
    /// An object of these entries, whose keys differ.
    pub fn of(entries: Vec<(Box<str>, Json)>) -> Object {
        let mut sorted: Vec<u32> = Vec::new();
        if entries.len() > FEW {
            sorted.extend(0..entries.len() as u32);
            sorted.sort_unstable_by(|&one, &other| compare_keys(&entries[one as usize].0, &entries[other as usize].0));
        }
        Object { entries, sorted }
    }

    pub fn entries(&self) -> &[(Box<str>, Json)] {
        &self.entries
    }

    /// How many values there are, itself among them.
    pub fn values(&self) -> usize {
        1 + self.entries.iter().map(|(_, value)| value.values()).sum::<usize>()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// In the order that RFC 8785 gives them.
    pub fn in_order(&self) -> impl Iterator<Item = &(Box<str>, Json)> {
        let mut few: Vec<&(Box<str>, Json)> = Vec::new();
        if self.sorted.is_empty() {
            few.extend(&self.entries);
            few.sort_unstable_by(|one, other| compare_keys(&one.0, &other.0));
        }
        few.into_iter().chain(self.sorted.iter().map(|&place| &self.entries[place as usize]))
    }

    /// Cost: O(log keys).
    pub fn get(&self, key: &str) -> Option<&Json> {
        if self.entries.len() <= FEW {
            return self.entries.iter().find(|(each, _)| &**each == key).map(|(_, value)| value);
        }
        let found = self.sorted.binary_search_by(|&place| compare_keys(&self.entries[place as usize].0, key));
        found.ok().map(|at| &self.entries[self.sorted[at] as usize].1)
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Object) -> bool {
        self.entries.len() == other.entries.len() && self.in_order().eq(other.in_order())
    }
}

impl Eq for Object {}

/// Of UTF-16 (RFC 8785, 3.2.3): as UTF-8 has them, but that U+E000 to U+FFFF come after all others.
fn compare_keys(one: &str, other: &str) -> Ordering {
    let rank = |byte: u8| if byte == 0xee || byte == 0xef { byte + 0x10 } else { byte };
    let differ = one.bytes().zip(other.bytes()).find(|(a, b)| a != b);
    differ.map_or(one.len().cmp(&other.len()), |(a, b)| rank(a).cmp(&rank(b)))
}

/// Why something was refused, and where: `pointer` is a JSON Pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub pointer: String,
    pub reason: String,
}

/// A key as it stands in a pointer.
pub fn push_segment(segment: &str, pointer: &mut String) {
    pointer.push('/');
    pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
}

/// The keys of a JSON Pointer that begins with `/`; None where a `~` in it is followed by neither 0 nor 1.
pub fn path_of(pointer: &str) -> Option<Vec<Box<str>>> {
    let is_escaped = |rest: &str| rest.starts_with(['0', '1']);
    if !pointer.split('~').skip(1).all(is_escaped) {
        return None;
    }
    let key = |segment: &str| segment.replace("~1", "/").replace("~0", "~").into();
    Some(pointer.split('/').skip(1).map(key).collect())
}

/// Objects and lists in one another, the outermost being the first.
pub const DEPTH_MAX: usize = 32;

/// RFC 8785 writes no number longer than 25 characters; so many are read, to say of them what is wrong.
const NUMBER_LENGTH_MAX: usize = 400;

/// So much of a number is said in a message.
const SHOWN_MAX: usize = 80;

/// How numbers may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// As RFC 8785 writes them.
    Canonical,
    /// In any way that says exactly what their text by RFC 8785 says, such as `1.0`.
    Exact,
}

/// The JSON object that the bytes are. Cost: O(bytes), and O(log keys) for each key.
pub fn read_object(bytes: &[u8], numbers: Numbers, values_max: usize) -> Result<Object, Problem> {
    let problem = |reason: String| Problem { pointer: String::new(), reason };
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(problem("begins with a byte order mark".into()));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|error| problem(format!("is not UTF-8 at byte {}", error.valid_up_to())))?;
    let reader = |is_strict| Reader { text, at: 0, depth: 0, values: 0, values_max, numbers, is_strict };
    match reader(true).whole() {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err(problem("is not a JSON object".into())),
        // Of several reasons Python tells the first of these: too deep, no JSON, no object, and then by place.
        Err(_) if depth_of(text) > DEPTH_MAX => Err(problem(format!("is nested deeper than {DEPTH_MAX}"))),
        Err(refused) => match reader(false).whole() {
            Ok(Json::Object(_)) => Err(refused.problem()),
            Ok(_) => Err(problem("is not a JSON object".into())),
            Err(no_json) => Err(no_json.problem()),
        },
    }
}

/// How deep brackets stand in one another, also where the text is no JSON.
fn depth_of(text: &str) -> usize {
    let (mut depth, mut deepest) = (0i64, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth -= 1,
            b'"' => {
                while let Some(within) = bytes.next() {
                    match within {
                        b'"' => break,
                        b'\\' => _ = bytes.next(),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest as usize
}

/// A reason and the way to it, the innermost segment first: written down only where something is refused.
pub struct Refused {
    reason: String,
    segments: Vec<Box<str>>,
    is_of_all: bool, // wherever it was noticed
}

pub type Read<T> = Result<T, Box<Refused>>;

pub fn refused<T>(reason: impl Into<String>) -> Read<T> {
    Err(Box::new(Refused { reason: reason.into(), segments: Vec::new(), is_of_all: false }))
}

fn of_all<T>(reason: impl Into<String>) -> Read<T> {
    Err(Box::new(Refused { reason: reason.into(), segments: Vec::new(), is_of_all: true }))
}

impl Refused {
    pub fn below(mut self: Box<Self>, segment: impl Into<Box<str>>) -> Box<Self> {
        if !self.is_of_all {
            self.segments.push(segment.into());
        }
        self
    }

    pub fn problem(self) -> Problem {
        let mut pointer = String::new();
        self.segments.iter().rev().for_each(|segment| push_segment(segment, &mut pointer));
        Problem { pointer, reason: self.reason }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    values: usize,
    values_max: usize,
    numbers: Numbers,
    is_strict: bool, // otherwise only what is no JSON is refused
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Whether this stands next, which is passed over then.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_next = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    fn no_json<T>(&self) -> Read<T> {
        of_all(format!("is not JSON at byte {}", self.at))
    }

    fn whole(&mut self) -> Read<Json> {
        self.skip_space();
        let value = self.value()?;
        self.skip_space();
        if self.at < self.text.len() { self.no_json() } else { Ok(value) }
    }

    fn value(&mut self) -> Read<Json> {
        self.values += 1;
        if self.is_strict && self.values > self.values_max {
            return of_all(format!("holds more than {} values", self.values_max));
        }
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'"') => Ok(Json::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.takes_word("null") => Ok(Json::Null),
            _ if self.takes_word("true") => Ok(Json::Bool(true)),
            _ if self.takes_word("false") => Ok(Json::Bool(false)),
            _ => self.no_json(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Read<Json>) -> Read<Json> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return of_all(format!("is nested deeper than {DEPTH_MAX}"));
        }
        self.at += 1;
        self.skip_space();
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn list(&mut self) -> Read<Json> {
        let mut items = Vec::new();
        if self.takes(b']') {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value().map_err(|refused| refused.below(items.len().to_string()))?);
            self.skip_space();
            if self.takes(b']') {
                return Ok(Json::List(items));
            }
            if !self.takes(b',') {
                return self.no_json();
            }
            self.skip_space();
        }
    }

    fn object(&mut self) -> Read<Json> {
        let mut entries: Vec<(Box<str>, Json)> = Vec::new();
        let mut seen: HashSet<Box<str>> = HashSet::new(); // where there are more keys than a few
        if self.takes(b'}') {
            return Ok(Json::Object(Object::default()));
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.no_json();
            }
            let key = self.string()?;
            let is_second = if entries.len() < FEW {
                entries.iter().any(|(each, _)| *each == key)
            } else {
                if seen.is_empty() {
                    seen.extend(entries.iter().map(|(each, _)| each.clone()));
                }
                !seen.insert(key.clone())
            };
            if is_second && self.is_strict {
                return refused("stands twice in its object").map_err(|refused| refused.below(key));
            }
            self.skip_space();
            if !self.takes(b':') {
                return self.no_json();
            }
            self.skip_space();
            match self.value() {
                Ok(value) => entries.push((key, value)),
                Err(refused) => return Err(refused.below(key)),
            }
            self.skip_space();
            if self.takes(b'}') {
                return Ok(Json::Object(Object::of(entries)));
            }
            if !self.takes(b',') {
                return self.no_json();
            }
            self.skip_space();
        }
    }

    fn string(&mut self) -> Read<Box<str>> {
        self.at += 1;
        let start = self.at;
        self.skip_plain();
        if self.peek() == Some(b'"') {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(text.into());
        }
        let mut text = String::from(&self.text[start..self.at]);
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.into());
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escaped()?);
                }
                _ => return self.no_json(), // a control character, or the end
            }
            let start = self.at;
            self.skip_plain();
            text.push_str(&self.text[start..self.at]);
        }
    }

    /// Up to what a string cannot have as it is: its end, an escape, a control character.
    fn skip_plain(&mut self) {
        while let Some(b' '..=b'!' | b'#'..=b'[' | b']'..) = self.peek() {
            self.at += 1;
        }
    }

    fn escaped(&mut self) -> Read<char> {
        let Some(letter) = self.peek() else {
            return self.no_json();
        };
        let plain = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.by_number(),
            _ => return self.no_json(),
        };
        self.at += 1;
        Ok(plain)
    }

    /// `u` and four digits; twice where it is a pair of surrogates.
    fn by_number(&mut self) -> Read<char> {
        let first = self.unit()?;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        if first < 0xdc00 && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            self.at += 1;
            let second = self.unit()?;
            if (0xdc00..0xe000).contains(&second) {
                let point = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(point).expect("a pair stands for a character"));
            }
        }
        if self.is_strict { refused("holds half of a surrogate pair") } else { Ok(char::REPLACEMENT_CHARACTER) }
    }

    fn unit(&mut self) -> Read<u32> {
        let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
        let is_hex = |digits: &&[u8]| digits.iter().all(u8::is_ascii_hexdigit);
        let Some(digits) = digits.filter(is_hex) else {
            return self.no_json();
        };
        self.at += 5;
        Ok(digits.iter().fold(0, |unit, &digit| unit << 4 | char::from(digit).to_digit(16).unwrap_or_default()))
    }

    fn number(&mut self) -> Read<Json> {
        let start = self.at;
        while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'e' | b'E') = self.peek() {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        if !is_number(text) {
            self.at = start;
            return self.no_json();
        }
        if !self.is_strict {
            return Ok(Json::Null);
        }
        let written = if text.len() > NUMBER_LENGTH_MAX { None } else { number_text(text) };
        let shown = || if text.len() > SHOWN_MAX { format!("{}…", &text[..SHOWN_MAX - 1]) } else { text.into() };
        match written {
            Some(written) if written == text => Ok(Json::Number(text.into())),
            Some(written) if self.numbers == Numbers::Exact && is_same_number(text, &written) => {
                Ok(Json::Number(written.into()))
            }
            Some(written) => refused(format!("is the number `{}`, which RFC 8785 writes as `{written}`", shown())),
            None => refused(format!("is the number `{}`, which no double carries", shown())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Object, Problem> {
        read_object(text.as_bytes(), Numbers::Canonical, 1_000)
    }

    fn written(text: &str) -> String {
        Json::Object(read(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"))).canonical()
    }

    fn json() -> impl Strategy<Value = Json> {
        let number = any::<f64>().prop_filter("it is finite", |number| number.is_finite());
        let scalar = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::Bool),
            number.prop_map(|number| Json::Number(number_text(&number.to_string()).expect("it is finite").into())),
            any::<String>().prop_map(|text| Json::Text(text.into())),
        ];
        scalar.prop_recursive(4, 60, 12, |inner| {
            let keys = prop::collection::btree_map(any::<String>(), inner.clone(), 0..12);
            prop_oneof![
                prop::collection::vec(inner, 0..6).prop_map(Json::List),
                keys.prop_map(|entries| {
                    let entries = entries.into_iter().map(|(key, value)| (key.into(), value)).collect();
                    Json::Object(Object::of(entries))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same_and_written_alike(value in json()) {
            let object = Json::Object(Object::of(vec![("a".into(), value)]));
            let text = object.canonical();
            let read = Json::Object(read(&text).expect("it is canonical"));
            prop_assert_eq!(&read, &object);
            prop_assert_eq!(read.canonical(), text);
        }

        #[test]
        fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for numbers in [Numbers::Canonical, Numbers::Exact] {
                let _ = read_object(&bytes, numbers, 10);
            }
        }

        #[test]
        fn whatever_looks_like_json_is_read_or_refused(text in "[\\[\\]{}:,\"\\\\ua-f0-9eE.+ -]{0,40}") {
            let in_object = format!("{{\"a\":{text}}}");
            for numbers in [Numbers::Canonical, Numbers::Exact] {
                let _ = read_object(text.as_bytes(), numbers, 10);
                let _ = read_object(in_object.as_bytes(), numbers, 10);
            }
        }

        #[test]
        fn keys_are_sorted_as_utf_16_is(one in any::<String>(), other in any::<String>()) {
            let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
            prop_assert_eq!(compare_keys(&one, &other), units(&one).cmp(&units(&other)));
        }
    }

    #[test]
    fn a_value_has_one_text() {
        assert_eq!(
            written(r#"{ "b" : [1, 1e+21 , -0.5] , "a":"\u00e9\/\u001f" }"#),
            r#"{"a":"é/\u001f","b":[1,1e+21,-0.5]}"#
        );
        assert_eq!(written("{\"\u{e000}\":1,\"\u{1f600}\":2}"), "{\"\u{1f600}\":2,\"\u{e000}\":1}");
        let exact = read_object(br#"{"a":1.0,"b":1e2,"c":0.0}"#, Numbers::Exact, 10).map(Json::Object);
        assert_eq!(exact.map(|json| json.canonical()), Ok(r#"{"a":1,"b":100,"c":0}"#.into()));
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused_at_its_place() {
        let many = format!("{{{}}}", (0..20).map(|n| format!("\"{}\":0", n % 19)).collect::<Vec<_>>().join(","));
        for (text, pointer, reason) in [
            (r#"{"a":{"b":1,"b":2}}"#, "/a/b", "stands twice in its object"),
            (&many, "/0", "stands twice in its object"),
            (r#"{"a":["\ud800"]}"#, "/a/0", "holds half of a surrogate pair"),
            (r#"{"a":{"\udc00":1}}"#, "/a", "holds half of a surrogate pair"),
            (r#"{"a/b":{"~":1.0}}"#, "/a~1b/~0", "is the number `1.0`, which RFC 8785 writes as `1`"),
            (
                r#"{"a":9007199254740993}"#,
                "/a",
                "is the number `9007199254740993`, which RFC 8785 writes as `9007199254740992`",
            ),
            (r#"{"a":1e400}"#, "/a", "is the number `1e400`, which no double carries"),
            (r#"{"a":-0}"#, "/a", "is the number `-0`, which RFC 8785 writes as `0`"),
            ("[1.0]", "", "is not a JSON object"),
            (r#"{"a":1.0,}"#, "", "is not JSON at byte 9"),
            (r#"{"a":"\ud800\1"}"#, "", "is not JSON at byte 13"),
            (&"[".repeat(40), "", "is nested deeper than 32"),
            ("\u{feff}{}", "", "begins with a byte order mark"),
        ] {
            assert_eq!(read(text).err(), Some(Problem { pointer: pointer.into(), reason: reason.into() }), "{text}");
        }
    }
}
