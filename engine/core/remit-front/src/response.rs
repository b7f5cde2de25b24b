//! How an answer goes out: at once where it is small, else as its reader makes room.
//!
//! Law: memory for answers that nobody has read yet is counted, and bounded with whose they are.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderValue, Response};

use crate::fair_quota::{ClientId, Holding, Holdings, Refused};
use crate::status::GRPC;

/// Answers that are larger are sent as their reader makes room, and counted until then: a call of its own weighs more
/// than a smaller one, and calls are bounded.
pub const SMALL_BYTES: usize = 4 * 1024;

/// The caller has gone, or the connection to it.
pub struct Gone;

/// The room that an answer of so many bytes needs until it is read: a small one none.
pub fn room(unsent: &Arc<Holdings>, client_id: &ClientId, size: usize) -> Result<Option<Holding>, Refused> {
    if size <= SMALL_BYTES { Ok(None) } else { unsent.take(client_id, size).map(Some) }
}

/// Send an answer; one that is large as its reader makes room, counted until then.
pub fn answer(mut respond: SendResponse<Bytes>, message: Bytes, room: Option<Holding>) {
    match room {
        None => send_small(&mut respond, message),
        Some(room) => send_large(respond, message, room),
    }
}

/// Whoever asked may have gone meanwhile; then nobody needs to know.
fn send_small(respond: &mut SendResponse<Bytes>, message: Bytes) {
    let sent = respond.send_response(head(), false).and_then(|mut body| {
        body.send_data(message, false)?;
        body.send_trailers(trailers())
    });
    if sent.is_err() {
        respond.send_reset(Reason::CANCEL);
    }
}

fn send_large(mut respond: SendResponse<Bytes>, message: Bytes, room: Holding) {
    tokio::spawn(async move {
        if let Ok(mut body) = respond.send_response(head(), false)
            && send(&mut body, message, false).await.is_ok()
            && body.send_trailers(trailers()).is_err()
        {
            body.send_reset(Reason::CANCEL);
        }
        drop(room);
    });
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
