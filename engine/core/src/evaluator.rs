//! Check: what a question comes to, by walking its goals depth first on a stack of our own.
//!
//! It means what `semantics.py` means; read that first. Each goal has one equation, built with greatest, least and
//! *unless*; a circle is cut where it closes, its goals wait, and they are settled together when the first of them is
//! finished (Tarjan 1972, `circles.rs`). A relationship with a caveat counts as UNKNOWN, so CONDITIONAL never arises here:
//! an answer that hangs on a caveat comes out UNKNOWN, and Python answers it.
//! Laws: the answer does not depend on the order; a goal that rested on an unfinished one and is not exact is remembered
//! only when its circle is settled; each goal is settled once.

use crate::closure::{Closures, State};
use crate::goals::{ANYONE, Goal, Goals, NO, Subject, UNKNOWN, Value, WAITING_NOT, YES};
use crate::graph::{End, Graph, NONE};
use crate::plan::{Body, Node, Plan};

/// The budget of steps is spent, or the caller no longer waits.
#[derive(Debug)]
pub struct Stopped;

pub type Stoppable<T> = Result<T, Stopped>;

const STEPS_BETWEEN_STOPS: u64 = 1024; // some 50 µs

/// Objects that no relationship names have numbers with this bit, given by the session.
pub const STRANGER: u32 = 1 << 31;

/// Work that waits for the value of an operand.
#[derive(Clone, Copy, Debug)]
pub enum Frame {
    /// The goal on top of the path.
    Goal,
    Node {
        node: u32,
        object: u32,
        subject: Subject,
    },
    Union {
        next: u32,
        to: u32,
        object: u32,
        subject: Subject,
        known: Value,
    },
    Intersection {
        next: u32,
        to: u32,
        object: u32,
        subject: Subject,
        known: Value,
    },
    Exclusion {
        base: u32,
        subtracted: u32,
        object: u32,
        subject: Subject,
    },
    Base {
        subtracted: u32,
        object: u32,
        subject: Subject,
    },
    Subtracted {
        base: Value,
    },
    Usersets {
        node: u32,
        next: u32,
        subject: Subject,
        known: Value,
        fact: Value,
    },
    Arrow {
        node: u32,
        next: u32,
        targets: u32,
        every: bool,
        subject: Subject,
        known: Value,
        fact: Value,
    },
    Along(Along),
}

/// `next` is the edge of `node` to look at; `node` is NONE before the first of each relation.
#[derive(Clone, Copy, Debug)]
pub struct Along {
    slot: u32,
    object: u32,
    subject: Subject,
    relation: u32, // counts the relations of the subject's chain, from one; zero asks about the subject itself
    node: u32,
    next: u32,
    is_rootless: bool,
    known: Value,
    fact: Value,
}

/// What asking came to: a value, or something to be worked out first.
pub enum Next {
    Known(Value),
    Work(Frame),
    Open(Goal, Frame),
}

/// A goal being worked on. `lowest` is the earliest waiting goal that it, or what it asked, has met.
#[derive(Clone, Copy)]
pub struct Open {
    pub entry: u32,
    order: u32,
    lowest: u32,
    is_cut: bool, // it, or what it asked, has met a goal that was waiting
}

/// What an answer rests on: which kinds of relationships were looked at, and between which times none of those that
/// were begins or ends.
#[derive(Clone, Copy, Debug)]
pub struct Rests {
    pub kinds: u64, // a bit for each kind, modulo 64
    pub from_us: i64,
    pub until_us: i64,
}

impl Default for Rests {
    fn default() -> Self {
        Self { kinds: 0, from_us: i64::MIN, until_us: i64::MAX }
    }
}

/// Memory that evaluations use again and again.
#[derive(Default)]
pub struct Scratch {
    pub goals: Goals,
    pub rests: Rests,
    stack: Vec<Frame>,
    path: Vec<Open>,
    pub waiting: Vec<u32>,
    pub circuit: crate::circles::Circuit,
    pub closures: Closures, // these stay between requests
}

impl Scratch {
    pub fn clear(&mut self) {
        self.goals.clear();
        self.rests = Rests::default();
        self.stack.clear();
        self.path.clear();
        self.waiting.clear();
    }

    pub fn bytes(&self) -> usize {
        self.goals.bytes()
            + self.stack.capacity() * size_of::<Frame>()
            + self.path.capacity() * size_of::<Open>()
            + self.waiting.capacity() * size_of::<u32>()
            + self.closures.bytes()
    }
}

