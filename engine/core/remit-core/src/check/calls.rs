//! The call that a request brings: which tool, with which arguments, for which purpose.
//!
//! It is read once for all questions and documents that it is judged by, and what it comes to under one is remembered for
//! an evaluation.
//! Law: bytes that are refused when they are read are nobody's call; Python says why.

use super::goals::Value;
use hashbrown::HashMap;
use remit_arguments::ReadCall;
use remit_arguments::call::is_id;

/// A call, as it came and as it was read.
#[derive(Clone, Debug)]
pub struct Call {
    tool: Box<str>,
    arguments: Box<[u8]>,
    purpose: Box<str>,
    descriptor: Box<str>,
    read: ReadCall,
}

impl Call {
    /// None where it is refused.
    pub fn read(tool: &str, arguments: &[u8], purpose: &str, descriptor: &str) -> Option<Call> {
        if !descriptor.is_empty() && !is_id(descriptor) {
            return None;
        }
        let read = ReadCall::read(tool, arguments, purpose).ok()?;
        let [tool, purpose, descriptor] = [tool, purpose, descriptor].map(Box::from);
        Some(Call { tool, arguments: arguments.into(), purpose, descriptor, read })
    }

    /// The id of its tool.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// The id of the descriptor that the caller saw; empty where that was not told.
    pub fn descriptor(&self) -> &str {
        &self.descriptor
    }

    /// As no descriptor has it.
    pub fn as_read(&self) -> &ReadCall {
        &self.read
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Call) -> bool {
        let Call { tool, arguments, purpose, descriptor, .. } = self;
        (tool, arguments, purpose, descriptor) == (&other.tool, &other.arguments, &other.purpose, &other.descriptor)
    }
}

/// What an evaluation found of its call, and of the documents that it met.
#[derive(Default)]
pub struct Judging {
    pub(super) call: Option<JudgedCall>,
    pub(super) documents: HashMap<(u32, u32), Outcome>, // by the caveat's number, and what it may ask
}

pub(super) struct JudgedCall {
    pub(super) tool_type: u32, // NONE where there is none
    pub(super) tool: u32,
    pub(super) described: Option<ReadCall>, // None where the call is as it was read
}

/// What a document comes to. Where that hangs on goals the value is UNKNOWN, and `gate` says on which (`gates.rs`).
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    pub(super) value: Value,
    pub(super) gate: u32, // NONE where there is none
}

impl Judging {
    pub(super) fn clear(&mut self) {
        self.call = None;
        self.documents.clear();
    }
}
