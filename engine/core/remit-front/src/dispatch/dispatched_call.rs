//! A unary call that is dispatched to Python: what a thread there is given, and how its answer comes back.
//!
//! The whole request is here by then, so the thread waits for nobody but the engine; the answer goes out on the frontend's
//! own thread, to which the call's stream belongs.
//! Law: every call that was dispatched is answered once: by what Python says, or where it is dropped without a word, as a
//! failure of the server.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use bytes::Bytes;
use h2::server::SendResponse;
use http::HeaderMap;
use tokio::sync::oneshot;

use super::work_queue::{QueuePlace, WorkQueue};
use crate::fair_quota::{ClientId, Holding, Refused};
use crate::response::{Answer, Unsent};
use crate::status::Status;

/// A call whose request is whole. `verb` is its number in the table that the frontend was opened with.
pub struct UnaryCall {
    pub verb: usize,
    pub metadata: Vec<(String, String)>,
    pub peer: ClientId,
    pub deadline: Option<Instant>,
    pub message: Bytes,
    /// The room that its message takes, until it is answered; a small one takes none.
    pub message_room: Option<Holding>,
}

/// A call, and the way back.
pub struct DispatchedCall {
    pub call: UnaryCall,
    pub reply: Reply,
}

/// A queue of calls, and a place in one.
pub type CallQueue = WorkQueue<DispatchedCall>;
pub type CallPlace = QueuePlace<DispatchedCall>;

/// The way back, and what the call holds of its queue until then.
pub struct Reply {
    outcome: oneshot::Sender<Outcome>,
    is_gone: Arc<AtomicBool>,
    unsent: Arc<Unsent>,
    room: Option<Holding>,
    message_room: Option<Holding>,
    holding: Holding,
}

/// What came of a call.
enum Outcome {
    Answer(Bytes, Option<Holding>),
    Refused(Status),
}

impl Reply {
    /// Whether nobody waits any more.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Relaxed)
    }

    /// Take the room that an answer of so many bytes needs until it is read; what is small needs none.
    pub fn make_room(&mut self, size: usize) -> Result<(), Refused> {
        self.room = self.unsent.room(&self.holding.client_id, size)?;
        Ok(())
    }

    /// Answer with a gRPC message. Where no room was made for it, it goes out as far as that needs none.
    pub fn answer(mut self, message: Bytes) {
        let room = self.room.take();
        self.end(Outcome::Answer(message, room));
    }

    pub fn refuse(self, status: Status) {
        self.end(Outcome::Refused(status));
    }

    fn end(self, outcome: Outcome) {
        let Self { outcome: sender, holding, message_room, .. } = self;
        // The place first: who has its answer may ask again at once.
        drop((holding, message_room));
        // Where nobody listens, the caller has gone.
        drop(sender.send(outcome));
    }
}

/// What a call brings beside its message. `None`: some of it is no text.
pub fn metadata(headers: &HeaderMap) -> Option<Vec<(String, String)>> {
    let mut metadata = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let name = name.as_str();
        let is_of_transport = matches!(name, "te" | "content-type") || name.starts_with("grpc-");
        if !is_of_transport && !name.ends_with("-bin") {
            metadata.push((name.to_owned(), value.to_str().ok()?.to_owned()));
        }
    }
    Some(metadata)
}

/// Let a call wait in the queue in which it has a place, and see to it that its outcome is sent. Cost: that of a task.
pub fn dispatch(mut call: UnaryCall, place: CallPlace, unsent: &Arc<Unsent>, mut respond: SendResponse<Bytes>) {
    let (sender, mut outcome) = oneshot::channel();
    let is_gone = Arc::new(AtomicBool::new(false));
    let deadline = call.deadline;
    let QueuePlace { queue, holding } = place;
    let client_id = Arc::clone(&holding.client_id);
    let reply = Reply {
        outcome: sender,
        is_gone: Arc::clone(&is_gone),
        unsent: Arc::clone(unsent),
        room: None,
        // A thread of Python has the message for as long as it works on the call, and not on the bytes here.
        message_room: call.message_room.take(),
        holding,
    };
    let unsent = Arc::clone(unsent);
    if let Some(DispatchedCall { reply, .. }) = queue.queue(&client_id, DispatchedCall { call, reply }) {
        reply.refuse(queue.stopping.clone());
    }
    tokio::spawn(async move {
        let outcome = tokio::select! {
            biased;
            outcome = &mut outcome => outcome,
            _ = poll_fn(|context| respond.poll_reset(context)) => {
                is_gone.store(true, Relaxed);
                queue.forget(&client_id, |waiting| Arc::ptr_eq(&waiting.reply.is_gone, &is_gone));
                return;
            }
        };
        match outcome {
            Ok(Outcome::Answer(message, room)) => {
                unsent.send(respond, Answer { message, room, deadline }, &client_id);
            }
            Ok(Outcome::Refused(status)) => status.send(&mut respond),
            Err(_) => Status::failed().send(&mut respond),
        }
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;

    use super::*;
    use crate::fair_quota::Holdings;

    #[test]
    fn metadata_are_what_the_caller_has_added_as_text() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", "5S"),
            ("user-agent", "x"),
            ("authorization", "Bearer rk_a"),
            ("x-blob-bin", "AAAA"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let expected = [("user-agent", "x"), ("authorization", "Bearer rk_a")];
        let found = metadata(&headers).unwrap();
        assert_eq!(found.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), expected);
        headers.insert("x-odd", HeaderValue::from_bytes(&[0xe9]).unwrap());
        assert_eq!(metadata(&headers), None);
    }

    #[test]
    fn a_small_answer_needs_no_room_and_a_large_one_may_find_none() {
        let holding = Holdings::new(1).take(&ClientId::from("a"), 1).unwrap();
        let (outcome, _) = oneshot::channel();
        let mut reply = Reply {
            outcome,
            is_gone: Arc::default(),
            unsent: Arc::new(Unsent {
                holdings: Holdings::new(5_000),
                small_bytes: 4_000,
                taken_within: Duration::ZERO,
            }),
            room: None,
            message_room: None,
            holding,
        };
        let unsent = Arc::clone(&reply.unsent.holdings);
        assert_eq!((reply.make_room(4_000), unsent.taken()), (Ok(()), 0));
        assert_eq!((reply.make_room(5_001).is_err(), unsent.taken()), (true, 0));
        assert_eq!((reply.make_room(5_000), unsent.taken()), (Ok(()), 5_000));
        reply.answer(Bytes::new());
        assert_eq!(unsent.taken(), 0, "nobody waits for it");
    }
}
