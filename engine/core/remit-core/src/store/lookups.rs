//! Lookups of a store as it stands.
//!
//! Law: that of `queries.rs`.

use super::ephemerals::Ephemerals;
use super::locked::View;
use super::names::QuestionNames;
use super::question::Question;
use super::session::Session;
use super::state::State;
use crate::check::caveats::Context;
use crate::check::closure;
use crate::check::evaluator::{Evaluation, PendingGoal, Stoppable, Stopped};
use crate::check::goals::{Goal, NO, YES};
use crate::graph::overlay::{Changed, Overlaid};
use crate::graph::view::GraphView;
use crate::graph::{EPHEMERAL, Graph};
use crate::lookup::{Downwards, Lookup, Ordered, Page, Place, SubjectLookup, Upwards};
use crate::lookup::{page_of_resources, page_of_subjects};
use crate::schema::drivers::Drivers;
use crate::schema::reach::Reach;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
        let looking_up = AssertUnwindSafe(|| self.look_up_unguarded(session, asked, stop));
        let answer = catch_unwind(looking_up).unwrap_or((LookupAnswer::Elsewhere, 0));
        session.clear();
        answer
    }

    fn look_up_unguarded(
        &self,
        session: &mut Session,
        asked: &LookupRequest<'_>,
        stop: &dyn Fn() -> bool,
    ) -> (LookupAnswer, u64) {
        let State { graph, plan: Some(plan), drivers, caveats, version, installed, closed, reach, .. } = &*self.state
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
        let Session { scratch, ephemerals, overlay, .. } = session;
        // The object whose id is left away is the one with an id that no relationship can have.
        let mut object_of = |type_, id| graph.objects.find(type_, id).unwrap_or_else(|| ephemerals.number(type_, id));
        let resource = object_of(names.resource_type, question.resource_id);
        let subject = object_of(names.subject_type, question.subject_id);
        let goal = names.goal(resource, subject);
        let state = closure::State { store: self.store.number, version: *version, closed, reach };
        let looking = Looking { view: self, asked, names: &names, goal, graph, drivers, ephemerals };
        let evaluation = Evaluation {
            graph,
            view: graph,
            plan,
            caveats,
            context,
            state,
            now_us,
            scratch,
            ephemerals: &ephemerals.types,
            pending: PendingGoal::default(),
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
        let is_of_graph = self.asked.changed.is_empty() && lookup.subject.object & EPHEMERAL == 0;
        let version = evaluation.state.version;
        let known = if is_of_graph { self.view.store.walked.find(version, lookup) } else { None };
        if let Some(sorted) = known {
            return self.resources_among(evaluation, lookup, &sorted);
        }
        let walk = Upwards::of(evaluation, self.drivers, lookup)?;
        // Who asks for a second page will ask for a third; who asks for a first one may want no more.
        let may_keep = is_of_graph && !place.after.is_empty() && !walk.is_of_its_time();
        let found = walk.walk(evaluation)?;
        let text_of = |object| self.id_of(object);
        if may_keep {
            let ordered = Ordered::after("", &found, &text_of, &mut || evaluation.pause())?;
            let sorted: Arc<[u32]> = ordered.sorted(&mut || evaluation.pause())?.into();
            self.view.store.walked.keep(version, lookup, &sorted);
            return self.resources_among(evaluation, lookup, &sorted);
        }
        let mut ordered = Ordered::after(place.after, &found, &text_of, &mut || evaluation.pause())?;
        page_of_resources(evaluation, lookup, place, &mut || ordered.next()).map(Some)
    }

    /// The same of candidates that are sorted already.
    fn resources_among<G: GraphView>(
        &self,
        evaluation: &mut Evaluation<'_, G>,
        lookup: Lookup,
        sorted: &[u32],
    ) -> Found {
        let place = self.asked.place;
        let begin = sorted.partition_point(|object| self.id_of(*object) <= place.after);
        let mut later = sorted[begin..].iter().map(|object| (self.id_of(*object), *object));
        page_of_resources(evaluation, lookup, place, &mut || later.next()).map(Some)
    }

    fn subjects<G: GraphView>(&self, evaluation: &mut Evaluation<'_, G>, lookup: SubjectLookup) -> Found {
        let place = self.asked.place;
        let after = if place.after == "*" { "" } else { place.after };
        let down = Downwards::walk(evaluation, self.drivers, lookup)?;
        let candidates = down.candidates(evaluation)?;
        let text_of = |object| self.id_of(object);
        let mut ordered = Ordered::after(after, &candidates, &text_of, &mut || evaluation.pause())?;
        let walked = std::mem::take(&mut evaluation.steps);
        let everybody = match if down.is_for_all { self.everybody(evaluation)? } else { Some(false) } {
            Some(everybody) => everybody,
            None => return Ok(None),
        };
        evaluation.steps = evaluation.steps.saturating_add(walked);
        let is_named = |object: u32| down.named.contains(&object);
        page_of_subjects(evaluation, lookup, place, everybody, &is_named, &mut || ordered.next()).map(Some)
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
