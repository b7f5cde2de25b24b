//! Lookups, which take longer than the GIL may be held for.
//!
//! Law: that of `checks.rs`.

use crate::gil::{GIVES_WAY_MAX, STOPS_AT_FIRST};
use crate::session::with_session;
use pyo3::prelude::*;
use remit_core::check::caveats::Context;
use remit_core::graph::overlay::Changed;
use remit_core::lookup::{Page, Place};
use remit_core::store::{LookupAnswer, ResourceLookup, Store};
use std::cell::Cell;

/// (the revision; ids, and yes or None for elsewhere, None where the whole is elsewhere; the id to go on after; the steps;
/// whether the budget ended it).
pub type LookedUp = (u64, Option<Vec<(String, Option<bool>)>>, Option<String>, u64, bool);

/// What one request brings.
pub struct Asked<'a> {
    pub lookup: ResourceLookup<'a>,
    pub place: Place<'a>,
    pub context: Context,
    pub changed: Changed<'a>,
    pub now_us: i64,
    pub steps_max: u64,
}

/// A page, waiting for the lock and working without the GIL. A write that comes meanwhile is let pass, and it begins anew.
pub fn lookup_without_gil(
    store: &Store,
    py: Python<'_>,
    asked: &Asked<'_>,
    interrupt: Option<&Bound<'_, PyAny>>,
) -> PyResult<LookedUp> {
    let Asked { lookup, place, context, changed, now_us, steps_max } = asked;
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
            let (answer, steps) = with_session(|session| {
                view.lookup_resources(session, lookup, *place, context, changed, *now_us, *steps_max, &stop)
            });
            (view.revision(), answer, steps)
        });
        match answer {
            LookupAnswer::Page(Page { entries, next_after }) => {
                return Ok((revision, Some(entries), next_after, steps, false));
            }
            LookupAnswer::Elsewhere => return Ok((revision, None, None, steps, false)),
            LookupAnswer::Spent if steps > *steps_max => return Ok((revision, None, None, steps, true)),
            LookupAnswer::Spent => {}
        }
        // Each time it begins anew from nothing, so it is asked less often whether to.
        gave_way += u32::from(store.is_awaited());
        stops_max = stops_max.saturating_mul(4);
        if let Some(interrupt) = interrupt {
            interrupt.call0()?;
        }
    }
    Ok((0, None, None, 0, false))
}
