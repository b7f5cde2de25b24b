//! Lookups of a store as it stands.
//!
//! Law: that of `queries.rs`.

use super::locked::View;
use super::names::QuestionNames;
use super::question::Question;
use super::session::Session;
use super::state::State;
use crate::check::caveats::Context;
use crate::check::closure;
use crate::check::evaluator::{Evaluation, PendingGoal};
use crate::graph::EPHEMERAL;
use crate::graph::overlay::{Changed, Overlaid};
use crate::lookup::{Page, Place, lookup_resources};
use crate::schema::reach::Reach;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Which resources of a type does the subject have the permission of? An empty `subject_relation` is a plain subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResourceLookup<'a> {
    pub resource_type: &'a str,
    pub permission: &'a str,
    pub subject_type: &'a str,
    pub subject_id: &'a str,
    pub subject_relation: &'a str,
}

/// What a lookup came to here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupAnswer {
    Page(Page),
    /// The budget of the walk is spent, or `stop` asked for an end (then the steps are not above the budget).
    Spent,
    /// `eval/lookups.py` answers it: a name is unknown, or there is no schema yet.
    Elsewhere,
}

impl View<'_> {
    /// A page, and the steps it took. Should it panic, it is to be had elsewhere, as with `check`.
    #[allow(clippy::too_many_arguments)]
    pub fn lookup_resources(
        &self,
        session: &mut Session,
        asked: &ResourceLookup,
        place: Place<'_>,
        context: &Context,
        changed: &Changed,
        now_us: i64,
        steps_max: u64,
        stop: &dyn Fn() -> bool,
    ) -> (LookupAnswer, u64) {
        let looking_up = AssertUnwindSafe(|| {
            self.lookup_unguarded(session, asked, place, context, changed, now_us, steps_max, stop)
        });
        let answer = catch_unwind(looking_up).unwrap_or((LookupAnswer::Elsewhere, 0));
        session.clear();
        answer
    }

    #[allow(clippy::too_many_arguments)]
    fn lookup_unguarded(
        &self,
        session: &mut Session,
        asked: &ResourceLookup,
        place: Place<'_>,
        context: &Context,
        changed: &Changed,
        now_us: i64,
        steps_max: u64,
        stop: &dyn Fn() -> bool,
    ) -> (LookupAnswer, u64) {
        let State { graph, plan: Some(plan), caveats, version, installed, closed, reach, .. } = &*self.state else {
            return (LookupAnswer::Elsewhere, 0);
        };
        session.clear();
        if !changed.is_empty() {
            session.lay_over(graph, changed);
            if session.overlay.is_none() {
                return (LookupAnswer::Elsewhere, 0);
            }
        }
        let ResourceLookup { resource_type, permission, subject_type, subject_id, subject_relation } = *asked;
        let question =
            Question { resource_type, resource_id: "", permission, subject_type, subject_id, subject_relation };
        let Some(names) = QuestionNames::of(graph, plan, (self.store.number, *installed), &question) else {
            return (LookupAnswer::Elsewhere, 0);
        };
        let known = graph.objects.find(names.subject_type, subject_id);
        let object = known.unwrap_or_else(|| session.ephemerals.number(names.subject_type, subject_id));
        let lookup = names.lookup(object);
        let ephemerals = &session.ephemerals;
        let text_of = |object: u32| match object & EPHEMERAL {
            0 => graph.objects.text(object),
            _ => ephemerals.id(object),
        };
        let mut evaluation = Evaluation {
            graph,
            view: graph,
            plan,
            caveats,
            context,
            state: closure::State { store: self.store.number, version: *version, closed, reach },
            now_us,
            scratch: &mut session.scratch,
            ephemerals: &ephemerals.types,
            pending: PendingGoal::default(),
            steps: 0,
            steps_max,
            stop,
        };
        let (found, steps) = match &session.overlay {
            None => (lookup_resources(&mut evaluation, lookup, place, &text_of), evaluation.steps),
            Some(overlay) => {
                let more = Reach::of(plan, graph, overlay.shapes());
                evaluation.state.reach = &more;
                let mut evaluation = evaluation.over(Overlaid { graph, overlay });
                (lookup_resources(&mut evaluation, lookup, place, &text_of), evaluation.steps)
            }
        };
        (found.map_or(LookupAnswer::Spent, LookupAnswer::Page), steps)
    }
}
