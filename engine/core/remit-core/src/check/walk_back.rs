//! The usersets that a subject is in or may be in, found from its own side: the graph walked backwards from it.
//!
//! A document shared with a thousand groups costs a thousand questions from the document's side, and a few lookups from
//! that of a person in ten groups (27.6 µs against 0.13 in a prototype). And where groups hold groups, one walk up from a
//! person serves every folder on the way, where each would walk down its groups' members (a random document of a million
//! relationships, denied: 47 steps before, 34 since). Where usersets are of permissions (`profile#holds`, of whoever is a
//! holder unless the profile is held), the walk says who may be in them, and those few are asked. It is done where all
//! beneath a relation's usersets is relations, or permissions that come down to relations (`schema/sources.rs`).
//! Law: a closure leaves out nobody's userset, and one that was begun and given up is of nobody.

use super::closure::{Closure, Closures, REMEMBERED, State};
use super::evaluator::{Evaluation, Stoppable};
use super::goals::{NO, Subject, UNKNOWN, Value, YES};
use super::operands::{Places, Usersets};
use crate::graph::view::{GraphView, Row};
use crate::graph::{EPHEMERAL, End, NONE};
use crate::memory::adjacency::MARK;

/// Usersets from which on a relation is wide: a closure is worth some work, even where its usersets hold no others.
const WIDE_MIN: u32 = 16;

/// The same where there are permissions among them, of which each is several goals.
const WIDE_OF_PERMISSIONS_MIN: u32 = 6;

/// A subject with so many more edges than a wide relation has usersets is left to the walk.
const EDGES_FOR_EACH_USERSET: u32 = 4;

/// Edges looked at before a closure is given up, and usersets it may come to.
pub(super) const EDGES_MAX: u32 = 4096;

/// The same for a relation that is not wide, where a walk is seldom dear. Not tuned: people of the benchmarks' worlds have
/// fewer than a hundred.
const EDGES_FEW: u32 = 256;

/// Edges looked at for a step: most of them are known by a bit to lead nowhere.
const EDGES_FOR_A_STEP: u32 = 32;

const FOUND_FEW: usize = 32;

