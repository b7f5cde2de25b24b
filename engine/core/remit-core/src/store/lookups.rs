//! Lookups of a store as it stands.
//!
//! Law: that of `queries.rs`.

use super::guarded::guarded;
use super::locked::View;
use super::names::QuestionNames;
use super::question::Question;
use super::session::Session;
use super::state::State;
use super::walked::{Candidates, InOrder, LookupKey};
use crate::check::caveats::Context;
use crate::check::closure;
use crate::check::evaluator::{Evaluation, PendingGoal, Stoppable, Stopped};
use crate::check::goals::{Goal, NO, YES};
use crate::check::subject_side::Dear;
use crate::graph::ephemerals::Ephemerals;
use crate::graph::overlay::{Changed, Overlaid};
use crate::graph::view::GraphView;
use crate::graph::{EPHEMERAL, Graph, NONE};
use crate::lookup::{Candidate, Downwards, Lookup, Ordered, Page, Place, SubjectLookup, Upwards};
use crate::lookup::{page_of_resources, page_of_subjects};
use crate::schema::drivers::Drivers;
use crate::schema::reach::Reach;
use std::sync::Arc;

/// A question with the id of its resource, or of its subject, left away, and what the request brings with it.
#[derive(Clone, Copy)]
pub struct LookupRequest<'a> {
    pub question: Question<'a>,
    pub of_subjects: bool,
    pub place: Place<'a>,
    pub context: &'a Context,
    pub changed: &'a Changed<'a>,
    pub now_us: i64,
    pub steps_max: u64,
}

/// What a lookup came to here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupAnswer {
    Page(Page),
    /// The budget of the walk is spent, or `stop` asked for an end (then the steps are not above the budget).
    Spent,
    /// `eval/lookups.py` answers it: a name is unknown, there is no schema yet, or everybody's answer is not decided here.
    Elsewhere,
}

/// Candidates of a list that are put in order at once: to sort 2,000 takes less than to look at each of 20,000. Not tuned.
const IN_ORDER: usize = 2_000;

/// What a page comes to, None where Python has to find it.
type Found = Stoppable<Option<Page>>;

impl View<'_> {
    /// A page, and the steps it took. Should it panic, it is to be had elsewhere, as with `check`.
    pub fn look_up(
        &self,
        session: &mut Session,
        asked: &LookupRequest<'_>,
        stop: &dyn Fn() -> bool,
    ) -> (LookupAnswer, u64) {
        let looking_up = || self.look_up_unguarded(session, asked, stop);
        let answer = guarded(looking_up).unwrap_or((LookupAnswer::Elsewhere, 0));
        session.clear();
        answer
    }

    fn look_up_unguarded(
        &self,
        session: &mut Session,
        asked: &LookupRequest<'_>,
        stop: &dyn Fn() -> bool,
    ) -> (LookupAnswer, u64) {
        let State {
            graph,
            plan: Some(plan),
            drivers,
            sources,
            caveats,
            descriptors,
            version,
            installed,
            closed,
            reach,
            backwards,
            ..
        } = &*self.state
        else {
            return (LookupAnswer::Elsewhere, 0);
        };
        let LookupRequest { question, changed, context, now_us, steps_max, .. } = *asked;
        session.clear();
        if !changed.is_empty() {
            session.lay_over(graph, changed);
            if session.overlay.is_none() {
                return (LookupAnswer::Elsewhere, 0);
            }
        }
        let Some(names) = QuestionNames::of(graph, plan, (self.store.number, *installed), &question) else {
            return (LookupAnswer::Elsewhere, 0);
        };
        let Session { scratch, ephemerals, overlay, dear_steps, .. } = session;
        // The object whose id is left away is the one with an id that no relationship can have.
        let mut object_of = |type_, id| graph.objects.find(type_, id).unwrap_or_else(|| ephemerals.number(type_, id));
        let resource = object_of(names.resource_type, question.resource_id);
        let subject = object_of(names.subject_type, question.subject_id);
        let goal = names.goal(resource, subject);
        let state = closure::State { store: self.store.number, version: *version, closed, sources, reach, backwards };
        let looking = Looking { view: self, asked, names: &names, goal, graph, drivers, ephemerals };
        let evaluation = Evaluation {
            graph,
            view: graph,
            plan,
            caveats,
            descriptors,
            context,
            state,
            now_us,
            scratch,
            ephemerals,
            pending: PendingGoal::default(),
            gate: NONE,
            dear: Dear::from(*dear_steps),
            steps: 0,
            steps_max,
            stop,
        };
        let (found, steps) = match overlay {
            None => looking.page(evaluation),
            Some(overlay) => {
                let more = Reach::of(plan, graph, overlay.shapes());
                let mut evaluation = evaluation.over(Overlaid { graph, overlay });
                evaluation.state.reach = &more;
                looking.page(evaluation)
            }
        };
        let answer = match found {
            Ok(Some(page)) => LookupAnswer::Page(page),
            Ok(None) => LookupAnswer::Elsewhere,
            Err(Stopped) => LookupAnswer::Spent,
        };
        (answer, steps)
    }
}

