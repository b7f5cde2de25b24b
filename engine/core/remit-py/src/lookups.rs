//! Lookups, which take longer than the GIL may be held for.
//!
//! Law: that of `checks.rs`.

use crate::turns::in_turns;
use pyo3::prelude::*;
use remit_core::lookup::{Entry, Page};
use remit_core::store::{LookupAnswer, LookupRequest, Store};

/// An id, yes or no or None for elsewhere, and whether an edge beneath leads to it.
type EntryTuple = (String, Option<bool>, bool);

/// (the revision; the entries, None where the whole is elsewhere; the id to go on after; the steps; whether the budget ended
/// it).
pub type LookedUp = (u64, Option<Vec<EntryTuple>>, Option<String>, u64, bool);

/// A page, waiting for the lock and working without the GIL. A write that comes meanwhile is let pass, and it begins anew.
pub fn look_up_without_gil(
    store: &Store,
    py: Python<'_>,
    asked: &LookupRequest<'_>,
    interrupt: Option<&Bound<'_, PyAny>>,
) -> PyResult<LookedUp> {
    let found = in_turns(store, py, interrupt, |view, session, stop| {
        let (answer, steps) = view.look_up(session, asked, stop);
        let is_stopped = answer == LookupAnswer::Spent && steps <= asked.steps_max;
        (!is_stopped).then(|| (view.revision(), answer, steps))
    })?;
    Ok(match found {
        Some((revision, LookupAnswer::Page(Page { entries, next_after }), steps)) => {
            let entries = entries.into_iter().map(|Entry { id, is_yes, is_named }| (id, is_yes, is_named)).collect();
            (revision, Some(entries), next_after, steps, false)
        }
        Some((revision, answer, steps)) => (revision, None, None, steps, answer == LookupAnswer::Spent),
        None => (0, None, None, 0, false),
    })
}
