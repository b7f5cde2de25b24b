//! One call carried to Python and back, as it is: headers, bytes, trailers, and whoever gives up first.
//!
//! Flow control goes all the way through: what the caller does not take, Python is not asked to send, and the other way
//! round. Nothing is kept here but what is on its way.
//! Law: to both ends it is as if there were nobody in between, but for the header that says who the caller is, which
//! nobody can send from outside.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version, request};

use super::worker::Worker;
use crate::response::{Gone, send};
use crate::status::Status;

/// Who calls, for the server behind the unix socket, which has no other way to know.
pub const PEER: HeaderName = HeaderName::from_static("x-remit-peer");

/// A call on its way: what came of it so far, and where the rest comes from and goes to.
pub struct Call {
    pub head: request::Parts,
    /// The body as far as it was read.
    pub begun: Bytes,
    /// Nothing follows `begun`.
    pub ended: bool,
    pub body: RecvStream,
    pub respond: SendResponse<Bytes>,
}

/// Carry a call to its end.
pub async fn carry(worker: &Worker, call: Call, peer: &str) {
    let Call { head, begun, ended, body, mut respond } = call;
    let Some(_permit) = worker.shared.proxied.take() else {
        worker.shared.statuses.overloaded.send(&mut respond);
        return;
    };
    let Some(request) = forwarded(head, peer) else {
        respond.send_reset(Reason::PROTOCOL_ERROR);
        return;
    };
    let opened = tokio::select! {
        biased;
        _ = gone(&mut respond) => return,
        opened = worker.upstream.open(&request, ended && begun.is_empty()) => opened,
    };
    let Ok((response, mut up, _place)) = opened else {
        worker.shared.statuses.unavailable.send(&mut respond);
        return;
    };
    let answered = {
        let mut uploading = std::pin::pin!(upload(body, begun, ended, &mut up));
        let mut downloading = std::pin::pin!(download(response, &mut respond, &worker.shared.statuses.unavailable));
        tokio::select! {
            biased;
            answered = &mut downloading => answered,
            uploaded = &mut uploading => match uploaded {
                Ok(()) => downloading.await,
                Err(Gone) => Err(Gone),
            },
        }
    };
    // Also where Python has answered before it read everything: it need not go on.
    if answered.is_err() {
        up.send_reset(Reason::CANCEL);
    }
}

/// The caller's request, as the server behind is asked.
fn forwarded(head: request::Parts, peer: &str) -> Option<Request<()>> {
    let path = head.uri.path_and_query().cloned()?;
    let authority = head.uri.authority().map_or("remit", |authority| authority.as_str());
    let mut request = Request::new(());
    *request.uri_mut() = Uri::builder().scheme("http").authority(authority).path_and_query(path).build().ok()?;
    *request.method_mut() = head.method;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = head.headers;
    request.headers_mut().insert(PEER, HeaderValue::from_str(peer).ok()?); // replaces whatever the caller may have sent under that name
    Some(request)
}

async fn gone(respond: &mut SendResponse<Bytes>) {
    // Whether it was reset or the connection is lost, nobody waits any more.
    drop(poll_fn(|context| respond.poll_reset(context)).await);
}

/// From the caller to Python. `Gone` where the caller is.
async fn upload(mut body: RecvStream, begun: Bytes, ended: bool, up: &mut SendStream<Bytes>) -> Result<(), Gone> {
    if !begun.is_empty() && send(up, begun, ended).await.is_err() {
        return wait_for_ever().await;
    }
    if ended {
        return Ok(());
    }
    loop {
        match body.data().await {
            Some(Ok(data)) => {
                let (size, is_last) = (data.len(), body.is_end_stream());
                if send(up, data, is_last).await.is_err() {
                    // Python takes no more, and says by its answer why.
                    return wait_for_ever().await;
                }
                if body.flow_control().release_capacity(size).is_err() {
                    return Err(Gone);
                }
                if is_last {
                    return Ok(());
                }
            }
            Some(Err(_)) => return Err(Gone),
            None => {
                return match body.trailers().await {
                    Ok(Some(trailers)) => end(up, up_trailers(trailers)),
                    Ok(None) => end(up, None),
                    Err(_) => Err(Gone),
                };
            }
        }
    }
}

fn up_trailers(trailers: HeaderMap) -> Option<HeaderMap> {
    (!trailers.is_empty()).then_some(trailers)
}

fn end(stream: &mut SendStream<Bytes>, trailers: Option<HeaderMap>) -> Result<(), Gone> {
    match trailers {
        Some(trailers) => stream.send_trailers(trailers),
        None => stream.send_data(Bytes::new(), true),
    }
    .map_err(|_| Gone)
}

/// The other way decides how this ends.
async fn wait_for_ever() -> Result<(), Gone> {
    std::future::pending().await
}

/// From Python to the caller. `Gone` where the caller is.
async fn download(
    response: ResponseFuture,
    respond: &mut SendResponse<Bytes>,
    unavailable: &Status,
) -> Result<(), Gone> {
    let mut response = response;
    let answered = poll_fn(|context| match respond.poll_reset(context) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => Pin::new(&mut response).poll(context).map(Some),
    });
    let (head, mut body) = match answered.await {
        None => return Err(Gone),
        Some(Ok(response)) => response.into_parts(),
        Some(Err(error)) => {
            Status::of_reset(error.is_reset().then(|| error.reason()).flatten(), unavailable).send(respond);
            return Ok(());
        }
    };
    let is_whole = body.is_end_stream();
    let mut down = respond.send_response(Response::from_parts(head, ()), is_whole).map_err(|_| Gone)?;
    if is_whole {
        return Ok(());
    }
    loop {
        match poll_fn(|context| poll_data(&mut body, &mut down, context)).await? {
            Some(Ok(data)) => {
                let size = data.len();
                send(&mut down, data, false).await?;
                if body.flow_control().release_capacity(size).is_err() {
                    down.send_reset(Reason::INTERNAL_ERROR);
                    return Ok(());
                }
            }
            Some(Err(error)) => {
                down.send_reset(error.reason().unwrap_or(Reason::INTERNAL_ERROR));
                return Ok(());
            }
            None => {
                return match body.trailers().await {
                    Ok(trailers) => end(&mut down, trailers),
                    Err(error) => {
                        down.send_reset(error.reason().unwrap_or(Reason::INTERNAL_ERROR));
                        Ok(())
                    }
                };
            }
        }
    }
}

/// The next data from Python, unless the caller goes away first.
fn poll_data(
    body: &mut RecvStream,
    down: &mut SendStream<Bytes>,
    context: &mut Context<'_>,
) -> Poll<Result<Option<Result<Bytes, h2::Error>>, Gone>> {
    if down.poll_reset(context).is_ready() {
        return Poll::Ready(Err(Gone));
    }
    body.poll_data(context).map(Ok)
}
