//! A page: the candidates in their order, each checked, until there are as many entries as it may have.
//!
//! All of a page share what they settle.
//! Law: an entry that is decided here is Check's answer; an object that is passed over is a no, or occurs nowhere.

use super::order::Ordered;
use super::request::{Lookup, Place, kinds_of};
use super::upwards::Upwards;
use crate::check::evaluator::{Evaluation, Stoppable, Stopped};
use crate::check::goals::{Goal, NO, YES};
use crate::graph::End;
use crate::graph::view::GraphView;

/// Ids in their order, and whether each is a yes: None where Python has to say it. And the id to go on after, where more
/// may follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub entries: Vec<(String, Option<bool>)>,
    pub next_after: Option<String>,
}

/// A page. `text_of` gives the id of an object. The walk and the checks may each take the budget of the evaluation: where it
/// ends among the checks, the page ends, too. Cost: O(what the subject is in), and that of the checks.
pub fn lookup_resources<'t, G: GraphView>(
    evaluation: &mut Evaluation<'_, G>,
    lookup: Lookup,
    place: Place<'_>,
    text_of: &dyn Fn(u32) -> &'t str,
) -> Stoppable<Page> {
    let found = Upwards::of(evaluation, lookup).walk(evaluation)?;
    let mut ordered = Ordered::after(place.after, &found, text_of, &mut || evaluation.pause())?;
    let walked = std::mem::take(&mut evaluation.steps);
    let kinds = kinds_of(evaluation, lookup.type_);
    let mut page = Page::default();
    let mut last: Option<&str> = None;
    while let Some((id, object)) = ordered.next() {
        if last == Some(id) || evaluation.is_wildcard(object) {
            continue;
        }
        if page.entries.len() == place.limit {
            page.next_after = last.map(str::to_owned);
            break;
        }
        match judge(evaluation, lookup, object, &kinds) {
            Ok(Some(is_yes)) => page.entries.push((id.to_owned(), is_yes)),
            Ok(None) => {}
            Err(Stopped) if evaluation.steps <= evaluation.steps_max => return Err(Stopped),
            Err(Stopped) => {
                evaluation.scratch.clear();
                if last.is_some() {
                    page.next_after = last.map(str::to_owned);
                    break;
                }
                page.entries.push((id.to_owned(), None));
            }
        }
        last = Some(id);
    }
    evaluation.steps = evaluation.steps.min(evaluation.steps_max).saturating_add(walked);
    Ok(page)
}

/// Whether an object is an entry, and then whether it is a yes, as far as that is decided here.
fn judge<G: GraphView>(
    evaluation: &mut Evaluation<'_, G>,
    lookup: Lookup,
    object: u32,
    kinds: &[u32],
) -> Stoppable<Option<Option<bool>>> {
    let Lookup { slot, subject, .. } = lookup;
    let value = evaluation.solve(Goal { object, slot, subject })?;
    if value == NO || (object != subject.object && !occurs(evaluation, object, kinds)?) {
        return Ok(None);
    }
    Ok(Some((value == YES).then_some(true)))
}

/// Whether an edge that counts begins at the object, or leads to it or to a userset of it. Mostly the first one says so.
fn occurs<G: GraphView>(evaluation: &mut Evaluation<'_, G>, object: u32, kinds: &[u32]) -> Stoppable<bool> {
    let view = evaluation.view;
    for node in kinds.iter().filter_map(|kind| view.find_node(object, *kind)) {
        for place in 0..evaluation.edges_len(node) {
            if evaluation.counts(node, place)? {
                return Ok(true);
            }
        }
    }
    let usersets = kinds.iter().filter_map(|kind| view.find_node(object, *kind)).map(End::Node);
    for end in [End::Object(object)].into_iter().chain(usersets) {
        for (node, is_qualified) in view.nodes_of(end) {
            evaluation.spend()?;
            if evaluation.fact_of_time(node, end, is_qualified) != NO {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
