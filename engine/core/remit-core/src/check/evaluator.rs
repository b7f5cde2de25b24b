//! What a Check stands on: the state it looks at, what each edge of it is worth now, and the budget of steps.
//!
//! It means what `semantics.py` means; read that first. `ask.rs` answers a goal by facts alone where they do, and `walk.rs`
//! takes the others apart by `equations.rs`. A relationship whose caveat is not decided here (`caveats.rs`) counts as
//! UNKNOWN, so CONDITIONAL never arises: an answer that hangs on such a caveat comes out UNKNOWN, and Python answers it.
//! Law: within an evaluation an edge is worth the same whenever it is looked at.

use super::calls::Judging;
use super::caveats::{Caveats, Context};
use super::circuit::Circuit;
use super::closure::{Closures, State};
use super::descriptors::Descriptors;
use super::gates::{GATE, GatePart, Gates};
use super::goals::{ANYONE, Goal, Goals, NO, Subject, UNKNOWN, Value, YES};
use super::operands::{Places, Usersets};
use super::stack::{Frame, Open};
use super::subject_side::{Dear, SubjectSide};
use crate::graph::ephemerals::Ephemerals;
use crate::graph::view::{GraphView, Row};
use crate::graph::{EPHEMERAL, End, Graph, NONE, Qualifiers};
use crate::memory::adjacency::MARK;
use crate::schema::plan::Plan;
use hashbrown::HashMap;

/// The budget of steps is spent, or the caller no longer waits.
#[derive(Debug)]
pub struct Stopped;

pub type Stoppable<T> = Result<T, Stopped>;

const STEPS_BETWEEN_STOPS: u64 = 1024; // some 50 µs

/// A goal to be worked out. Of a relation, `node` is its node, and `known` what is known without the usersets to be asked; of
/// an expression `node` is its node in the plan, and the rest is of a goal before.
///
/// It lies with the evaluation, not in what `ask` returns: results within results were copied five times on their way to
/// who takes the goal apart, for 3,600 of the 42,100 instructions of a check 40 folders deep.
#[derive(Clone, Copy)]
pub struct PendingGoal {
    pub goal: Goal,
    pub node: u32,
    pub known: Value,
    places: Places,
    usersets: (u32, u32),
}

impl PendingGoal {
    #[inline(always)]
    pub(super) fn of_relation(goal: Goal, usersets: Usersets, known: Value) -> PendingGoal {
        let Usersets { node, next, to, places, .. } = usersets;
        PendingGoal { goal, node, known, places, usersets: (next, to) }
    }

    /// Of a relation.
    #[inline(always)]
    pub(super) fn usersets(&self) -> Usersets {
        let PendingGoal { goal: Goal { subject, .. }, node, places, usersets: (next, to), .. } = *self;
        Usersets { node, next, to, subject, places }
    }
}

impl Default for PendingGoal {
    fn default() -> Self {
        let goal = Goal { object: NONE, slot: NONE, subject: ANYONE };
        Self { goal, node: NONE, known: NO, places: Places::Row, usersets: (0, 0) }
    }
}

/// What an answer rests on: which kinds of relationships were looked at, and between which times none of those that
/// were begins or ends.
#[derive(Clone, Copy, Debug)]
pub struct Dependencies {
    pub kinds: u64, // a bit for each kind, modulo 64
    pub from_us: i64,
    pub until_us: i64,
}

impl Default for Dependencies {
    fn default() -> Self {
        Self { kinds: 0, from_us: i64::MIN, until_us: i64::MAX }
    }
}

/// An edge that is there now: what it is worth, and the object that it leads to, or whose userset.
pub struct Edge {
    pub fact: Value,
    pub object: u32,
    pub is_userset: bool,
}

/// Memory that evaluations use again and again.
#[derive(Default)]
pub struct Scratch {
    pub goals: Goals,
    pub dependencies: Dependencies,
    outcomes: HashMap<u32, Value>, // of the caveats met so far, by number
    pub(super) judging: Judging,
    pub(super) gates: Gates,
    /// Objects that values of the call name and nothing else does, with their types: numbered after `Evaluation::ephemerals`.
    pub named: Vec<(u32, Box<str>)>,
    pub stack: Vec<Frame>,
    pub path: Vec<Open>,
    pub waiting: Vec<u32>,
    /// Ends of edges that were met from a subject's side, marked where qualified: parts of equations lie here side by side.
    pub met: Vec<u32>,
    pub circuit: Circuit,
    pub sides: Vec<SubjectSide>,
    pub closures: Closures, // these stay between requests
}

impl Scratch {
    pub fn clear(&mut self) {
        self.goals.clear();
        self.dependencies = Dependencies::default();
        self.outcomes.clear();
        self.judging.clear();
        self.gates.clear();
        self.named.clear();
        self.stack.clear();
        self.path.clear();
        self.waiting.clear();
        self.met.clear();
        self.sides.clear();
    }

    pub fn bytes(&self) -> usize {
        self.goals.bytes()
            + self.gates.bytes()
            + self.stack.capacity() * size_of::<Frame>()
            + self.path.capacity() * size_of::<Open>()
            + (self.waiting.capacity() + self.met.capacity()) * size_of::<u32>()
            + self.sides.iter().map(SubjectSide::bytes).sum::<usize>()
            + self.closures.bytes()
    }
}

