//! Checks that take longer than the GIL may be held for.
//!
//! Law: that of `store.rs`; all answers of a request are given of one state.

use crate::gil::{GIVES_WAY_MAX, STOPS_AT_FIRST};
use crate::given::OwnedQuestion;
use crate::session::with_session;
use pyo3::prelude::*;
use remit_core::graph::overlay::Changed;
use remit_core::store::{Answer, Store};
use std::cell::Cell;

/// (yes, no or None for elsewhere; the steps; whether the budget ended it).
pub type Checked = (Option<bool>, u64, bool);

pub fn checked(answer: Answer, steps: u64) -> Checked {
    match answer {
        Answer::Yes => (Some(true), steps, false),
        Answer::No => (Some(false), steps, false),
        Answer::Elsewhere => (None, steps, false),
        Answer::Spent => (None, steps, true),
    }
}

/// What questions come to, all of one state, waiting for the lock and working without the GIL. A write that comes meanwhile
/// is let pass, and they begin anew.
pub fn check_without_gil(
    store: &Store,
    py: Python<'_>,
    questions: &[OwnedQuestion],
    changed: &Changed<'_>,
    now_us: i64,
    steps_max: u64,
    interrupt: Option<&Bound<'_, PyAny>>,
) -> PyResult<(u64, Vec<(Answer, u64)>)> {
    let mut found: Vec<(Answer, u64)> = Vec::with_capacity(questions.len());
    let mut seen_version = None;
    let mut stops_max = STOPS_AT_FIRST;
    let mut gave_way = 0;
    let is_interruptible = interrupt.is_some();
    while gave_way < GIVES_WAY_MAX {
        let finished = py.detach(|| {
            let view = store.read();
            with_session(|session| {
                if seen_version != Some(view.version()) {
                    // Something was written meanwhile: all answers are given of one state.
                    session.clear();
                    found.clear();
                    gave_way += u32::from(seen_version.is_some());
                    seen_version = Some(view.version());
                }
                let stops = Cell::new(0);
                let stop = || {
                    stops.set(stops.get() + 1);
                    store.is_awaited() || (is_interruptible && stops.get() >= stops_max)
                };
                while let Some(question) = questions.get(found.len()) {
                    let (answer, steps) = match &question.context {
                        Some(context) => {
                            let question = question.question();
                            view.check_over(session, &question, context, changed, now_us, steps_max, &stop)
                        }
                        None => (Answer::Elsewhere, 0),
                    };
                    if answer == Answer::Spent && steps <= steps_max {
                        return None;
                    }
                    found.push((answer, steps));
                }
                session.clear();
                Some(view.revision())
            })
        });
        if let Some(revision) = finished {
            return Ok((revision, found));
        }
        if !store.is_awaited() {
            stops_max = stops_max.saturating_mul(4);
        }
        if let Some(interrupt) = interrupt {
            interrupt.call0()?;
        }
    }
    Ok((0, vec![(Answer::Elsewhere, 0); questions.len()]))
}
