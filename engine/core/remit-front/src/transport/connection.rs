//! One connection of a caller, from its first byte to its last.
//!
//! Requests are taken as many as there are and answered together, so that one write to the socket carries all answers:
//! taking them one by one cost more than half of the throughput. What is plain is answered where it stands; a request
//! whose body is still on its way, and every call that Python answers, is a task of its own.
//! Law: nobody's silence holds up another: who does not speak, read or go on in time is let go.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use h2::server::{Connection, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::{Request, request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until, timeout};

use super::proxy::{Call, carry};
use super::request_meta::RequestMeta;
use super::worker::{Stage, Timeouts, Worker};
use crate::credentials::Client;
use crate::dispatch::dispatched_call::{UnaryCall, dispatch, metadata};
use crate::fair_quota::ClientId;
use crate::hot_path::answer::EncodedResponse;
use crate::hot_path::methods::Method;
use crate::hot_path::questions::{PREFIX_BYTES, only_message};
use crate::response::{SMALL_BYTES, answer, room};

/// Requests answered before the connection is looked at again.
const BATCH_MAX: usize = 256;
/// What a caller may send on one stream before somebody reads it, and on all of its streams together.
const WINDOW_BYTES: u32 = 256 * 1024;
const ALL_WINDOWS_BYTES: u32 = 4 * 1024 * 1024;
/// Headers of one request: what grpcio allows.
const HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// A request that is larger is carried to grpcio: reading it is its work then, not the event loop's.
const NATIVE_BYTES_MAX: usize = 256 * 1024;

type Http2<Io> = Connection<Io, Bytes>;
type Arrival = (Request<RecvStream>, SendResponse<Bytes>);

/// Serve a caller until it leaves, or is let go.
pub async fn serve(worker: Arc<Worker>, socket: TcpStream, peer: SocketAddr) {
    // Without it each answer would wait for the acknowledgement of the one before.
    if socket.set_nodelay(true).is_err() {
        return; // already gone
    }
    let timeouts = worker.shared.timeouts;
    let tls = worker.shared.tls.read().clone();
    match tls {
        None => speak(worker, socket, peer).await,
        Some(tls) => match timeout(timeouts.handshake, tls.accept(socket)).await {
            Ok(Ok(socket)) => speak(worker, socket, peer).await,
            Ok(Err(_)) | Err(_) => worker.shared.handshakes_failed(),
        },
    }
}

async fn speak<Io: AsyncRead + AsyncWrite + Unpin>(worker: Arc<Worker>, io: Io, peer: SocketAddr) {
    let shared = &worker.shared;
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(ALL_WINDOWS_BYTES)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_concurrent_streams(shared.calls_per_connection_max);
    let Ok(Ok(mut http2)) = timeout(shared.timeouts.handshake, builder.handshake::<_, Bytes>(io)).await else {
        return shared.handshakes_failed();
    };
    let mut stage = worker.stage.clone();
    let mut alive = Alive::new(http2.ping_pong(), shared.timeouts);
    let caller = Arc::new(Caller { worker: Arc::clone(&worker), peer: peer_text(peer).into() });
    let mut batch = Vec::with_capacity(16);
    loop {
        tokio::select! {
            biased;
            changed = stage.changed() => match (changed, *stage.borrow_and_update()) {
                (Err(_), _) | (_, Stage::Over) => return,
                (Ok(()), Stage::Draining) => http2.graceful_shutdown(),
                (Ok(()), Stage::Serving) => {}
            },
            event = poll_fn(|context| poll_event(&mut http2, &mut alive, &mut batch, context)) => match event {
                Event::LetGo => return,
                Event::Idle => http2.graceful_shutdown(),
                Event::Arrived { is_open } => {
                    let began = Instant::now();
                    for arrival in batch.drain(..) {
                        caller.answer(arrival, began);
                    }
                    if !is_open {
                        return;
                    }
                }
            }
        }
    }
}

/// What a connection has to tell.
enum Event {
    /// The other end does not answer.
    LetGo,
    /// It has asked nothing for a long time.
    Idle,
    /// There are requests to answer; or no more will come.
    Arrived { is_open: bool },
}

fn poll_event<Io: AsyncRead + AsyncWrite + Unpin>(
    http2: &mut Http2<Io>,
    alive: &mut Alive,
    batch: &mut Vec<Arrival>,
    context: &mut Context<'_>,
) -> Poll<Event> {
    if let Poll::Ready(is_open) = poll_batch(http2, batch, context) {
        alive.heard();
        return Poll::Ready(Event::Arrived { is_open });
    }
    alive.poll(context, http2.has_streams())
}

/// At least one request, and all that are there; false where no more will come.
fn poll_batch<Io: AsyncRead + AsyncWrite + Unpin>(
    http2: &mut Http2<Io>,
    batch: &mut Vec<Arrival>,
    context: &mut Context<'_>,
) -> Poll<bool> {
    while batch.len() < BATCH_MAX {
        match http2.poll_accept(context) {
            Poll::Ready(Some(Ok(arrival))) => batch.push(arrival),
            Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(false),
            Poll::Pending if batch.is_empty() => return Poll::Pending,
            Poll::Pending => break,
        }
    }
    Poll::Ready(true)
}

