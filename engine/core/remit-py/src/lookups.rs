//! Lookups, which take longer than the GIL may be held for.
//!
//! Law: that of `checks.rs`.

use crate::gil::{GIVES_WAY_MAX, STOPS_AT_FIRST};
use crate::session::with_session;
use pyo3::prelude::*;
use remit_core::lookup::{Entry, Page};
use remit_core::store::{LookupAnswer, LookupRequest, Store};
use std::cell::Cell;

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
    let mut stops_max = STOPS_AT_FIRST;
    let mut gave_way = 0;
    let is_interruptible = interrupt.is_some();
    while gave_way < GIVES_WAY_MAX {
        let (revision, answer, steps) = py.detach(|| {
            let view = store.read();
            let stops = Cell::new(0);
            let stop = || {
                stops.set(stops.get() + 1);
                store.is_awaited() || (is_interruptible && stops.get() >= stops_max)
            };
            let (answer, steps) = with_session(|session| view.look_up(session, asked, &stop));
            (view.revision(), answer, steps)
        });
        match answer {
            LookupAnswer::Page(Page { entries, next_after }) => {
                let entries =
                    entries.into_iter().map(|Entry { id, is_yes, is_named }| (id, is_yes, is_named)).collect();
                return Ok((revision, Some(entries), next_after, steps, false));
            }
            LookupAnswer::Elsewhere => return Ok((revision, None, None, steps, false)),
            LookupAnswer::Spent if steps > asked.steps_max => return Ok((revision, None, None, steps, true)),
            LookupAnswer::Spent => {}
        }
        // It begins anew from nothing, and so is asked less and less often whether anybody waits for it.
        gave_way += u32::from(store.is_awaited());
        stops_max = stops_max.saturating_mul(4);
        if let Some(interrupt) = interrupt {
            interrupt.call0()?;
        }
    }
    Ok((0, None, None, 0, false))
}
