//! How an answer goes out: at once where it is small, else as its reader makes room, and not for longer than it may take.
//!
//! Law: memory for answers that nobody has read yet is counted, bounded with whose they are, and given back in time. What
//! goes out at once is not counted: a connection that takes nothing is not read any further (`paced_io`).

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderValue, Response};
use tokio::time::timeout;

use crate::fair_quota::{ClientId, Holding, Holdings, Refused};
use crate::status::GRPC;

/// The caller has gone, or the connection to it.
pub struct Gone;

/// Memory for answers that wait for their readers, and how long they may.
pub struct Unsent {
    pub holdings: Arc<Holdings>,
    /// Answers that are larger are sent as their reader makes room, and counted until then. A smaller one goes out at
    /// once, or where its reader's window is closed, counts as so much: a call that waits to be read weighs some 3 KB by
    /// itself.
    pub small_bytes: usize,
    pub taken_within: Duration,
}

impl Unsent {
    /// The room that an answer of so many bytes needs until it is read: a small one none.
    pub fn room(&self, client_id: &ClientId, size: usize) -> Result<Option<Holding>, Refused> {
        if size <= self.small_bytes { Ok(None) } else { self.holdings.take(client_id, size).map(Some) }
    }

    /// Send an answer, for which there is room where it needs any.
    pub fn send(&self, respond: SendResponse<Bytes>, answer: Answer, client_id: &ClientId) {
        let size = answer.message.len();
        // One that is large has no room only where what it tells is done: then for as much of it as there is any.
        let large = || self.room(client_id, size).ok().flatten();
        answer.send(respond, self.taken_within, || {
            large().or_else(|| self.holdings.take(client_id, self.small_bytes).ok())
        });
    }
}

/// An answer of one message on its way out.
pub struct Answer {
    pub message: Bytes,
    /// What it takes until it is read; none where it may go out at once.
    pub room: Option<Holding>,
    /// When its caller waits for it no longer.
    pub deadline: Option<Instant>,
}

impl Answer {
    /// Send it: one that has `room`, or whose reader takes nothing at the moment, as its reader makes room. `wait` is what
    /// it takes to wait for that. Whoever asked may have gone meanwhile; then nobody needs to know.
    pub fn send(
        self,
        mut respond: SendResponse<Bytes>,
        taken_within: Duration,
        wait: impl FnOnce() -> Option<Holding>,
    ) {
        let Self { message, room, deadline } = self;
        let Ok(mut body) = respond.send_response(head(), false) else {
            return respond.send_reset(Reason::CANCEL);
        };
        if room.is_none() && has_window(&mut body, message.len()) {
            if body.send_data(message, false).is_err() {
                return body.send_reset(Reason::CANCEL);
            }
            return finish(&mut body);
        }
        // What was done is done, and cannot be called refused any more. A call that is cancelled may have happened.
        let Some(room) = room.or_else(wait) else {
            return body.send_reset(Reason::CANCEL);
        };
        tokio::spawn(async move {
            let left = deadline.map_or(taken_within, |deadline| deadline.saturating_duration_since(Instant::now()));
            match timeout(left.min(taken_within), send(&mut body, message, false)).await {
                Ok(Ok(())) => finish(&mut body),
                Ok(Err(Gone)) => {}
                Err(_) => body.send_reset(Reason::CANCEL),
            }
            drop(room);
        });
    }
}

fn finish(body: &mut SendStream<Bytes>) {
    if body.send_trailers(trailers()).is_err() {
        body.send_reset(Reason::CANCEL);
    }
}

/// Whether so many bytes may be sent now. Cost: two locks that nobody else wants.
fn has_window(body: &mut SendStream<Bytes>, size: usize) -> bool {
    body.reserve_capacity(size);
    body.capacity() >= size
}

pub fn head() -> Response<()> {
    let mut response = Response::new(());
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static(GRPC));
    response
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers
}

/// Send as the other side makes room. `Gone` where it takes no more.
pub async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes, is_last: bool) -> Result<(), Gone> {
    if data.is_empty() {
        return stream.send_data(data, is_last).map_err(|_| Gone);
    }
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let mut room = stream.capacity();
        if room == 0 {
            room = match poll_fn(|context| stream.poll_capacity(context)).await {
                Some(Ok(room)) => room,
                Some(Err(_)) | None => return Err(Gone),
            };
        }
        let part = data.split_to(room.min(data.len()));
        let is_last = is_last && data.is_empty();
        if (is_last || !part.is_empty()) && stream.send_data(part, is_last).is_err() {
            return Err(Gone);
        }
    }
    Ok(())
}
