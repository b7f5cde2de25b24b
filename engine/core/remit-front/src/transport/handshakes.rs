//! Connections that have not begun to speak: how many of them there may be, and who goes where there are more.
//!
//! A TLS handshake that stands still costs its sender nothing, and here some tens of kilobytes. Where as many stand as may,
//! the address that has most of them gives up the one that has waited longest, as the HTTP port does it.
//! Where the server ends, nobody has anything to lose who has not begun, and all of them go at once.
//! Laws: however many do not begin, who does begin is let in; none of them holds up the end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::fair_quota::ClientId;

pub struct Handshakes {
    most: usize,
    waiting: Mutex<Waiting>,
    let_go: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    /// The oldest first.
    connections: BTreeMap<u64, (ClientId, oneshot::Sender<()>)>,
    by_host: HashMap<ClientId, usize>,
    is_over: bool,
}

/// A connection's time to begin, until it is dropped.
pub struct Handshake {
    handshakes: Arc<Handshakes>,
    number: u64,
    ended: oneshot::Receiver<()>,
}

impl Handshakes {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, waiting: Mutex::default(), let_go: AtomicU64::new(0) })
    }

    /// Cost: O(log connections), or where there are too many, O(connections).
    pub fn begin(self: &Arc<Self>, host: &ClientId) -> Handshake {
        let (sender, ended) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        let number = waiting.next;
        waiting.next += 1;
        if waiting.is_over {
            return Handshake { handshakes: Arc::clone(self), number, ended };
        }
        // Never the newest goes: or a crowd would let nobody in.
        if waiting.connections.len() >= self.most
            && let Some(oldest) = waiting.oldest_of_most()
        {
            waiting.remove(oldest); // whose task learns of it by that
            self.let_go.fetch_add(1, Relaxed);
        }
        waiting.connections.insert(number, (Arc::clone(host), sender));
        *waiting.by_host.entry(Arc::clone(host)).or_default() += 1;
        drop(waiting);
        Handshake { handshakes: Arc::clone(self), number, ended }
    }

    /// Let go of all of them, and of who comes from now on.
    pub fn end(&self) {
        let mut waiting = self.waiting.lock();
        waiting.is_over = true;
        waiting.connections.clear(); // whose tasks learn of it by that
        waiting.by_host.clear();
    }

    pub fn waiting(&self) -> usize {
        self.waiting.lock().connections.len()
    }

    /// How many made room for others since the start.
    pub fn let_go(&self) -> u64 {
        self.let_go.load(Relaxed)
    }
}

impl Waiting {
    fn oldest_of_most(&self) -> Option<u64> {
        let most = self.by_host.values().max()?;
        self.connections.iter().find(|(_, (host, _))| self.by_host.get(host) == Some(most)).map(|(number, _)| *number)
    }

    fn remove(&mut self, number: u64) {
        let Some((host, _)) = self.connections.remove(&number) else { return };
        if let Some(count) = self.by_host.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                self.by_host.remove(&host);
            }
        }
    }
}

impl Handshake {
    /// Returns once the connection must make room for another, or the server ends.
    pub async fn ended(&mut self) {
        // The other end never says anything; it is dropped.
        drop((&mut self.ended).await);
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.handshakes.waiting.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_let_go(handshake: &mut Handshake) -> bool {
        handshake.ended.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_oldest_of_who_has_most_makes_room() {
        let handshakes = Handshakes::new(3);
        let [ann, bob] = ["ann", "bob"].map(ClientId::from);
        let mut first = handshakes.begin(&bob);
        let mut many: Vec<_> = (0..3).map(|_| handshakes.begin(&ann)).collect();
        assert!(!is_let_go(&mut first) && is_let_go(&mut many[0]) && !is_let_go(&mut many[1]));
        assert_eq!((handshakes.waiting(), handshakes.let_go()), (3, 1));
        drop((first, many));
        assert_eq!(handshakes.waiting(), 0);
        assert!(handshakes.waiting.lock().by_host.is_empty(), "nobody is remembered who is gone");
    }

    #[test]
    fn the_end_lets_go_of_all_and_of_who_comes_later() {
        let handshakes = Handshakes::new(3);
        let [ann, bob] = ["ann", "bob"].map(ClientId::from);
        let mut before = [handshakes.begin(&ann), handshakes.begin(&bob)];
        handshakes.end();
        let mut later = handshakes.begin(&bob);
        assert!(before.iter_mut().all(is_let_go) && is_let_go(&mut later));
        assert_eq!((handshakes.waiting(), handshakes.let_go()), (0, 0));
        drop((before, later));
        assert!(handshakes.waiting.lock().by_host.is_empty());
    }

    proptest! {
        #[test]
        fn there_are_never_more_than_may_be_and_the_newest_stays(
            steps in prop::collection::vec((0usize..3, any::<bool>()), 0..60)
        ) {
            let handshakes = Handshakes::new(4);
            let hosts = ["a", "b", "c"].map(ClientId::from);
            let mut kept = Vec::new();
            for (host, ends) in steps {
                if ends && !kept.is_empty() {
                    kept.remove(0);
                } else {
                    kept.push(handshakes.begin(&hosts[host]));
                    prop_assert!(!is_let_go(kept.last_mut().unwrap()));
                }
                let standing = kept.iter_mut().filter_map(|each| (!is_let_go(each)).then_some(())).count();
                prop_assert_eq!(handshakes.waiting(), standing);
                prop_assert!(standing <= 4);
            }
        }
    }
}
