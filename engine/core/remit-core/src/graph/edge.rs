//! Edges, in words and in numbers: what leads where, and what makes it count only sometimes.
//!
//! Law: an edge that nothing qualifies counts always.

use crate::memory::adjacency::MARK;

pub const NONE: u32 = u32::MAX;

/// Objects that no relationship names have numbers with this bit, given by the session; and nodes that are in an overlay
/// alone, given by that.
pub const EPHEMERAL: u32 = 1 << 31;

pub const WILDCARD: &str = "*";

/// What makes an edge count only sometimes. Times are microseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Qualifiers {
    pub caveat: u32, // a name of `caveats`, or NONE
    pub not_before_us: Option<i64>,
    pub expiration_us: Option<i64>,
}

impl Qualifiers {
    pub const PLAIN: Qualifiers = Qualifiers { caveat: NONE, not_before_us: None, expiration_us: None };

    /// Whether the edge is there at all at that time, whatever its caveat says.
    #[inline]
    pub fn counts_at(&self, now_us: i64) -> bool {
        self.expiration_us.is_none_or(|us| us > now_us) && self.not_before_us.is_none_or(|us| us <= now_us)
    }
}

/// The same, as it comes from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QualifiersText {
    pub caveat: Option<(String, String)>, // name and canonical JSON
    pub not_before_us: Option<i64>,
    pub expiration_us: Option<i64>,
}

impl QualifiersText {
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// A triple in text. An empty `subject_relation` is a plain subject or a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Triple<'a> {
    pub resource_type: &'a str,
    pub resource_id: &'a str,
    pub relation: &'a str,
    pub subject_type: &'a str,
    pub subject_id: &'a str,
    pub subject_relation: &'a str,
}

/// An edge's end: an object, or (a userset) a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    Object(u32),
    Node(u32),
}

impl End {
    pub(super) fn number(self) -> u32 {
        match self {
            End::Object(number) | End::Node(number) => number,
        }
    }

    pub(super) fn marked(self) -> u32 {
        match self {
            End::Object(number) => number,
            End::Node(number) => number | MARK,
        }
    }
}
