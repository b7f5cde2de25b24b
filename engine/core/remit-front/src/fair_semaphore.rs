//! So many permits, and callers that wait for one by turns. As in `fair_semaphore.py`.
//!
//! Whoever waits for a place in a quota is refused instead (`fair_quota`); here is what is over in moments, and worth
//! waiting for.
//! Law: whoever waits for how many, another has a permit after one of each caller that was there before it; none is lost
//! with who does not wait any longer.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::fair_quota::ClientId;
use crate::turns::Turns;

pub struct FairSemaphore {
    permits: usize,
    state: Mutex<State>,
}

struct State {
    taken: usize,
    waiting: Turns<oneshot::Sender<Permit>>,
}

/// One permit, until this is dropped.
pub struct Permit {
    /// `None`: it was given on.
    semaphore: Option<Arc<FairSemaphore>>,
}

impl FairSemaphore {
    pub fn new(permits: usize) -> Self {
        Self { permits, state: Mutex::new(State { taken: 0, waiting: Turns::default() }) }
    }

    /// A permit, waited for by turns. Dropped before, it is forgotten. Cost: O(1), and where it is dropped, O(what its caller
    /// waits for).
    pub async fn acquire(self: &Arc<Self>, client_id: &ClientId) -> Permit {
        let receiver = {
            let mut state = self.state.lock();
            if state.taken < self.permits && state.waiting.is_empty() {
                state.taken += 1;
                return Permit { semaphore: Some(Arc::clone(self)) };
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(client_id, sender);
            receiver
        };
        let mut waiting = Waiting { semaphore: self, client_id, receiver: Some(receiver) };
        let receiver = waiting.receiver.as_mut().expect("it is there until its turn has come");
        let permit = receiver.await.expect("a turn that is waited for comes");
        waiting.receiver = None;
        permit
    }
}

/// Who waits. What it is given after it has gone is given on.
struct Waiting<'a> {
    semaphore: &'a Arc<FairSemaphore>,
    client_id: &'a ClientId,
    /// `None` once its turn has come.
    receiver: Option<oneshot::Receiver<Permit>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(receiver) = self.receiver.take() else { return };
        drop(receiver);
        let gone = self.semaphore.state.lock().waiting.forget(self.client_id, oneshot::Sender::is_closed);
        drop(gone);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(semaphore) = self.semaphore.take() else { return };
        let mut next = Self { semaphore: Some(Arc::clone(&semaphore)) };
        loop {
            let waiting = {
                let mut state = semaphore.state.lock();
                let waiting = state.waiting.take();
                if waiting.is_none() {
                    state.taken -= 1;
                }
                waiting
            };
            let Some(waiting) = waiting else {
                next.semaphore = None;
                return;
            };
            match waiting.send(next) {
                Ok(()) => return,
                Err(not_taken) => next = not_taken,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    fn poll<F: Future>(waiting: &mut Pin<Box<F>>) -> Poll<F::Output> {
        waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn client_id(name: &str) -> ClientId {
        ClientId::from(name)
    }

    #[tokio::test]
    async fn turns_go_around_among_those_who_wait() {
        let semaphore = Arc::new(FairSemaphore::new(1));
        let [ann, bob] = ["ann", "bob"].map(client_id);
        let first = semaphore.acquire(&ann).await;
        let mut of_ann: Vec<_> = (0..3).map(|_| Box::pin(semaphore.acquire(&ann))).collect();
        for each in &mut of_ann {
            assert!(poll(each).is_pending());
        }
        let mut of_bob = Box::pin(semaphore.acquire(&bob));
        assert!(poll(&mut of_bob).is_pending());
        drop(first);
        let Poll::Ready(second) = poll(&mut of_ann[0]) else { panic!("the oldest") };
        assert!(poll(&mut of_bob).is_pending());
        drop(second);
        let Poll::Ready(third) = poll(&mut of_bob) else { panic!("whose turn it is") };
        assert!(poll(&mut of_ann[1]).is_pending());
        drop(third);
        assert!(poll(&mut of_ann[1]).is_ready());
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_holds_nobody_up() {
        let semaphore = Arc::new(FairSemaphore::new(2));
        let [ann, bob] = ["ann", "bob"].map(client_id);
        let held = [semaphore.acquire(&ann).await, semaphore.acquire(&ann).await];
        let mut gone: Vec<_> = (0..5).map(|_| Box::pin(semaphore.acquire(&ann))).collect();
        for each in &mut gone {
            assert!(poll(each).is_pending());
        }
        let given = gone.pop();
        drop(gone);
        let mut of_bob = Box::pin(semaphore.acquire(&bob));
        assert!(poll(&mut of_bob).is_pending());
        drop(held); // one for `given`, which never looks, and one for bob
        assert!(poll(&mut of_bob).is_ready());
        drop(given);
        assert_eq!(semaphore.state.lock().taken, 0);
        assert!(semaphore.state.lock().waiting.is_empty());
    }
}
