//! What each operator is made of: how a goal follows from facts and other goals, part by part.
//!
//! The walk (`walk.rs`) and the fixed point (`fixpoint.rs`) drive what stands here. Each computes greatest, least and
//! *unless* in its own way, and knows no other operator: whoever adds one says here what its parts are. `eval/equations.py` is its plain twin.
//! Law: an equation has the same parts in the same order whoever asks for them, and however often.

use super::evaluator::{Evaluation, Stoppable};
use super::gates::{GATE, Gate, GatePart};
use super::goals::{NO, Subject, UNKNOWN, Value, YES};
use super::operands::{GateParts, Links, Operand, Operands, Part, Places, Targets, Usersets};
use crate::graph::NONE;
use crate::graph::view::GraphView;
use crate::schema::plan::Node;

/// Parts that come one at a time. Nothing is asked of them once one has decided.
pub(super) trait Parts: Copy {
    /// Whether the least of the parts is the value, or the greatest.
    fn is_every(&self) -> bool;

    /// Whether there is certainly no other part after one that was a goal.
    fn is_last(&self) -> bool;

    fn next<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<Option<Part>>;
}

impl<const EVERY: bool> Parts for Operands<EVERY> {
    #[inline(always)]
    fn is_every(&self) -> bool {
        EVERY
    }

    #[inline(always)]
    fn is_last(&self) -> bool {
        self.next == self.to
    }

    #[inline(always)]
    fn next<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<Option<Part>> {
        if self.next == self.to {
            return Ok(None);
        }
        let node = evaluation.plan.operands[self.next as usize];
        self.next += 1;
        Ok(Some(Part::Expression { node, object: self.object, subject: self.subject }))
    }
}

impl Parts for Usersets {
    #[inline(always)]
    fn is_every(&self) -> bool {
        false
    }

    #[inline(always)]
    fn is_last(&self) -> bool {
        self.next == self.to
    }

    #[inline(always)]
    fn next<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<Option<Part>> {
        if self.has_gate() {
            let (_, gate) = evaluation.direct_and_gate(self.node, self.subject);
            *self = self.without_gate();
            return Ok(Some(Part::Goal { fact: YES, object: gate, slot: GATE, subject: self.subject }));
        }
        while self.next < self.to {
            self.next += 1;
            let userset = evaluation.userset_at(self.node, self.next - 1, self.places == Places::Met);
            if let Some((fact, object, slot)) = evaluation.userset(self.node, userset, self.subject)? {
                return Ok(Some(Part::Goal { fact, object, slot, subject: self.subject }));
            }
        }
        Ok(None)
    }
}

impl Parts for Targets {
    #[inline(always)]
    fn is_every(&self) -> bool {
        self.every
    }

    #[inline(always)]
    fn is_last(&self) -> bool {
        self.next == self.to
    }

    #[inline(always)]
    fn next<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<Option<Part>> {
        let is_first = self.next == 0; // after the first part, an edge has counted
        while self.next < self.to {
            self.next += 1;
            let place = self.next - 1;
            let edge =
                if self.is_met { evaluation.met_edge(self.node, place) } else { evaluation.edge(self.node, place) };
            if let Some(edge) = edge? {
                let slot = evaluation.plan.target(self.targets, evaluation.type_of(edge.object));
                if edge.fact == UNKNOWN && evaluation.gate != NONE {
                    let object = evaluation.gated(GatePart::Goal { object: edge.object, slot });
                    return Ok(Some(Part::Goal { fact: YES, object, slot: GATE, subject: self.subject }));
                }
                return Ok(Some(Part::Goal { fact: edge.fact, object: edge.object, slot, subject: self.subject }));
            }
        }
        // Every target, and at least one.
        Ok((self.every && is_first).then_some(Part::Value(NO)))
    }
}

impl Parts for Links {
    #[inline(always)]
    fn is_every(&self) -> bool {
        true
    }

    #[inline(always)]
    fn is_last(&self) -> bool {
        false
    }

    /// A link that should have one above it and has none breaks the chain.
    #[inline(always)]
    fn next<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<Option<Part>> {
        let Links { slot, object, subject, .. } = *self;
        let mut is_rootless = false; // a relation that was begun before has led to a link
        loop {
            if self.node == NONE {
                let (child, chain) = evaluation.plan.along(slot);
                if self.relation == NONE {
                    self.relation = 0;
                    return Ok(Some(Part::Goal { fact: YES, object, slot: child, subject }));
                }
                let relations = evaluation.plan.chain(chain, evaluation.type_of(subject.object));
                let Some(relation) = relations.get(self.relation as usize) else {
                    return Ok(None);
                };
                let Some(node) = evaluation.node_of(subject.object, *relation) else {
                    return Ok(Some(Part::Value(NO)));
                };
                self.relation += 1;
                (self.node, self.next, is_rootless) = (node, 0, true);
            }
            while self.next < evaluation.edges_len(self.node) {
                self.next += 1;
                let Some(edge) = evaluation.edge(self.node, self.next - 1)? else {
                    continue;
                };
                if edge.is_userset || evaluation.is_wildcard(edge.object) {
                    return Ok(Some(Part::Value(NO))); // a chain leads through single objects only
                }
                let subject = Subject { object: edge.object, kind: NONE };
                if edge.fact == UNKNOWN && evaluation.gate != NONE {
                    let gate = evaluation.gated(GatePart::GoalOf { object, slot, subject });
                    return Ok(Some(Part::Goal { fact: YES, object: gate, slot: GATE, subject: self.subject }));
                }
                return Ok(Some(Part::Goal { fact: edge.fact, object, slot, subject }));
            }
            if is_rootless {
                return Ok(Some(Part::Value(NO)));
            }
            self.node = NONE;
        }
    }
}

