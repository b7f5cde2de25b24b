//! What the walk keeps on its own stack: work that waits for a value, and the goals that are worked on.
//!
//! Law: nothing here decides; `walk.rs` does.

use super::goals::{Subject, Value};
use super::operands::{Links, Operands, Targets, Usersets};

/// Work that waits for the value of a part.
#[derive(Clone, Copy, Debug)]
pub enum Frame {
    /// The goal on top of the path.
    Goal,
    Any(Waiting<Operands<false>>),
    All(Waiting<Operands<true>>),
    /// The left side of a `-`.
    Base {
        subtracted: u32,
        object: u32,
        subject: Subject,
    },
    Subtracted {
        base: Value,
    },
    Usersets(Waiting<Usersets>),
    Targets(Waiting<Targets>),
    Links(Waiting<Links>),
}

/// What is known from the parts before; those after; and the fact that the part counts through which is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Waiting<P> {
    pub(super) parts: P,
    pub(super) known: Value,
    pub(super) fact: Value,
}

macro_rules! frames {
    ($($parts:ty => $frame:ident),* $(,)?) => {
        $(impl From<Waiting<$parts>> for Frame {
            #[inline(always)]
            fn from(waiting: Waiting<$parts>) -> Frame {
                Frame::$frame(waiting)
            }
        })*
    };
}

frames! {
    Operands<false> => Any,
    Operands<true> => All,
    Usersets => Usersets,
    Targets => Targets,
    Links => Links,
}

/// A goal being worked on. `lowest` is the earliest waiting goal that it, or what it asked, has met.
#[derive(Clone, Copy)]
pub struct Open {
    pub(super) entry: u32,
    pub(super) order: u32,
    pub(super) lowest: u32,
    pub(super) is_cut: bool, // it, or what it asked, has met a goal that was waiting
}
