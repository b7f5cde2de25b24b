//! Calls that wait for a thread of Python: a lane for readers, another for writers, as in `lanes.py`.
//!
//! Callers share a lane as they do there: its places (nobody takes more who already holds more than is left free), and
//! its threads, whose turns go around among those who wait.
//! Law: what a lane takes is given to a thread or forgotten with its caller; what it does not, it refuses at once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::fair_quota::{Share, Sharer, Shares};

/// Calls at work or waiting. The lock is held for a few memory accesses at a time, and never with a wish for the GIL.
pub struct Lane<Call> {
    pub places: Arc<Shares>,
    state: Mutex<State<Call>>,
    arrived: Condvar,
}

struct State<Call> {
    /// Whose turn is next, each once; exactly those who have a queue.
    turns: VecDeque<Sharer>,
    queues: HashMap<Sharer, VecDeque<Call>>,
    threads_waiting: usize,
    is_closed: bool,
}

/// A call's place in a lane: until it is answered, or until its caller has gone before a thread came.
pub struct Place<Call> {
    pub lane: Arc<Lane<Call>>,
    pub share: Share,
}

impl<Call> Lane<Call> {
    pub fn new(places: Arc<Shares>) -> Arc<Self> {
        let state = State { turns: VecDeque::new(), queues: HashMap::new(), threads_waiting: 0, is_closed: false };
        Arc::new(Self { places, state: Mutex::new(state), arrived: Condvar::new() })
    }

    /// Let a call of a caller that has a place in here wait for a thread. Cost: O(1).
    pub fn queue(&self, sharer: &Sharer, call: Call) {
        let mut state = self.state.lock();
        if state.is_closed {
            return; // and the caller is told of a failure
        }
        match state.queues.get_mut(sharer) {
            Some(queue) => queue.push_back(call),
            None => {
                state.queues.insert(Arc::clone(sharer), VecDeque::from([call]));
                state.turns.push_back(Arc::clone(sharer));
            }
        }
        self.arrived.notify_one();
    }

    /// The next call, waited for; with it, how many other threads wait. `None` once the lane is closed and empty.
    pub fn take(&self) -> Option<(Call, usize)> {
        let mut state = self.state.lock();
        loop {
            if let Some(call) = state.next() {
                return Some((call, state.threads_waiting));
            }
            if state.is_closed {
                return None;
            }
            state.threads_waiting += 1;
            self.arrived.wait(&mut state);
            state.threads_waiting -= 1;
        }
    }

    /// The caller has gone: nobody need begin with its call. Cost: O(what it waits for).
    pub fn forget(&self, sharer: &Sharer, is_it: impl Fn(&Call) -> bool) {
        let mut state = self.state.lock();
        let Some(queue) = state.queues.get_mut(sharer) else { return };
        let found = queue.iter().position(is_it).and_then(|at| queue.remove(at));
        if queue.is_empty() {
            state.queues.remove(sharer);
            state.turns.retain(|each| each != sharer);
        }
        drop(state);
        drop(found); // and with it, its place
    }

    /// Let threads go once nothing waits any more.
    pub fn close(&self) {
        self.state.lock().is_closed = true;
        self.arrived.notify_all();
    }
}

impl<Call> State<Call> {
    /// The oldest call of the caller whose turn it is, who goes behind everybody else.
    fn next(&mut self) -> Option<Call> {
        let sharer = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&sharer)?;
        let call = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&sharer);
        } else {
            self.turns.push_back(sharer);
        }
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Call {
        verb: usize,
        _share: Share,
    }

    fn sharer(name: &str) -> Sharer {
        Sharer::from(name)
    }

    fn push(lane: &Lane<Call>, name: &str, verb: usize) {
        let share = lane.places.take(&sharer(name), 1).unwrap();
        lane.queue(&sharer(name), Call { verb, _share: share });
    }

    #[test]
    fn turns_go_around_among_those_who_wait() {
        let lane = Lane::new(Shares::new(10));
        for (name, verb) in [("ann", 1), ("ann", 2), ("ann", 3), ("bob", 4)] {
            push(&lane, name, verb);
        }
        let taken: Vec<_> = (0..4).map(|_| lane.take().unwrap().0).collect();
        assert_eq!(taken.iter().map(|each| each.verb).collect::<Vec<_>>(), [1, 4, 2, 3]);
        assert_eq!(lane.places.taken(), 4);
        drop(taken);
        assert_eq!(lane.places.taken(), 0);
    }

    #[test]
    fn what_nobody_waits_for_is_not_begun_and_holds_no_place() {
        let lane = Lane::new(Shares::new(4));
        for verb in [1, 2] {
            push(&lane, "ann", verb);
        }
        lane.forget(&sharer("ann"), |call| call.verb == 1);
        lane.forget(&sharer("bob"), |_| true);
        assert_eq!(lane.places.taken(), 1);
        assert_eq!(lane.take().unwrap().0.verb, 2);
        push(&lane, "ann", 3);
        lane.forget(&sharer("ann"), |_| true);
        lane.close();
        assert!(lane.take().is_none());
    }

    #[test]
    fn a_closed_lane_gives_out_what_it_has_and_takes_nothing_new() {
        let lane = Lane::new(Shares::new(4));
        push(&lane, "ann", 1);
        lane.close();
        push(&lane, "ann", 2);
        assert_eq!(lane.take().unwrap().0.verb, 1);
        assert!(lane.take().is_none());
        assert_eq!(lane.places.taken(), 0);
    }

    #[test]
    fn a_thread_that_waits_is_woken_by_a_call_and_by_the_end() {
        let lane = Lane::<Call>::new(Shares::new(4));
        let waiting = {
            let lane = Arc::clone(&lane);
            std::thread::spawn(move || {
                let first = lane.take().map(|(call, _)| call.verb);
                (first, lane.take().is_none())
            })
        };
        push(&lane, "ann", 7);
        while lane.places.taken() > 0 {
            std::thread::yield_now();
        }
        lane.close();
        assert_eq!(waiting.join().unwrap(), (Some(7), true));
    }
}
