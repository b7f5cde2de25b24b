//! What waits, by whose it is: whose turn is next goes around among those who have something waiting.
//!
//! Law: what one caller waits for is served in its order; whoever waits for how much, another has its turn after one of it.

use std::collections::{HashMap, VecDeque};

use crate::fair_quota::ClientId;

pub struct Turns<T> {
    /// Whose turn is next, each once; exactly those who have a queue.
    turns: VecDeque<ClientId>,
    queues: HashMap<ClientId, VecDeque<T>>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { turns: VecDeque::new(), queues: HashMap::new() }
    }
}

impl<T> Turns<T> {
    /// Behind what else its caller waits for. Cost: O(1).
    pub fn push(&mut self, client_id: &ClientId, waiting: T) {
        match self.queues.get_mut(client_id) {
            Some(queue) => queue.push_back(waiting),
            None => {
                self.queues.insert(ClientId::clone(client_id), VecDeque::from([waiting]));
                self.turns.push_back(ClientId::clone(client_id));
            }
        }
    }

    /// The oldest of the caller whose turn it is, who goes behind everybody else. Cost: O(1).
    pub fn take(&mut self) -> Option<T> {
        let client_id = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&client_id)?;
        let waiting = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&client_id);
        } else {
            self.turns.push_back(client_id);
        }
        waiting
    }

    /// Forget the first of a caller's that `is_it`. Cost: O(what that caller waits for).
    pub fn forget(&mut self, client_id: &ClientId, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let queue = self.queues.get_mut(client_id)?;
        let found = queue.iter().position(is_it).and_then(|at| queue.remove(at));
        if queue.is_empty() {
            self.queues.remove(client_id);
            self.turns.retain(|each| each != client_id);
        }
        found
    }

    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}
