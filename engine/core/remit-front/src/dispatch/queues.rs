//! The work queues of one frontend, and what is said where one is full.
//!
//! Law: what is refused was not begun.

use std::sync::Arc;

use super::dispatched_call::{CallPlace, CallQueue};
use super::work_queue::{QueuePlace, WorkQueue};
use crate::fair_quota::{ClientId, Full, Holdings, Refused};
use crate::status::Status;

/// What a queue is made of: its places, and what is said where all are taken, where too many are the client's, and where
/// the server is stopping.
pub struct QueueConfig {
    pub places: Arc<Holdings>,
    pub overloaded: Status,
    pub fair_share_spent: Status,
    pub stopping: Status,
}

/// The queues, by their numbers in the table of verbs.
pub struct WorkQueues(Vec<(Arc<CallQueue>, [Status; 2])>);

impl WorkQueues {
    /// As many as the table of verbs was made for.
    pub fn new(queues: Vec<QueueConfig>) -> Self {
        let each = queues.into_iter().map(|config| {
            (WorkQueue::new(config.places, config.stopping), [config.overloaded, config.fair_share_spent])
        });
        Self(each.collect())
    }

    /// A place in a queue, which is one of those that the table of verbs names. Cost: O(1).
    pub fn place(&self, queue: usize, client_id: &ClientId) -> Result<CallPlace, Full> {
        let (queue, _) = &self.0[queue];
        let holding = queue.places.take(client_id, 1).map_err(|Refused { why, .. }| why)?;
        Ok(QueuePlace { queue: Arc::clone(queue), holding })
    }

    /// What to say to who finds no place in it.
    pub fn status(&self, queue: usize, why: Full) -> &Status {
        &self.0[queue].1[why as usize]
    }

    /// Where threads take calls from.
    pub fn queue(&self, number: usize) -> Option<&Arc<CallQueue>> {
        self.0.get(number).map(|(queue, _)| queue)
    }

    /// Let all threads go.
    pub fn close(&self) {
        self.0.iter().for_each(|(queue, _)| queue.close());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_says_why() {
        let config = |places_max| QueueConfig {
            places: Holdings::new(places_max),
            overloaded: Status { message: "full".to_owned(), ..Status::failed() },
            fair_share_spent: Status { message: "too much".to_owned(), ..Status::failed() },
            stopping: Status::failed(),
        };
        let queues = WorkQueues::new(vec![config(3), config(1)]);
        let [ann, bob] = ["ann", "bob"].map(ClientId::from);
        let refused = |queue, client_id| {
            let why = queues.place(queue, client_id).err()?;
            Some((why, queues.status(queue, why).message.as_str()))
        };
        let held = [queues.place(0, &ann), queues.place(1, &ann), queues.place(0, &ann)];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(refused(0, &ann), Some((Full::FairShareSpent, "too much")));
        assert_eq!(refused(1, &bob), Some((Full::Overloaded, "full")));
        assert_eq!(queues.queue(0).unwrap().places.taken(), 2);
        drop(held);
        assert_eq!(refused(1, &bob), None);
        assert!(queues.queue(2).is_none());
    }
}