pub struct Evaluation<'a, G: GraphView> {
    /// As it lies: names and types, and what closures are made of.
    pub graph: &'a Graph,
    /// What is asked for edges.
    pub view: G,
    pub plan: &'a Plan,
    pub caveats: &'a Caveats,
    pub descriptors: &'a Descriptors,
    /// What the request brings for them.
    pub context: &'a Context,
    pub state: State<'a>,
    pub now_us: i64,
    pub scratch: &'a mut Scratch,
    pub ephemerals: &'a Ephemerals,
    pub pending: PendingGoal,
    /// Of the edge that was looked at last, if that was UNKNOWN: what it hangs on, or NONE.
    pub gate: u32,
    pub dear: Dear,
    pub steps: u64,
    pub steps_max: u64,
    pub stop: &'a dyn Fn() -> bool,
}

impl<'a> Evaluation<'a, &'a Graph> {
    /// The same evaluation, looking at something else.
    pub fn over<G: GraphView>(self, view: G) -> Evaluation<'a, G> {
        let Evaluation { graph, plan, caveats, descriptors, context, state, now_us, scratch, ephemerals, .. } = self;
        let Evaluation { pending, gate, dear, steps, steps_max, stop, .. } = self;
        Evaluation {
            graph,
            view,
            plan,
            caveats,
            descriptors,
            context,
            state,
            now_us,
            scratch,
            ephemerals,
            pending,
            gate,
            dear,
            steps,
            steps_max,
            stop,
        }
    }
}