impl Parts for GateParts {
    #[inline(always)]
    fn is_every(&self) -> bool {
        self.every
    }

    #[inline(always)]
    fn is_last(&self) -> bool {
        self.next == self.to
    }

    #[inline(always)]
    fn next<G: GraphView>(&mut self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<Option<Part>> {
        if self.next == self.to {
            return Ok(None);
        }
        self.next += 1;
        let subject = self.subject;
        Ok(Some(match evaluation.scratch.gates.part(self.next - 1) {
            GatePart::Value(value) => Part::Value(value),
            GatePart::Goal { object, slot } => Part::Goal { fact: YES, object, slot, subject },
            GatePart::Opposite { object, slot } => Part::Opposite { object, slot, subject },
            GatePart::GoalOf { object, slot, subject } => Part::Goal { fact: YES, object, slot, subject },
        }))
    }
}

impl<G: GraphView> Evaluation<'_, G> {
    /// The parts of a gate, and what they come to where there are none.
    pub(super) fn parts_of_gate(&self, gate: u32, subject: Subject) -> (GateParts, Value) {
        let Gate { every, from, to } = self.scratch.gates.gate(gate);
        (GateParts { next: from, to, subject, every }, if every { YES } else { NO })
    }

    /// What a node of the plan is made of. Cost: O(1), or of an `exists` O(edges) at worst.
    #[inline(always)]
    pub(super) fn operand(&mut self, node: u32, object: u32, subject: Subject) -> Stoppable<Operand> {
        Ok(match self.plan.nodes[node as usize] {
            Node::Goal { slot } => Operand::Goal { object, slot },
            Node::Nil => Operand::Value(NO),
            Node::Itself => Operand::Value(self.itself(object, subject)),
            // A userset has no permission of its own.
            Node::SubjectArrow { .. } if subject.kind != NONE => Operand::Value(NO),
            Node::SubjectArrow { targets } => {
                let slot = self.plan.target(targets, self.type_of(subject.object));
                Operand::Goal { object: subject.object, slot }
            }
            Node::Exists { kind } => match self.exists(object, kind)? {
                UNKNOWN if self.gate != NONE => Operand::Goal { object: self.gate, slot: GATE },
                known => Operand::Value(known),
            },
            Node::Union { from, to } => Operand::Any(Operands { next: from, to, object, subject }),
            Node::Intersection { from, to } => Operand::All(Operands { next: from, to, object, subject }),
            Node::Exclusion { base, subtracted } => Operand::ButNot { base, subtracted },
            Node::Arrow { kind, targets, every } => Operand::Arrow { kind, targets, every },
        })
    }

    /// The parts of an arrow; None where the object has no such edge, which is a no for any and for every. Of any, those
    /// may be left out of which the subject has not the name (`met_targets.rs`).
    #[inline(always)]
    pub(super) fn targets(
        &mut self,
        object: u32,
        kind: u32,
        targets: u32,
        every: bool,
        subject: Subject,
    ) -> Stoppable<Option<Targets>> {
        let Some(node) = self.node_of(object, kind) else {
            return Ok(None);
        };
        if every {
            let to = self.edges_len(node);
            return Ok(Some(Targets { node, next: 0, to, targets, subject, every, is_met: false }));
        }
        self.any_targets(node, kind, targets, subject).map(Some)
    }

    #[inline]
    fn itself(&self, object: u32, subject: Subject) -> Value {
        if subject.kind == NONE && subject.object == object { YES } else { NO }
    }

    /// Whether an object has an edge of a kind. As of an edge, what comes to UNKNOWN may hang on goals: `gate` says by which.
    fn exists(&mut self, object: u32, kind: u32) -> Stoppable<Value> {
        let Some(node) = self.node_of(object, kind) else {
            return Ok(NO);
        };
        let mut known = NO;
        for place in 0..self.edges_len(node) {
            if let Some(edge) = self.edge(node, place)? {
                if edge.fact == UNKNOWN && self.gate != NONE {
                    return self.exists_or_gates(node, place, known);
                }
                known = known.max(edge.fact);
                if known == YES {
                    break;
                }
            }
        }
        Ok(known)
    }

    /// The same, from a place on whose edge was looked at last and has a gate.
    #[cold]
    #[inline(never)]
    fn exists_or_gates(&mut self, node: u32, place: u32, mut known: Value) -> Stoppable<Value> {
        let mut gates = vec![GatePart::gate(self.gate)];
        for place in place + 1..self.edges_len(node) {
            match self.edge(node, place)? {
                Some(edge) if edge.fact == UNKNOWN && self.gate != NONE => gates.push(GatePart::gate(self.gate)),
                Some(edge) if edge.fact == YES => return Ok(YES),
                Some(edge) => known = known.max(edge.fact),
                None => {}
            }
        }
        if known == UNKNOWN {
            gates.push(GatePart::Value(UNKNOWN));
        }
        self.gate = self.scratch.gates.number(false, &gates);
        Ok(UNKNOWN)
    }
}