pub struct Evaluation<'a> {
    pub graph: &'a Graph,
    pub plan: &'a Plan,
    pub state: State<'a>,
    pub now_us: i64,
    pub scratch: &'a mut Scratch,
    /// The types of strangers.
    pub strangers: &'a [u32],
    pub steps: u64,
    pub steps_max: u64,
    pub stop: &'a dyn Fn() -> bool,
}

impl Evaluation<'_> {
    /// The value of a goal, everything it rests on settled. After `Stopped` the scratch must be cleared.
    /// Cost: O(goals reached + edges looked at).
    pub fn solve(&mut self, root: Goal) -> Stoppable<Value> {
        let mut value = match self.ask(root.object, root.slot, root.subject)? {
            Next::Known(value) => return Ok(value),
            Next::Work(frame) => {
                self.scratch.stack.push(frame);
                None
            }
            Next::Open(goal, frame) => self.open(goal, frame, None),
        };
        while let Some(frame) = self.scratch.stack.pop() {
            value = self.resume(frame, value)?;
        }
        Ok(value.expect("the last frame has a value"))
    }

    /// Go on with a frame that was taken off the stack, `received` being what it waited for. None where it, or work it
    /// waits for, was put on the stack.
    fn resume(&mut self, frame: Frame, received: Option<Value>) -> Stoppable<Option<Value>> {
        match frame {
            Frame::Goal => self.finish(received.expect("a goal has a value")).map(Some),
            Frame::Node { node, object, subject } => {
                let next = self.operand(node, object, subject)?;
                Ok(self.begin(next, None))
            }
            Frame::Union { next, to, object, subject, known } => {
                let mut known = known.max(received.unwrap_or(NO));
                for place in next..to {
                    if known == YES {
                        break;
                    }
                    let operand = self.plan.operands[place as usize];
                    let asked = self.operand(operand, object, subject)?;
                    let waits = Frame::Union { next: place + 1, to, object, subject, known };
                    match self.begin(asked, Some(waits)) {
                        Some(value) => known = known.max(value),
                        None => return Ok(None),
                    }
                }
                Ok(Some(known))
            }
            Frame::Intersection { next, to, object, subject, known } => {
                let mut known = known.min(received.unwrap_or(YES));
                for place in next..to {
                    if known == NO {
                        break;
                    }
                    let operand = self.plan.operands[place as usize];
                    let asked = self.operand(operand, object, subject)?;
                    let waits = Frame::Intersection { next: place + 1, to, object, subject, known };
                    match self.begin(asked, Some(waits)) {
                        Some(value) => known = known.min(value),
                        None => return Ok(None),
                    }
                }
                Ok(Some(known))
            }
            Frame::Exclusion { base, subtracted, object, subject } => {
                let asked = self.operand(base, object, subject)?;
                match self.begin(asked, Some(Frame::Base { subtracted, object, subject })) {
                    Some(base) => self.subtract(base, subtracted, object, subject),
                    None => Ok(None),
                }
            }
            Frame::Base { subtracted, object, subject } => {
                self.subtract(received.expect("a base has a value"), subtracted, object, subject)
            }
            Frame::Subtracted { base } => Ok(Some(base.min(YES - received.expect("what is subtracted has a value")))),
            Frame::Usersets { node, next, subject, known, fact } => {
                self.usersets(node, next, subject, known.max(fact.min(received.unwrap_or(NO))))
            }
            Frame::Arrow { node, next, targets, every, subject, known, fact } => {
                let known = match received {
                    None => known,
                    Some(value) if every => known.min(fact.min(value)),
                    Some(value) => known.max(fact.min(value)),
                };
                self.arrow(node, next, targets, every, subject, known)
            }
            Frame::Along(mut along) => {
                along.known = along.known.min(along.fact.min(received.unwrap_or(YES)));
                self.along(along)
            }
        }
    }

    /// `base`, unless what is subtracted.
    fn subtract(&mut self, base: Value, subtracted: u32, object: u32, subject: Subject) -> Stoppable<Option<Value>> {
        if base == NO {
            return Ok(Some(NO));
        }
        let asked = self.operand(subtracted, object, subject)?;
        Ok(self.begin(asked, Some(Frame::Subtracted { base })).map(|value| base.min(YES - value)))
    }

    /// The value of what was asked, or None and it is on the stack, above whoever waits for it.
    #[inline]
    fn begin(&mut self, next: Next, waits: Option<Frame>) -> Option<Value> {
        match next {
            Next::Known(value) => Some(value),
            Next::Work(frame) => {
                self.scratch.stack.extend(waits);
                self.scratch.stack.push(frame);
                None
            }
            Next::Open(goal, frame) => self.open(goal, frame, waits),
        }
    }

    fn open(&mut self, goal: Goal, frame: Frame, waits: Option<Frame>) -> Option<Value> {
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
        scratch.stack.extend(waits);
        scratch.stack.push(Frame::Goal);
        scratch.stack.push(frame);
        None
    }

    /// The goal on top of the path has come to a value.
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
        for number in scratch.waiting.drain(open.order as usize..) {
            let entry = scratch.goals.entry_mut(number);
            entry.order = WAITING_NOT;
            entry.is_settled = true;
        }
        Ok(scratch.goals.entry(open.entry).value)
    }

    // --- equations --------------------------------------------------------------------------------------------

    /// A goal: its value where it is plain from facts alone, else how to work it out. Cost: O(1).
    #[inline]
    pub fn ask(&mut self, object: u32, slot: u32, subject: Subject) -> Stoppable<Next> {
        if slot == NONE {
            return Ok(Next::Known(NO));
        }
        self.spend()?;
        let asked = self.plan.slots[slot as usize];
        if subject.kind != NONE && subject.object == object && subject.kind == asked.kind {
            return Ok(Next::Known(YES));
        }
        let subject = if asked.is_for_all && subject.kind == NONE { ANYONE } else { subject };
        let goal = Goal { object, slot, subject };
        match asked.body {
            Body::Relation => {
                let Some(node) = self.node_of(object, asked.kind) else {
                    return Ok(Next::Known(NO));
                };
                let direct = self.direct(node, subject);
                if direct == YES || self.graph.node(node).usersets.is_empty() {
                    return Ok(Next::Known(direct));
                }
                if let Some(value) = self.by_closure(node, subject, direct)? {
                    return Ok(Next::Known(value));
                }
                Ok(Next::Open(goal, Frame::Usersets { node, next: 0, subject, known: direct, fact: NO }))
            }
            Body::Permission { node } => Ok(Next::Open(goal, Frame::Node { node, object, subject })),
            Body::Along { .. } if subject.kind != NONE => Ok(Next::Known(NO)),
            Body::Along { .. } => {
                let along = Along {
                    slot,
                    object,
                    subject,
                    relation: 0,
                    node: NONE,
                    next: 0,
                    is_rootless: false,
                    known: YES,
                    fact: YES,
                };
                Ok(Next::Open(goal, Frame::Along(along)))
            }
        }
    }

    /// An operand of an expression, likewise.
    #[inline]
    fn operand(&mut self, node: u32, object: u32, subject: Subject) -> Stoppable<Next> {
        match self.plan.nodes[node as usize] {
            Node::Nil => Ok(Next::Known(NO)),
            Node::Itself => Ok(Next::Known(self.itself(object, subject))),
            Node::Goal { slot } => self.ask(object, slot, subject),
            Node::Union { from, to } => Ok(Next::Work(Frame::Union { next: from, to, object, subject, known: NO })),
            Node::Intersection { from, to } => {
                Ok(Next::Work(Frame::Intersection { next: from, to, object, subject, known: YES }))
            }
            Node::Exclusion { base, subtracted } => {
                Ok(Next::Work(Frame::Exclusion { base, subtracted, object, subject }))
            }
            Node::Arrow { kind, targets, every } => match self.node_of(object, kind) {
                Some(node) => {
                    let known = if every { YES } else { NO };
                    Ok(Next::Work(Frame::Arrow { node, next: 0, targets, every, subject, known, fact: YES }))
                }
                None => Ok(Next::Known(NO)),
            },
            Node::SubjectArrow { targets } => {
                if subject.kind != NONE {
                    return Ok(Next::Known(NO));
                }
                let slot = self.plan.target(targets, self.type_of(subject.object));
                self.ask(subject.object, slot, subject)
            }
            Node::Exists { kind } => self.exists(object, kind).map(Next::Known),
        }
    }

    #[inline]
    pub fn itself(&self, object: u32, subject: Subject) -> Value {
        if subject.kind == NONE && subject.object == object { YES } else { NO }
    }

    /// Own edge or wildcard, without usersets.
    #[inline]
    pub fn direct(&mut self, node: u32, subject: Subject) -> Value {
        let row = *self.graph.node(node);
        if subject.kind != NONE {
            return match self.node_at(subject.object, subject.kind) {
                Some(userset) => match self.graph.find_edge(row.usersets, userset) {
                    Some(is_qualified) => self.fact(node, End::Node(userset), is_qualified),
                    None => NO,
                },
                None => NO,
            };
        }
        if row.direct.is_empty() {
            return NO;
        }
        let mut known = NO;
        if subject.object & STRANGER == 0
            && let Some(is_qualified) = self.graph.find_edge(row.direct, subject.object)
        {
            known = self.fact(node, End::Object(subject.object), is_qualified);
        }
        if known != YES {
            let wildcard = self.graph.wildcard(self.type_of(subject.object));
            if wildcard != NONE
                && let Some(is_qualified) = self.graph.find_edge(row.direct, wildcard)
            {
                known = known.max(self.fact(node, End::Object(wildcard), is_qualified));
            }
        }
        known
    }

    /// What an edge is worth now: NO where it is out of its time, UNKNOWN where a caveat decides.
    #[inline]
    pub fn fact(&mut self, node: u32, end: End, is_qualified: bool) -> Value {
        if !is_qualified {
            return YES;
        }
        let qualifiers = self.graph.beside(node, end);
        let rests = &mut self.scratch.rests;
        for edge_us in [qualifiers.not_before_us, qualifiers.expiration_us].into_iter().flatten() {
            if edge_us <= self.now_us {
                rests.from_us = rests.from_us.max(edge_us);
            } else {
                rests.until_us = rests.until_us.min(edge_us);
            }
        }
        match (qualifiers.counts_at(self.now_us), qualifiers.caveat) {
            (false, _) => NO,
            (true, NONE) => YES,
            (true, _) => UNKNOWN,
        }
    }

    fn usersets(&mut self, node: u32, from: u32, subject: Subject, mut known: Value) -> Stoppable<Option<Value>> {
        let list = self.graph.node(node).usersets;
        for place in from..list.len() {
            if known == YES {
                break;
            }
            if let Some((fact, next)) = self.userset(node, place, subject)? {
                let waits = Frame::Usersets { node, next: place + 1, subject, known, fact };
                match self.begin(next, Some(waits)) {
                    Some(value) => known = known.max(fact.min(value)),
                    None => return Ok(None),
                }
            }
        }
        Ok(Some(known))
    }

    /// The userset at a place: what its edge is worth, and whether the subject is in it. None where it does not count.
    #[inline]
    pub fn userset(&mut self, node: u32, place: u32, subject: Subject) -> Stoppable<Option<(Value, Next)>> {
        self.spend()?;
        let (userset, is_qualified) = self.graph.edge_at(self.graph.node(node).usersets, place);
        let through = *self.graph.node(userset);
        if through.object == subject.object && through.kind == subject.kind {
            return Ok(None); // its own edge, looked at already
        }
        let fact = self.fact(node, End::Node(userset), is_qualified);
        if fact == NO {
            return Ok(None);
        }
        let next = self.ask(through.object, self.plan.slot_of_kind(through.kind), subject)?;
        Ok(Some((fact, next)))
    }

    fn arrow(
        &mut self,
        node: u32,
        from: u32,
        targets: u32,
        every: bool,
        subject: Subject,
        mut known: Value,
    ) -> Stoppable<Option<Value>> {
        let row = self.graph.node(node);
        let decisive = if every { NO } else { YES };
        for place in from..row.direct.len() + row.usersets.len() {
            if known == decisive {
                return Ok(Some(known));
            }
            let Some((fact, object)) = self.edge(node, place)? else {
                continue;
            };
            let slot = self.plan.target(targets, self.graph.objects.tag(object));
            let next = self.ask(object, slot, subject)?;
            let waits = Frame::Arrow { node, next: place + 1, targets, every, subject, known, fact };
            match self.begin(next, Some(waits)) {
                Some(value) if every => known = known.min(fact.min(value)),
                Some(value) => known = known.max(fact.min(value)),
                None => return Ok(None),
            }
        }
        if every && known == YES && !self.has_edges(node)? {
            return Ok(Some(NO)); // every target, and at least one
        }
        Ok(Some(known))
    }

    /// The edge at a place, the direct ones first: what it is worth, and the object it leads to. None where it is out of
    /// its time.
    #[inline]
    pub fn edge(&mut self, node: u32, place: u32) -> Stoppable<Option<(Value, u32)>> {
        self.spend()?;
        let row = *self.graph.node(node);
        let (fact, object) = if place < row.direct.len() {
            let (object, is_qualified) = self.graph.edge_at(row.direct, place);
            (self.fact(node, End::Object(object), is_qualified), object)
        } else {
            let (userset, is_qualified) = self.graph.edge_at(row.usersets, place - row.direct.len());
            (self.fact(node, End::Node(userset), is_qualified), self.graph.node(userset).object)
        };
        Ok((fact != NO).then_some((fact, object)))
    }

    /// Whether any edge of a node counts now, its caveat aside.
    pub fn has_edges(&mut self, node: u32) -> Stoppable<bool> {
        let row = *self.graph.node(node);
        for place in 0..row.direct.len() + row.usersets.len() {
            if self.edge(node, place)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn exists(&mut self, object: u32, kind: u32) -> Stoppable<Value> {
        let Some(node) = self.node_of(object, kind) else {
            return Ok(NO);
        };
        let row = *self.graph.node(node);
        let mut known = NO;
        for place in 0..row.direct.len() + row.usersets.len() {
            if let Some((fact, _)) = self.edge(node, place)? {
                known = known.max(fact);
                if known == YES {
                    break;
                }
            }
        }
        Ok(known)
    }

    fn along(&mut self, mut along: Along) -> Stoppable<Option<Value>> {
        let Along { slot, object, subject, .. } = along;
        let Body::Along { child, chain } = self.plan.slots[slot as usize].body else {
            unreachable!("an along's frame has an along's slot")
        };
        if along.relation == 0 {
            along.relation = 1;
            let next = self.ask(object, child, subject)?;
            along.fact = YES;
            match self.begin(next, Some(Frame::Along(along))) {
                Some(value) => along.known = along.known.min(value),
                None => return Ok(None),
            }
        }
        let relations = self.plan.chain(chain, self.type_of(subject.object));
        while along.known != NO && along.relation as usize <= relations.len() {
            if along.node == NONE {
                // The first edge of a relation.
                match self.node_of(subject.object, relations[along.relation as usize - 1]) {
                    Some(node) => (along.node, along.next, along.is_rootless) = (node, 0, true),
                    None => return Ok(Some(NO)),
                }
            }
            let row = *self.graph.node(along.node);
            while along.known != NO && along.next < row.direct.len() + row.usersets.len() {
                let place = along.next;
                along.next += 1;
                let Some((fact, link)) = self.edge(along.node, place)? else {
                    continue;
                };
                if place >= row.direct.len() || self.graph.wildcard(self.graph.objects.tag(link)) == link {
                    return Ok(Some(NO)); // a chain leads through single objects only
                }
                along.is_rootless = false;
                let next = self.ask(object, slot, Subject { object: link, kind: NONE })?;
                along.fact = fact;
                match self.begin(next, Some(Frame::Along(along))) {
                    Some(value) => along.known = along.known.min(fact.min(value)),
                    None => return Ok(None),
                }
            }
            if along.is_rootless {
                return Ok(Some(NO));
            }
            (along.node, along.relation) = (NONE, along.relation + 1);
        }
        Ok(Some(along.known))
    }

    // --- what everything stands on ----------------------------------------------------------------------------

    #[inline]
    pub fn node_of(&mut self, object: u32, kind: u32) -> Option<u32> {
        self.scratch.rests.kinds |= 1 << (kind & 63);
        self.node_at(object, kind)
    }

    #[inline]
    fn node_at(&self, object: u32, kind: u32) -> Option<u32> {
        if object & STRANGER != 0 { None } else { self.graph.node_of(object, kind) }
    }

    #[inline]
    pub fn type_of(&self, object: u32) -> u32 {
        if object & STRANGER != 0 {
            self.strangers[(object & !STRANGER) as usize]
        } else {
            self.graph.objects.tag(object)
        }
    }

    #[inline]
    pub fn spend(&mut self) -> Stoppable<()> {
        self.steps += 1;
        if self.steps > self.steps_max || (self.steps.is_multiple_of(STEPS_BETWEEN_STOPS) && (self.stop)()) {
            return Err(Stopped);
        }
        Ok(())
    }
}
