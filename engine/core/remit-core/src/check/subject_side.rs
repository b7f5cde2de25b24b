//! What is known of a walk's subject from its own side, and when a walk looks there; `walk_up.rs` finds it.
//!
//! Law: what is known is of one evaluation's state, time, context and changes.

use super::goals::{Goal, NO, Subject, Value, YES};
use hashbrown::HashMap;

/// Steps from which on a walk is dear: some 10 µs. Agents four deep take 134, random documents 47.
pub const DEAR_STEPS: u64 = 256;

/// What is known from the side of one subject.
pub struct SubjectSide {
    pub(super) subject: Subject,
    pub(super) is_asked: Vec<bool>, // by slot: what is known here is all that there is
    pub(super) kinds: u64,          // of the edges that were looked at, there or not; a bit for each, modulo 64
    pub(super) reached: HashMap<(u32, u32), Value>, // by object and slot: YES, or UNKNOWN where it may be one
}

impl SubjectSide {
    /// Whether it can say something of a goal.
    #[inline]
    pub(super) fn is_about(&self, goal: &Goal) -> bool {
        self.subject == goal.subject && self.is_asked.get(goal.slot as usize) == Some(&true) // a gate is never
    }

    /// Its value, where that is certain.
    #[inline]
    pub(super) fn value(&self, goal: &Goal) -> Option<Value> {
        match self.reached.get(&(goal.object, goal.slot)) {
            None => Some(NO),
            Some(&YES) => Some(YES),
            Some(_) => None,
        }
    }

    pub fn bytes(&self) -> usize {
        self.is_asked.capacity() + self.reached.allocation_size()
    }
}

/// When an evaluation looks from its subject's side: in steps.
#[derive(Clone, Copy)]
pub struct Dear {
    pub from: u64, // of a walk, until it is dear
    pub(super) begun: u64,
    pub(super) at: u64,   // from then on, `by_subject` is asked of each goal
    pub(super) next: u64, // and from then on, it may look up
}

impl Dear {
    pub fn from(from: u64) -> Dear {
        Dear { from, begun: 0, at: 0, next: 0 }
    }
}