/// A lookup in numbers, and where the texts are.
struct Looking<'a> {
    view: &'a View<'a>,
    asked: &'a LookupRequest<'a>,
    names: &'a QuestionNames,
    goal: Goal,
    graph: &'a Graph,
    drivers: &'a Drivers,
    ephemerals: &'a Ephemerals,
}

impl<'a> Looking<'a> {
    fn page<G: GraphView>(&self, mut evaluation: Evaluation<'_, G>) -> (Found, u64) {
        let found = if self.asked.of_subjects {
            self.subjects(&mut evaluation, self.names.lookup_of_subjects(self.goal.object))
        } else {
            self.resources(&mut evaluation, self.names.lookup_of_resources(self.goal.subject.object))
        };
        (found, evaluation.steps)
    }

    fn id_of(&self, object: u32) -> &'a str {
        if object & EPHEMERAL == 0 { self.graph.objects.text(object) } else { self.ephemerals.id(object) }
    }

    fn resources<G: GraphView>(&self, evaluation: &mut Evaluation<'_, G>, lookup: Lookup) -> Found {
        let place = self.asked.place;
        let is_of_graph = lookup.subject.object & EPHEMERAL == 0;
        let stop = evaluation.stop;
        if let Some(known) = self.known(evaluation, is_of_graph, LookupKey::Resources(lookup)) {
            return page_of_resources(evaluation, lookup, place, &mut self.later(&known, stop)).map(Some);
        }
        let mut found = Upwards::of(evaluation, self.drivers, lookup)?.walk(evaluation)?;
        if self.is_worth_keeping(is_of_graph) {
            found.sort_unstable();
            found.dedup();
            let candidates = Candidates::of(found, 0, false);
            let kept = self.kept(evaluation, LookupKey::Resources(lookup), candidates);
            return page_of_resources(evaluation, lookup, place, &mut self.later(&kept, stop)).map(Some);
        }
        let mut ordered = self.ordered(place, &found, stop);
        let mut next = || Ok(ordered.pop()?.map(|object| self.candidate(object, false)));
        page_of_resources(evaluation, lookup, place, &mut next).map(Some)
    }

    fn subjects<G: GraphView>(&self, evaluation: &mut Evaluation<'_, G>, lookup: SubjectLookup) -> Found {
        let is_of_graph = lookup.object & EPHEMERAL == 0;
        let stop = evaluation.stop;
        if let Some(known) = self.known(evaluation, is_of_graph, LookupKey::Subjects(lookup)) {
            return self.subjects_among(evaluation, lookup, known.is_for_all, &mut self.later(&known, stop));
        }
        let down = Downwards::walk(evaluation, self.drivers, lookup)?;
        let candidates = Candidates::of(down.candidates(evaluation)?, down.named_len(), down.is_for_all);
        if self.is_worth_keeping(is_of_graph) {
            let kept = self.kept(evaluation, LookupKey::Subjects(lookup), candidates);
            return self.subjects_among(evaluation, lookup, kept.is_for_all, &mut self.later(&kept, stop));
        }
        let place = Place { after: self.after(), ..self.asked.place };
        let mut ordered = self.ordered(place, &candidates.found, stop);
        let mut next = || Ok(ordered.pop()?.map(|object| self.candidate(object, candidates.is_named(object))));
        self.subjects_among(evaluation, lookup, candidates.is_for_all, &mut next)
    }

    fn subjects_among<G: GraphView>(
        &self,
        evaluation: &mut Evaluation<'_, G>,
        lookup: SubjectLookup,
        is_for_all: bool,
        candidates: &mut dyn FnMut() -> Stoppable<Option<Candidate<'a>>>,
    ) -> Found {
        let walked = std::mem::take(&mut evaluation.steps);
        let everybody = match if is_for_all { self.everybody(evaluation)? } else { Some(false) } {
            Some(everybody) => everybody,
            None => return Ok(None),
        };
        evaluation.steps = evaluation.steps.saturating_add(walked);
        page_of_subjects(evaluation, lookup, self.asked.place, everybody, candidates).map(Some)
    }

    // --- candidates in their order ----------------------------------------------------------------------------

    /// The id that candidates come after: `*` is before all others.
    fn after(&self) -> &'a str {
        if self.asked.place.after == "*" { "" } else { self.asked.place.after }
    }

    fn ordered<'f>(
        &self,
        place: Place<'a>,
        found: &'f [u32],
        stop: &'f dyn Fn() -> bool,
    ) -> Ordered<'f, 'a, impl Fn(u32) -> &'a [u8]> {
        let (graph, ephemerals) = (self.graph, self.ephemerals);
        let bytes_of = move |object: u32| {
            if object & EPHEMERAL == 0 { graph.objects.bytes_of(object) } else { ephemerals.id(object).as_bytes() }
        };
        Ordered::after(place, found, bytes_of, stop)
    }

    fn candidate(&self, object: u32, is_named: bool) -> Candidate<'a> {
        Candidate { id: self.id_of(object), object, is_named }
    }

    fn known<G: GraphView>(
        &self,
        evaluation: &Evaluation<'_, G>,
        is_of_graph: bool,
        asked: LookupKey,
    ) -> Option<Arc<Candidates>> {
        if !is_of_graph || !self.asked.changed.is_empty() {
            return None;
        }
        self.view.store.walked.find(evaluation.state.version, asked, evaluation.now_us)
    }

    /// Who asks for a second page will ask for a third; who asks for a first one may want no more.
    fn is_worth_keeping(&self, is_of_graph: bool) -> bool {
        is_of_graph && self.asked.changed.is_empty() && !self.asked.place.after.is_empty()
    }

    /// What a walk has found, kept for the pages to come. All of it is objects of the graph.
    fn kept<G: GraphView>(
        &self,
        evaluation: &Evaluation<'_, G>,
        asked: LookupKey,
        candidates: Candidates,
    ) -> Arc<Candidates> {
        let candidates = Arc::new(candidates);
        let seen = evaluation.scratch.dependencies;
        self.view.store.walked.keep(evaluation.state.version, asked, seen, &candidates);
        candidates
    }

    /// Those of the page and of all after it. Cost: O(1) for each, and O(candidates) for every `IN_ORDER` of them.
    fn later<'c>(
        &'c self,
        candidates: &'c Candidates,
        stop: &'c dyn Fn() -> bool,
    ) -> impl FnMut() -> Stoppable<Option<Candidate<'a>>> + 'c {
        let mut after = self.after();
        let mut place = 0;
        let mut in_order: Option<Arc<InOrder>> = None;
        move || {
            loop {
                if let Some(known) = &in_order {
                    if let Some(object) = known.objects.get(place) {
                        place += 1;
                        return Ok(Some(self.candidate(*object, candidates.is_named(*object))));
                    }
                    if known.is_rest {
                        return Ok(None);
                    }
                    after = known.objects.last().map_or(after, |object| self.id_of(*object));
                }
                let next = self.in_order(candidates, after, stop)?;
                place = next.objects.partition_point(|object| self.id_of(*object) <= after);
                in_order = Some(next);
            }
        }
    }

    /// What comes after an id: known from a page before, or put in order now for those to come.
    fn in_order(&self, candidates: &Candidates, after: &'a str, stop: &dyn Fn() -> bool) -> Stoppable<Arc<InOrder>> {
        let known = Arc::clone(&candidates.next.lock());
        let is_before = |object: &u32| self.id_of(*object) > after;
        if *known.after <= *after && (known.is_rest || known.objects.last().is_some_and(is_before)) {
            return Ok(known);
        }
        let (objects, is_rest) = self.ordered(Place { after, limit: IN_ORDER }, &candidates.found, stop).least()?;
        let next = Arc::new(InOrder { after: after.to_owned(), objects, is_rest });
        *candidates.next.lock() = Arc::clone(&next);
        Ok(next)
    }

    /// Whether one that occurs nowhere has it; None where that is not decided here.
    fn everybody<G: GraphView>(&self, evaluation: &mut Evaluation<'_, G>) -> Stoppable<Option<bool>> {
        match evaluation.solve(self.goal) {
            Ok(YES) => Ok(Some(true)),
            Ok(NO) => Ok(Some(false)),
            Ok(_) => Ok(None),
            Err(Stopped) if evaluation.steps > evaluation.steps_max => {
                evaluation.scratch.clear();
                Ok(None)
            }
            Err(Stopped) => Err(Stopped),
        }
    }
}
