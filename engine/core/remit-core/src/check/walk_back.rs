//! The usersets that a subject is in, found from its own side: the graph walked backwards from it.
//!
//! A document shared with a thousand groups costs a thousand questions from the document's side, and a few lookups from
//! that of a person in ten groups (27.6 µs against 0.13 in a prototype). And where groups hold groups, one walk up from a
//! person serves every folder on the way, where each would walk down its groups' members (a random document of a million
//! relationships, denied: 47 steps before, 34 since). It is done where everything beneath a relation's usersets is
//! relations, so that being in one is being reached by edges, and nothing else.
//! Law: a closure answers as asking each userset would, and one that was begun and given up is of nobody.

use super::closure::{Closure, Closures, REMEMBERED, State};
use super::evaluator::{Evaluation, Stoppable};
use super::goals::{NO, Subject, Value, YES};
use crate::graph::view::GraphView;
use crate::graph::{EPHEMERAL, End, NONE};
use crate::memory::adjacency::MARK;

/// Usersets from which on a relation is wide: a closure is worth some work, even where its usersets hold no others.
const WIDE_MIN: u32 = 16;

/// A subject with so many more edges than a wide relation has usersets is left to the walk.
const EDGES_FOR_EACH_USERSET: u32 = 4;

/// Edges looked at before a closure is given up, and usersets it may come to.
const EDGES_MAX: u32 = 4096;

/// The same for a relation that is not wide, where a walk is seldom dear. Not tuned: people of the benchmarks' worlds have
/// fewer than a hundred.
const EDGES_FEW: u32 = 256;

/// Edges looked at for a step: most of them are known by a bit to lead nowhere.
const EDGES_FOR_A_STEP: u32 = 32;

const FOUND_FEW: usize = 32;