/// The address as grpcio writes it.
fn peer_text(peer: SocketAddr) -> String {
    match peer {
        SocketAddr::V4(address) => format!("ipv4:{address}"),
        SocketAddr::V6(address) => format!("ipv6:%5B{}%5D:{}", address.ip(), address.port()),
    }
}

// --- requests ---------------------------------------------------------------------------------------------------

/// Who is at the other end.
struct Caller {
    worker: Arc<Worker>,
    peer: ClientId,
}

/// Where a request goes that was let in: it is answered here if it is `hot` and can be, and else by a thread of Python.
struct Route {
    hot: Option<Method>,
    /// Its number in the table.
    verb: usize,
    client: Client,
    deadline: Option<Instant>,
}

impl Caller {
    /// Answer a request, or see to it that it is. Cost: that of the answer; never waits.
    fn answer(self: &Arc<Self>, (request, respond): Arrival, began: Instant) {
        let (head, body) = request.into_parts();
        // Who may not call is told so before the message has come, and grpcio's server tells it.
        let Some(route) = self.route(&head, began) else {
            return self.carry(Call { head, begun: Bytes::new(), ended: body.is_end_stream(), body, respond });
        };
        let mut reading = Reading { begun: BytesMut::new(), first: Bytes::new(), body };
        // Nearly always the body has come with the headers.
        match reading.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => self.answer_read(&route, began, Arriving { head, reading, respond }, read),
            // Only what may be answered here is worth the room in which to wait for it: grpcio has its own, and asks
            // nobody for it in vain.
            Poll::Pending if route.hot.is_none() => {
                self.carry(Call { head, begun: reading.take(), ended: false, body: reading.body, respond });
            }
            Poll::Pending => {
                let caller = Arc::clone(self);
                tokio::spawn(async move {
                    // Nobody's bytes wait here without bound: what is too much at once goes on to Python as it comes.
                    let permit = caller.worker.shared.reading.take();
                    let read = match permit {
                        Some(_) => poll_fn(|context| reading.poll(context)).await,
                        None => Read::TooMuch,
                    };
                    drop(permit);
                    // Its key may have been revoked while the message was on its way.
                    match caller.route(&head, began) {
                        Some(route) => caller.answer_read(&route, began, Arriving { head, reading, respond }, read),
                        None => {
                            let (begun, ended) = (reading.take(), matches!(read, Read::Whole));
                            caller.carry(Call { head, begun, ended, body: reading.body, respond });
                        }
                    }
                });
            }
        }
    }

    /// `None`: it is carried to grpcio, whatever its body. Nothing of the body is read before.
    fn route(&self, head: &request::Parts, began: Instant) -> Option<Route> {
        let shared = &self.worker.shared;
        let number = shared.verbs.number(head.uri.path()).filter(|_| head.method == http::Method::POST)?;
        let verb = shared.verbs.verb(number);
        let hot = verb.hot.filter(|_| shared.hot_path.is_some() && shared.is_native());
        let admitted =
            RequestMeta::read(&head.headers, began).and_then(|meta| Some((shared.admit(verb, &meta)?, meta)));
        if admitted.as_ref().is_none_or(|(_, meta)| meta.of_run) {
            self.left_to_python(hot);
        }
        let (client, RequestMeta { deadline, of_run, .. }) = admitted?;
        Some(Route { hot: hot.filter(|_| !of_run), verb: number, client, deadline })
    }

    fn answer_read(self: &Arc<Self>, route: &Route, began: Instant, arriving: Arriving, read: Read) {
        let Arriving { head, mut reading, mut respond } = arriving;
        let ended = match read {
            Read::Gone => return respond.send_reset(Reason::CANCEL),
            Read::Whole => true,
            Read::TooMuch => false,
        };
        let (begun, body) = (reading.take(), reading.body);
        let shared = &self.worker.shared;
        if let (Some(method), Some(hot_path), true) = (route.hot, &shared.hot_path, ended)
            && let Some(response) = hot_path.answer(method, &route.client, route.deadline, &begun)
        {
            let EncodedResponse { message, answers } = response;
            // A small answer, which nearly all are, needs none, and nobody looks whose it is.
            let room = match message.len() {
                ..=SMALL_BYTES => Some(None),
                size => room(&shared.unsent, &route.client.id(&self.peer), size).ok(),
            };
            if let Some(room) = room {
                let metrics = self.worker.metrics_of(method);
                metrics.answered(&shared.bounds, &answers, method.tells_steps(), began.elapsed());
                return answer(respond, message.into(), room);
            }
        }
        self.left_to_python(route.hot);
        let call = Call { head, begun, ended, body, respond };
        match self.unary(route, &call) {
            Some(unary) => {
                let queue = shared.verbs.verb(route.verb).queue;
                match shared.queues.place(queue, route.verb, &route.client.id(&self.peer)) {
                    Ok(place) => dispatch(unary, place, &shared.unsent, call.respond),
                    Err(status) => status.send(&mut { call.respond }),
                }
            }
            None => self.carry(call),
        }
    }

    /// What a thread of Python is given; `None` for what only grpcio sorts out.
    fn unary(&self, route: &Route, call: &Call) -> Option<UnaryCall> {
        if !call.ended {
            return None;
        }
        only_message(&call.begun)?;
        Some(UnaryCall {
            verb: route.verb,
            metadata: metadata(&call.head.headers)?,
            peer: Arc::clone(&self.peer),
            deadline: route.deadline,
            message: call.begun.slice(PREFIX_BYTES..),
        })
    }

    fn left_to_python(&self, hot: Option<Method>) {
        if let Some(method) = hot {
            self.worker.metrics_of(method).left_to_python();
        }
    }

    fn carry(self: &Arc<Self>, call: Call) {
        let caller = Arc::clone(self);
        tokio::spawn(async move { carry(&caller.worker, call, &caller.peer).await });
    }
}

