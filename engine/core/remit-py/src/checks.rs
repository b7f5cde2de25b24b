//! Checks that take longer than the GIL may be held for.
//!
//! Law: that of `store.rs`; all answers of a request are given of one state.

use crate::given::OwnedQuestion;
use crate::turns::in_turns;
use pyo3::prelude::*;
use remit_core::graph::overlay::Changed;
use remit_core::store::{Answer, Store};

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

/// How much a request of questions may cost: each of them, and once those before have cost so much no more are asked.
#[derive(Clone, Copy)]
pub struct StepsMax {
    pub each: u64,
    pub together: Option<u64>,
}

/// What questions come to, all of one state, waiting for the lock and working without the GIL. A write that comes meanwhile
/// is let pass, and they begin anew.
pub fn check_without_gil(
    store: &Store,
    py: Python<'_>,
    questions: &[OwnedQuestion],
    changed: &Changed<'_>,
    now_us: i64,
    steps_max: StepsMax,
    interrupt: Option<&Bound<'_, PyAny>>,
) -> PyResult<(u64, Vec<(Answer, u64)>)> {
    let mut found: Vec<(Answer, u64)> = Vec::with_capacity(questions.len());
    let mut together = 0_u64;
    let mut seen_version = None;
    let finished = in_turns(store, py, interrupt, |view, session, stop| {
        if seen_version != Some(view.version()) {
            // Something was written meanwhile: all answers are given of one state.
            session.clear();
            found.clear();
            together = 0;
            seen_version = Some(view.version());
        }
        while let Some(question) = questions.get(found.len()) {
            if !found.is_empty() && steps_max.together.is_some_and(|most| together >= most) {
                break;
            }
            let (answer, steps) = match &question.context {
                Some(context) => {
                    let question = question.question();
                    view.check_over(session, &question, context, changed, now_us, steps_max.each, stop)
                }
                None => (Answer::Elsewhere, 0),
            };
            if answer == Answer::Spent && steps <= steps_max.each {
                return None;
            }
            together = together.saturating_add(steps);
            found.push((answer, steps));
        }
        session.clear();
        Some(view.revision())
    })?;
    Ok(match finished {
        Some(revision) => (revision, found),
        None => (0, vec![(Answer::Elsewhere, 0); questions.len()]),
    })
}
