//! A page: the candidates in their order, each checked, until there are as many entries as it may have.
//!
//! All of a page share what they settle.
//! Law: an entry that is decided here is Check's answer; of what is passed over, the meaning would list nothing.

use super::request::{Lookup, Place, SubjectLookup};
use crate::check::evaluator::{Evaluation, Stoppable, Stopped};
use crate::check::goals::{Goal, NO, Subject, YES};
use crate::graph::End;
use crate::graph::view::GraphView;

/// An id, and whether it is a yes: None where Python has to say it. `is_named`, of a subject: an edge beneath leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: String,
    pub is_yes: Option<bool>,
    pub is_named: bool,
}

/// Entries in their order, and the id to go on after, where more may follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<Entry>,
    pub next_after: Option<String>,
}

/// One that may have to be on the page.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'t> {
    pub id: &'t str,
    pub object: u32,
    pub is_named: bool, // of a subject, as in `Entry`
}

/// What is known of an entry: whether it is a yes, as far as that is decided here.
type Judged = Option<bool>;

/// The resources among candidates that come in the order of their ids. Cost: that of the checks.
pub fn page_of_resources<'t, G: GraphView>(
    evaluation: &mut Evaluation<'_, G>,
    lookup: Lookup,
    place: Place<'_>,
    candidates: &mut dyn FnMut() -> Stoppable<Option<Candidate<'t>>>,
) -> Stoppable<Page> {
    let Lookup { slot, type_, subject } = lookup;
    let mut kinds = evaluation.plan.kinds_of(type_).to_vec();
    fill(evaluation, place, Page::default(), candidates, |evaluation, Candidate { object, .. }| {
        let value = evaluation.solve(Goal { object, slot, subject })?;
        let is_entry = value != NO && (object == subject.object || occurs(evaluation, object, &mut kinds)?);
        Ok(is_entry.then_some((value == YES).then_some(true)))
    })
}

/// The subjects among candidates, and `*` before them. `everybody` is whether one that occurs nowhere has it.
pub fn page_of_subjects<'t, G: GraphView>(
    evaluation: &mut Evaluation<'_, G>,
    lookup: SubjectLookup,
    place: Place<'_>,
    everybody: bool,
    candidates: &mut dyn FnMut() -> Stoppable<Option<Candidate<'t>>>,
) -> Stoppable<Page> {
    let SubjectLookup { object, slot, kind, .. } = lookup;
    let mut page = Page::default();
    if everybody && place.after.is_empty() {
        page.entries.push(Entry { id: "*".to_owned(), is_yes: Some(true), is_named: false });
    }
    fill(evaluation, place, page, candidates, |evaluation, candidate| {
        let subject = Subject { object: candidate.object, kind };
        let is_yes = match evaluation.solve(Goal { object, slot, subject })? {
            YES => Some(true),
            NO => Some(false),
            _ => None,
        };
        let is_entry = is_yes != Some(everybody) || (everybody && candidate.is_named);
        Ok(is_entry.then_some(is_yes))
    })
}

/// Fill a page with what `judge` says of each candidate. Where the budget ends on the way, the page ends, too; a first
/// candidate that takes all of it is Python's.
fn fill<'t, G: GraphView>(
    evaluation: &mut Evaluation<'_, G>,
    place: Place<'_>,
    mut page: Page,
    candidates: &mut dyn FnMut() -> Stoppable<Option<Candidate<'t>>>,
    mut judge: impl FnMut(&mut Evaluation<'_, G>, Candidate<'t>) -> Stoppable<Option<Judged>>,
) -> Stoppable<Page> {
    let walked = std::mem::take(&mut evaluation.steps);
    let mut last: Option<&str> = page.entries.first().map(|_| "*");
    while let Some(candidate) = candidates()? {
        let Candidate { id, object, is_named } = candidate;
        if last == Some(id) || evaluation.is_wildcard(object) {
            continue;
        }
        if page.entries.len() == place.limit {
            page.next_after = last.map(str::to_owned);
            break;
        }
        let judged = match judge(evaluation, candidate) {
            Ok(judged) => judged,
            Err(Stopped) if evaluation.steps <= evaluation.steps_max => return Err(Stopped),
            Err(Stopped) => {
                evaluation.scratch.clear();
                if last.is_some() {
                    page.next_after = last.map(str::to_owned);
                    break;
                }
                Some(None)
            }
        };
        if let Some(is_yes) = judged {
            page.entries.push(Entry { id: id.to_owned(), is_yes, is_named });
        }
        last = Some(id);
    }
    evaluation.steps = evaluation.steps.min(evaluation.steps_max).saturating_add(walked);
    Ok(page)
}

/// Whether an edge that counts begins at the object, or leads to it or to a userset of it. Mostly the first kind asked says
/// so: the one that said it of the last object.
fn occurs<G: GraphView>(evaluation: &mut Evaluation<'_, G>, object: u32, kinds: &mut [u32]) -> Stoppable<bool> {
    let view = evaluation.view;
    for at in 0..kinds.len() {
        evaluation.spend()?;
        let Some(node) = view.find_node(object, kinds[at]) else {
            continue;
        };
        for place in 0..evaluation.edges_len(node) {
            if evaluation.end_at(node, place)?.is_some() {
                kinds[..=at].rotate_right(1);
                return Ok(true);
            }
        }
    }
    for userset in [None].into_iter().chain(kinds.iter().copied().map(Some)) {
        let end = match userset {
            None => End::Object(object),
            Some(kind) => {
                evaluation.spend()?;
                match view.find_node(object, kind) {
                    Some(node) => End::Node(node),
                    None => continue,
                }
            }
        };
        for (node, is_qualified) in view.nodes_of(end, |_| true) {
            evaluation.spend()?;
            if evaluation.fact_of_time(node, end, is_qualified) != NO {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
