//! A store in memory: one graph, one plan and one revision, which change together under one lock; and all of them by name.
//!
//! Law: whoever shares the lock sees one (plan, graph, revision) for as long as it does; the lock is never waited for
//! with Python's own lock held, nor Python's taken while this one is.

use crate::check::cache::{Cache, Written};
use crate::check::cache_stats::CacheStats;
use crate::check::caveats::{Caveats, Context, Declared};
use crate::check::closure::{self, Closed};
use crate::check::evaluator::{Evaluation, PendingGoal, Rests, Scratch, Stoppable};
use crate::check::goals::{Goal, NO, Subject, Value, YES};
use crate::expand::{Budget, Expansion, Finished, Opening, Unfinished, expand};
use crate::graph::overlay::{Changed, NOTHING, Overlaid, Overlay};
use crate::graph::{End, Graph, NONE, QualifiersText, STRANGER, Triple};
use crate::memory::interner::Sought;
use crate::schema::plan::{Definition, Plan};
use crate::schema::reach::{Reach, Reaches};
use hashbrown::{HashMap, HashTable};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Which store this is; see `store.interface.StoreIdentity`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    pub uuid: [u8; 16],
    pub epoch: u64,
}

/// Has the subject the permission of the resource? An empty `subject_relation` is a plain subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question<'a> {
    pub resource_type: &'a str,
    pub resource_id: &'a str,
    pub permission: &'a str,
    pub subject_type: &'a str,
    pub subject_id: &'a str,
    pub subject_relation: &'a str,
}

/// What a question came to here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    Yes,
    No,
    /// The budget of steps is spent, or `stop` said so (then the steps are not above the budget). Not a no.
    Spent,
    /// `semantics.py` answers it, with its own words: it hangs on a caveat or is undefined, a name is unknown, or there is
    /// no schema yet.
    Elsewhere,
}

/// What the lock guards.
#[derive(Default)]
pub struct State {
    pub graph: Graph,
    plan: Option<Plan>,
    caveats: Caveats,
    revision: u64,
    version: u64,   // counts every change, so that it tells any two states apart
    installed: u64, // the version in which the plan was
    written: Written,
    closed: Closed,
    reach: Reach,
    shapes_seen: usize, // when `closed` and `reach` were found
    found: u64,         // the version that they were found in
}

impl State {
    /// The compiled schema that questions are answered by from now on.
    pub fn install(&mut self, definitions: &[Definition], caveats: &[Declared], revision: u64) {
        self.plan = Some(Plan::compile(definitions, &mut self.graph));
        self.caveats = Caveats::install(caveats, &mut self.graph);
        self.revision = revision;
        self.version += 1;
        self.installed = self.version;
        self.find_shapes();
    }

    /// What the plan and the shapes of the graph say together; answers rest on that without having looked.
    fn find_shapes(&mut self) {
        self.written.everywhere(self.version);
        self.shapes_seen = self.graph.shapes_seen();
        self.found = self.version;
        if let Some(plan) = &self.plan {
            self.closed = Closed::of(plan, &self.graph);
            self.reach = Reach::of(plan, &self.graph, &[]);
        }
    }

    /// Bring the graph from before a delta to after it; a change without qualifiers is a removal. Cost: O(changes).
    pub fn apply<'a>(&mut self, changes: impl IntoIterator<Item = (Triple<'a>, Option<&'a QualifiersText>)>) {
        self.version += 1;
        let forgotten = self.graph.forgotten();
        for (triple, qualifiers) in changes {
            match qualifiers {
                Some(qualifiers) => self.caveats.written(self.graph.add(&triple, qualifiers)),
                None => self.graph.remove(&triple),
            }
            if let Some(kind) = self.graph.find_kind(triple.resource_type, triple.relation) {
                self.written.at(kind, self.version);
            }
        }
        self.changed(forgotten);
    }

    /// Add relationships, many of them, as `apply` would. Cost: O(relationships).
    pub fn load<'a>(&mut self, relationships: impl IntoIterator<Item = (Triple<'a>, &'a QualifiersText)>) {
        self.version += 1;
        let forgotten = self.graph.forgotten();
        let State { graph, caveats, written, version, .. } = self;
        graph.load(relationships, |kind, caveat| {
            caveats.written(caveat);
            written.at(kind, *version);
        });
        self.changed(forgotten);
    }

    /// The graph is another now: `forgotten` is what it had forgotten before.
    fn changed(&mut self, forgotten: u64) {
        if self.graph.forgotten() != forgotten {
            self.written.everywhere(self.version); // a number may come to stand for something else
        }
        if self.shapes_seen != self.graph.shapes_seen() {
            self.find_shapes();
        }
    }

    pub fn set_revision(&mut self, revision: u64) {
        self.revision = revision;
    }

    pub fn version(&self) -> u64 {
        self.version
    }
}

