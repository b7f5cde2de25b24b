//! What time it is, as `clock.py` has it: microseconds since the epoch, never going backwards and never beyond what the
//! store has promised, the same for all threads of Python and of the core.
//!
//! Law: `now` never returns less than it returned before, to anybody.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex};

/// The machine's two clocks: one that people set, one that only ticks.
enum Machine {
    Real {
        began: Instant,
    },
    /// For tests and offline use.
    Manual(Mutex<(i64, i64)>),
}

impl Machine {
    fn read(&self) -> (i64, i64) {
        match self {
            Self::Real { began } => (machine_us(), began.elapsed().as_micros() as i64),
            Self::Manual(manual) => *manual.lock(),
        }
    }
}

/// Of a machine whose clock stands before 1970: the beginning of all time, which is early enough.
fn machine_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// One clock for a process.
pub struct Clock {
    machine: Machine,
    patience_us: i64,
    state: Mutex<State>,
    renewal_wanted: Mutex<bool>,
    wanted: Condvar,
}

struct State {
    last_us: i64,
    ticked_us: i64,
    promised_us: i64,
    standing_since_us: Option<i64>, // in ticks
    is_unkept: bool,                // the store takes no promise: time goes on without
    is_unreported: bool,            // that it did not answer in time
}

impl Clock {
    fn new(machine: Machine, patience_us: i64) -> Self {
        let (last_us, ticked_us) = machine.read();
        let state = State {
            last_us,
            ticked_us,
            promised_us: i64::MAX, // nobody keeps a promise yet, so none is broken
            standing_since_us: None,
            is_unkept: false,
            is_unreported: false,
        };
        let (renewal_wanted, wanted) = (Mutex::new(false), Condvar::new());
        Self { machine, patience_us, state: Mutex::new(state), renewal_wanted, wanted }
    }

    /// The machine's own. Where nobody renews the promise, time stands at it for so long and then goes on without.
    pub fn real(patience_us: i64) -> Self {
        Self::new(Machine::Real { began: Instant::now() }, patience_us)
    }

    /// A clock whose machine's time and ticks are set from outside.
    pub fn manual_with_ticks(machine_us: i64, ticks_us: i64, patience_us: i64) -> Self {
        Self::new(Machine::Manual(Mutex::new((machine_us, ticks_us))), patience_us)
    }

    /// A clock that stands until it is set.
    pub fn manual(now_us: i64) -> Self {
        Self::manual_with_ticks(now_us, 0, 0)
    }

    /// What time it is. Cost: some 0.05 µs, two looks at the machine's clocks under a lock.
    pub fn now(&self) -> i64 {
        let mut state = self.state.lock();
        let (machine_us, ticks_us) = self.machine.read();
        let (time_us, ticked_us) = state.time(machine_us, ticks_us);
        state.ticked_us = ticked_us;
        if time_us <= state.promised_us || self.may_pass(&mut state, ticks_us) {
            state.last_us = time_us;
        } else {
            state.last_us = state.last_us.max(state.promised_us);
        }
        state.last_us
    }

    /// Whether time may go beyond the promise; otherwise it stands there, and the promise is renewed.
    fn may_pass(&self, state: &mut State, ticks_us: i64) -> bool {
        if !state.is_unkept {
            self.renew();
            let since_us = *state.standing_since_us.get_or_insert(ticks_us);
            state.is_unkept = ticks_us - since_us >= self.patience_us;
            state.is_unreported = state.is_unkept;
        }
        state.is_unkept
    }

    /// Have the promise renewed, by the thread of Python that waits for this.
    pub fn renew(&self) {
        *self.renewal_wanted.lock() = true;
        self.wanted.notify_all();
    }

    /// Until somebody stands at the promise, or `renew`.
    pub fn wait_for_renewal(&self, timeout: Duration) {
        let mut is_wanted = self.renewal_wanted.lock();
        if !*is_wanted {
            self.wanted.wait_for(&mut is_wanted, timeout);
        }
        *is_wanted = false;
    }

