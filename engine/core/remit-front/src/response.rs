//! How an answer goes out: at once where it is small, else as its reader makes room.
//!
//! Law: memory for answers that nobody has read yet is counted, and bounded with whose they are. What goes out at once is
//! not: a connection that takes nothing is not read any further (`paced_io`).

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderValue, Response};

use crate::fair_quota::{ClientId, Holding, Holdings, Refused};
use crate::status::GRPC;

/// Answers that are larger are sent as their reader makes room, and counted until then. A smaller one goes out at once, or
/// where its reader's window is closed, counts as so much: a call that waits to be read weighs some 3 KB by itself.
pub const SMALL_BYTES: usize = 4 * 1024;

/// The caller has gone, or the connection to it.
pub struct Gone;

/// The room that an answer of so many bytes needs until it is read: a small one none.
pub fn room(unsent: &Arc<Holdings>, client_id: &ClientId, size: usize) -> Result<Option<Holding>, Refused> {
    if size <= SMALL_BYTES { Ok(None) } else { unsent.take(client_id, size).map(Some) }
}

/// Send an answer; one that is large, for which there is `room`, or whose reader takes nothing at the moment, as its reader
/// makes room, counted until then. Whoever asked may have gone meanwhile; then nobody needs to know.
pub fn answer(
    mut respond: SendResponse<Bytes>,
    message: Bytes,
    room: Option<Holding>,
    unsent: &Arc<Holdings>,
    client_id: &ClientId,
) {
    let Ok(mut body) = respond.send_response(head(), false) else {
        return respond.send_reset(Reason::CANCEL);
    };
    if room.is_none() && has_window(&mut body, message.len()) {
        if body.send_data(message, false).and_then(|()| body.send_trailers(trailers())).is_err() {
            body.send_reset(Reason::CANCEL);
        }
        return;
    }
    let room = match room.map_or_else(|| unsent.take(client_id, SMALL_BYTES), Ok) {
        Ok(room) => room,
        // What was done is done, and cannot be called refused any more. A call that is cancelled may have happened.
        Err(_) => return body.send_reset(Reason::CANCEL),
    };
    tokio::spawn(async move {
        if send(&mut body, message, false).await.is_ok() && body.send_trailers(trailers()).is_err() {
            body.send_reset(Reason::CANCEL);
        }
        drop(room);
    });
}

/// Whether so many bytes may be sent now. Cost: two locks that nobody else wants.
fn has_window(body: &mut SendStream<Bytes>, size: usize) -> bool {
    body.reserve_capacity(size);
    body.capacity() >= size
}

fn head() -> Response<()> {
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