/// While it is there, a panic ends the process: what the lock guards would be half of one state and half of another, and
/// nobody may see that. The disk has all of it, and the next start reads it from there.
pub struct WholeOrNothing;

impl Drop for WholeOrNothing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// Numbers stores in the order they are made, so that a session never takes one for another.
static STORES_MADE: AtomicU64 = AtomicU64::new(1);

pub struct Store {
    number: u64,
    identity: Identity,
    state: RwLock<State>,
    writers_waiting: AtomicU32,
}

impl Store {
    pub fn new(identity: Identity) -> Store {
        let number = STORES_MADE.fetch_add(1, Ordering::Relaxed);
        Store { number, identity, state: RwLock::default(), writers_waiting: AtomicU32::new(0) }
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Share the lock: what is seen stays as it is. May wait for a delta being applied.
    pub fn read(&self) -> View<'_> {
        View { store: self, state: self.state.read() }
    }

    /// The same, unless it would have to wait.
    pub fn try_read(&self) -> Option<View<'_>> {
        self.state.try_read().map(|state| View { store: self, state })
    }

    /// Hold the lock alone.
    pub fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.writers_waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self.state.write();
        self.writers_waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// Whether somebody waits to hold the lock alone: a question that takes long should give way, and begin anew.
    pub fn is_awaited(&self) -> bool {
        self.writers_waiting.load(Ordering::Relaxed) != 0
    }
}

/// A store as it stands, for as long as this is held.
pub struct View<'a> {
    store: &'a Store,
    state: RwLockReadGuard<'a, State>,
}