impl<G: GraphView> Evaluation<'_, G> {
    /// Whether the subject is in a relation of that kind that holds usersets, `known` being what its own edges say; None
    /// where that has to be found by asking each. Cost: O(the smaller of usersets here and usersets of the subject), once
    /// it has a closure.
    #[inline]
    pub fn by_closure(&mut self, node: u32, kind: u32, subject: Subject, known: Value) -> Stoppable<Option<Value>> {
        match self.state.closed.beneath(kind) {
            // A closure is of the graph: where something beneath is changed for this evaluation, it says nothing.
            Some(beneath) if subject.kind == NONE && !self.view.touches(beneath.kinds) => {
                let is_wide = self.graph.node(node).usersets.len() >= WIDE_MIN;
                if !is_wide && !beneath.is_nested {
                    return Ok(None);
                }
                self.in_closure(node, subject, known, is_wide, beneath.kinds)
            }
            _ => Ok(None),
        }
    }

    fn in_closure(
        &mut self,
        node: u32,
        subject: Subject,
        mut known: Value,
        is_wide: bool,
        beneath: u64,
    ) -> Stoppable<Option<Value>> {
        let row = *self.graph.node(node);
        let wildcard = self.graph.wildcard(self.type_of(subject.object));
        // Who stands in no relationship is where everybody is.
        let object = if subject.object & EPHEMERAL == 0 { subject.object } else { wildcard };
        if object == NONE {
            self.scratch.dependencies.kinds |= beneath;
            return Ok(Some(known));
        }
        let mut edges_max = EDGES_FEW;
        if is_wide {
            edges_max = EDGES_MAX;
            if self.graph.reverse_of(object).len() / EDGES_FOR_EACH_USERSET > row.usersets.len() {
                return Ok(None);
            }
        }
        let Some(place) = self.closure(object, wildcard, edges_max)? else {
            return Ok(None);
        };
        let Closure { from_us, until_us, .. } = self.scratch.closures.remembered[place];
        let dependencies = &mut self.scratch.dependencies;
        dependencies.kinds |= beneath;
        dependencies.from_us = dependencies.from_us.max(from_us);
        dependencies.until_us = dependencies.until_us.min(until_us);
        let len = self.scratch.closures.remembered[place].usersets.len();
        if len <= row.usersets.len() as usize {
            for at in 0..len {
                self.spend()?;
                let userset = self.scratch.closures.remembered[place].usersets[at];
                if let Some(is_qualified) = self.graph.find_edge(row.usersets, userset) {
                    known = known.max(self.fact(node, End::Node(userset), is_qualified));
                    if known == YES {
                        break;
                    }
                }
            }
        } else {
            for at in 0..row.usersets.len() {
                self.spend()?;
                let (userset, is_qualified) = self.graph.edge_at(row.usersets, at);
                if self.scratch.closures.remembered[place].usersets.binary_search(&userset).is_ok() {
                    known = known.max(self.fact(node, End::Node(userset), is_qualified));
                    if known == YES {
                        break;
                    }
                }
            }
        }
        Ok(Some(known))
    }

    /// Where the closure of an object is: remembered, or made now. None where it takes more edges than that, or a caveat.
    ///
    /// It may not depend on what is remembered whether a goal is walked, for a cycle asks its goals again: so not on what
    /// is remembered of another version, nor on what another relation was ready to look at.
    fn closure(&mut self, object: u32, wildcard: u32, edges_max: u32) -> Stoppable<Option<usize>> {
        let of_wildcard = if wildcard == NONE { 0 } else { self.graph.reverse_of(wildcard).len() };
        if self.graph.reverse_of(object).len().saturating_add(of_wildcard) > edges_max {
            return Ok(None);
        }
        let place = Closures::place(object);
        let State { store, version, .. } = self.state;
        self.scratch.closures.remembered.resize_with(REMEMBERED, Closure::default);
        let known = &self.scratch.closures.remembered[place];
        let is_known = known.store == store
            && known.object == object
            && known.from_us <= self.now_us
            && self.now_us < known.until_us
            && known.version == version;
        if is_known && (known.is_whole || known.edges >= edges_max) {
            return Ok((known.is_whole && known.edges <= edges_max).then_some(place));
        }
        // What is seen on the way bounds the closure's time, and only whoever uses it is bound by that.
        let dependencies = std::mem::take(&mut self.scratch.dependencies);
        // All of what is remembered goes first: the walk may be stopped, and what it leaves here says nothing of anybody.
        let mut usersets = std::mem::take(&mut self.scratch.closures.remembered[place]).usersets;
        let found = self.walk_back(object, wildcard, edges_max, &mut usersets);
        let seen = std::mem::replace(&mut self.scratch.dependencies, dependencies);
        let (edges, is_whole) = match found? {
            Some(edges) => (edges, true),
            None => (edges_max, false),
        };
        let (from_us, until_us) = (seen.from_us, seen.until_us);
        let closure = Closure { store, version, object, from_us, until_us, edges, is_whole, usersets };
        self.scratch.closures.remembered[place] = closure;
        Ok(is_whole.then_some(place))
    }

    /// The nodes that are usersets somewhere and that edges lead from to the object or to its wildcard, sorted; and how
    /// many edges were looked at. None where a caveat decides one of them, or there are too many.
    fn walk_back(
        &mut self,
        object: u32,
        wildcard: u32,
        edges_max: u32,
        found: &mut Vec<u32>,
    ) -> Stoppable<Option<u32>> {
        found.clear();
        self.scratch.closures.seen.clear();
        let mut looked = 0;
        let first = [(wildcard != NONE && wildcard != object).then_some(wildcard), Some(object)];
        for object in first.into_iter().flatten() {
            if !self.look_back(End::Object(object), edges_max, &mut looked, found)? {
                return Ok(None);
            }
        }
        // What is found is looked at in its turn: breadth first, so that what all of one turn lead to is fetched together.
        let mut turn = 0;
        while turn < found.len() {
            let next = found.len();
            found[turn..].iter().for_each(|node| self.graph.fetch_reverse(End::Node(*node)));
            for place in turn..next {
                if !self.look_back(End::Node(found[place]), edges_max, &mut looked, found)? {
                    return Ok(None);
                }
            }
            turn = next;
        }
        found.sort_unstable();
        Ok(Some(looked))
    }

    /// Add the nodes that hold an end and are usersets somewhere to those found. Whether that could be done.
    #[inline]
    fn look_back(&mut self, end: End, edges_max: u32, looked: &mut u32, found: &mut Vec<u32>) -> Stoppable<bool> {
        let list = self.graph.reverse_at(end);
        *looked += list.len();
        if *looked > edges_max {
            return Ok(false);
        }
        for _ in 0..=list.len() / EDGES_FOR_A_STEP {
            self.spend()?;
        }
        // First all that somebody holds, of which the rows are fetched meanwhile, then what these say. (A random document,
        // denied: with all that is fetched ahead 3,367-3,989 ns before, 2,860-2,954 since.)
        let mut waiting = std::mem::take(&mut self.scratch.closures.waiting);
        waiting.clear();
        for value in self.graph.pieces(&list).flatten() {
            if self.graph.is_held(value & !MARK) {
                self.graph.fetch_node(value & !MARK);
                waiting.push(*value);
            }
        }
        let mut is_whole = true;
        for value in &waiting {
            let (node, is_qualified) = (value & !MARK, value & MARK != 0);
            if self.is_found(found, node) || !self.plan.is_relation(self.graph.node(node).kind) {
                continue;
            }
            if is_qualified {
                // A closure outlives its request, and what a caveat comes to does not.
                let qualifiers = *self.graph.beside(node, end);
                if qualifiers.caveat != NONE {
                    is_whole = false;
                    break;
                }
                if self.worth_of_time(&qualifiers) == NO {
                    continue;
                }
            }
            found.push(node);
        }
        self.scratch.closures.waiting = waiting;
        Ok(is_whole)
    }

    /// Most subjects are in a handful of usersets, and to search these takes less than to hash one.
    #[inline]
    fn is_found(&mut self, found: &[u32], node: u32) -> bool {
        let seen = &mut self.scratch.closures.seen;
        if found.len() <= FOUND_FEW {
            return found.contains(&node);
        }
        seen.extend(&found[seen.len()..]);
        seen.contains(&node)
    }
}
