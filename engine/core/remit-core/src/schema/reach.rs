//! Which subjects a goal can hold for at all, by the kinds of relationships that there are.
//!
//! A tool's `may_use` need not be asked of teams about a run where no team has a run for a member. What may lead to what
//! is read from the graph, not from the schema's declarations: it is never wider, and true whatever stands in a store.
//! Only what is right of no `-` counts, so what is not reachable has no foundation and is NO, not undefined (an unfounded
//! set, Van Gelder 1989). An agent four deep took 187 steps a check without it, and takes 134.
//! Law: a goal that is CONDITIONAL or YES for anybody is reachable for a subject of that type, or of that userset's kind.

use super::plan::{Body, Node, Plan};
use crate::graph::shape::{Shape, bit};
use crate::graph::{Graph, NONE};
use std::ops::{BitAnd, BitOr};

/// A bit for each type of plain subjects and for each kind of usersets, modulo 64: above that more counts as reachable
/// than is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Classes {
    plain: u64,
    usersets: u64,
}

impl Classes {
    const NONE: Classes = Classes { plain: 0, usersets: 0 };
    const ALL: Classes = Classes { plain: u64::MAX, usersets: u64::MAX };
}

impl BitOr for Classes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Classes { plain: self.plain | other.plain, usersets: self.usersets | other.usersets }
    }
}

impl BitAnd for Classes {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Classes { plain: self.plain & other.plain, usersets: self.usersets & other.usersets }
    }
}

/// A schema whose names lean on each other deeper than this is not pruned.
const ROUNDS_MAX: usize = 64;

#[derive(Default)]
pub struct Reach {
    slots: Vec<Classes>,
}

impl Reach {
    /// The least classes that the equations allow. Cost: O(schema) a round, with a new schema and when a kind of relation
    /// first leads to a type or to another kind.
    ///
    /// With `more` than the graph has, they are those of an overlay that leads there.
    pub fn of(plan: &Plan, graph: &Graph, more: &[Shape]) -> Reach {
        let finder = Finder::new(plan, graph, more);
        let mut slots = vec![Classes::NONE; plan.slots.len()];
        for _ in 0..ROUNDS_MAX {
            let mut is_settled = true;
            for slot in 0..slots.len() {
                let classes = finder.slot(slot, &slots);
                is_settled &= classes == slots[slot];
                slots[slot] = classes;
            }
            if is_settled {
                return Reach { slots };
            }
        }
        Reach { slots: vec![Classes::ALL; plan.slots.len()] }
    }

    #[inline]
    pub fn of_type(&self, slot: u32, type_: u32) -> bool {
        self.slots[slot as usize].plain & bit(type_) != 0
    }

    #[inline]
    pub fn of_userset(&self, slot: u32, kind: u32) -> bool {
        self.slots[slot as usize].usersets & bit(kind) != 0
    }

    /// Of a slot that is the same for every plain subject.
    #[inline]
    pub fn of_anyone(&self, slot: u32) -> bool {
        self.slots[slot as usize].plain != 0
    }
}

/// Sets of shapes of which a session remembers where they lead: requests mostly bring the same few. Not tuned.
const REMEMBERED: usize = 8;

/// What a session knows of where shapes lead that the graph has not.
#[derive(Default)]
pub struct Reaches {
    stamp: (u64, u64), // the store, and the version in which its own reach was found
    found: Vec<(Vec<Shape>, Reach)>,
}

impl Reaches {
    /// Cost: O(shapes), or what `find` costs.
    pub fn of(&mut self, stamp: (u64, u64), shapes: &[Shape], find: impl FnOnce() -> Reach) -> &Reach {
        if self.stamp != stamp || self.found.len() == REMEMBERED {
            self.found.retain(|(known, _)| self.stamp == stamp && known == shapes);
            self.stamp = stamp;
        }
        let place = self.found.iter().position(|(known, _)| known == shapes).unwrap_or_else(|| {
            self.found.push((shapes.to_vec(), find()));
            self.found.len() - 1
        });
        &self.found[place].1
    }
}