impl View<'_> {
    pub fn revision(&self) -> u64 {
        self.state.revision
    }

    pub fn identity(&self) -> &Identity {
        &self.store.identity
    }

    pub fn graph(&self) -> &Graph {
        &self.state.graph
    }

    pub fn version(&self) -> u64 {
        self.state.version
    }

    /// What the graph takes, and what stands beside it.
    pub fn bytes(&self) -> usize {
        self.state.graph.bytes() + self.state.caveats.bytes()
    }

    pub fn has_schema(&self) -> bool {
        self.state.plan.is_some()
    }

    /// These will be asked: have fetched what the first steps of each will look at, side by side. Nothing is answered, and
    /// a question of other types or another permission than the first is passed by. Cost: O(questions); fifty of which the
    /// answers are remembered, of a million relationships, took 1,058 ns each before, and take 756 since.
    pub fn expect<'a>(&self, session: &mut Session, questions: impl IntoIterator<Item = &'a Question<'a>>) {
        let State { graph, plan: Some(plan), installed, .. } = &*self.state else {
            return;
        };
        let names_stamp = (self.store.number, *installed);
        let mut questions = questions.into_iter().peekable();
        if let Some(first) = questions.peek()
            && !session.asked.is_of(names_stamp, first)
            && let Some(asked) = Asked::of(graph, plan, names_stamp, first)
        {
            session.asked = asked;
        }
        let Session { asked, cache, .. } = session;
        let mut questions = questions.filter(|question| asked.is_of(names_stamp, question));
        let mut sought: Vec<[Sought; 2]> = Vec::with_capacity(EXPECTED);
        let mut goals: Vec<Goal> = Vec::with_capacity(EXPECTED);
        loop {
            sought.clear();
            sought.extend(questions.by_ref().take(EXPECTED).map(|question| asked.seek(graph, question)));
            if sought.is_empty() {
                return;
            }
            goals.clear();
            for [resource, subject] in &sought {
                let likely = [graph.objects.likely(*resource), graph.objects.likely(*subject)];
                likely.into_iter().flatten().for_each(|object| graph.fetch_object(object));
                if let [Some(object), Some(subject)] = likely {
                    goals.push(asked.goal(object, subject));
                }
            }
            if !cache.is_off() {
                goals.iter().for_each(|goal| cache.fetch(self.store.number, goal));
            }
            for object in goals.iter().flat_map(|goal| [goal.object, goal.subject.object]) {
                graph.objects.fetch_text(object);
            }
            for goal in &goals {
                if cache.is_off() || !cache.knows(self.store.number, goal) {
                    graph.fetch_nodes(goal.object);
                    graph.fetch_reverse(End::Object(goal.subject.object));
                }
            }
        }
    }

    /// `check_over` with nothing changed.
    pub fn check(
        &self,
        session: &mut Session,
        question: &Question,
        context: &Context,
        now_us: i64,
        steps_max: u64,
        stop: &dyn Fn() -> bool,
    ) -> (Answer, u64) {
        self.check_over(session, question, context, &NOTHING, now_us, steps_max, stop)
    }

    /// What `check_unguarded` says. Should that panic, which would be our own mistake, the session is made anew and the
    /// answer is to be had elsewhere: a defect of the core costs time, and opens or ends nothing.
    #[allow(clippy::too_many_arguments)]
    pub fn check_over(
        &self,
        session: &mut Session,
        question: &Question,
        context: &Context,
        changed: &Changed,
        now_us: i64,
        steps_max: u64,
        stop: &dyn Fn() -> bool,
    ) -> (Answer, u64) {
        let checking =
            AssertUnwindSafe(|| self.check_unguarded(session, question, context, changed, now_us, steps_max, stop));
        catch_unwind(checking).unwrap_or_else(|_| {
            *session = Session::new(session.cache.answers());
            (Answer::Elsewhere, 0)
        })
    }

    /// The answer, and the steps it took. `stop` is asked every thousand steps or so. What the session settled in this
    /// very state at this very time with this very context and these very changes is used again. With a context, or with
    /// changes, the cache is passed by: what it holds was answered without. Cost: O(goals reached + edges looked at), and
    /// that of the caveats met.
    #[allow(clippy::too_many_arguments)]
    #[inline(always)]
    fn check_unguarded(
        &self,
        session: &mut Session,
        question: &Question,
        context: &Context,
        changed: &Changed,
        now_us: i64,
        steps_max: u64,
        stop: &dyn Fn() -> bool,
    ) -> (Answer, u64) {
        let State { graph, plan: Some(plan), caveats, version, installed, written, closed, reach, found, .. } =
            &*self.state
        else {
            return (Answer::Elsewhere, 0);
        };
        let stamp = (self.store.number, *version, now_us, changed.number());
        if session.stamp != stamp || session.context != *context {
            session.clear();
            session.stamp = stamp;
            session.context.clone_from(context);
            if !changed.is_empty() {
                session.lay_over(graph, changed);
            }
        }
        if !changed.is_empty() && session.overlay.is_none() {
            return (Answer::Elsewhere, 0);
        }
        let names_stamp = (self.store.number, *installed);
        if !session.asked.is_of(names_stamp, question) {
            match Asked::of(graph, plan, names_stamp, question) {
                Some(asked) => session.asked = asked,
                None => return (Answer::Elsewhere, 0),
            }
        }
        let goal = goal_of(graph, &session.asked, &mut session.strangers, question);
        let is_cached = !session.cache.is_off()
            && context.is_empty()
            && changed.is_empty()
            && (goal.object | goal.subject.object) & STRANGER == 0;
        if is_cached && let Some(is_yes) = session.cache.find(stamp.0, &goal, now_us, *version, written) {
            return (if is_yes { Answer::Yes } else { Answer::No }, 1);
        }
        if goal.object & STRANGER == 0 {
            graph.fetch_nodes(goal.object);
        }
        if goal.subject.object & STRANGER == 0 {
            graph.fetch_reverse(End::Object(goal.subject.object));
        }
        if session.scratch.goals.is_empty() {
            session.scratch.rests = Rests::default();
        }
        let mut evaluation = Evaluation {
            graph,
            view: graph,
            plan,
            caveats,
            context,
            state: closure::State { store: stamp.0, version: *version, closed, reach },
            now_us,
            scratch: &mut session.scratch,
            strangers: &session.strangers.types,
            pending: PendingGoal::default(),
            steps: 0,
            steps_max,
            stop,
        };
        let (result, steps) = match &session.overlay {
            None => (evaluation.solve(goal), evaluation.steps),
            Some(overlay) => solve_over(evaluation, overlay, &mut session.reaches, *found, goal),
        };
        let answer = match result {
            Ok(YES) => Answer::Yes,
            Ok(NO) => Answer::No,
            Ok(_) => return (Answer::Elsewhere, steps),
            Err(_) => {
                session.scratch.clear();
                return (Answer::Spent, steps);
            }
        };
        if is_cached {
            let rests = session.scratch.rests;
            session.cache.put(stamp.0, goal, answer == Answer::Yes, *version, rests);
        }
        (answer, steps)
    }

    /// The sets behind a relation or permission, as `expansion.py` would open them. Should that panic, it is to be had
    /// elsewhere, as with `check`.
    pub fn expand<'a>(&'a self, opening: Opening<'a>, now_us: i64, budget: &mut Budget<'_>) -> Finished<Expansion<'a>> {
        let State { graph, plan: Some(plan), .. } = &*self.state else {
            return Err(Unfinished::Elsewhere);
        };
        let expanding = AssertUnwindSafe(|| expand(graph, plan, opening, now_us, budget));
        catch_unwind(expanding).unwrap_or(Err(Unfinished::Elsewhere))
    }
}

