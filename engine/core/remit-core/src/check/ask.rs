//! Asking for a goal: its value where facts alone decide it, else what there is to be worked out.
//!
//! Law: a goal asked twice within an evaluation is answered by facts both times, or neither time.

use super::evaluator::{Evaluation, PendingGoal, Stoppable};
use super::gates::GATE;
use super::goals::{ANYONE, Goal, NO, Subject, UNKNOWN, Value, YES};
use super::operands::Usersets;
use crate::graph::NONE;
use crate::graph::view::GraphView;
use crate::schema::plan::Body;

/// What asking for a goal came to.
pub enum Next {
    Known(Value),
    /// `Evaluation::pending` is to be worked out.
    Pending,
}

impl<G: GraphView> Evaluation<'_, G> {
    /// A goal: its value where it is plain from facts alone, else what to begin with. What no relationship of the kinds
    /// that there are can lead to takes neither a step nor a look. Cost: O(1), or a closure's (`walk_back.rs`).
    pub fn ask(&mut self, object: u32, slot: u32, subject: Subject) -> Stoppable<Next> {
        if slot >= GATE {
            return if slot == NONE { Ok(Next::Known(NO)) } else { self.ask_gate(object, subject) };
        }
        if !self.is_reachable(slot, subject) {
            return Ok(Next::Known(NO));
        }
        self.spend()?;
        let definition = &self.plan.slots[slot as usize];
        if subject.kind != NONE && subject.object == object && subject.kind == definition.kind {
            return Ok(Next::Known(YES));
        }
        match definition.body {
            Body::Relation => {
                let Some(node) = self.node_of(object, definition.kind) else {
                    return Ok(Next::Known(NO));
                };
                let (usersets, known) = self.parts_of_relation(node, definition.kind, subject)?;
                if known == YES || usersets.is_empty() {
                    return Ok(Next::Known(known));
                }
                self.pending = PendingGoal::of_relation(Goal { object, slot, subject }, usersets, known);
                Ok(Next::Pending)
            }
            Body::Along { .. } if subject.kind != NONE => Ok(Next::Known(NO)),
            Body::Permission { .. } | Body::Along { .. } => {
                let subject = if definition.is_for_all && subject.kind == NONE { ANYONE } else { subject };
                self.pending.goal = Goal { object, slot, subject };
                Ok(Next::Pending)
            }
        }
    }

    /// Nobody in particular is asked about nothing that the graph is asked about everybody for: a `related` is of whoever it is.
    #[cold]
    #[inline(never)]
    fn ask_gate(&mut self, gate: u32, subject: Subject) -> Stoppable<Next> {
        self.spend()?;
        if subject == ANYONE {
            return Ok(Next::Known(UNKNOWN));
        }
        self.pending.goal = Goal { object: gate, slot: GATE, subject };
        Ok(Next::Pending)
    }

    /// What the own edges of a relation say, and what is to be asked besides.
    #[inline(always)]
    pub(super) fn parts_of_relation(&mut self, node: u32, kind: u32, subject: Subject) -> Stoppable<(Usersets, Value)> {
        let known = self.direct(node, subject);
        if known == UNKNOWN {
            return self.gated_parts_of_relation(node, kind, subject);
        }
        self.usersets(node, kind, subject, known)
    }

    #[cold]
    #[inline(never)]
    fn gated_parts_of_relation(&mut self, node: u32, kind: u32, subject: Subject) -> Stoppable<(Usersets, Value)> {
        let (known, gate) = self.direct_and_gate(node, subject);
        let (usersets, known) = self.usersets(node, kind, subject, known)?;
        let is_gated = gate != NONE && known != YES;
        Ok((if is_gated { usersets.after_gate() } else { usersets }, known))
    }

    #[inline]
    fn is_reachable(&self, slot: u32, subject: Subject) -> bool {
        if subject.kind != NONE {
            self.state.reach.of_userset(slot, subject.kind)
        } else if subject.object == ANYONE.object {
            self.state.reach.of_anyone(slot)
        } else {
            self.state.reach.of_type(slot, self.type_of(subject.object))
        }
    }
}
