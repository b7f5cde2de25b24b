//! Check: what a question comes to, by taking goals apart depth first on a stack of our own.
//!
//! Each goal has one equation, built with greatest, least and *unless*; a circle is cut where it closes, its goals wait,
//! and they are settled together when the first of them is finished (Tarjan 1972, `fixpoint.rs`).
//! Laws: the answer does not depend on the order; a goal that rested on an unfinished one and is not exact is remembered
//! only when its circle is settled; each goal is settled once.

use super::ask::Next;
use super::evaluator::{Asked, Evaluation, Stoppable};
use super::goals::{Goal, NO, Subject, UNKNOWN, Value, WAITING_NOT, YES};
use super::stack::{Along, Frame, Open};
use crate::graph::NONE;
use crate::graph::view::{GraphView, Row};
use crate::schema::plan::{Body, Node};

/// What to do next: hand a value to the work that waits for it, or find one.
enum Step {
    Value(Value),
    /// Of the goal that was asked.
    Open,
    /// Of an expression, `node` of `Evaluation::asked`, for the goal that was asked.
    Operand,
}

impl From<Next> for Step {
    #[inline(always)]
    fn from(next: Next) -> Step {
        match next {
            Next::Known(value) => Step::Value(value),
            Next::Open => Step::Open,
        }
    }
}

