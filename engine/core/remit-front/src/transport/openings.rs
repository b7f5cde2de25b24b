//! Which of the calls that wait for it Python's event loop is given next: a few at a time, and callers take turns.
//!
//! To let a stream in is some milliseconds of that loop, and what it is given it takes in the order in which it comes:
//! behind a thousand streams of one caller, the first of another waited half a minute. So they wait here, where turns go
//! around.
//! Law: whoever waits for how many, another's call is given on after one of each caller that was there before it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::dispatch::turns::Turns;
use crate::fair_quota::ClientId;

/// As many as keep the loop busy while their answers are on the way.
const AT_ONCE: usize = 16;
/// Python says by the head of an answer that a call was let in. What has waited for that for so long is not waited for any
/// longer by others.
pub const OPENING: Duration = Duration::from_secs(5);

pub struct Openings {
    at_once: usize,
    state: Mutex<State>,
}

struct State {
    opening: usize,
    waiting: Turns<oneshot::Sender<Opening>>,
}

/// A call's turn, until this is dropped.
pub struct Opening {
    /// `None`: it was given on.
    openings: Option<Arc<Openings>>,
}

impl Default for Openings {
    fn default() -> Self {
        Self::new(AT_ONCE)
    }
}

impl Openings {
    pub fn new(at_once: usize) -> Self {
        Self { at_once, state: Mutex::new(State { opening: 0, waiting: Turns::default() }) }
    }

    /// Wait for a caller's turn. Dropped before, it is forgotten. Cost: O(1), and where it is dropped, O(what its caller
    /// waits for).
    pub async fn turn(self: &Arc<Self>, client_id: &ClientId) -> Opening {
        let receiver = {
            let mut state = self.state.lock();
            if state.opening < self.at_once && state.waiting.is_empty() {
                state.opening += 1;
                return Opening { openings: Some(Arc::clone(self)) };
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push(client_id, sender);
            receiver
        };
        let mut waiting = Waiting { openings: self, client_id, receiver: Some(receiver) };
        let receiver = waiting.receiver.as_mut().expect("it is there until its turn has come");
        let opening = receiver.await.expect("a turn that is waited for comes");
        waiting.receiver = None;
        opening
    }
}

/// Who waits. What it is given after it has gone is given on.
struct Waiting<'a> {
    openings: &'a Arc<Openings>,
    client_id: &'a ClientId,
    /// `None` once its turn has come.
    receiver: Option<oneshot::Receiver<Opening>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(receiver) = self.receiver.take() else { return };
        drop(receiver);
        let gone = self.openings.state.lock().waiting.forget(self.client_id, oneshot::Sender::is_closed);
        drop(gone);
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let Some(openings) = self.openings.take() else { return };
        let mut next = Self { openings: Some(Arc::clone(&openings)) };
        loop {
            let waiting = {
                let mut state = openings.state.lock();
                let waiting = state.waiting.take();
                if waiting.is_none() {
                    state.opening -= 1;
                }
                waiting
            };
            let Some(waiting) = waiting else {
                next.openings = None;
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
        let openings = Arc::new(Openings::new(1));
        let [ann, bob] = ["ann", "bob"].map(client_id);
        let first = openings.turn(&ann).await;
        let mut of_ann: Vec<_> = (0..3).map(|_| Box::pin(openings.turn(&ann))).collect();
        for each in &mut of_ann {
            assert!(poll(each).is_pending());
        }
        let mut of_bob = Box::pin(openings.turn(&bob));
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
        let openings = Arc::new(Openings::new(2));
        let [ann, bob] = ["ann", "bob"].map(client_id);
        let held = [openings.turn(&ann).await, openings.turn(&ann).await];
        let mut gone: Vec<_> = (0..5).map(|_| Box::pin(openings.turn(&ann))).collect();
        for each in &mut gone {
            assert!(poll(each).is_pending());
        }
        let given = gone.pop();
        drop(gone);
        let mut of_bob = Box::pin(openings.turn(&bob));
        assert!(poll(&mut of_bob).is_pending());
        drop(held); // one for `given`, which never looks, and one for bob
        assert!(poll(&mut of_bob).is_ready());
        drop(given);
        assert_eq!(openings.state.lock().opening, 0);
        assert!(openings.state.lock().waiting.is_empty());
    }
}