struct Finder<'a> {
    plan: &'a Plan,
    graph: &'a Graph,
    plain: Vec<u64>,        // by kind of relation: types of the plain subjects in it, a bit each
    held: Vec<Vec<u32>>,    // by kind of relation: kinds of the usersets in it
    targets: Vec<Vec<u32>>, // by kind of relation: types of the objects in it, those of usersets included
}

impl<'a> Finder<'a> {
    fn new(plan: &'a Plan, graph: &'a Graph, more: &[Shape]) -> Self {
        let kinds = graph.kinds_len();
        let mut held = vec![Vec::new(); kinds];
        let mut plain: Vec<u64> = (0..kinds as u32).map(|kind| graph.subject_types(kind)).collect();
        for (from, to) in graph.shapes() {
            held[*from as usize].push(*to);
        }
        for shape in more {
            match *shape {
                Shape::Plain { kind, type_ } => plain[kind as usize] |= bit(type_),
                Shape::Userset { kind, of } => held[kind as usize].push(of),
            }
        }
        let type_of = |kind: &u32| bit(graph.kind_words(*kind).0);
        let bits_of = |(held, plain): (&Vec<u32>, &u64)| held.iter().map(type_of).fold(*plain, BitOr::bitor);
        let target_bits: Vec<u64> = held.iter().zip(&plain).map(bits_of).collect();
        let types = 0..graph.types.len() as u32;
        let types_of = |bits: u64| types.clone().filter(|type_| bits & bit(*type_) != 0).collect();
        Finder { plan, graph, plain, held, targets: target_bits.into_iter().map(types_of).collect() }
    }

    fn slot(&self, number: usize, slots: &[Classes]) -> Classes {
        let slot = self.plan.slots[number];
        let classes = match slot.body {
            Body::Relation => {
                let own = Classes { plain: self.plain[slot.kind as usize], usersets: 0 };
                let through = self.held[slot.kind as usize].iter().map(|kind| at(slots, self.plan.slot_of_kind(*kind)));
                through.fold(own, BitOr::bitor)
            }
            Body::Permission { node } => self.node(node, self.graph.kind_words(slot.kind).0, slots),
            Body::Along { child, chain } => {
                let may_lead = |relation: &u32| self.plain[*relation as usize] & slots[number].plain != 0;
                let is_in = |type_: &u32| {
                    at(slots, child).plain & bit(*type_) != 0 && self.plan.chain(chain, *type_).iter().all(may_lead)
                };
                let types = (0..self.graph.types.len() as u32).filter(is_in);
                return Classes { plain: types.fold(0, |bits, type_| bits | bit(type_)), usersets: 0 };
            }
        };
        classes | Classes { plain: 0, usersets: bit(slot.kind) } // a userset contains itself
    }

    fn node(&self, node: u32, type_: u32, slots: &[Classes]) -> Classes {
        let operands = |from: u32, to: u32| {
            let operands = &self.plan.operands[from as usize..to as usize];
            operands.iter().map(|node| self.node(*node, type_, slots))
        };
        match self.plan.nodes[node as usize] {
            Node::Nil => Classes::NONE,
            Node::Itself => Classes { plain: bit(type_), usersets: 0 },
            Node::Goal { slot } => at(slots, slot),
            Node::Union { from, to } => operands(from, to).fold(Classes::NONE, BitOr::bitor),
            Node::Intersection { from, to } => operands(from, to).fold(Classes::ALL, BitAnd::bitand),
            Node::Exclusion { base, .. } => self.node(base, type_, slots),
            Node::Arrow { kind, targets, .. } => {
                let types = self.targets[kind as usize].iter();
                types.map(|type_| at(slots, self.plan.target(targets, *type_))).fold(Classes::NONE, BitOr::bitor)
            }
            Node::SubjectArrow { targets } => {
                let may = |type_: &u32| at(slots, self.plan.target(targets, *type_)).plain & bit(*type_) != 0;
                let types = (0..self.graph.types.len() as u32).filter(may);
                Classes { plain: types.fold(0, |bits, type_| bits | bit(type_)), usersets: 0 }
            }
            Node::Exists { kind } if self.targets[kind as usize].is_empty() => Classes::NONE,
            Node::Exists { .. } => Classes::ALL,
        }
    }
}

fn at(slots: &[Classes], slot: u32) -> Classes {
    if slot == NONE { Classes::NONE } else { slots[slot as usize] }
}
