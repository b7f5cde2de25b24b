//! Checks and expansions of a store as it stands.
//!
//! Law: an answer is of one state of the store; a defect of the core costs time, and opens or ends nothing.

use super::guarded::guarded;
use super::locked::View;
use super::names::QuestionNames;
use super::question::{Answer, Question};
use super::session::Session;
use super::state::State;
use crate::check::caveats::Context;
use crate::check::closure;
use crate::check::evaluator::{Dependencies, Evaluation, PendingGoal, Stoppable};
use crate::check::goals::{Goal, NO, Value, YES};
use crate::check::subject_side::Dear;
use crate::expand::{Budget, ExpandError, ExpandRequest, ExpandResult, Expansion, expand};
use crate::graph::ephemerals::Ephemerals;
use crate::graph::overlay::{Changed, NOTHING, Overlaid, Overlay};
use crate::graph::{EPHEMERAL, End, Graph, NONE};
use crate::memory::interner::Probe;
use crate::schema::reach::{Reach, Reaches};

/// Questions for which things are fetched together.
const EXPECTED: usize = 16;

impl View<'_> {
    /// Have fetched, side by side, what the first steps of questions that will be asked look at. Nothing is answered, and a
    /// question of other types or another permission than the first is passed by. Cost: O(questions); fifty of which the
    /// answers are remembered, of a million relationships, took 1,058 ns each before, and take 756 since.
    pub fn expect<'a>(&self, session: &mut Session, questions: impl IntoIterator<Item = &'a Question<'a>>) {
        let State { graph, plan: Some(plan), installed, .. } = &*self.state else {
            return;
        };
        let names_stamp = (self.store.number, *installed);
        let mut questions = questions.into_iter().peekable();
        if let Some(first) = questions.peek()
            && !session.names.is_of(names_stamp, first)
            && let Some(names) = QuestionNames::of(graph, plan, names_stamp, first)
        {
            session.names = names;
        }
        let Session { names, cache, .. } = session;
        let mut questions = questions.filter(|question| names.is_of(names_stamp, question));
        let mut probe: Vec<[Probe; 2]> = Vec::with_capacity(EXPECTED);
        let mut goals: Vec<Goal> = Vec::with_capacity(EXPECTED);
        loop {
            probe.clear();
            probe.extend(questions.by_ref().take(EXPECTED).map(|question| names.seek(graph, question)));
            if probe.is_empty() {
                return;
            }
            goals.clear();
            for [resource, subject] in &probe {
                let likely = [graph.objects.likely(*resource), graph.objects.likely(*subject)];
                likely.into_iter().flatten().for_each(|object| graph.fetch_object(object));
                if let [Some(object), Some(subject)] = likely {
                    goals.push(names.goal(object, subject));
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

    /// What `check_unguarded` says. Should that panic, the session is made anew and the answer is to be had elsewhere.
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
        let checking = || self.check_unguarded(session, question, context, changed, now_us, steps_max, stop);
        guarded(checking).unwrap_or_else(|| {
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
        let State {
            graph,
            plan: Some(plan),
            caveats,
            descriptors,
            version,
            installed,
            written,
            closed,
            sources,
            reach,
            backwards,
            found,
            ..
        } = &*self.state
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
        if !session.names.is_of(names_stamp, question) {
            match QuestionNames::of(graph, plan, names_stamp, question) {
                Some(names) => session.names = names,
                None => return (Answer::Elsewhere, 0),
            }
        }
        let goal = goal_of(graph, &session.names, &mut session.ephemerals, question);
        let is_cached = !session.cache.is_off()
            && context.is_empty()
            && changed.is_empty()
            && (goal.object | goal.subject.object) & EPHEMERAL == 0;
        if is_cached && let Some(is_yes) = session.cache.find(stamp.0, &goal, now_us, *version, written) {
            return (if is_yes { Answer::Yes } else { Answer::No }, 1);
        }
        if goal.object & EPHEMERAL == 0 {
            graph.fetch_nodes(goal.object);
        }
        if goal.subject.object & EPHEMERAL == 0 {
            graph.fetch_reverse(End::Object(goal.subject.object));
        }
        if session.scratch.goals.is_empty() {
            session.scratch.dependencies = Dependencies::default();
        }
        let mut evaluation = Evaluation {
            graph,
            view: graph,
            plan,
            caveats,
            descriptors,
            context,
            state: closure::State { store: stamp.0, version: *version, closed, sources, reach, backwards },
            now_us,
            scratch: &mut session.scratch,
            ephemerals: &session.ephemerals,
            pending: PendingGoal::default(),
            gate: NONE,
            dear: Dear::from(session.dear_steps),
            steps: 0,
            steps_max,
            stop,
        };
        let (result, steps) = match &session.overlay {
            None => (evaluation.solve(goal), evaluation.steps),
            Some(overlay) => solve_over(evaluation, overlay, &mut session.reaches, *found, goal),
        };
        if context.call.is_some() {
            for (type_, id) in session.scratch.named.drain(..) {
                session.ephemerals.number(type_, &id); // the number that it has there already
            }
        }
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
            let dependencies = session.scratch.dependencies;
            session.cache.put(stamp.0, goal, answer == Answer::Yes, *version, dependencies);
        }
        (answer, steps)
    }

    /// The sets behind a relation or permission, as `eval/expand.py` would open them. Should that panic, it is to be had
    /// elsewhere, as with `check`.
    pub fn expand<'a>(
        &'a self,
        request: ExpandRequest<'a>,
        now_us: i64,
        budget: &mut Budget<'_>,
    ) -> ExpandResult<Expansion<'a>> {
        let State { graph, plan: Some(plan), .. } = &*self.state else {
            return Err(ExpandError::Elsewhere);
        };
        guarded(|| expand(graph, plan, request, now_us, budget)).unwrap_or(Err(ExpandError::Elsewhere))
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

/// The question in numbers.
#[inline(always)]
fn goal_of(graph: &Graph, names: &QuestionNames, ephemerals: &mut Ephemerals, question: &Question) -> Goal {
    // Side by side: each takes four places of memory one after the other, and what its object's row says a fifth.
    let [resource, subject] = names.seek(graph, question);
    for likely in [resource, subject].map(|probe| graph.objects.likely(probe)).into_iter().flatten() {
        graph.fetch_object(likely);
        graph.objects.fetch_text(likely);
    }
    let mut object_of =
        |probe, type_, id| graph.objects.find_probed(probe, type_, id).unwrap_or_else(|| ephemerals.number(type_, id));
    let object = object_of(resource, names.resource_type, question.resource_id);
    names.goal(object, object_of(subject, names.subject_type, question.subject_id))
}
