//! Questions that take longer than the GIL may be held for: in turns, without it.
//!
//! A turn ends where the question does, where somebody waits to hold the store alone, and where it is time to ask Python
//! whether the caller still waits.
//! Law: no write waits for a question longer than it takes to look up; and what gives way too often is answered in Python.

use crate::gil::{GIVES_WAY_MAX, STOPS_AT_FIRST};
use crate::session::with_session;
use pyo3::prelude::*;
use remit_core::store::{Session, Store, View};
use std::cell::Cell;

/// What `turn` comes to, which is None when `stop` has ended it. None for what Python has to answer.
pub fn in_turns<T: Send>(
    store: &Store,
    py: Python<'_>,
    interrupt: Option<&Bound<'_, PyAny>>,
    mut turn: impl FnMut(&View<'_>, &mut Session, &dyn Fn() -> bool) -> Option<T> + Send,
) -> PyResult<Option<T>> {
    let is_interruptible = interrupt.is_some();
    let (mut stops_max, mut gave_way) = (STOPS_AT_FIRST, 0);
    while gave_way < GIVES_WAY_MAX {
        let (finished, was_awaited) = py.detach(|| {
            let view = store.read();
            let (stops, was_awaited) = (Cell::new(0), Cell::new(false));
            let stop = || {
                stops.set(stops.get() + 1);
                was_awaited.set(store.is_awaited());
                was_awaited.get() || (is_interruptible && stops.get() >= stops_max)
            };
            let finished = with_session(|session| turn(&view, session, &stop));
            (finished, was_awaited.get())
        });
        if finished.is_some() {
            return Ok(finished);
        }
        // It may begin anew from nothing, and so is asked less and less often whether anybody waits for it.
        if was_awaited {
            gave_way += 1;
        } else {
            stops_max = stops_max.saturating_mul(4);
        }
        if let Some(interrupt) = interrupt {
            interrupt.call0()?;
        }
    }
    Ok(None)
}
