//! What is asked of a store, and what it answers.
//!
//! Law: only a yes is a yes; what is not decided here is neither yes nor no.

/// Has the subject the permission of the resource? An empty `subject_relation` is a plain subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question<'a> {
    pub resource_type: &'a str,
    pub resource_id: &'a str,
    pub permission: &'a str,
    pub subject_type: &'a str,
    pub subject_id: &'a str,
    pub subject_relation: &'a str,
}

/// What a question came to here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Yes,
    No,
    /// The budget of steps is spent, or `stop` asked for an end (then the steps are not above the budget). Not a no.
    Spent,
    /// `semantics.py` answers it, with its own words: it hangs on a caveat or is undefined, a name is unknown, or there is
    /// no schema yet.
    Elsewhere,
}
