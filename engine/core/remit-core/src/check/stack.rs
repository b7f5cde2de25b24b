//! What the walk keeps on its own stack: work that waits for a value, and the goals that are worked on.
//!
//! Law: nothing here decides; `walk.rs` does.

use super::goals::{Subject, Value};
use super::operands::{GateParts, Links, Operands, Targets, Usersets};

/// Work that waits for the value of a part. `known` is from the parts before it; it counts as far as `fact` does.
#[derive(Clone, Copy, Debug)]
pub enum Frame {
    /// The goal on top of the path.
    Goal,
    Any {
        parts: Operands<false>,
        known: Value,
        fact: Value,
    },
    All {
        parts: Operands<true>,
        known: Value,
        fact: Value,
    },
    /// The left side of a `-`.
    Base {
        subtracted: u32,
        object: u32,
        subject: Subject,
    },
    Subtracted {
        base: Value,
    },
    Usersets {
        parts: Usersets,
        known: Value,
        fact: Value,
    },
    Targets {
        parts: Targets,
        known: Value,
        fact: Value,
    },
    Links {
        parts: Links,
        known: Value,
        fact: Value,
    },
    Gate {
        parts: GateParts,
        known: Value,
        fact: Value,
    },
}

/// Parts that can wait. Their frame has their fields, not a structure of its own: 32 bytes, where it would take 40.
pub(super) trait Waits {
    fn waits(self, known: Value, fact: Value) -> Frame;
}

macro_rules! waits {
    ($($type:ty => $frame:ident),* $(,)?) => {
        $(impl Waits for $type {
            #[inline(always)]
            fn waits(self, known: Value, fact: Value) -> Frame {
                Frame::$frame { parts: self, known, fact }
            }
        })*
    };
}

waits! {
    Operands<false> => Any,
    Operands<true> => All,
    Usersets => Usersets,
    Targets => Targets,
    Links => Links,
    GateParts => Gate,
}

const _: () = assert!(size_of::<Frame>() == 32);

/// A goal being worked on. `lowest` is the earliest waiting goal that it, or what it asked, has met.
#[derive(Clone, Copy)]
pub struct Open {
    pub(super) entry: u32,
    pub(super) order: u32,
    pub(super) lowest: u32,
    pub(super) is_cut: bool, // it, or what it asked, has met a goal that was waiting
}
