//! The work queues of one frontend, and what is said where one is full.
//!
//! Law: what is refused was not begun, and is counted under the reason that it was told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::dispatched_call::{CallPlace, CallQueue};
use super::work_queue::{QueuePlace, WorkQueue};
use crate::fair_quota::{ClientId, Full, Holdings};
use crate::status::Status;
use crate::verbs::VerbTable;

/// What a queue is made of: its places, and what is said where all are taken, where too many are the client's, and where
/// the server is stopping.
pub struct QueueConfig {
    pub places: Arc<Holdings>,
    pub overloaded: Status,
    pub fair_share_spent: Status,
    pub stopping: Status,
}

/// The queues, by their numbers in the table of verbs.
pub struct WorkQueues {
    queues: Vec<(Arc<CallQueue>, [Status; 2])>,
    /// By verb, and by why.
    turned_away: Vec<[AtomicU64; 2]>,
}

impl WorkQueues {
    /// Queues for the calls of a table that was made for as many.
    pub fn new(queues: Vec<QueueConfig>, verbs: &VerbTable) -> Self {
        Self {
            queues: queues
                .into_iter()
                .map(|config| {
                    (WorkQueue::new(config.places, config.stopping), [config.overloaded, config.fair_share_spent])
                })
                .collect(),
            turned_away: verbs.all().iter().map(|_| <[AtomicU64; 2]>::default()).collect(),
        }
    }

    /// A place in a queue for a call to a verb, both by their numbers, or what to say instead. Cost: O(1).
    pub fn place(&self, queue: usize, verb: usize, client_id: &ClientId) -> Result<CallPlace, &Status> {
        let (queue, statuses) = &self.queues[queue];
        match queue.places.take(client_id, 1) {
            Ok(holding) => Ok(QueuePlace { queue: Arc::clone(queue), holding }),
            Err(full) => {
                self.turned_away[verb][full.why as usize].fetch_add(1, Relaxed);
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

    /// How many calls to a verb were refused: for want of places, and for having too many of them.
    pub fn turned_away(&self, verb: usize) -> (u64, u64) {
        let of = |why: Full| self.turned_away[verb][why as usize].load(Relaxed);
        (of(Full::Overloaded), of(Full::FairShareSpent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::Verb;

    #[test]
    fn a_full_queue_says_why_and_counts_it_under_that() {
        let verb = |path: &str, queue| Verb::new(path.to_owned(), path.to_owned(), Some(queue), None, false).unwrap();
        let config = |places_max| QueueConfig {
            places: Holdings::new(places_max),
            overloaded: Status { message: "full".to_owned(), ..Status::failed() },
            fair_share_spent: Status { message: "too much".to_owned(), ..Status::failed() },
            stopping: Status::failed(),
        };
        let verbs = VerbTable::new(vec![verb("/a", 0), verb("/b", 1)], 2).unwrap();
        let queues = WorkQueues::new(vec![config(2), config(1)], &verbs);
        let place = |verb, client_id| queues.place(verbs.verb(verb).queue.unwrap(), verb, client_id);
        let (ann, bob) = (ClientId::from("ann"), ClientId::from("bob"));
        let status = |verb, client_id| place(verb, client_id).err().map(|status| status.message.clone());
        let first = place(0, &ann);
        assert_eq!((first.is_ok(), status(1, &ann)), (true, None));
        let second = place(0, &bob);
        assert_eq!((second.is_ok(), status(0, &bob).as_deref()), (true, Some("full")));
        drop(first);
        let third = place(0, &ann);
        drop(second);
        let fourth = place(0, &ann);
        assert_eq!((third.is_ok(), fourth.is_ok()), (true, true));
        assert_eq!(queues.queue(0).unwrap().places.taken(), 2);
        assert_eq!((queues.turned_away(0), queues.turned_away(1)), ((1, 0), (0, 0)));
        assert!(queues.queue(2).is_none());
    }
}
