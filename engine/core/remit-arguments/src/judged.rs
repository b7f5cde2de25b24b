//! What a constraint document comes to for one call: what is known at once, and the questions it leaves to the graph.
//!
//! A `related` value or a binding is a question about the subject that is asked, whom the judge does not know. So it is
//! handed on, and `check/equations` makes a goal of it: explained, cut in circles and paid for like any other.
//! Law: the value of the whole is that of its parts by the rules of `+`, `&` and `-`, with what is unjudged at (0, 2).

use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Decided by the document and the call alone.
    Known(bool),
    /// Neither yes nor no, and an answer that hangs on it is none.
    Unjudged,
    /// Whether the subject that is asked has this permission of the object.
    Related { type_: Arc<str>, id: Box<str>, permission: Arc<str> },
    /// The least of its parts; a yes of none.
    Every(Vec<Judged>),
    /// The greatest of its parts; a no of none.
    Any(Vec<Judged>),
    /// A yes unless the part is.
    Unless(Box<Judged>),
}

/// What a call comes to, and what it took to say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub judged: Judged,
    /// Constraints and values looked at: `WORK_OF_A_STEP` of them take about as long as a step of a check.
    pub work: u64,
}