impl<G: GraphView> Evaluation<'_, G> {
    /// What a relation comes to besides `known`, which its own edges say: the usersets to be asked, all of them or those that
    /// the subject may be in. With none left, what is known is the answer. Cost: O(1), or O(the smaller of usersets here and
    /// usersets of the subject), once it has a closure.
    #[inline(always)]
    pub(super) fn usersets(
        &mut self,
        node: u32,
        kind: u32,
        subject: Subject,
        known: Value,
    ) -> Stoppable<(Usersets, Value)> {
        let len = self.view.row(node).usersets_len();
        let all = Usersets { node, next: 0, to: len, subject, places: Places::Row };
        if known == YES || len == 0 {
            return Ok((Usersets { to: 0, ..all }, known));
        }
        match self.state.closed.beneath(kind) {
            // A closure is of the graph: where something beneath is changed for this evaluation, it says nothing.
            Some(beneath) if subject.kind == NONE && !self.view.touches(beneath.kinds) => {
                let wide_min = if beneath.has_permissions { WIDE_OF_PERMISSIONS_MIN } else { WIDE_MIN };
                let is_wide = len >= wide_min;
                if !is_wide && (beneath.has_permissions || !beneath.is_nested) {
                    return Ok((all, known));
                }
                let met = self.met_in_closure(node, subject, known, is_wide, beneath.kinds)?;
                Ok(met.unwrap_or((all, known)))
            }
            _ => Ok((all, known)),
        }
    }

    /// Those of a node's usersets that the subject may be in, and what those say that it is in; None where all have to be
    /// asked.
    fn met_in_closure(
        &mut self,
        node: u32,
        subject: Subject,
        mut known: Value,
        is_wide: bool,
        beneath: u64,
    ) -> Stoppable<Option<(Usersets, Value)>> {
        let row = *self.graph.node(node);
        let from = self.scratch.met.len() as u32;
        let Some(place) = self.closure_of(subject, if is_wide { row.usersets.len() } else { 0 }, beneath)? else {
            return Ok(None);
        };
        if let Some(place) = place {
            let len = self.scratch.closures.remembered[place].usersets.len();
            if len <= row.usersets.len() as usize {
                for at in 0..len {
                    self.spend()?;
                    let userset = self.scratch.closures.remembered[place].usersets[at];
                    if let Some(is_qualified) = self.graph.find_edge(row.usersets, userset & !MARK) {
                        known = known.max(self.met(node, userset, is_qualified));
                        if known == YES {
                            break;
                        }
                    }
                }
            } else {
                for at in 0..row.usersets.len() {
                    self.spend()?;
                    let (userset, is_qualified) = self.graph.edge_at(row.usersets, at);
                    let usersets = &self.scratch.closures.remembered[place].usersets;
                    if let Ok(place) = usersets.binary_search_by_key(&userset, |each| each & !MARK) {
                        let userset = usersets[place];
                        known = known.max(self.met(node, userset, is_qualified));
                        if known == YES {
                            break;
                        }
                    }
                }
            }
        }
        if known == YES {
            self.scratch.met.truncate(from as usize);
        }
        let to = self.scratch.met.len() as u32;
        Ok(Some((Usersets { node, next: from, to, subject, places: Places::Met }, known)))
    }

    /// A userset of a node that the subject is in, or (with a mark) only may be in: what the edge to it is worth, or NO and
    /// it is among those to be asked, as it is where the edge hangs on goals.
    fn met(&mut self, node: u32, userset: u32, is_qualified: bool) -> Value {
        if userset & MARK == 0 {
            let fact = self.fact(node, End::Node(userset), is_qualified);
            if fact != UNKNOWN || self.gate == NONE {
                return fact;
            }
        }
        self.scratch.met.push(if is_qualified { userset | MARK } else { userset & !MARK });
        NO
    }

    /// The place of a subject's closure, to be met with so many usersets, or with few where there are none; Some(None) where
    /// the subject stands in no relationship, and None where there is no closure.
    pub(super) fn closure_of(&mut self, subject: Subject, wide: u32, beneath: u64) -> Stoppable<Option<Option<usize>>> {
        let wildcard = self.graph.wildcard(self.type_of(subject.object));
        // Who stands in no relationship is where everybody is.
        let object = if subject.object & EPHEMERAL == 0 { subject.object } else { wildcard };
        if object == NONE {
            self.scratch.dependencies.kinds |= beneath;
            return Ok(Some(None));
        }
        let mut edges_max = EDGES_FEW;
        if wide != 0 {
            edges_max = EDGES_MAX;
            if self.holders_len(End::Object(object)) / EDGES_FOR_EACH_USERSET > wide {
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
        Ok(Some(Some(place)))
    }

    /// How many edges a walk back has to look at first.
    #[inline(always)]
    fn holders_len(&self, end: End) -> u32 {
        let closed = self.state.closed;
        self.graph.holders_len(end, |kind| closed.is_step(kind))
    }

    /// Where the closure of an object is: remembered, or made now. None where it takes more edges than that.
    ///
    /// It may not depend on what is remembered whether a goal is walked, for a cycle asks its goals again: so not on what
    /// is remembered of another version, nor on what another relation was ready to look at.
    fn closure(&mut self, object: u32, wildcard: u32, edges_max: u32) -> Stoppable<Option<usize>> {
        let of_wildcard = if wildcard == NONE { 0 } else { self.holders_len(End::Object(wildcard)) };
        if self.holders_len(End::Object(object)).saturating_add(of_wildcard) > edges_max {
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

    /// The nodes that are usersets somewhere and that the object or its wildcard is in, or (marked) may be in, sorted; and
    /// how many edges were looked at. None where these are too many.
    fn walk_back(
        &mut self,
        object: u32,
        wildcard: u32,
        edges_max: u32,
        found: &mut Vec<u32>,
    ) -> Stoppable<Option<u32>> {
        found.clear();
        self.scratch.closures.seen.clear();
        self.scratch.closures.doubtful.clear();
        let mut looked = 0;
        let first = [(wildcard != NONE && wildcard != object).then_some(wildcard), Some(object)];
        for object in first.into_iter().flatten() {
            if !self.look_back(End::Object(object), edges_max, &mut looked, found)? {
                return Ok(None);
            }
        }
        for held in self.state.closed.selves() {
            self.doubt(object, *held)?;
        }
        // First whatever is certain, then what follows from that which is not.
        let mut certain = None;
        // What is found is looked at in its turn: breadth first, so that what all of one turn lead to is fetched together.
        let mut turn = 0;
        loop {
            let next = found.len();
            found[turn..].iter().for_each(|node| self.graph.fetch_reverse(End::Node(*node)));
            for place in turn..next {
                if !self.look_back(End::Node(found[place]), edges_max, &mut looked, found)? {
                    return Ok(None);
                }
            }
            turn = next;
            if certain.is_some() || found.len() == turn {
                certain = certain.or(Some(found.len()));
                while let Some(node) = self.scratch.closures.doubtful.pop() {
                    if !self.is_found(found, node) {
                        found.push(node);
                    }
                }
                if found.len() == turn {
                    break;
                }
            }
        }
        found[certain.unwrap_or(turn)..].iter_mut().for_each(|node| *node |= MARK);
        found.sort_unstable_by_key(|node| node & !MARK);
        Ok(Some(looked))
    }

    /// A userset of the object, where there is one, that the subject may be in.
    fn doubt(&mut self, object: u32, kind: u32) -> Stoppable<()> {
        self.spend()?;
        if let Some(node) = self.graph.node_of(object, kind)
            && self.graph.is_held(node)
        {
            self.scratch.closures.doubtful.push(node);
        }
        Ok(())
    }

    /// Add the nodes that hold an end and are usersets somewhere to those found, and to the doubtful the permissions that
    /// they are a source of. Whether that could be done.
    #[inline]
    fn look_back(&mut self, end: End, edges_max: u32, looked: &mut u32, found: &mut Vec<u32>) -> Stoppable<bool> {
        let closed = self.state.closed;
        let len = self.holders_len(end);
        *looked += len;
        if *looked > edges_max {
            return Ok(false);
        }
        for _ in 0..=len / EDGES_FOR_A_STEP {
            self.spend()?;
        }
        // First all that somebody holds, of which the rows are fetched meanwhile, then what these say. (A random document,
        // denied: with all that is fetched ahead 3,367-3,989 ns before, 2,860-2,954 since.)
        let mut waiting = std::mem::take(&mut self.scratch.closures.waiting);
        waiting.clear();
        let graph = self.graph;
        graph.each_holders(
            end,
            |kind| closed.is_step(kind),
            |piece| {
                for value in piece {
                    if graph.is_near_held(value & !MARK) {
                        graph.fetch_node(value & !MARK);
                        waiting.push(*value);
                    }
                }
            },
        );
        for value in &waiting {
            let (node, is_qualified) = (value & !MARK, value & MARK != 0);
            let (object, kind) = self.graph.name_of(node);
            if !closed.is_step(kind) {
                continue;
            }
            // A closure outlives its request, and what a caveat comes to does not.
            let mut is_certain = true;
            if is_qualified {
                let qualifiers = *self.graph.beside(node, end);
                if self.worth_of_time(&qualifiers) == NO {
                    continue;
                }
                is_certain = qualifiers.caveat == NONE;
            }
            let leads = closed.leads(kind);
            *looked += leads.len() as u32;
            if *looked > edges_max {
                break; // or whoever asks again for this closure would be told that there is none
            }
            for held in leads {
                self.doubt(object, *held)?;
            }
            if self.graph.is_held(node) && !self.is_found(found, node) {
                if is_certain {
                    found.push(node);
                } else {
                    self.scratch.closures.doubtful.push(node);
                }
            }
        }
        self.scratch.closures.waiting = waiting;
        Ok(*looked <= edges_max)
    }

    /// Most subjects are in a handful of usersets, and to search these takes less than to hash one.
    #[inline(always)]
    fn is_found(&mut self, found: &[u32], node: u32) -> bool {
        let seen = &mut self.scratch.closures.seen;
        if found.len() <= FOUND_FEW {
            return found.contains(&node);
        }
        seen.extend(&found[seen.len()..]);
        seen.contains(&node)
    }
}
