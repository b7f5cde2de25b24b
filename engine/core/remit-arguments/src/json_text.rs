//! JSON as it arrives, read strictly: what a second reader might read otherwise is refused and not guessed.
//!
//! Law: of what is read, every value has one spelling but for whitespace, escapes and the order of keys.

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

/// Keys and values in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    entries: Vec<(Box<str>, Json)>,
}

impl Object {
    pub fn entries(&self) -> &[(Box<str>, Json)] {
        &self.entries
    }

    pub fn get(&self, key: &str) -> Option<&Json> {
        self.entries.iter().find(|(each, _)| &**each == key).map(|(_, value)| value)
    }
}

/// Why something was refused, and where: `pointer` is a JSON Pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub pointer: String,
    pub reason: String,
}