/// A request whose body is being read.
struct Arriving {
    head: request::Parts,
    reading: Reading,
    respond: SendResponse<Bytes>,
}

/// What came of reading a body.
enum Read {
    Whole,
    TooMuch,
    Gone,
}

/// A body as far as it was read: `first` alone, or all of it in `begun`.
struct Reading {
    first: Bytes,
    begun: BytesMut,
    body: RecvStream,
}

impl Reading {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Read> {
        loop {
            if self.body.is_end_stream() {
                return Poll::Ready(Read::Whole);
            }
            match self.body.poll_data(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Read::Whole),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Read::Gone),
                Poll::Ready(Some(Ok(data))) => {
                    if self.body.flow_control().release_capacity(data.len()).is_err() {
                        return Poll::Ready(Read::Gone);
                    }
                    self.add(data);
                    if self.first.len() + self.begun.len() > NATIVE_BYTES_MAX {
                        return Poll::Ready(if self.body.is_end_stream() { Read::Whole } else { Read::TooMuch });
                    }
                }
            }
        }
    }

    fn add(&mut self, data: Bytes) {
        if self.first.is_empty() && self.begun.is_empty() {
            self.first = data;
        } else {
            if self.begun.is_empty() {
                self.begun.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.begun.extend_from_slice(&data);
        }
    }

    /// What was read. Cost: O(1).
    fn take(&mut self) -> Bytes {
        if self.begun.is_empty() { std::mem::take(&mut self.first) } else { std::mem::take(&mut self.begun).freeze() }
    }
}

// --- whether anybody is there -----------------------------------------------------------------------------------

/// Asks a silent connection now and then whether anybody is there.
struct Alive {
    ping_pong: Option<PingPong>,
    timeouts: Timeouts,
    heard: Instant,
    had_streams: Instant,
    pinged: Option<Instant>,
    is_idle: bool,
    timer: Pin<Box<Sleep>>,
}

impl Alive {
    fn new(ping_pong: Option<PingPong>, timeouts: Timeouts) -> Self {
        let now = Instant::now();
        let timer = Box::pin(sleep_until((now + timeouts.ping_every.min(timeouts.idle)).into()));
        Self { ping_pong, timeouts, heard: now, had_streams: now, pinged: None, is_idle: false, timer }
    }

    /// Something came.
    fn heard(&mut self) {
        self.heard = Instant::now();
        self.had_streams = self.heard;
    }

    fn poll(&mut self, context: &mut Context<'_>, has_streams: bool) -> Poll<Event> {
        if self.pinged.is_some()
            && let Some(ping_pong) = &mut self.ping_pong
            && let Poll::Ready(ponged) = ping_pong.poll_pong(context)
        {
            if ponged.is_err() {
                return Poll::Ready(Event::LetGo);
            }
            self.pinged = None;
            self.heard = Instant::now();
        }
        while self.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if has_streams {
                self.had_streams = now;
            }
            if self.pinged.is_some_and(|pinged| now >= pinged + self.timeouts.pong_within) {
                return Poll::Ready(Event::LetGo);
            }
            if self.pinged.is_none() && now >= self.heard + self.timeouts.ping_every {
                match self.ping_pong.as_mut().map(|ping_pong| ping_pong.send_ping(Ping::opaque())) {
                    Some(Ok(())) => self.pinged = Some(now),
                    Some(Err(_)) | None => return Poll::Ready(Event::LetGo),
                }
            }
            let next = match self.pinged {
                Some(pinged) => pinged + self.timeouts.pong_within,
                None => (self.heard + self.timeouts.ping_every).max(now),
            };
            let idle_at = self.had_streams + self.timeouts.idle;
            let became_idle = !self.is_idle && now >= idle_at;
            self.is_idle |= became_idle;
            let next = if self.is_idle { next } else { next.min(idle_at) };
            self.timer.as_mut().reset(next.into());
            if became_idle {
                return Poll::Ready(Event::Idle);
            }
        }
        Poll::Pending
    }
}
