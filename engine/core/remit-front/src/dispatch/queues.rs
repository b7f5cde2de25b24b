//! Which methods are dispatched to threads of Python, in which queues they wait, and what is said where a queue is full.
//!
//! Law: what is turned away was not begun, and is counted under the reason that it was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hashbrown::HashMap;

use super::dispatched_call::{CallPlace, CallQueue};
use super::work_queue::{QueuePlace, WorkQueue};
use crate::fair_quota::{ClientId, Full, Holdings};
use crate::status::Status;

/// A method: its path, the verb under which `metrics.py` counts it, its queue's number, and the right it needs.
pub struct Verb {
    pub path: String,
    pub label: String,
    pub queue: usize,
    pub right: Option<String>,
}

/// A queue's places, and its two statuses.
pub struct QueueConfig {
    pub places: Arc<Holdings>,
    pub overloaded: Status,
    pub fair_share_spent: Status,
}

/// The table of methods, and the queues.
pub struct Unary {
    numbers: HashMap<String, usize>,
    verbs: Vec<(Verb, [AtomicU64; 2])>,
    queues: Vec<(Arc<CallQueue>, [Status; 2])>,
}

impl Unary {
    /// Each verb's queue is one of `queues`.
    pub fn new(verbs: Vec<Verb>, queues: Vec<QueueConfig>) -> Self {
        assert!(verbs.iter().all(|verb| verb.queue < queues.len()), "a verb waits in one of the queues");
        Self {
            numbers: verbs.iter().enumerate().map(|(number, verb)| (verb.path.clone(), number)).collect(),
            verbs: verbs.into_iter().map(|verb| (verb, <[AtomicU64; 2]>::default())).collect(),
            queues: queues
                .into_iter()
                .map(|config| (WorkQueue::new(config.places), [config.overloaded, config.fair_share_spent]))
                .collect(),
        }
    }

    /// The verb of a path, by its number; `None` for methods that are not dispatched.
    pub fn number(&self, path: &str) -> Option<usize> {
        self.numbers.get(path).copied()
    }

    pub fn right(&self, verb: usize) -> Option<&str> {
        self.verbs[verb].0.right.as_deref()
    }

    /// A place for a call to a verb, or what to say instead.
    pub fn place(&self, verb: usize, client_id: &ClientId) -> Result<CallPlace, &Status> {
        let (verb, refused) = &self.verbs[verb];
        let (queue, statuses) = &self.queues[verb.queue];
        match queue.places.take(client_id, 1) {
            Ok(holding) => Ok(QueuePlace { queue: Arc::clone(queue), holding }),
            Err(full) => {
                refused[full.why as usize].fetch_add(1, Relaxed);
                Err(&statuses[full.why as usize])
            }
        }
    }

    /// Where threads take calls from.
    pub fn queue(&self, number: usize) -> Option<&Arc<CallQueue>> {
        self.queues.get(number).map(|(queue, _)| queue)
    }

    /// Let all threads go.
    pub fn close(&self) {
        self.queues.iter().for_each(|(queue, _)| queue.close());
    }

    // --- for whoever watches ------------------------------------------------------------------------------------

    /// Of each verb, how many calls were turned away: for want of places, and for having too many of them.
    pub fn refused(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.verbs.iter().map(|(verb, refused)| {
            let of = |full: Full| refused[full as usize].load(Relaxed);
            (verb.label.as_str(), of(Full::Overloaded), of(Full::FairShareSpent))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_says_why_and_counts_it_under_that() {
        let verb = |path: &str, queue| Verb { path: path.to_owned(), label: path.to_owned(), queue, right: None };
        let config = |places_max| QueueConfig {
            places: Holdings::new(places_max),
            overloaded: Status { message: "full".to_owned(), ..Status::failed() },
            fair_share_spent: Status { message: "too much".to_owned(), ..Status::failed() },
        };
        let unary = Unary::new(vec![verb("/a", 0), verb("/b", 1)], vec![config(2), config(1)]);
        let (a, b) = (unary.number("/a").unwrap(), unary.number("/b").unwrap());
        let (ann, bob) = (ClientId::from("ann"), ClientId::from("bob"));
        let said = |verb, client_id| unary.place(verb, client_id).err().map(|status| status.message.clone());
        let first = unary.place(a, &ann);
        assert_eq!((first.is_ok(), said(b, &ann)), (true, None));
        let second = unary.place(a, &bob);
        assert_eq!((second.is_ok(), said(a, &bob).as_deref()), (true, Some("full")));
        drop(first);
        let third = unary.place(a, &ann);
        drop(second);
        let fourth = unary.place(a, &ann);
        assert_eq!((third.is_ok(), fourth.is_ok()), (true, true));
        assert_eq!(unary.queue(0).unwrap().places.taken(), 2);
        assert_eq!(unary.refused().collect::<Vec<_>>(), [("/a", 1, 0), ("/b", 0, 0)]);
        assert_eq!((unary.number("/c"), unary.queue(2).is_none()), (None, true));
    }
}
