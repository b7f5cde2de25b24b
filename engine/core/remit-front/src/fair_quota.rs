//! How callers share what runs out: places in a lane, memory for answers that wait to be read. As in `shares.py`.
//!
//! Nobody takes more who already holds more than is left free; nothing is set aside for callers who are not there.
//! Law: what is taken never exceeds the limit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

/// Who shares: a key by its id, or a connection by its address where there are no keys.
pub type Sharer = Arc<str>;

/// Why something is not to be had.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Full {
    /// Not enough is left.
    Overloaded,
    /// Too much is this caller's.
    FairShareSpent,
}

/// Nothing was taken: why, what the caller holds, and what is left.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub why: Full,
    pub own: usize,
    pub free: usize,
}

/// `limit` units of something. The lock is held for a few memory accesses, and never with a wish for the GIL.
#[derive(Debug)]
pub struct Shares {
    limit: usize,
    held: Mutex<Held>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Held {
    by: HashMap<Sharer, usize>,
    taken: usize,
}

/// Some units, given back when dropped.
#[derive(Debug)]
pub struct Share {
    pub sharer: Sharer,
    shares: Arc<Shares>,
    amount: usize,
}

impl Shares {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: Mutex::default(), refused: AtomicU64::new(0) })
    }

    /// One or more, for a caller. Cost: O(1).
    pub fn take(self: &Arc<Self>, sharer: &Sharer, amount: usize) -> Result<Share, Refused> {
        self.hold(sharer, amount)?;
        Ok(Share { sharer: Arc::clone(sharer), shares: Arc::clone(self), amount })
    }

    /// The same for who gives it back by itself.
    pub fn hold(&self, sharer: &Sharer, amount: usize) -> Result<(), Refused> {
        let mut held = self.held.lock();
        let own = held.by.get(sharer).copied().unwrap_or(0);
        let free = self.limit - held.taken;
        if amount > free || own > free {
            self.refused.fetch_add(1, Relaxed);
            let why = if amount > free { Full::Overloaded } else { Full::FairShareSpent };
            return Err(Refused { why, own, free });
        }
        *held.by.entry(Arc::clone(sharer)).or_default() += amount;
        held.taken += amount;
        Ok(())
    }

    /// False where the caller does not hold as much, and then nothing changes.
    pub fn give_back(&self, sharer: &str, amount: usize) -> bool {
        let mut held = self.held.lock();
        let Some(own) = held.by.get_mut(sharer).filter(|own| **own >= amount) else {
            return false;
        };
        *own -= amount;
        if *own == 0 {
            held.by.remove(sharer);
        }
        held.taken -= amount;
        true
    }

    pub fn taken(&self) -> usize {
        self.held.lock().taken
    }

    /// How many hold something.
    pub fn callers(&self) -> usize {
        self.held.lock().by.len()
    }

    /// How many were refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let is_given_back = self.shares.give_back(&self.sharer, self.amount);
        debug_assert!(is_given_back, "a share is held until it is dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nobody_takes_more_who_holds_more_than_is_left() {
        let shares = Shares::new(4);
        let [greedy, bob, cara] = ["greedy", "bob", "cara"].map(Sharer::from);
        let held: Vec<_> = (0..3).map(|_| shares.take(&greedy, 1).unwrap()).collect();
        assert_eq!(shares.take(&greedy, 1).err(), Some(Refused { why: Full::FairShareSpent, own: 3, free: 1 }));
        let last = shares.take(&bob, 1).unwrap();
        assert_eq!(shares.take(&cara, 1).err(), Some(Refused { why: Full::Overloaded, own: 0, free: 0 }));
        assert_eq!((shares.taken(), shares.refused()), (4, 2));
        drop((held, last));
        assert_eq!(shares.taken(), 0);
        assert_eq!(shares.callers(), 0, "nobody is remembered who holds nothing");
        assert!(!shares.give_back("greedy", 1), "what was not taken");
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_is_held_and_never_exceeds_the_limit(
            steps in prop::collection::vec((0usize..3, 1usize..5, any::<bool>()), 0..60)
        ) {
            let shares = Shares::new(8);
            let sharers = ["a", "b", "c"].map(Sharer::from);
            let mut kept: Vec<Share> = Vec::new();
            for (who, amount, gives_back) in steps {
                let before: usize = kept.iter().map(|share| share.amount).sum();
                if gives_back {
                    kept.pop();
                } else {
                    let own: usize = kept.iter().filter(|it| it.sharer == sharers[who]).map(|it| it.amount).sum();
                    let expected = if amount > 8 - before {
                        Some(Full::Overloaded)
                    } else {
                        (own > 8 - before).then_some(Full::FairShareSpent)
                    };
                    match shares.take(&sharers[who], amount) {
                        Ok(share) => { prop_assert_eq!(expected, None); kept.push(share) }
                        Err(refused) => prop_assert_eq!(expected, Some(refused.why)),
                    }
                }
                prop_assert_eq!(shares.taken(), kept.iter().map(|share| share.amount).sum::<usize>());
            }
        }
    }
}
