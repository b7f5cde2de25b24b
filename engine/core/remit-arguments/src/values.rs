//! The types of values.

/// What a value is beyond JSON, by the word of its tool's descriptor or of the constraint that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Path,
    Url,
    Host,
    Email,
    Address,
    Decimal,
    Date,
}

impl Type {
    pub const ALL: [Type; 7] =
        [Type::Path, Type::Url, Type::Host, Type::Email, Type::Address, Type::Decimal, Type::Date];

    /// The word for it in documents.
    pub fn name(self) -> &'static str {
        match self {
            Type::Path => "path",
            Type::Url => "url",
            Type::Host => "host",
            Type::Email => "email",
            Type::Address => "address",
            Type::Decimal => "decimal",
            Type::Date => "date",
        }
    }

    pub fn parse(word: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|each| each.name() == word)
    }
}