/// A goal over what a request changes, and the steps it took. Apart, so that a check which changes nothing carries none
/// of it.
#[cold]
#[inline(never)]
fn solve_over<'a>(
    mut evaluation: Evaluation<'a, &'a Graph>,
    overlay: &'a Overlay,
    reaches: &'a mut Reaches,
    found: u64,
    goal: Goal,
) -> (Stoppable<Value>, u64) {
    let (graph, plan) = (evaluation.graph, evaluation.plan);
    if !overlay.shapes().is_empty() {
        let find = || Reach::of(plan, graph, overlay.shapes());
        evaluation.state.reach = reaches.of((evaluation.state.store, found), overlay.shapes(), find);
    }
    let mut evaluation = evaluation.over(Overlaid { graph, overlay });
    (evaluation.solve(goal), evaluation.steps)
}

/// Questions for which things are fetched together.
const EXPECTED: usize = 16;

/// The question in numbers.
fn goal_of(graph: &Graph, asked: &Asked, strangers: &mut Strangers, question: &Question) -> Goal {
    // Side by side: each takes four places of memory one after the other, and what its object's row says a fifth.
    let [resource, subject] = asked.seek(graph, question);
    for likely in [resource, subject].map(|sought| graph.objects.likely(sought)).into_iter().flatten() {
        graph.fetch_object(likely);
        graph.objects.fetch_text(likely);
    }
    let mut object_of =
        |sought, type_, id| graph.objects.find_sought(sought, type_, id).unwrap_or_else(|| strangers.number(type_, id));
    let object = object_of(resource, asked.resource_type, question.resource_id);
    asked.goal(object, object_of(subject, asked.subject_type, question.subject_id))
}

/// What the schema's names in a question mean. Most questions of a caller differ from the last in their objects alone:
/// to compare four short words instead of looking each of them up saves 300 of a hot pair's 1,136 instructions.
#[derive(Default)]
struct Asked {
    stamp: (u64, u64), // the store, and the version in which its plan was installed
    words: [String; 4],
    slot: u32,
    resource_type: u32,
    subject_type: u32,
    subject_kind: u32,
}

impl Asked {
    fn is_of(&self, stamp: (u64, u64), question: &Question) -> bool {
        let Question { resource_type, permission, subject_type, subject_relation, .. } = *question;
        self.stamp == stamp && self.words == [resource_type, permission, subject_type, subject_relation]
    }

    /// The names of both objects, on their way.
    #[inline]
    fn seek(&self, graph: &Graph, question: &Question) -> [Sought; 2] {
        let resource = graph.objects.seek(self.resource_type, question.resource_id);
        [resource, graph.objects.seek(self.subject_type, question.subject_id)]
    }

    #[inline]
    fn goal(&self, object: u32, subject: u32) -> Goal {
        Goal { object, slot: self.slot, subject: Subject { object: subject, kind: self.subject_kind } }
    }

    /// None where a name is unknown to the schema.
    fn of(graph: &Graph, plan: &Plan, stamp: (u64, u64), question: &Question) -> Option<Asked> {
        let Question { resource_type, permission, subject_type, subject_relation, .. } = *question;
        let words = [resource_type, permission, subject_type, subject_relation].map(str::to_owned);
        let slot_of = |type_, name| match graph.find_kind(type_, name).map(|kind| (kind, plan.slot_of_kind(kind))) {
            None | Some((_, NONE)) => None,
            Some(known) => Some(known),
        };
        let (kind, slot) = slot_of(resource_type, permission)?;
        let subject_type_number = graph.types.find(subject_type).filter(|type_| plan.is_defined(*type_))?;
        let subject_kind = if subject_relation.is_empty() { NONE } else { slot_of(subject_type, subject_relation)?.0 };
        let resource_type = graph.kind_words(kind).0;
        Some(Asked { stamp, words, slot, resource_type, subject_type: subject_type_number, subject_kind })
    }
}

