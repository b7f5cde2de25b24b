//! One call carried to Python and back, as it is: headers, bytes, trailers, and whoever gives up first.
//!
//! Flow control goes all the way through: what the caller does not take, Python is not asked to send, and the other way
//! round. Nothing is kept here but what is on its way.
//! Law: to both ends it is as if there were nobody in between, but for the header that says who the caller is, which
//! nobody can send from outside.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version, request};
use tokio::time::{sleep, timeout};

use super::messages::Messages;
use super::worker::{Shared, Worker};
use crate::fair_quota::{ClientId, Full, Holding};
use crate::fair_semaphore::Permit;
use crate::metrics::Refusal;
use crate::response::{Gone, send};
use crate::status::Status;

/// Who calls, for the server behind the unix socket, which has no other way to know.
pub const PEER: HeaderName = HeaderName::from_static("x-remit-peer");

/// A message of a stranger is passed on as long as it is no longer: none that health or reflection take is.
const STRANGER_BYTES_MAX: usize = 64 * 1024;
const STRANGER_PATIENCE: Duration = Duration::from_secs(2);
/// So many times as long as anything may take to be taken. Python ends a stream whose reader takes nothing in the first of
/// these times, and says where to go on: that waits for the reader until the second one is over.
const TAKEN_FACTOR: u32 = 2;

/// Calls that Python's event loop is given before it has let one of them in, or refused it: as many as keep it busy while
/// their answers are on the way. To let a stream in is a millisecond or more of that loop, and what it is given it takes in
/// the order in which it comes: behind a thousand streams of one caller, the first of another waited half a minute. So they
/// wait here, where callers take turns.
pub const LET_IN_AT_ONCE: usize = 16;
/// Python says by the head of an answer that a call was let in. What has waited for that for so long is not waited for any
/// longer by others.
const LET_IN_WITHIN: Duration = Duration::from_secs(5);

/// A call on its way: who makes it, what came of it so far, and where the rest comes from and goes to.
pub struct Call {
    pub head: request::Parts,
    /// The body as far as it was read.
    pub begun: Bytes,
    /// Nothing follows `begun`.
    pub ended: bool,
    pub body: RecvStream,
    pub respond: SendResponse<Bytes>,
    /// The number of its verb, where its caller may call it; `None` for a stranger's.
    pub verb: Option<usize>,
    pub client_id: ClientId,
    /// What was taken for its messages.
    pub room: Option<Holding>,
}

/// Why a call is not carried to its end.
enum Stopped {
    /// The caller has gone.
    Gone,
    Full(Full),
    SlowRequest,
    TooLong,
}

impl From<Gone> for Stopped {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Carry a call to its end. `_place`: given back then.
pub async fn carry(worker: &Worker, call: Call, peer: &str, _place: Holding) {
    let Call { head, begun, ended, body, mut respond, verb, client_id, room } = call;
    let shared = &worker.shared;
    let Some(request) = forwarded(head, peer) else {
        respond.send_reset(Reason::PROTOCOL_ERROR);
        return;
    };
    let letting_in = if verb.is_some() { &shared.letting_in } else { &shared.letting_strangers_in };
    let permit = tokio::select! {
        biased;
        _ = gone(&mut respond) => return,
        permit = letting_in.acquire(&client_id) => permit,
    };
    let opened = tokio::select! {
        biased;
        _ = gone(&mut respond) => return,
        opened = worker.upstream.open(&request, ended && begun.is_empty()) => opened,
    };
    let Ok((response, mut up, _stream_place)) = opened else {
        shared.statuses.unavailable.send(&mut respond);
        return;
    };
    let messages = Messages::default();
    let mut upload =
        Upload { shared, body, messages, waited: Duration::ZERO, client_id, room, is_known: verb.is_some() };
    let mut down = None;
    let answered = {
        let mut uploading = std::pin::pin!(upload.run(begun, ended, &mut up));
        let mut downloading = std::pin::pin!(download(shared, response, permit, &mut respond, &mut down));
        tokio::select! {
            biased;
            answered = &mut downloading => answered.map_err(Stopped::from),
            uploaded = &mut uploading => match uploaded {
                Ok(()) => downloading.await.map_err(Stopped::from),
                Err(stopped) => Err(stopped),
            },
        }
    };
    let Err(stopped) = answered else { return };
    // Also where Python has answered before it read everything: it need not go on.
    up.send_reset(Reason::CANCEL);
    let (status, why) = match stopped {
        Stopped::Gone => return,
        Stopped::Full(why) => (shared.unanswered.status(why), Some(why.into())),
        Stopped::SlowRequest => (&shared.statuses.slow_request, Some(Refusal::SlowRequest)),
        Stopped::TooLong => (&shared.statuses.stranger_too_long, None),
    };
    if let (Some(verb), Some(why)) = (verb, why) {
        shared.refused_calls.count(verb, why);
    }
    match &mut down {
        Some(down) => status.end(down),
        None => status.send(&mut respond),
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
    // It replaces whatever the caller may have sent under that name.
    request.headers_mut().insert(PEER, HeaderValue::from_str(peer).ok()?);
    Some(request)
}

async fn gone(respond: &mut SendResponse<Bytes>) {
    // Whether it was reset or the connection is lost, nobody waits any more.
    drop(poll_fn(|context| respond.poll_reset(context)).await);
}

/// The way from the caller to Python.
struct Upload<'a> {
    shared: &'a Shared,
    body: RecvStream,
    messages: Messages,
    /// How long the caller let us wait for the message that is on its way.
    waited: Duration,
    client_id: ClientId,
    /// As much as the largest of its messages so far: Python works on one, and the next may be on its way.
    room: Option<Holding>,
    is_known: bool,
}

impl Upload<'_> {
    async fn run(&mut self, begun: Bytes, ended: bool, up: &mut SendStream<Bytes>) -> Result<(), Stopped> {
        self.pass(&begun).await?;
        if !begun.is_empty() && send(up, begun, ended).await.is_err() {
            return wait_for_ever().await;
        }
        if ended {
            return Ok(());
        }
        loop {
            match self.next().await? {
                Some(Ok(data)) => {
                    let (size, is_last) = (data.len(), self.body.is_end_stream());
                    self.pass(&data).await?;
                    if send(up, data, is_last).await.is_err() {
                        // Python takes no more, and says by its answer why.
                        return wait_for_ever().await;
                    }
                    if self.body.flow_control().release_capacity(size).is_err() {
                        return Err(Stopped::Gone);
                    }
                    if is_last {
                        return Ok(());
                    }
                }
                Some(Err(_)) => return Err(Stopped::Gone),
                None => {
                    return match self.body.trailers().await {
                        Ok(Some(trailers)) => Ok(end(up, up_trailers(trailers))?),
                        Ok(None) => Ok(end(up, None)?),
                        Err(_) => Err(Stopped::Gone),
                    };
                }
            }
        }
    }

