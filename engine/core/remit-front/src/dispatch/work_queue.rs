//! Calls that wait for a thread of Python: a queue for readers, another for writers, as in `work_queue.py`.
//!
//! Clients share a queue as they do there: its places (nobody takes more who already holds more than is left free), and
//! its threads, whose turns go around among those who wait.
//! What is heavy is not told apart here: the thread that takes a call gives it on where it is, in moments (`thread_pool.py`).
//! Law: what a queue takes is given to a thread or forgotten with its caller; what it does not, it refuses at once.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::fair_quota::{ClientId, Holding, Holdings};
use crate::status::Status;
use crate::turns::Turns;

/// Calls at work or waiting. The lock is held for a few memory accesses at a time, and never with a wish for the GIL.
pub struct WorkQueue<Call> {
    pub places: Arc<Holdings>,
    /// What is said to a call that comes once the queue is closed.
    pub stopping: Status,
    state: Mutex<State<Call>>,
    arrived: Condvar,
}

struct State<Call> {
    turns: Turns<Call>,
    threads_waiting: usize,
    is_closed: bool,
}

/// A call's place in a queue: until it is answered, or until its caller has gone before a thread came.
pub struct QueuePlace<Call> {
    pub queue: Arc<WorkQueue<Call>>,
    pub holding: Holding,
}

impl<Call> WorkQueue<Call> {
    pub fn new(places: Arc<Holdings>, stopping: Status) -> Arc<Self> {
        let state = State { turns: Turns::default(), threads_waiting: 0, is_closed: false };
        Arc::new(Self { places, stopping, state: Mutex::new(state), arrived: Condvar::new() })
    }

    /// Let a call of a caller that has a place in here wait for a thread. Once the queue is closed none would come: then
    /// the call is given back. Cost: O(1).
    #[must_use = "what is given back is to be refused"]
    pub fn queue(&self, client_id: &ClientId, call: Call) -> Option<Call> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Some(call);
        }
        state.turns.push(client_id, call);
        self.arrived.notify_one();
        None
    }

    /// The next call, waited for; with it, how many other threads wait. `None` once the queue is closed and empty.
    pub fn take(&self) -> Option<(Call, usize)> {
        let mut state = self.state.lock();
        loop {
            if let Some(call) = state.turns.take() {
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
    pub fn forget(&self, client_id: &ClientId, is_it: impl Fn(&Call) -> bool) {
        // The lock is let go before the call, and with it its place.
        let found = self.state.lock().turns.forget(client_id, is_it);
        drop(found);
    }

    /// Let threads go once nothing waits any more.
    pub fn close(&self) {
        self.state.lock().is_closed = true;
        self.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Call {
        verb: usize,
        _share: Holding,
    }

    fn client_id(name: &str) -> ClientId {
        ClientId::from(name)
    }

    fn queue_of(places_max: usize) -> Arc<WorkQueue<Call>> {
        WorkQueue::new(Holdings::new(places_max), Status::failed())
    }

    fn push(queue: &WorkQueue<Call>, name: &str, verb: usize) {
        let holding = queue.places.take(&client_id(name), 1).unwrap();
        let call = Call { verb, _share: holding };
        assert!(queue.queue(&client_id(name), call).is_none());
    }

    #[test]
    fn turns_go_around_among_those_who_wait() {
        let queue = queue_of(10);
        for (name, verb) in [("ann", 1), ("ann", 2), ("ann", 3), ("bob", 4)] {
            push(&queue, name, verb);
        }
        let taken: Vec<_> = (0..4).map(|_| queue.take().unwrap().0).collect();
        assert_eq!(taken.iter().map(|each| each.verb).collect::<Vec<_>>(), [1, 4, 2, 3]);
        assert_eq!(queue.places.taken(), 4);
        drop(taken);
        assert_eq!(queue.places.taken(), 0);
    }

    #[test]
    fn what_nobody_waits_for_is_not_begun_and_holds_no_place() {
        let queue = queue_of(4);
        for verb in [1, 2] {
            push(&queue, "ann", verb);
        }
        queue.forget(&client_id("ann"), |call| call.verb == 1);
        queue.forget(&client_id("bob"), |_| true);
        assert_eq!(queue.places.taken(), 1);
        assert_eq!(queue.take().unwrap().0.verb, 2);
        push(&queue, "ann", 3);
        queue.forget(&client_id("ann"), |_| true);
        queue.close();
        assert!(queue.take().is_none());
    }

    #[test]
    fn a_closed_queue_gives_out_what_it_has_and_takes_nothing_new() {
        let queue = queue_of(4);
        push(&queue, "ann", 1);
        queue.close();
        let late = Call { verb: 2, _share: queue.places.take(&client_id("ann"), 1).unwrap() };
        assert_eq!(queue.queue(&client_id("ann"), late).map(|call| call.verb), Some(2));
        assert_eq!(queue.take().unwrap().0.verb, 1);
        assert!(queue.take().is_none());
        assert_eq!(queue.places.taken(), 0);
    }

    #[test]
    fn a_thread_that_waits_is_woken_by_a_call_and_by_the_end() {
        let queue = queue_of(4);
        let waiting = {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                let first = queue.take().map(|(call, _)| call.verb);
                (first, queue.take().is_none())
            })
        };
        push(&queue, "ann", 7);
        while queue.places.taken() > 0 {
            std::thread::yield_now();
        }
        queue.close();
        assert_eq!(waiting.join().unwrap(), (Some(7), true));
    }
}
