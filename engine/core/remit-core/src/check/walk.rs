//! Check: what a question comes to, by taking goals apart depth first on a stack of our own.
//!
//! Each goal has one equation (`equations.rs`), built with greatest, least and *unless*; a cycle is cut where it closes, its
//! goals wait, and they are settled together when the first of them is finished (Tarjan 1972, `fixpoint.rs`).
//! Laws: the answer does not depend on the order; a goal that rested on an unfinished one and is not exact is remembered
//! only when its cycle is settled; each goal is settled once.

use super::ask::Next;
use super::equations::Parts;
use super::evaluator::{Evaluation, PendingGoal, Stoppable};
use super::goals::{Goal, NO, Subject, UNKNOWN, Value, WAITING_NOT, YES};
use super::operands::{GateParts, Links, Operand, Part};
use super::stack::{Frame, Open, Waits};
use crate::graph::view::GraphView;
use crate::schema::plan::Body;

/// What to do next: hand a value to the work that waits for it, or find one.
enum Step {
    Value(Value),
    /// Of `Evaluation::pending`.
    Goal,
    /// Of an expression: the node of `Evaluation::pending`, for its goal's object and subject.
    Expression,
}

impl From<Next> for Step {
    #[inline(always)]
    fn from(next: Next) -> Step {
        match next {
            Next::Known(value) => Step::Value(value),
            Next::Pending => Step::Goal,
        }
    }
}

/// The least of two values, or the greatest.
#[inline(always)]
fn combined(is_every: bool, known: Value, value: Value) -> Value {
    if is_every { known.min(value) } else { known.max(value) }
}

