//! What a finished cycle of goals comes to: the alternating fixed point of the well-founded model (Van Gelder 1989).
//!
//! With what is subtracted taken at its lowest, rising from below gives an upper bound; with that as what is subtracted,
//! rising gives a better lower bound; and so on until nothing moves. The equations become a circuit of gates once; each
//! turn then looks at nothing again that has not risen (Dowling and Gallier 1984).
//! Law: what still has its bounds apart is undefined, or hangs on a caveat, and stays UNKNOWN.

use super::ask::Next;
use super::circuit::{Circuit, Gate};
use super::equations::Parts;
use super::evaluator::{Evaluation, Stoppable};
use super::goals::{Goal, NO, Subject, UNKNOWN, Value, YES};
use super::operands::{Links, Operand, Part};
use crate::graph::NONE;
use crate::graph::view::GraphView;
use crate::schema::plan::Body;

/// A value, or its opposite.
fn read(value: Value, negated: bool) -> Value {
    if negated { YES - value } else { value }
}

impl<G: GraphView> Evaluation<'_, G> {
    /// Settle the goals that wait from a place on. Cost: O(edges within the cycle), and where it goes through a `-` at
    /// most that times their count.
    pub fn settle(&mut self, from: usize) -> Stoppable<()> {
        let scratch = &mut *self.scratch;
        let mut members: Vec<u32> = Vec::new();
        for number in &scratch.waiting[from..] {
            let entry = scratch.goals.entry_mut(*number);
            if !entry.is_settled {
                entry.order = members.len() as u32; // from here on, its number in the cycle
                members.push(*number);
            }
        }
        if members.is_empty() {
            return Ok(());
        }
        let mut circuit = std::mem::take(&mut scratch.circuit);
        let result = self.settle_members(&members, &mut circuit);
        self.scratch.circuit = circuit;
        result
    }

    fn settle_members(&mut self, members: &[u32], circuit: &mut Circuit) -> Stoppable<()> {
        circuit.clear();
        circuit.first_listener.resize(members.len(), NONE);
        for (member, number) in members.iter().enumerate() {
            let goal = self.scratch.goals.entry(*number).goal;
            let gate = circuit.gate(NONE, member as u32, false);
            let part = self.wire(circuit, goal, gate)?;
            circuit.take(gate, part);
            circuit.known.push(part);
        }
        let mut low = vec![false; members.len()];
        let high = loop {
            let high = self.rise(circuit, &low, &low, true)?;
            let better = self.rise(circuit, &low, &high, false)?;
            if better == low || better == high {
                low = better;
                break high;
            }
            low = better;
        };
        for (member, number) in members.iter().enumerate() {
            let value = match (low[member], high[member]) {
                (true, _) => YES,
                (false, true) => UNKNOWN,
                (false, false) => NO,
            };
            self.scratch.goals.entry_mut(*number).value = value;
        }
        Ok(())
    }

    /// Which members are true, starting from some that are, with opposites read from `other`; what is unknown counts as
    /// true from above only. Cost: O(circuit).
    fn rise(&mut self, circuit: &mut Circuit, start: &[bool], other: &[bool], is_above: bool) -> Stoppable<Vec<bool>> {
        let mut value = start.to_vec();
        circuit.lacking.clear();
        circuit.risen.clear();
        let mut at_once: Vec<u32> = Vec::new();
        for (number, gate) in circuit.gates.iter().enumerate() {
            let unknown = u32::from(gate.has_unknown && !is_above);
            let lacking = match (gate.every, gate.has_unknown && is_above) {
                (true, _) => gate.hanging + unknown,
                (false, true) => 0,
                (false, false) => 1,
            };
            circuit.lacking.push(if gate.is_dead { u32::MAX } else { lacking });
            if lacking == 0 && !gate.is_dead {
                at_once.push(number as u32);
            }
        }
        for (member, known) in circuit.known.iter().enumerate() {
            if let Some(known) = known {
                value[member] |= *known == YES || (*known == UNKNOWN && is_above);
            }
        }
        for (member, is_true) in value.iter().enumerate() {
            if *is_true {
                circuit.notify_listeners(member as u32);
            }
        }
        for place in 0..circuit.opposites.len() {
            let (member, gate) = circuit.opposites[place];
            if !other[member as usize] {
                circuit.risen.push(gate);
            }
        }
        for gate in at_once {
            self.raise(circuit, gate, &mut value);
        }
        while let Some(gate) = circuit.risen.pop() {
            self.spend()?;
            let lacking = &mut circuit.lacking[gate as usize];
            if *lacking == 0 || *lacking == u32::MAX {
                continue;
            }
            *lacking -= 1;
            if *lacking == 0 {
                self.raise(circuit, gate, &mut value);
            }
        }
        Ok(value)
    }

    fn raise(&self, circuit: &mut Circuit, gate: u32, value: &mut [bool]) {
        let Gate { part_of, member, .. } = circuit.gates[gate as usize];
        if member == NONE {
            circuit.risen.push(part_of);
        } else if !value[member as usize] {
            value[member as usize] = true;
            circuit.notify_listeners(member);
        }
    }

    // --- equations as gates -----------------------------------------------------------------------------------

    /// The equation of a member: its value, or None where it hangs on the cycle and `gate` will hear of it. Like the
    /// walk it asks no further once it knows, so it meets no goal that was not met before.
    fn wire(&mut self, circuit: &mut Circuit, goal: Goal, gate: u32) -> Stoppable<Option<Value>> {
        self.spend()?;
        let Goal { object, slot, subject } = goal;
        let Some(definition) = self.plan.slots.get(slot as usize).copied() else {
            let (parts, known) = self.parts_of_gate(object, subject);
            return self.wire_parts(circuit, parts, known, gate, false);
        };
        match definition.body {
            Body::Relation => {
                let node = self.node_of(object, definition.kind).expect("a relation that was walked has a node");
                let (usersets, known) = self.parts_of_relation(node, definition.kind, subject)?;
                self.wire_parts(circuit, usersets, known, gate, false)
            }
            Body::Permission { node } => self.wire_expression(circuit, node, object, subject, gate, false),
            Body::Along { .. } => self.wire_parts(circuit, Links::of(slot, object, subject), YES, gate, false),
        }
    }

    /// The parts of an equation, given what is known besides.
    fn wire_parts<P: Parts>(
        &mut self,
        circuit: &mut Circuit,
        mut parts: P,
        known: Value,
        gate: u32,
        negated: bool,
    ) -> Stoppable<Option<Value>> {
        let inner = circuit.gate(gate, NONE, parts.is_every() != negated);
        let mut is_decided = circuit.take(inner, Some(read(known, negated)));
        while !is_decided {
            let Some(part) = parts.next(self)? else {
                break;
            };
            let part = match part {
                Part::Value(value) => Some(read(value, negated)),
                Part::Goal { fact: NO, .. } => Some(read(NO, negated)), // nor did the walk ask the goal
                Part::Goal { fact, object, slot, subject } => {
                    let next = self.ask(object, slot, subject)?;
                    self.wire_through(circuit, fact, next, inner, negated)?
                }
                Part::Opposite { object, slot, subject } => {
                    let next = self.ask(object, slot, subject)?;
                    self.wire_next(circuit, next, inner, !negated)?
                }
                Part::Expression { node, object, subject } => {
                    self.wire_expression(circuit, node, object, subject, inner, negated)?
                }
            };
            is_decided = circuit.take(inner, part);
        }
        Ok(circuit.close(inner))
    }

    fn wire_expression(
        &mut self,
        circuit: &mut Circuit,
        node: u32,
        object: u32,
        subject: Subject,
        gate: u32,
        negated: bool,
    ) -> Stoppable<Option<Value>> {
        match self.operand(node, object, subject)? {
            Operand::Value(value) => Ok(Some(read(value, negated))),
            Operand::Goal { object, slot } => {
                let next = self.ask(object, slot, subject)?;
                self.wire_next(circuit, next, gate, negated)
            }
            Operand::Any(operands) => self.wire_parts(circuit, operands, NO, gate, negated),
            Operand::All(operands) => self.wire_parts(circuit, operands, YES, gate, negated),
            Operand::ButNot { base, subtracted } => {
                let inner = circuit.gate(gate, NONE, !negated);
                let part = self.wire_expression(circuit, base, object, subject, inner, negated)?;
                if !circuit.take(inner, part) {
                    let part = self.wire_expression(circuit, subtracted, object, subject, inner, !negated)?;
                    circuit.take(inner, part);
                }
                Ok(circuit.close(inner))
            }
            Operand::Arrow { kind, targets, every } => match self.targets(object, kind, targets, every, subject)? {
                Some(targets) => self.wire_parts(circuit, targets, if every { YES } else { NO }, gate, negated),
                None => Ok(Some(read(NO, negated))),
            },
        }
    }

    /// A fact and what it leads to, both.
    fn wire_through(
        &mut self,
        circuit: &mut Circuit,
        fact: Value,
        next: Next,
        gate: u32,
        negated: bool,
    ) -> Stoppable<Option<Value>> {
        if fact == YES {
            return self.wire_next(circuit, next, gate, negated);
        }
        let inner = circuit.gate(gate, NONE, !negated);
        circuit.take(inner, Some(read(fact, negated)));
        let part = self.wire_next(circuit, next, inner, negated)?;
        circuit.take(inner, part);
        Ok(circuit.close(inner))
    }

    fn wire_next(&mut self, circuit: &mut Circuit, next: Next, gate: u32, negated: bool) -> Stoppable<Option<Value>> {
        let goal = match next {
            Next::Known(value) => return Ok(Some(read(value, negated))),
            Next::Pending => self.pending.goal,
        };
        let number = self.scratch.goals.find(&goal).expect("a cycle meets no goal that the walk did not");
        let entry = self.scratch.goals.entry(number);
        if entry.is_settled {
            return Ok(Some(read(entry.value, negated)));
        }
        if negated {
            circuit.opposites.push((entry.order, gate));
        } else {
            circuit.listen(entry.order, gate);
        }
        Ok(None)
    }
}