// Each kind of work looks at what it can by itself, and waits on the stack only for what it cannot. The last thing it
// looks at often decides alone (`viewer + parent->view`, where nobody views): then nothing waits, whoever waits beneath
// gets the value, and a chain of folders takes one frame a folder instead of four (40 folders deep: 49,500 instructions a
// check before, 42,100 since).
impl<G: GraphView> Evaluation<'_, G> {
    /// The value of a goal, everything it rests on settled. After `Stopped` the scratch must be cleared.
    /// Cost: O(goals reached + edges looked at).
    pub fn solve(&mut self, root: Goal) -> Stoppable<Value> {
        let mut step = Step::from(self.ask(root.object, root.slot, root.subject)?);
        loop {
            step = match step {
                Step::Open => match self.open(self.asked.goal) {
                    Some(value) => Step::Value(value),
                    None => self.begin(self.asked)?,
                },
                Step::Operand => {
                    let Asked { goal: Goal { object, subject, .. }, node, .. } = self.asked;
                    self.operand(node, object, subject)?
                }
                Step::Value(value) => match self.scratch.stack.pop() {
                    Some(frame) => self.resume(frame, value)?,
                    None => return Ok(value),
                },
            };
        }
    }

    #[inline(always)]
    fn begin(&mut self, asked: Asked) -> Stoppable<Step> {
        let Asked { goal: Goal { object, slot, subject }, node, known } = asked;
        match self.plan.slots[slot as usize].body {
            Body::Relation => self.usersets(node, 0, subject, known),
            Body::Permission { node } => self.operand(node, object, subject),
            Body::Along { child, .. } => {
                self.scratch.stack.push(Frame::Along(Along {
                    slot,
                    object,
                    subject,
                    relation: 0,
                    node: NONE,
                    next: 0,
                    is_rootless: false,
                    known: YES,
                    fact: YES,
                }));
                self.ask(object, child, subject).map(Step::from)
            }
        }
    }

    /// An expression, once whoever waits for it is on the stack.
    #[inline(always)]
    fn later(&mut self, node: u32, object: u32, subject: Subject) -> Step {
        (self.asked.node, self.asked.goal.object, self.asked.goal.subject) = (node, object, subject);
        Step::Operand
    }

    fn operand(&mut self, node: u32, object: u32, subject: Subject) -> Stoppable<Step> {
        match self.plan.nodes[node as usize] {
            Node::Union { from, to } => self.union(from, to, object, subject, NO),
            Node::Intersection { from, to } => self.intersection(from, to, object, subject, YES),
            Node::Exclusion { base, subtracted } => {
                self.scratch.stack.push(Frame::Base { subtracted, object, subject });
                Ok(self.later(base, object, subject))
            }
            Node::Arrow { kind, targets, every } => match self.node_of(object, kind) {
                Some(node) => self.arrow(node, 0, targets, every, subject, if every { YES } else { NO }),
                None => Ok(Step::Value(NO)),
            },
            _ => self.leaf(node, object, subject).map(|leaf| Step::from(leaf.expect("the others are leaves"))),
        }
    }

    /// An operand that has none of its own; None of one that has.
    #[inline(always)]
    fn leaf(&mut self, node: u32, object: u32, subject: Subject) -> Stoppable<Option<Next>> {
        Ok(Some(match self.plan.nodes[node as usize] {
            Node::Goal { slot } => self.ask(object, slot, subject)?,
            Node::Nil => Next::Known(NO),
            Node::Itself => Next::Known(self.itself(object, subject)),
            Node::SubjectArrow { .. } if subject.kind != NONE => Next::Known(NO),
            Node::SubjectArrow { targets } => {
                let slot = self.plan.target(targets, self.type_of(subject.object));
                self.ask(subject.object, slot, subject)?
            }
            Node::Exists { kind } => Next::Known(self.exists(object, kind)?),
            Node::Union { .. } | Node::Intersection { .. } | Node::Exclusion { .. } | Node::Arrow { .. } => {
                return Ok(None);
            }
        }))
    }

    /// Go on with work that waited for a value.
    #[inline(always)]
    fn resume(&mut self, frame: Frame, value: Value) -> Stoppable<Step> {
        match frame {
            Frame::Goal => self.finish(value).map(Step::Value),
            Frame::Union { next, to, object, subject, known } => {
                self.union(next, to, object, subject, known.max(value))
            }
            Frame::Intersection { next, to, object, subject, known } => {
                self.intersection(next, to, object, subject, known.min(value))
            }
            Frame::Base { .. } if value == NO => Ok(Step::Value(NO)),
            Frame::Base { subtracted, object, subject } => {
                self.scratch.stack.push(Frame::Subtracted { base: value });
                Ok(self.later(subtracted, object, subject))
            }
            Frame::Subtracted { base } => Ok(Step::Value(base.min(YES - value))),
            Frame::Usersets { node, next, subject, known, fact } => {
                self.usersets(node, next, subject, known.max(fact.min(value)))
            }
            Frame::Arrow { node, next, targets, every, subject, known, fact } => {
                let known = if every { known.min(fact.min(value)) } else { known.max(fact.min(value)) };
                self.arrow(node, next, targets, every, subject, known)
            }
            Frame::Along(mut along) => {
                along.known = along.known.min(along.fact.min(value));
                self.along(along)
            }
        }
    }

    fn union(&mut self, mut next: u32, to: u32, object: u32, subject: Subject, mut known: Value) -> Stoppable<Step> {
        while known != YES && next != to {
            let node = self.plan.operands[next as usize];
            next += 1;
            let step = match self.leaf(node, object, subject)? {
                Some(Next::Known(value)) => {
                    known = known.max(value);
                    continue;
                }
                Some(Next::Open) => Step::Open,
                None => self.later(node, object, subject),
            };
            if next != to || known != NO {
                self.scratch.stack.push(Frame::Union { next, to, object, subject, known });
            }
            return Ok(step);
        }
        Ok(Step::Value(known))
    }

    fn intersection(
        &mut self,
        mut next: u32,
        to: u32,
        object: u32,
        subject: Subject,
        mut known: Value,
    ) -> Stoppable<Step> {
        while known != NO && next != to {
            let node = self.plan.operands[next as usize];
            next += 1;
            let step = match self.leaf(node, object, subject)? {
                Some(Next::Known(value)) => {
                    known = known.min(value);
                    continue;
                }
                Some(Next::Open) => Step::Open,
                None => self.later(node, object, subject),
            };
            if next != to || known != YES {
                self.scratch.stack.push(Frame::Intersection { next, to, object, subject, known });
            }
            return Ok(step);
        }
        Ok(Step::Value(known))
    }

    fn usersets(&mut self, node: u32, mut next: u32, subject: Subject, mut known: Value) -> Stoppable<Step> {
        let len = self.view.row(node).usersets_len();
        while known != YES && next < len {
            next += 1;
            let Some((fact, object, slot)) = self.userset(node, next - 1, subject)? else {
                continue;
            };
            match self.ask(object, slot, subject)? {
                Next::Known(value) => known = known.max(fact.min(value)),
                open => {
                    if next != len || known != NO || fact != YES {
                        self.scratch.stack.push(Frame::Usersets { node, next, subject, known, fact });
                    }
                    return Ok(Step::from(open));
                }
            }
        }
        Ok(Step::Value(known))
    }

    fn arrow(
        &mut self,
        node: u32,
        mut next: u32,
        targets: u32,
        every: bool,
        subject: Subject,
        mut known: Value,
    ) -> Stoppable<Step> {
        let len = self.edges_len(node);
        let (neutral, decisive) = if every { (YES, NO) } else { (NO, YES) };
        while known != decisive && next < len {
            next += 1;
            let Some((fact, object)) = self.edge(node, next - 1)? else {
                continue;
            };
            if fact == NO {
                known = if every { NO } else { known };
                continue; // there, and its caveat says no: the target need not be asked
            }
            let slot = self.plan.target(targets, self.type_of(object));
            match self.ask(object, slot, subject)? {
                Next::Known(value) if every => known = known.min(fact.min(value)),
                Next::Known(value) => known = known.max(fact.min(value)),
                open => {
                    if next != len || known != neutral || fact != YES {
                        let frame = Frame::Arrow { node, next, targets, every, subject, known, fact };
                        self.scratch.stack.push(frame);
                    }
                    return Ok(Step::from(open));
                }
            }
        }
        if every && known == YES && !self.has_edges(node)? {
            return Ok(Step::Value(NO)); // every target, and at least one
        }
        Ok(Step::Value(known))
    }

    fn along(&mut self, mut along: Along) -> Stoppable<Step> {
        let Along { slot, object, subject, .. } = along;
        let Body::Along { chain, .. } = self.plan.slots[slot as usize].body else {
            unreachable!("an along's frame has an along's slot")
        };
        let relations = self.plan.chain(chain, self.type_of(subject.object));
        while along.known != NO {
            if along.node == NONE {
                let Some(relation) = relations.get(along.relation as usize) else {
                    break;
                };
                let Some(node) = self.node_of(subject.object, *relation) else {
                    return Ok(Step::Value(NO));
                };
                (along.node, along.next, along.is_rootless) = (node, 0, true);
                along.relation += 1;
            }
            let row = self.view.row(along.node);
            let (direct, len) = (row.direct_len(), row.direct_len() + row.usersets_len());
            while along.known != NO && along.next < len {
                let place = along.next;
                along.next += 1;
                let Some((fact, link)) = self.edge(along.node, place)? else {
                    continue;
                };
                if place >= direct || self.is_wildcard(link) {
                    return Ok(Step::Value(NO)); // a chain leads through single objects only
                }
                if fact == NO {
                    return Ok(Step::Value(NO));
                }
                (along.is_rootless, along.fact) = (false, fact);
                match self.ask(object, slot, Subject { object: link, kind: NONE })? {
                    Next::Known(value) => along.known = along.known.min(fact.min(value)),
                    open => {
                        self.scratch.stack.push(Frame::Along(along));
                        return Ok(Step::from(open));
                    }
                }
            }
            if along.is_rootless {
                return Ok(Step::Value(NO));
            }
            along.node = NONE;
        }
        Ok(Step::Value(along.known))
    }

    // --- goals that are worked on -----------------------------------------------------------------------------

    /// What is known of a goal that was met before; else it is on the path now, and the stack waits for it.
    #[inline(always)]
    fn open(&mut self, goal: Goal) -> Option<Value> {
        let scratch = &mut *self.scratch;
        let (number, was_there) = scratch.goals.enter(goal);
        if was_there {
            let entry = scratch.goals.entry(number);
            if !entry.is_settled {
                let top = scratch.path.last_mut().expect("a goal waits below one that is worked on");
                top.lowest = top.lowest.min(entry.order);
                top.is_cut = true;
            }
            return Some(entry.value);
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