// Parts are looked at where they stand, and work waits on the stack only for what has to be worked out. The last part
// often decides alone (`viewer + parent->view`, where nobody views): then nothing waits, whoever waits beneath gets the
// value, and a chain of folders takes one frame a folder instead of four (40 folders deep: 49,500 instructions a check
// before, 42,100 since).
impl<G: GraphView> Evaluation<'_, G> {
    /// The value of a goal, everything it rests on settled. After `Stopped` the scratch must be cleared.
    /// Cost: O(goals reached + edges looked at).
    pub fn solve(&mut self, root: Goal) -> Stoppable<Value> {
        self.begin_cheaply();
        let mut step = Step::from(self.ask(root.object, root.slot, root.subject)?);
        loop {
            step = match step {
                Step::Goal => match self.open(self.pending.goal) {
                    Some(value) => Step::Value(value),
                    None => match if self.steps >= self.dear.at { self.by_subject(self.pending.goal)? } else { None } {
                        Some(value) => Step::Value(value),
                        None => self.begin(self.pending)?,
                    },
                },
                Step::Expression => {
                    let PendingGoal { goal: Goal { object, subject, .. }, node, .. } = self.pending;
                    self.expression(node, object, subject)?
                }
                Step::Value(value) => match self.scratch.stack.pop() {
                    Some(frame) => self.resume(frame, value)?,
                    None => return Ok(value),
                },
            };
        }
    }

    #[inline(always)]
    fn begin(&mut self, pending: PendingGoal) -> Stoppable<Step> {
        let PendingGoal { goal: Goal { object, slot, subject }, known, .. } = pending;
        let Some(definition) = self.plan.slots.get(slot as usize) else {
            let (parts, known) = self.parts_of_gate(object, subject);
            return self.combine_gate(parts, known);
        };
        match definition.body {
            Body::Relation => self.combine(pending.usersets(), known),
            Body::Permission { node } => Ok(self.later(node, object, subject)),
            Body::Along { .. } => self.combine(Links::of(slot, object, subject), YES),
        }
    }

    #[inline(always)]
    fn expression(&mut self, node: u32, object: u32, subject: Subject) -> Stoppable<Step> {
        match self.operand(node, object, subject)? {
            Operand::Value(value) => Ok(Step::Value(value)),
            Operand::Goal { object, slot } => self.ask(object, slot, subject).map(Step::from),
            Operand::Any(operands) => self.combine(operands, NO),
            Operand::All(operands) => self.combine(operands, YES),
            Operand::ButNot { base, subtracted } => {
                self.scratch.stack.push(Frame::Base { subtracted, object, subject });
                Ok(self.later(base, object, subject))
            }
            Operand::Arrow { kind, targets, every } => match self.targets(object, kind, targets, every, subject)? {
                Some(targets) => self.combine(targets, if every { YES } else { NO }),
                None => Ok(Step::Value(NO)),
            },
        }
    }

    /// An expression, once whoever waits for it is on the stack.
    #[inline(always)]
    fn later(&mut self, node: u32, object: u32, subject: Subject) -> Step {
        (self.pending.node, self.pending.goal.object, self.pending.goal.subject) = (node, object, subject);
        Step::Expression
    }

    /// Go on with work that waited for a value.
    #[inline(always)]
    fn resume(&mut self, frame: Frame, value: Value) -> Stoppable<Step> {
        match frame {
            Frame::Goal => self.finish(value).map(Step::Value),
            Frame::Any { parts, known, fact } => self.go_on(parts, known, fact.min(value)),
            Frame::All { parts, known, fact } => self.go_on(parts, known, fact.min(value)),
            Frame::Base { .. } if value == NO => Ok(Step::Value(NO)),
            Frame::Base { subtracted, object, subject } => {
                self.scratch.stack.push(Frame::Subtracted { base: value });
                Ok(self.later(subtracted, object, subject))
            }
            Frame::Subtracted { base } => Ok(Step::Value(base.min(YES - value))),
            Frame::Usersets { parts, known, fact } => self.go_on(parts, known, fact.min(value)),
            Frame::Targets { parts, known, fact } => self.go_on(parts, known, fact.min(value)),
            Frame::Links { parts, known, fact } => self.go_on(parts, known, fact.min(value)),
            Frame::Gate { parts, known, fact } => {
                self.combine_gate(parts, combined(parts.is_every(), known, fact.min(value)))
            }
        }
    }

    #[inline(always)]
    fn go_on<P: Parts + Waits>(&mut self, parts: P, known: Value, value: Value) -> Stoppable<Step> {
        self.combine(parts, combined(parts.is_every(), known, value))
    }

    /// What parts come to, given what is known from those before: taken one by one until one decides, or one has to be
    /// worked out first. Inlined for each kind of parts: called, it gets them through memory (an agent's check, denied:
    /// 14,400 instructions then, 13,070 so).
    #[inline(always)]
    fn combine<P: Parts + Waits>(&mut self, mut parts: P, mut known: Value) -> Stoppable<Step> {
        let is_every = parts.is_every();
        let (neutral, decisive) = if is_every { (YES, NO) } else { (NO, YES) };
        while known != decisive {
            let Some(part) = parts.next(self)? else {
                break;
            };
            let (fact, step) = match part {
                Part::Value(value) => (YES, Step::Value(value)),
                Part::Goal { fact: NO, .. } => (NO, Step::Value(NO)), // the goal need not be asked
                Part::Goal { fact, object, slot, subject } => (fact, self.ask(object, slot, subject)?.into()),
                Part::Opposite { object, slot, subject } => match self.ask(object, slot, subject)? {
                    Next::Known(value) => (YES, Step::Value(YES - value)),
                    Next::Pending => {
                        self.scratch.stack.push(parts.waits(known, YES));
                        self.scratch.stack.push(Frame::Subtracted { base: YES });
                        return Ok(Step::Goal);
                    }
                },
                Part::Expression { node, object, subject } => {
                    let step = match self.operand(node, object, subject)? {
                        Operand::Value(value) => Step::Value(value),
                        Operand::Goal { object, slot } => self.ask(object, slot, subject)?.into(),
                        Operand::Any(_) | Operand::All(_) | Operand::ButNot { .. } | Operand::Arrow { .. } => {
                            self.later(node, object, subject)
                        }
                    };
                    (YES, step)
                }
            };
            if let Step::Value(value) = step {
                known = combined(is_every, known, fact.min(value));
                continue;
            }
            if !parts.is_last() || known != neutral || fact != YES {
                self.scratch.stack.push(parts.waits(known, fact));
            }
            return Ok(step);
        }
        Ok(Step::Value(known))
    }

    /// Of a gate, which a check without a call never meets: what is inlined for it here makes the others slower.
    #[cold]
    #[inline(never)]
    fn combine_gate(&mut self, parts: GateParts, known: Value) -> Stoppable<Step> {
        self.combine(parts, known)
    }

    // --- goals that are worked on -----------------------------------------------------------------------------

    /// What is known of a goal that was met before; else it is on the path now, and the stack waits for it.
    #[inline(always)]
    fn open(&mut self, goal: Goal) -> Option<Value> {
        let scratch = &mut *self.scratch;
        let (number, was_there) = scratch.goals.enter(goal);
        if was_there {
            let entry = scratch.goals.entry(number);
            if entry.is_settled {
                return Some(entry.value);
            }
            if entry.order != WAITING_NOT {
                let top = scratch.path.last_mut().expect("a goal waits below one that is worked on");
                top.lowest = top.lowest.min(entry.order);
                top.is_cut = true;
                return Some(entry.value);
            } // else its walk was left (`walk_up.rs`)
        }
        let order = scratch.waiting.len() as u32;
        scratch.goals.entry_mut(number).order = order;
        scratch.waiting.push(number);
        scratch.path.push(Open { entry: number, order, lowest: order, is_cut: false });
        scratch.stack.push(Frame::Goal);
        None
    }

    /// The goal on top of the path has come to a value.
    #[inline(always)]
    fn finish(&mut self, value: Value) -> Stoppable<Value> {
        let scratch = &mut *self.scratch;
        let open = scratch.path.pop().expect("a goal is worked on");
        let entry = scratch.goals.entry_mut(open.entry);
        entry.value = value;
        // Exact whatever the unfinished goals come to, so it may be remembered at once.
        entry.is_settled = value != UNKNOWN;
        if open.lowest < open.order {
            // Even where this goal itself is exact, the goals it left waiting hang on the earlier one.
            let below = scratch.path.last_mut().expect("an earlier goal waits below");
            below.lowest = below.lowest.min(open.lowest);
            below.is_cut = true;
            return Ok(value);
        }
        if open.is_cut {
            self.settle(open.order as usize)?;
        }
        let scratch = &mut *self.scratch;
        while scratch.waiting.len() > open.order as usize {
            let number = scratch.waiting.pop().expect("it is longer");
            let entry = scratch.goals.entry_mut(number);
            entry.order = WAITING_NOT;
            entry.is_settled = true;
        }
        Ok(scratch.goals.entry(open.entry).value)
    }
}