    /// More of the body, waited for no longer than a message may take. Between two messages a stream may rest.
    async fn next(&mut self) -> Result<Option<Result<Bytes, h2::Error>>, Stopped> {
        if self.messages.begun() > 0 && self.messages.is_between() {
            return Ok(self.body.data().await);
        }
        let began = Instant::now();
        let left = self.shared.timeouts.request.saturating_sub(self.waited);
        let next = timeout(left, self.body.data()).await.map_err(|_| Stopped::SlowRequest)?;
        self.waited += began.elapsed();
        Ok(next)
    }

    /// Look at what is about to be passed on, and make room for the messages in it.
    async fn pass(&mut self, data: &[u8]) -> Result<(), Stopped> {
        let begun_before = self.messages.begun();
        self.messages.pass(data);
        if self.messages.begun() == begun_before {
            return Ok(());
        }
        self.waited = Duration::ZERO;
        let largest = self.messages.largest();
        if self.is_known {
            if largest > self.shared.small_bytes {
                self.shared.unanswered.grow(&mut self.room, &self.client_id, largest).map_err(Stopped::Full)?;
            }
        } else if largest > STRANGER_BYTES_MAX {
            // Python has reasons of its own, and tells them within milliseconds, without the message.
            sleep(STRANGER_PATIENCE).await;
            return Err(Stopped::TooLong);
        }
        Ok(())
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
async fn wait_for_ever() -> Result<(), Stopped> {
    std::future::pending().await
}

/// From Python to the caller; `begun` once it has begun, which is when others have their turn to be let in. `Gone` where
/// the caller is, or takes nothing.
async fn download(
    shared: &Shared,
    response: ResponseFuture,
    permit: Permit,
    respond: &mut SendResponse<Bytes>,
    begun: &mut Option<SendStream<Bytes>>,
) -> Result<(), Gone> {
    let mut response = response;
    let answered = poll_fn(|context| match respond.poll_reset(context) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => Pin::new(&mut response).poll(context).map(Some),
    });
    let mut answered = std::pin::pin!(answered);
    let in_its_turn = timeout(LET_IN_WITHIN, &mut answered).await;
    drop(permit);
    let answered = match in_its_turn {
        Ok(answered) => answered,
        Err(_) => answered.await,
    };
    let (head, mut body) = match answered {
        None => return Err(Gone),
        Some(Ok(response)) => response.into_parts(),
        Some(Err(error)) => {
            let reason = error.is_reset().then(|| error.reason()).flatten();
            Status::of_reset(reason, &shared.statuses.unavailable).send(respond);
            return Ok(());
        }
    };
    let is_whole = body.is_end_stream();
    let down = begun.insert(respond.send_response(Response::from_parts(head, ()), is_whole).map_err(|_| Gone)?);
    if is_whole {
        return Ok(());
    }
    loop {
        match poll_fn(|context| poll_data(&mut body, down, context)).await? {
            Some(Ok(data)) => {
                let size = data.len();
                let within = shared.timeouts.taken.saturating_mul(TAKEN_FACTOR);
                let Ok(sent) = timeout(within, send(down, data, false)).await else {
                    down.send_reset(Reason::CANCEL);
                    return Err(Gone);
                };
                sent?;
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
                    Ok(trailers) => end(down, trailers),
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
