//! What is remembered of the usersets that a subject is in; `walk_back.rs` finds them.
//!
//! It is done where everything beneath a relation's usersets is relations, so that being in one is being reached by edges,
//! and nothing else.
//! Law: what is remembered is of one state of one store, and of an interval of time.

use crate::graph::Graph;
use crate::schema::plan::Plan;
use crate::schema::reach::Reach;
use hashbrown::HashSet;

/// Subjects of which a session remembers the closure: at 16 KB the largest, 1 MB.
pub(super) const REMEMBERED: usize = 64;

/// What is beneath a kind that holds usersets.
#[derive(Clone, Copy)]
pub struct Beneath {
    pub(super) kinds: u64,      // a bit each, modulo 64
    pub(super) is_nested: bool, // usersets that it holds hold others
}

/// By kind that holds usersets: what is beneath it, where that is all relations.
#[derive(Default)]
pub struct Closed {
    beneath: Vec<Option<Beneath>>,
}

impl Closed {
    /// Cost: O(shapes²), with a new schema and when a kind first leads to another.
    pub fn of(plan: &Plan, graph: &Graph) -> Closed {
        let mut below: Vec<Vec<u32>> = vec![Vec::new(); graph.kinds_len()];
        for (from, to) in graph.shapes() {
            below[*from as usize].push(*to);
        }
        let mut beneath = vec![None; below.len()];
        for (kind, held) in below.iter().enumerate().filter(|(_, held)| !held.is_empty()) {
            let mut reached = vec![kind as u32];
            let mut looked = 0;
            while looked < reached.len() && plan.is_relation(reached[looked]) {
                for each in &below[reached[looked] as usize] {
                    if !reached.contains(each) {
                        reached.push(*each);
                    }
                }
                looked += 1;
            }
            if looked == reached.len() {
                let kinds = reached.iter().fold(0, |bits, each| bits | 1 << (each & 63));
                let is_nested = held.iter().any(|each| !below[*each as usize].is_empty());
                beneath[kind] = Some(Beneath { kinds, is_nested });
            }
        }
        Closed { beneath }
    }

    #[inline]
    pub(super) fn beneath(&self, kind: u32) -> Option<Beneath> {
        self.beneath.get(kind as usize).copied().flatten()
    }
}

/// What a session knows of one subject.
#[derive(Clone, Default)]
pub(super) struct Closure {
    pub(super) store: u64, // 0 where nothing is known
    pub(super) version: u64,
    pub(super) object: u32,
    pub(super) from_us: i64,
    pub(super) until_us: i64,
    pub(super) edges: u32, // looked at; where it was given up, as many as it may not have
    pub(super) is_whole: bool,
    pub(super) usersets: Vec<u32>, // sorted
}

#[derive(Default)]
pub struct Closures {
    pub(super) remembered: Vec<Closure>,
    pub(super) waiting: Vec<u32>,
    pub(super) seen: HashSet<u32>, // what was found first, once that is not few
}

impl Closures {
    pub(super) fn place(object: u32) -> usize {
        (object.wrapping_mul(0x9E37_79B9) >> 16) as usize % REMEMBERED
    }

    pub fn bytes(&self) -> usize {
        let usersets: usize = self.remembered.iter().map(|each| each.usersets.capacity() * size_of::<u32>()).sum();
        self.remembered.capacity() * size_of::<Closure>()
            + usersets
            + self.waiting.capacity() * size_of::<u32>()
            + self.seen.allocation_size()
    }
}

/// The state that closures are of, and what its shapes say.
#[derive(Clone, Copy)]
pub struct State<'a> {
    pub store: u64,
    pub version: u64,
    pub closed: &'a Closed,
    pub reach: &'a Reach,
}
