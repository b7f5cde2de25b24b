//! How many of something there may be at once, whose ever they are.
//!
//! Law: nobody waits for room: what finds none goes another way at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub struct Capacity {
    free: Arc<Semaphore>,
    most: usize,
    refused: AtomicU64,
}

impl Capacity {
    pub fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(most)), most, refused: AtomicU64::new(0) }
    }

    /// Room for one, given back when dropped; `None` where there is none. Cost: O(1).
    pub fn take(&self) -> Option<OwnedSemaphorePermit> {
        let taken = Arc::clone(&self.free).try_acquire_owned().ok();
        if taken.is_none() {
            self.refused.fetch_add(1, Relaxed);
        }
        taken
    }

    pub fn taken(&self) -> usize {
        self.most - self.free.available_permits()
    }

    /// How often there was none since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_never_more_than_there_is_and_comes_back() {
        let capacity = Capacity::new(2);
        let taken = [capacity.take(), capacity.take()];
        assert!(taken.iter().all(Option::is_some) && capacity.take().is_none());
        assert_eq!((capacity.taken(), capacity.refused()), (2, 1));
        drop(taken);
        assert!(capacity.take().is_some());
        assert_eq!((capacity.taken(), Capacity::new(usize::MAX).taken()), (0, 0));
    }
}