    /// Whether time went on without a promise, and nobody was warned of it yet.
    pub fn take_untold(&self) -> bool {
        std::mem::take(&mut self.state.lock().is_unreported)
    }

    /// What there would be to say, were it promised.
    pub fn ahead(&self) -> i64 {
        let state = self.state.lock();
        let (machine_us, ticks_us) = self.machine.read();
        state.time(machine_us, ticks_us).0
    }

    /// Go on from no earlier than this.
    pub fn advance_to(&self, time_us: i64) {
        let mut state = self.state.lock();
        state.last_us = state.last_us.max(time_us);
    }

    /// The store has taken the promise: the clock may go so far.
    pub fn promise(&self, ceiling_us: i64) {
        let mut state = self.state.lock();
        (state.promised_us, state.standing_since_us, state.is_unkept) = (ceiling_us, None, false);
    }

    /// The store has not taken it: time goes on without.
    pub fn unkept(&self) {
        self.state.lock().is_unkept = true;
    }

    /// Set what the machine's clocks say from now on; a clock of the real machine is left as it is.
    pub fn tell(&self, machine_us: i64, ticks_us: i64) {
        if let Machine::Manual(manual) = &self.machine {
            *manual.lock() = (machine_us, ticks_us);
        }
    }
}

impl State {
    /// What there is to say, promised or not, and up to which tick that counts: the machine's time; where the machine is
    /// behind a time that was already given, half its speed until it catches up, so that nothing that should expire is kept
    /// alive by a clock that stands still.
    fn time(&self, machine_us: i64, ticks_us: i64) -> (i64, i64) {
        if machine_us >= self.last_us {
            return (machine_us, ticks_us);
        }
        // Whole steps of two: an odd tick is left for the next call, or a clock asked all the time would stand.
        let steps_us = (ticks_us - self.ticked_us).max(0) / 2;
        (self.last_us + steps_us, self.ticked_us + 2 * steps_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now_at(clock: &Clock, machine_us: i64, ticks_us: i64) -> i64 {
        clock.tell(machine_us, ticks_us);
        clock.now()
    }

    proptest! {
        #[test]
        fn time_never_goes_backwards_nor_beyond_the_machine_and_its_ticks(
            steps in prop::collection::vec((0i64..1 << 40, -(1i64 << 41)..1 << 41), 1..50),
        ) {
            let clock = Clock::manual(1 << 50);
            let (mut machine_us, mut ticks_us, mut highest_us) = (1i64 << 50, 0, 1i64 << 50);
            let mut before_us = clock.now();
            for (passed_us, set_us) in steps {
                (machine_us, ticks_us) = (machine_us + passed_us + set_us, ticks_us + passed_us);
                highest_us = machine_us.max(highest_us + passed_us);
                let now_us = now_at(&clock, machine_us, ticks_us);
                prop_assert!(before_us <= now_us && machine_us <= now_us && now_us <= highest_us);
                before_us = now_us;
            }
        }
    }

    #[test]
    fn a_clock_behind_that_is_asked_all_the_time_goes_at_half_speed() {
        let clock = Clock::manual(1_000);
        let last_us = (1..=100).map(|tick| now_at(&clock, 10, tick)).last();
        assert_eq!(last_us, Some(1_050));
    }

    #[test]
    fn ticks_that_come_out_of_order_take_nothing_back() {
        let clock = Clock::manual(1_000);
        assert_eq!(now_at(&clock, 1_000, 50), 1_000);
        assert_eq!(now_at(&clock, 10, 40), 1_000);
    }

    #[test]
    fn a_clock_stands_at_the_promise_until_its_patience_ends() {
        let clock = Clock { patience_us: 10, ..Clock::manual(1_000) };
        clock.state.lock().promised_us = 1_005;
        assert_eq!(now_at(&clock, 2_000, 1), 1_005);
        assert!(*clock.renewal_wanted.lock());
        assert_eq!(now_at(&clock, 2_000, 10), 1_005);
        assert_eq!(now_at(&clock, 2_000, 11), 2_000);
    }
}
