//! The constraint document beside a relationship, parsed once.

use crate::json_text::Problem;

/// On which side of a `-` a document stands: where authority is given, a document covers the call; where it is taken, it
/// matches calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Arguments,
    Matching,
}

#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) side: Side,
}

impl Document {
    /// A document from its JSON; `declared` are the permissions, by type and name, that it may ask of values.
    pub fn parse(text: &str, side: Side, declared: &[(String, String)]) -> Result<Document, Problem> {
        let _ = (text, declared);
        Ok(Document { side })
    }

    pub fn side(&self) -> Side {
        self.side
    }
}
