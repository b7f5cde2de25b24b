//! The targets of an arrow that a subject may have the arrow's name of, found from the subject's side.
//!
//! A person who gave ten thousand consents has one that names the run: who asks `consent->covers` from the person's side asks
//! ten thousand times, and the run stands in one `consent#run`. It is done where that name comes down to a few relations
//! of the target (`schema/sources.rs`), on whatever type.
//! Law: no target is left out that the subject has the name of.

use super::evaluator::{Evaluation, Stoppable};
use super::goals::{ANYONE, Subject};
use super::operands::Targets;
use super::walk_back::EDGES_MAX;
use crate::graph::view::{GraphView, Row};
use crate::graph::{EPHEMERAL, End, NONE};
use crate::memory::adjacency::MARK;
use crate::schema::sources::SlotSources;

/// Targets from which on an arrow is wide.
const WIDE_MIN: u32 = 8;

impl<G: GraphView> Evaluation<'_, G> {
    /// The targets of any edge of a node: all of them, or those that the subject may have the name of.
    /// Cost: O(1), or O(the smaller of edges here and edges that lead to the subject).
    #[inline(always)]
    pub(super) fn any_targets(&mut self, node: u32, kind: u32, targets: u32, subject: Subject) -> Stoppable<Targets> {
        let len = self.edges_len(node);
        let all = Targets { node, next: 0, to: len, targets, subject, every: false, is_met: false };
        if len < WIDE_MIN || subject.kind != NONE || subject == ANYONE {
            return Ok(all);
        }
        let sources = self.state.sources;
        match sources.of_table(targets) {
            Some(sources) => Ok(self.met_targets(all, kind, sources)?.unwrap_or(all)),
            None => Ok(all),
        }
    }

    /// None where all have to be asked: an edge leads to a userset, which has no name of its own but its object's; or
    /// something on the way is changed for this evaluation, or too much.
    fn met_targets(&mut self, all: Targets, kind: u32, sources: &SlotSources) -> Stoppable<Option<Targets>> {
        let Targets { node, subject, to, .. } = all;
        let kinds = sources.kinds.iter().fold(1 << (kind & 63), |bits, each| bits | 1 << (each & 63));
        let row = self.view.row(node);
        if row.usersets_len() != 0 || self.view.touches(kinds) {
            return Ok(None);
        }
        // Where a source holds usersets, the subject may be in one of these.
        let mut beneath = 0;
        for each in sources.kinds.iter().filter(|kind| self.state.closed.holds_usersets(**kind)) {
            let Some(found) = self.state.closed.beneath(*each) else {
                return Ok(None);
            };
            beneath |= found.kinds;
        }
        let closure = match beneath {
            0 => None,
            _ if self.view.touches(beneath) => return Ok(None),
            _ => match self.closure_of(subject, to, beneath)? {
                Some(closure) => closure,
                None => return Ok(None),
            },
        };
        self.scratch.dependencies.kinds |= kinds;
        let from = self.scratch.met.len() as u32;
        let mut looks_left = to.min(EDGES_MAX);
        let own = (subject.object & EPHEMERAL == 0).then_some(subject.object);
        let wildcard = self.graph.wildcard(self.type_of(subject.object));
        if sources.is_itself {
            own.into_iter().for_each(|object| self.meet(node, object));
        }
        for object in own.into_iter().chain((wildcard != NONE).then_some(wildcard)) {
            if !self.meet_holders(node, End::Object(object), &sources.kinds, &mut looks_left)? {
                return Ok(None);
            }
        }
        if let Some(place) = closure {
            for at in 0..self.scratch.closures.remembered[place].usersets.len() {
                let userset = self.scratch.closures.remembered[place].usersets[at] & !MARK;
                if !self.meet_holders(node, End::Node(userset), &sources.kinds, &mut looks_left)? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(Targets { next: from, to: self.scratch.met.len() as u32, is_met: true, ..all }))
    }

    /// The objects of whose sources an end is in. Whether there were no more to look at than are left.
    fn meet_holders(&mut self, node: u32, end: End, sources: &[u32], looks_left: &mut u32) -> Stoppable<bool> {
        let graph = self.graph;
        self.spend()?;
        for holder in graph.holders(end, |kind| sources.contains(&kind)) {
            self.spend()?;
            let Some(left) = looks_left.checked_sub(1) else {
                return Ok(false);
            };
            *looks_left = left;
            let (object, kind) = graph.name_of(holder & !MARK);
            if sources.contains(&kind) {
                self.meet(node, object);
            }
        }
        Ok(true)
    }

    /// An object is asked where an edge of the node leads to it.
    fn meet(&mut self, node: u32, object: u32) {
        if let Some(is_qualified) = self.view.edge_to(&self.view.row(node), End::Object(object)) {
            self.scratch.met.push(if is_qualified { object | MARK } else { object });
        }
    }
}