/// Objects that no relationship names, as long as a request lasts.
#[derive(Default)]
struct Strangers {
    types: Vec<u32>,
    ends: Vec<usize>, // of their ids
    ids: String,
    numbers: HashTable<u32>,
    hasher: foldhash::quality::RandomState,
}

impl Strangers {
    fn number(&mut self, type_: u32, id: &str) -> u32 {
        let hash = self.hasher.hash_one((type_, id));
        let Strangers { types, ends, ids, numbers, hasher } = self;
        let id_of = |number: u32| {
            let start = if number == 0 { 0 } else { ends[number as usize - 1] };
            &ids[start..ends[number as usize]]
        };
        let is_meant = |number: &u32| types[*number as usize] == type_ && id_of(*number) == id;
        if let Some(number) = numbers.find(hash, is_meant) {
            return number | STRANGER;
        }
        let number = types.len() as u32;
        numbers.insert_unique(hash, number, |each| hasher.hash_one((types[*each as usize], id_of(*each))));
        types.push(type_);
        ids.push_str(id);
        ends.push(ids.len());
        number | STRANGER
    }

    fn clear(&mut self) {
        if !self.types.is_empty() {
            self.types.clear();
            self.ends.clear();
            self.ids.clear();
            self.numbers.clear();
        }
    }
}

/// Memory of one thread: scratch that is used again, what the items of one request have settled, and a cache.
pub struct Session {
    stamp: (u64, u64, i64, u64), // the store, its version, the time, and the changes that the rest is about
    context: Context,            // and what the request brought for caveats
    overlay: Option<Box<Overlay>>, // of the changes, where there are any whose names are known
    scratch: Scratch,
    strangers: Strangers,
    reaches: Reaches, // this stays between requests
    asked: Asked,
    cache: Cache,
}

impl Session {
    /// With a cache of so many answers; 0 for none.
    pub fn new(cached_answers: usize) -> Session {
        Session {
            stamp: (0, 0, 0, 0),
            context: Context::default(),
            overlay: None,
            scratch: Scratch::default(),
            strangers: Strangers::default(),
            reaches: Reaches::default(),
            asked: Asked::default(),
            cache: Cache::new(cached_answers),
        }
    }

    /// Between requests. What is kept is memory, and the cache. Cost: O(what was settled).
    pub fn clear(&mut self) {
        self.stamp = (0, 0, 0, 0);
        self.context = Context::default();
        self.overlay = None;
        self.scratch.clear();
        self.strangers.clear();
    }

    #[cold]
    #[inline(never)]
    fn lay_over(&mut self, graph: &Graph, changed: &Changed) {
        let strangers = &mut self.strangers;
        let object_of = |type_, id: &str| graph.objects.find(type_, id).unwrap_or_else(|| strangers.number(type_, id));
        self.overlay = Overlay::of(graph, changed, object_of).map(Box::new);
    }

    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// Forget every remembered answer, and have room for so many from now on; 0 switches the cache off.
    pub fn set_cache(&mut self, cached_answers: usize) {
        self.cache = Cache::new(cached_answers);
    }

    /// Bytes of scratch and cache.
    pub fn bytes(&self) -> usize {
        self.scratch.bytes() + self.cache.stats().bytes as usize
    }
}

/// All stores of the process by name. Python adds and removes them; the front door finds them.
#[derive(Default)]
pub struct Core {
    stores: RwLock<HashMap<String, Arc<Store>>>,
}

impl Core {
    pub fn store(&self, name: &str) -> Option<Arc<Store>> {
        self.stores.read().get(name).cloned()
    }

    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.stores.read().keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// Under its identity's name, whatever store had it before.
    pub fn add(&self, store: Arc<Store>) {
        self.stores.write().insert(store.identity.name.clone(), store);
    }

    /// Whether one of that name was there.
    pub fn remove(&self, name: &str) -> bool {
        self.stores.write().remove(name).is_some()
    }
}
