//! The parts that equations are made of, as data: small copies that say what comes next, so that work can wait on them.
//!
//! `equations.rs` says what each part is; nothing is looked up here.
//! Law: a copy goes on where its original stood.

use super::goals::{Subject, Value};
use crate::graph::NONE;

/// What an expression is made of, for one object and one subject.
pub(super) enum Operand {
    Value(Value),
    Goal {
        object: u32,
        slot: u32,
    },
    Any(Operands<false>),
    All(Operands<true>),
    /// `base`, unless `subtracted`: both nodes of the plan, for the same object and subject.
    ButNot {
        base: u32,
        subtracted: u32,
    },
    /// The targets of an arrow, which are not looked up before they are asked for.
    Arrow {
        kind: u32,
        targets: u32,
        every: bool,
    },
}

/// One part of an equation.
pub(super) enum Part {
    Value(Value),
    /// A goal behind an edge: it counts as far as the edge's fact does.
    Goal {
        fact: Value,
        object: u32,
        slot: u32,
        subject: Subject,
    },
    /// The opposite of a goal.
    Opposite {
        object: u32,
        slot: u32,
        subject: Subject,
    },
    /// A node of the plan.
    Expression {
        node: u32,
        object: u32,
        subject: Subject,
    },
}

/// The operands of a `+`, or (`EVERY`) of an `&`.
#[derive(Clone, Copy, Debug)]
pub struct Operands<const EVERY: bool> {
    pub(super) next: u32,
    pub(super) to: u32,
    pub(super) object: u32,
    pub(super) subject: Subject,
}

/// Where usersets lie: in the row of a node, or among those that were met (`Scratch::met`); before them may come the gate of
/// the node's own edges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Places {
    Row,
    Met,
    GateAndRow,
    GateAndMet,
}

/// The usersets of a relation's node.
#[derive(Clone, Copy, Debug)]
pub struct Usersets {
    pub(super) node: u32,
    pub(super) next: u32,
    pub(super) to: u32,
    pub(super) subject: Subject,
    pub(super) places: Places,
}

impl Usersets {
    pub(super) fn is_empty(&self) -> bool {
        self.next == self.to && !self.has_gate()
    }

    #[inline(always)]
    pub(super) fn has_gate(&self) -> bool {
        matches!(self.places, Places::GateAndRow | Places::GateAndMet)
    }

    /// The same, after the gate of the node's own edges.
    pub(super) fn after_gate(self) -> Usersets {
        let places = if self.places == Places::Met { Places::GateAndMet } else { Places::GateAndRow };
        Usersets { places, ..self }
    }

    pub(super) fn without_gate(self) -> Usersets {
        let places = if self.places == Places::GateAndMet { Places::Met } else { Places::Row };
        Usersets { places, ..self }
    }
}

/// The targets of an arrow: of any edge, or of `every` edge of a node; those at places of its row, or (`is_met`) of
/// `Scratch::met`.
#[derive(Clone, Copy, Debug)]
pub struct Targets {
    pub(super) node: u32,
    pub(super) next: u32,
    pub(super) to: u32,
    pub(super) targets: u32,
    pub(super) subject: Subject,
    pub(super) every: bool,
    pub(super) is_met: bool,
}

/// The parts of a gate.
#[derive(Clone, Copy, Debug)]
pub struct GateParts {
    pub(super) next: u32,
    pub(super) to: u32,
    pub(super) subject: Subject,
    pub(super) every: bool,
}

/// The child of an `along`, then the links of the subject's chain, relation by relation.
#[derive(Clone, Copy, Debug)]
pub struct Links {
    pub(super) slot: u32,
    pub(super) object: u32,
    pub(super) subject: Subject,
    pub(super) relation: u32, // counts the relations that were begun; NONE before the child
    pub(super) node: u32,     // of the relation; NONE before it is begun
    pub(super) next: u32,
}

impl Links {
    pub(super) fn of(slot: u32, object: u32, subject: Subject) -> Links {
        Links { slot, object, subject, relation: NONE, node: NONE, next: 0 }
    }
}
