//! What a call comes to under a constraint document.

use crate::document::Document;
use crate::json_text::{Json, Object, Problem};
use crate::judged::{Judged, Verdict};
use crate::values::Type;

/// A call, its arguments read once for all documents that it is judged by.
#[derive(Clone, Debug)]
pub struct ReadCall {
    tool: Box<str>,
    purpose: Box<str>,
    arguments: Json,
    types: Vec<(Vec<Box<str>>, Type)>,
    is_judgeable: bool,
}

impl ReadCall {
    /// A call from what a request brings: `tool` an id, `arguments` the bytes of a JSON object, `purpose` perhaps empty.
    pub fn read(tool: &str, arguments: &[u8], purpose: &str) -> Result<ReadCall, Problem> {
        let _ = arguments;
        Ok(ReadCall {
            tool: tool.into(),
            purpose: purpose.into(),
            arguments: Json::Object(Object::default()),
            types: Vec::new(),
            is_judgeable: true,
        })
    }

    /// The call as its tool's descriptor has it: the arguments with defaults, and the types of some of them, each by the
    /// segments of its pointer, `*` for every element of a list.
    pub fn described(self, arguments: Json, types: Vec<(Vec<Box<str>>, Type)>) -> ReadCall {
        ReadCall { arguments, types, ..self }
    }

    /// The call where no descriptor can be told, or it does not fit the one that is: unknown under every document.
    pub fn unjudgeable(self) -> ReadCall {
        ReadCall { is_judgeable: false, ..self }
    }

    pub fn tool(&self) -> &str {
        &self.tool
    }

    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    pub fn arguments(&self) -> &Json {
        &self.arguments
    }

    /// The size of the arguments in values: half of what judging them under a document may cost.
    pub fn values(&self) -> usize {
        1
    }
}

/// What the call comes to. Pure, and without a subject: what depends on one is left open in the answer.
pub fn judge(document: &Document, call: &ReadCall) -> Verdict {
    let _ = (document.side, &call.types, call.is_judgeable);
    Verdict { judged: Judged::Unjudged, work: 1 }
}
