//! The process's clock as Python holds it: `remit._core.Clock`, which `clock.py` wraps.

use pyo3::prelude::*;
use remit_core::clock::Clock;
use std::sync::Arc;
use std::time::Duration;

/// See `clock.py`.
#[pyclass(name = "Clock", frozen, module = "remit._core")]
pub struct PyClock {
    /// Shared with the core's own threads.
    pub clock: Arc<Clock>,
}

#[pymethods]
impl PyClock {
    #[new]
    #[pyo3(signature = (patience_us, told=None))]
    fn new(patience_us: i64, told: Option<(i64, i64)>) -> Self {
        let clock = match told {
            None => Clock::real(patience_us),
            Some((machine_us, ticks_us)) => Clock::manual_with_ticks(machine_us, ticks_us, patience_us),
        };
        Self { clock: Arc::new(clock) }
    }

    fn now_us(&self, python: Python<'_>) -> PyResult<i64> {
        let now_us = self.clock.now();
        if self.clock.take_untold() {
            // Whichever thread found that out: those of the core do not speak to Python.
            let clock = python.import("remit.engine.clock")?;
            clock.getattr("_log")?.call_method1("warning", (clock.getattr("UNANSWERED")?,))?;
        }
        Ok(now_us)
    }

    /// What there would be to say, were it promised.
    fn ahead_us(&self) -> i64 {
        self.clock.ahead()
    }

    /// Go on from no earlier than this.
    fn advance_to(&self, time_us: i64) {
        self.clock.advance_to(time_us);
    }

    /// The store has taken it: what is said may go so far.
    fn promise(&self, ceiling_us: i64) {
        self.clock.promise(ceiling_us);
    }

    /// The store has not taken it: time goes on without.
    fn unkept(&self) {
        self.clock.unkept();
    }

    /// Until somebody stands at the promise, or `renew_now`.
    fn wait_for_renewal(&self, python: Python<'_>, timeout_s: f64) {
        let timeout = Duration::try_from_secs_f64(timeout_s).unwrap_or_default();
        python.detach(|| self.clock.wait_for_renewal(timeout));
    }

    fn renew_now(&self) {
        self.clock.renew();
    }

    /// What the machine's clocks say from now on. Only for a clock that is told; the machine's own needs no telling.
    fn tell(&self, machine_us: i64, ticks_us: i64) {
        self.clock.tell(machine_us, ticks_us);
    }
}
