//! How clients share what runs out: places in a queue, memory for requests and for answers that wait to be read. As in
//! `fair_quota.py`.
//!
//! Nobody takes more who already holds more than is left free, the last eighth aside: of that only those take who hold
//! little, a sixteenth of what is left.
//! Law: what is taken never exceeds the limit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

const RESERVED_PART: usize = 8; // of the limit
const SMALL_PART: usize = 16; // of what is left

/// Who holds more than this takes no more, where so much of the limit is left.
fn share(limit: usize, free: usize) -> usize {
    free.saturating_sub(limit / RESERVED_PART).max(free / SMALL_PART)
}

/// Who shares: a key by its id, or a connection by its address where there are no keys.
pub type ClientId = Arc<str>;

/// Why something is not to be had.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Full {
    /// Not enough is left.
    Overloaded,
    /// What is left is for others than this client.
    FairShareSpent,
}

/// Nothing was taken: why, what the client holds, and what is left.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub why: Full,
    pub own: usize,
    pub free: usize,
}

/// `limit` units of something, and who holds how many: a semaphore that knows its clients. The lock is held for a few memory
/// accesses, and never with a wish for the GIL.
#[derive(Debug)]
pub struct Holdings {
    limit: usize,
    counts: Mutex<Counts>,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Counts {
    by_client: HashMap<ClientId, usize>,
    taken: usize,
}

/// Some units, given back when dropped.
#[derive(Debug)]
pub struct Holding {
    pub client_id: ClientId,
    holdings: Arc<Holdings>,
    amount: usize,
}

impl Holdings {
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, counts: Mutex::default(), refused: AtomicU64::new(0) })
    }

    /// One or more, for a client. Cost: O(1).
    pub fn take(self: &Arc<Self>, client_id: &ClientId, amount: usize) -> Result<Holding, Refused> {
        self.hold(client_id, amount)?;
        Ok(Holding { client_id: Arc::clone(client_id), holdings: Arc::clone(self), amount })
    }

    /// The same for who gives it back by itself.
    pub fn hold(&self, client_id: &ClientId, amount: usize) -> Result<(), Refused> {
        self.hold_instead(client_id, 0, amount)
    }

    /// As if `before`, which the client holds, were given back first; it keeps that where it is refused.
    fn hold_instead(&self, client_id: &ClientId, before: usize, amount: usize) -> Result<(), Refused> {
        let mut counts = self.counts.lock();
        let own = counts.by_client.get(client_id).map_or(0, |own| own - before);
        let free = self.limit - counts.taken + before;
        if amount > free || own > share(self.limit, free) {
            self.refused.fetch_add(1, Relaxed);
            let why = if amount > free { Full::Overloaded } else { Full::FairShareSpent };
            return Err(Refused { why, own, free });
        }
        counts.by_client.insert(Arc::clone(client_id), own + amount);
        counts.taken = counts.taken - before + amount;
        Ok(())
    }

    /// False where the client does not hold as much, and then nothing changes.
    pub fn give_back(&self, client_id: &str, amount: usize) -> bool {
        let mut counts = self.counts.lock();
        let Some(own) = counts.by_client.get_mut(client_id).filter(|own| **own >= amount) else {
            return false;
        };
        *own -= amount;
        if *own == 0 {
            counts.by_client.remove(client_id);
        }
        counts.taken -= amount;
        true
    }

    /// How many a client holds.
    pub fn held(&self, client_id: &str) -> usize {
        self.counts.lock().by_client.get(client_id).copied().unwrap_or(0)
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn taken(&self) -> usize {
        self.counts.lock().taken
    }

    /// How many hold something.
    pub fn clients(&self) -> usize {
        self.counts.lock().by_client.len()
    }

    /// How many were refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}

impl Holding {
    /// Hold as much as `amount`, where it is less so far; nothing changes where it is not to be had. Cost: O(1).
    pub fn grow_to(&mut self, amount: usize) -> Result<(), Refused> {
        if amount > self.amount {
            self.holdings.hold_instead(&self.client_id, self.amount, amount)?;
            self.amount = amount;
        }
        Ok(())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let is_given_back = self.holdings.give_back(&self.client_id, self.amount);
        debug_assert!(is_given_back, "what is held is held until it is dropped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nobody_takes_more_who_holds_more_than_is_left() {
        let holdings = Holdings::new(4);
        let [greedy, bob, cara] = ["greedy", "bob", "cara"].map(ClientId::from);
        let held: Vec<_> = (0..3).map(|_| holdings.take(&greedy, 1).unwrap()).collect();
        assert_eq!(holdings.take(&greedy, 1).err(), Some(Refused { why: Full::FairShareSpent, own: 3, free: 1 }));
        let last = holdings.take(&bob, 1).unwrap();
        assert_eq!(holdings.take(&cara, 1).err(), Some(Refused { why: Full::Overloaded, own: 0, free: 0 }));
        assert_eq!((holdings.taken(), holdings.refused()), (4, 2));
        drop((held, last));
        assert_eq!(holdings.taken(), 0);
        assert_eq!(holdings.clients(), 0, "nobody is remembered who holds nothing");
        assert!(!holdings.give_back("greedy", 1), "what was not taken");
    }

    #[test]
    fn a_holding_grows_as_far_as_there_is_room_and_gives_all_of_it_back() {
        let holdings = Holdings::new(10);
        let [ann, bob] = ["ann", "bob"].map(ClientId::from);
        let mut held = holdings.take(&ann, 2).unwrap();
        let other = holdings.take(&bob, 4).unwrap();
        assert_eq!((held.grow_to(6), held.grow_to(1), holdings.taken()), (Ok(()), Ok(()), 10));
        assert_eq!(held.grow_to(7), Err(Refused { why: Full::Overloaded, own: 0, free: 6 }));
        drop(other);
        assert_eq!(held.grow_to(7), Ok(()), "its own part is no reason against it");
        let second = holdings.take(&ann, 1);
        assert_eq!(second.err(), Some(Refused { why: Full::FairShareSpent, own: 7, free: 3 }));
        drop(held);
        assert_eq!((holdings.taken(), holdings.clients()), (0, 0));
    }

    /// Takes all that it can get.
    fn fill(holdings: &Holdings, client_id: &ClientId) -> bool {
        std::iter::repeat_with(|| holdings.hold(client_id, 1)).take_while(Result::is_ok).count() > 0
    }

    proptest! {
        // As many as `crowd` of `fair_quota.py` says, less one.
        #[test]
        fn who_comes_last_finds_one_however_a_crowd_takes_them(
            (limit, others) in prop::sample::select(vec![(1usize, 0usize), (64, 12), (256, 29), (1_024, 50), (5_120, 76)]),
            order in prop::collection::vec(0usize..100, 0..200)
        ) {
            let clients: Vec<ClientId> = (0..others).map(|number| format!("greedy-{number}").into()).collect();
            let one_by_one = Holdings::new(limit);
            for client in &clients {
                prop_assert!(fill(&one_by_one, client));
            }
            prop_assert_eq!(one_by_one.hold(&"modest".into(), 1), Ok(()));
            let in_any_order = Holdings::new(limit);
            for number in order.into_iter().filter(|_| others > 0) {
                let client = &clients[number % others];
                if number % 2 == 0 || !in_any_order.give_back(client, 1) {
                    fill(&in_any_order, client);
                }
            }
            prop_assert_eq!(in_any_order.hold(&"modest".into(), 1), Ok(()));
        }

        #[test]
        fn what_is_taken_is_what_is_held_and_never_exceeds_the_limit(
            steps in prop::collection::vec((0usize..3, 1usize..5, any::<bool>()), 0..60)
        ) {
            let holdings = Holdings::new(8);
            let client_ids = ["a", "b", "c"].map(ClientId::from);
            let mut kept: Vec<Holding> = Vec::new();
            for (who, amount, gives_back) in steps {
                let before: usize = kept.iter().map(|holding| holding.amount).sum();
                if gives_back {
                    kept.pop();
                } else {
                    let own: usize = kept.iter().filter(|it| it.client_id == client_ids[who]).map(|it| it.amount).sum();
                    let expected = if amount > 8 - before {
                        Some(Full::Overloaded)
                    } else {
                        let free = 8 - before;
                        (own > free.saturating_sub(1).max(free / 16)).then_some(Full::FairShareSpent)
                    };
                    match holdings.take(&client_ids[who], amount) {
                        Ok(holding) => { prop_assert_eq!(expected, None); kept.push(holding) }
                        Err(refused) => prop_assert_eq!(expected, Some(refused.why)),
                    }
                }
                prop_assert_eq!(holdings.taken(), kept.iter().map(|holding| holding.amount).sum::<usize>());
            }
        }
    }
}
