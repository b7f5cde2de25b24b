//! A unary call in the hands of Python: what a thread there is given, and how its answer comes back.
//!
//! The whole request is here by then, so the thread waits for nobody but the engine; the answer goes out on the door's
//! own thread, to which the call's stream belongs.
//! Law: every call that was handed over is answered once: by what Python says, or where it is dropped without a word, as
//! a failure of the server.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use bytes::Bytes;
use h2::server::SendResponse;
use http::HeaderMap;
use tokio::sync::oneshot;

use super::work_queue::{Lane, Place};
use crate::fair_quota::{Refused, Share, Sharer, Shares};
use crate::response::{answer, room};
use crate::status::Refusal;

/// A call whose request is whole. `verb` is its number in the table that the door was opened with.
pub struct Asked {
    pub verb: usize,
    pub metadata: Vec<(String, String)>,
    pub peer: Sharer,
    pub deadline: Option<Instant>,
    pub message: Bytes,
}

/// What is asked, and the way back.
pub struct Handed {
    pub asked: Asked,
    pub reply: Reply,
}

/// A lane of calls, and a place in one.
pub type Calls = Lane<Handed>;
pub type CallPlace = Place<Handed>;

/// The way back, and what the call holds of its lane until then.
pub struct Reply {
    line: oneshot::Sender<Said>,
    is_gone: Arc<AtomicBool>,
    unsent: Arc<Shares>,
    room: Option<Share>,
    share: Share,
}

/// What Python says.
enum Said {
    Answer(Bytes, Option<Share>),
    Refused(Refusal),
}

impl Reply {
    /// Whether nobody waits any more.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Relaxed)
    }

    /// Take the room that an answer of so many bytes needs until it is read; what is small needs none.
    pub fn make_room(&mut self, size: usize) -> Result<(), Refused> {
        self.room = room(&self.unsent, &self.share.sharer, size)?;
        Ok(())
    }

    /// Answer with a gRPC message, for which room was made.
    pub fn answer(mut self, message: Bytes) {
        let room = self.room.take();
        self.say(Said::Answer(message, room));
    }

    pub fn refuse(self, refusal: Refusal) {
        self.say(Said::Refused(refusal));
    }

    fn say(self, said: Said) {
        let Self { line, share, .. } = self;
        // The place first: who has its answer may ask again at once.
        drop(share);
        // Where nobody listens, the caller has gone.
        drop(line.send(said));
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

/// Hand a call to the lane in which it has a place, and see to it that what is said to it is sent. Cost: that of a task.
pub fn hand_over(asked: Asked, place: CallPlace, unsent: &Arc<Shares>, mut respond: SendResponse<Bytes>) {
    let (line, mut said) = oneshot::channel();
    let is_gone = Arc::new(AtomicBool::new(false));
    let Place { lane, share } = place;
    let sharer = Arc::clone(&share.sharer);
    let reply = Reply { line, is_gone: Arc::clone(&is_gone), unsent: Arc::clone(unsent), room: None, share };
    lane.queue(&sharer, Handed { asked, reply });
    tokio::spawn(async move {
        let said = tokio::select! {
            biased;
            said = &mut said => said,
            _ = poll_fn(|context| respond.poll_reset(context)) => {
                is_gone.store(true, Relaxed);
                lane.forget(&sharer, |handed| Arc::ptr_eq(&handed.reply.is_gone, &is_gone));
                return;
            }
        };
        match said {
            Ok(Said::Answer(message, held)) => answer(respond, message, held),
            Ok(Said::Refused(refusal)) => refusal.send(&mut respond),
            Err(_) => Refusal::failed().send(&mut respond),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

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
        let share = Shares::new(1).take(&Sharer::from("a"), 1).unwrap();
        let (line, _) = oneshot::channel();
        let mut reply = Reply { line, is_gone: Arc::default(), unsent: Shares::new(5_000), room: None, share };
        assert_eq!((reply.make_room(4 * 1024), reply.unsent.taken()), (Ok(()), 0));
        assert_eq!((reply.make_room(5_001).is_err(), reply.unsent.taken()), (true, 0));
        assert_eq!((reply.make_room(5_000), reply.unsent.taken()), (Ok(()), 5_000));
        let unsent = Arc::clone(&reply.unsent);
        reply.answer(Bytes::new());
        assert_eq!(unsent.taken(), 0, "nobody waits for it");
    }
}
