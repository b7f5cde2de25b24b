//! What the walk keeps on its own stack: work that waits for a value, and the goals that are worked on.
//!
//! Law: nothing here decides; `walk.rs` does.

use super::goals::{Subject, Value};

/// Work that waits for the value of an operand. `next` is what it will look at then.
#[derive(Clone, Copy, Debug)]
pub enum Frame {
    /// The goal on top of the path.
    Goal,
    /// Operands of an expression, from `next` to `to`.
    Union {
        next: u32,
        to: u32,
        object: u32,
        subject: Subject,
        known: Value,
    },
    Intersection {
        next: u32,
        to: u32,
        object: u32,
        subject: Subject,
        known: Value,
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
    /// Edges of a node. `fact` is what the edge is worth through which it waits.
    Usersets {
        node: u32,
        next: u32,
        subject: Subject,
        known: Value,
        fact: Value,
    },
    Arrow {
        node: u32,
        next: u32,
        targets: u32,
        every: bool,
        subject: Subject,
        known: Value,
        fact: Value,
    },
    Along(Along),
}

/// `next` is the edge of `node` to look at; `node` is NONE before the first of each relation.
#[derive(Clone, Copy, Debug)]
pub struct Along {
    pub(super) slot: u32,
    pub(super) object: u32,
    pub(super) subject: Subject,
    pub(super) relation: u32, // counts the relations of the subject's chain that were begun
    pub(super) node: u32,
    pub(super) next: u32,
    pub(super) is_rootless: bool,
    pub(super) known: Value,
    pub(super) fact: Value,
}

/// A goal being worked on. `lowest` is the earliest waiting goal that it, or what it asked, has met.
#[derive(Clone, Copy)]
pub struct Open {
    pub(super) entry: u32,
    pub(super) order: u32,
    pub(super) lowest: u32,
    pub(super) is_cut: bool, // it, or what it asked, has met a goal that was waiting
}
