//! Conditions of edges that are goals: what a call comes to under a document beside an edge, where it asks the graph.
//!
//! A document may ask whether the very subject that is asked about has a permission of what a value names (`related`). An edge
//! with such a document is worth what a *gate* comes to: the least or the greatest of some parts, which are values, goals and
//! other gates. A gate is asked as any goal is, with its number in place of an object and `GATE` in place of a slot; so it is
//! cut in circles, settled with them and paid for like any other.
//! Law: a number stands for the same parts as long as an evaluation lasts, and the same parts have the same number.

use super::goals::{Subject, Value};
use crate::graph::NONE;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// In place of a slot. All slots are below it, and NONE is above.
pub const GATE: u32 = NONE - 1;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum GatePart {
    Value(Value),
    /// A goal about whoever the gate is asked about.
    Goal {
        object: u32,
        slot: u32,
    },
    /// YES where that goal is NO, and the other way round.
    Opposite {
        object: u32,
        slot: u32,
    },
    /// A goal about somebody else, who is the next link of a chain.
    GoalOf {
        object: u32,
        slot: u32,
        subject: Subject,
    },
}

impl GatePart {
    pub(super) fn gate(number: u32) -> GatePart {
        GatePart::Goal { object: number, slot: GATE }
    }
}

/// The least of its parts (`every`), or the greatest.
#[derive(Clone, Copy)]
pub(super) struct Gate {
    pub(super) every: bool,
    pub(super) from: u32,
    pub(super) to: u32,
}

#[derive(Default)]
pub struct Gates {
    gates: Vec<Gate>,
    parts: Vec<GatePart>,
    numbers: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
}

impl Gates {
    /// The gate of these parts. Cost: O(parts).
    pub(super) fn number(&mut self, every: bool, parts: &[GatePart]) -> u32 {
        let Gates { gates, parts: all, numbers, hasher } = self;
        let hash = hasher.hash_one((every, parts));
        let parts_of = |gate: Gate| &all[gate.from as usize..gate.to as usize];
        let is_meant = |number: &u32| {
            let gate = gates[*number as usize];
            gate.every == every && parts_of(gate) == parts
        };
        if let Some(number) = numbers.find(hash, is_meant) {
            return *number;
        }
        let number = gates.len() as u32;
        let from = all.len() as u32;
        all.extend_from_slice(parts);
        gates.push(Gate { every, from, to: all.len() as u32 });
        numbers.insert_unique(hash, number, |number| {
            let Gate { every, from, to } = gates[*number as usize];
            hasher.hash_one((every, &all[from as usize..to as usize]))
        });
        number
    }

    #[inline]
    pub(super) fn gate(&self, number: u32) -> Gate {
        self.gates[number as usize]
    }

    #[inline]
    pub(super) fn part(&self, place: u32) -> GatePart {
        self.parts[place as usize]
    }

    pub(super) fn clear(&mut self) {
        if !self.gates.is_empty() {
            self.gates.clear();
            self.parts.clear();
            self.numbers.clear();
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.gates.capacity() * size_of::<Gate>()
            + self.parts.capacity() * size_of::<GatePart>()
            + self.numbers.allocation_size()
    }
}