impl<G: GraphView> Evaluation<'_, G> {
    /// Own edge or wildcard, without usersets.
    #[inline]
    pub fn direct(&mut self, node: u32, subject: Subject) -> Value {
        let row = self.view.row(node);
        if subject.kind != NONE {
            return match self.view.find_node(subject.object, subject.kind) {
                Some(userset) => match self.view.edge_to(&row, End::Node(userset)) {
                    Some(is_qualified) => self.fact(node, End::Node(userset), is_qualified),
                    None => NO,
                },
                None => NO,
            };
        }
        if row.direct_len() == 0 {
            return NO;
        }
        let mut known = NO;
        if let Some(is_qualified) = self.view.edge_to(&row, End::Object(subject.object)) {
            known = self.fact(node, End::Object(subject.object), is_qualified);
        }
        if known != YES {
            let wildcard = self.view.wildcard(self.type_of(subject.object));
            if wildcard != NONE
                && let Some(is_qualified) = self.view.edge_to(&row, End::Object(wildcard))
            {
                known = known.max(self.fact(node, End::Object(wildcard), is_qualified));
            }
        }
        known
    }

    /// What an edge is worth now: NO where it is out of its time, UNKNOWN where its caveat is not decided here, or (then
    /// `gate` says by which) by goals.
    #[inline]
    pub fn fact(&mut self, node: u32, end: End, is_qualified: bool) -> Value {
        match self.fact_of_time(node, end, is_qualified) {
            UNKNOWN => self.outcome(node, end),
            known => known,
        }
    }

    /// What the caveat of an edge comes to, worked out once for each check: it looks at no clock.
    fn outcome(&mut self, node: u32, end: End) -> Value {
        if self.caveats.has_documents {
            return self.outcome_or_judged(node, end);
        }
        self.gate = NONE;
        self.outcome_of(self.view.qualifiers(node, end).caveat)
    }

    pub(super) fn outcome_of(&mut self, caveat: u32) -> Value {
        if let Some(known) = self.scratch.outcomes.get(&caveat) {
            return *known;
        }
        let (outcome, steps) = match self.view.passing_caveat(caveat) {
            Some((name, written)) => self.caveats.passing_outcome(name, written, self.context),
            None => self.caveats.outcome(caveat, self.graph, self.context),
        };
        self.pay(steps);
        let value = match outcome {
            Some(true) => YES,
            Some(false) => NO,
            None => UNKNOWN,
        };
        self.scratch.outcomes.insert(caveat, value);
        value
    }

    /// For what is more than a step, and cannot be stopped.
    pub(super) fn pay(&mut self, steps: u64) {
        self.steps = self.steps.saturating_add(steps).min(self.steps_max); // the next step notices
    }

    /// The same, whatever its caveat comes to: UNKNOWN where it has one.
    #[inline]
    pub fn fact_of_time(&mut self, node: u32, end: End, is_qualified: bool) -> Value {
        if is_qualified { self.worth_of_time(&self.view.qualifiers(node, end)) } else { YES }
    }

    #[inline]
    pub fn worth_of_time(&mut self, qualifiers: &Qualifiers) -> Value {
        let dependencies = &mut self.scratch.dependencies;
        for edge_us in [qualifiers.not_before_us, qualifiers.expiration_us].into_iter().flatten() {
            if edge_us <= self.now_us {
                dependencies.from_us = dependencies.from_us.max(edge_us);
            } else {
                dependencies.until_us = dependencies.until_us.min(edge_us);
            }
        }
        match (qualifiers.counts_at(self.now_us), qualifiers.caveat) {
            (false, _) => NO,
            (true, NONE) => YES,
            (true, _) => UNKNOWN,
        }
    }

    /// The userset at a place of a node's row, or of those that were met, and whether its edge is qualified.
    #[inline]
    pub fn userset_at(&self, node: u32, place: u32, is_met: bool) -> (u32, bool) {
        if is_met { self.met_at(place) } else { self.view.userset_at(&self.view.row(node), place) }
    }

    #[inline]
    fn met_at(&self, place: u32) -> (u32, bool) {
        let value = self.scratch.met[place as usize];
        (value & !MARK, value & MARK != 0)
    }

    /// A userset of a node: what its edge is worth, and its object and slot. None where it does not count.
    #[inline]
    pub fn userset(
        &mut self,
        node: u32,
        (userset, is_qualified): (u32, bool),
        subject: Subject,
    ) -> Stoppable<Option<(Value, u32, u32)>> {
        self.spend()?;
        let (object, kind) = self.view.name_of(userset);
        if object == subject.object && kind == subject.kind {
            return Ok(None); // its own edge, looked at already
        }
        let fact = self.fact(node, End::Node(userset), is_qualified);
        let slot = self.plan.slot_of_kind(kind);
        if fact == UNKNOWN && self.gate != NONE {
            return Ok(Some((YES, self.gated(GatePart::Goal { object, slot }), GATE)));
        }
        Ok((fact != NO).then_some((fact, object, slot)))
    }

    /// The edge at a place, the direct ones first. None where it is out of its time, which is not to be there at all; where
    /// it is there and its caveat says no, its fact is NO.
    #[inline]
    pub fn edge(&mut self, node: u32, place: u32) -> Stoppable<Option<Edge>> {
        self.spend()?;
        let row = self.view.row(node);
        let is_userset = place >= row.direct_len();
        let (end, is_qualified, object) = if is_userset {
            let (userset, is_qualified) = self.view.userset_at(&row, place - row.direct_len());
            (End::Node(userset), is_qualified, self.view.name_of(userset).0)
        } else {
            let (object, is_qualified) = self.view.direct_at(&row, place);
            (End::Object(object), is_qualified, object)
        };
        Ok(self.edge_to(node, end, is_qualified).map(|fact| Edge { fact, object, is_userset }))
    }

    /// The same of an edge to an object that was met.
    #[inline]
    pub fn met_edge(&mut self, node: u32, place: u32) -> Stoppable<Option<Edge>> {
        self.spend()?;
        let (object, is_qualified) = self.met_at(place);
        let fact = self.edge_to(node, End::Object(object), is_qualified);
        Ok(fact.map(|fact| Edge { fact, object, is_userset: false }))
    }

    #[inline(always)]
    fn edge_to(&mut self, node: u32, end: End, is_qualified: bool) -> Option<Value> {
        match self.fact_of_time(node, end, is_qualified) {
            NO => None,
            UNKNOWN => Some(self.outcome(node, end)),
            fact => Some(fact),
        }
    }

    /// Where the edge at a place leads, if it is there now, whatever its caveat says.
    pub fn end_at(&mut self, node: u32, place: u32) -> Stoppable<Option<End>> {
        self.spend()?;
        let (end, is_qualified) = self.end_of(node, place);
        Ok((self.fact_of_time(node, end, is_qualified) != NO).then_some(end))
    }

    /// Where the edge at a place leads, there now or not, and whether it is qualified.
    pub(super) fn end_of(&self, node: u32, place: u32) -> (End, bool) {
        let row = self.view.row(node);
        if place >= row.direct_len() {
            let (userset, is_qualified) = self.view.userset_at(&row, place - row.direct_len());
            (End::Node(userset), is_qualified)
        } else {
            let (object, is_qualified) = self.view.direct_at(&row, place);
            (End::Object(object), is_qualified)
        }
    }

    // --- what everything stands on ----------------------------------------------------------------------------

    #[inline]
    pub fn node_of(&mut self, object: u32, kind: u32) -> Option<u32> {
        self.scratch.dependencies.kinds |= 1 << (kind & 63);
        self.view.find_node(object, kind)
    }

    /// Places among the edges of a node; see `edge`.
    #[inline]
    pub fn edges_len(&self, node: u32) -> u32 {
        let row = self.view.row(node);
        row.direct_len() + row.usersets_len()
    }

    #[inline]
    pub fn is_wildcard(&self, object: u32) -> bool {
        self.view.wildcard(self.type_of(object)) == object
    }

    #[inline]
    pub fn type_of(&self, object: u32) -> u32 {
        if object & EPHEMERAL != 0 {
            let place = (object & !EPHEMERAL) as usize;
            let of_request = self.ephemerals.types.get(place).copied();
            of_request.unwrap_or_else(|| self.scratch.named[place - self.ephemerals.types.len()].0)
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

    /// Between two pieces of work that are no steps.
    pub fn pause(&self) -> Stoppable<()> {
        if (self.stop)() { Err(Stopped) } else { Ok(()) }
    }
}
