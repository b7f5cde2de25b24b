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
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use h2::server::{Connection, SendResponse};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::{Request, request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until, timeout};

use super::health::{HealthMethod, ProbeAnswer, WatchTerms, health_method};
use super::messages::Messages;
use super::paced_io::PacedIo;
use super::peers::{host_text, peer_text};
use super::proxy::{Call, carry};
use super::request_meta::RequestMeta;
use super::worker::{Shared, Stage, Timeouts, Worker};
use crate::credentials::Client;
use crate::dispatch::dispatched_call::{UnaryCall, dispatch, metadata};
use crate::fair_quota::{ClientId, Full, Holding};
use crate::hot_path::answer::EncodedResponse;
use crate::hot_path::methods::Method;
use crate::hot_path::questions::{PREFIX_BYTES, only_message};
use crate::metrics::Refusal;
use crate::response::Answer;
use crate::status::Status;

/// Requests answered before the connection is looked at again.
const BATCH_MAX: usize = 256;
/// What a caller may send on one stream before somebody reads it.
const WINDOW_BYTES: u32 = 256 * 1024;
/// And on all of its streams together, once it has made a call that it may make. Before that it is 64 KiB, as the protocol
/// begins: what strangers send waits in memory that nobody has counted.
const ALL_WINDOWS_BYTES: u32 = 1024 * 1024;
/// What h2 keeps of each DATA frame beside its bytes, which no window counts: of so many of the smallest that wait to be read
/// as there may be calls, twice. By half of the window, as h2 has it, a hundred streams that begin at once end a connection.
const FRAME_BYTES: usize = 256;
/// What h2 takes of one answer before the socket does, which counts as sent. By the 400 KiB that h2 has usually, who opened
/// its windows wide and then took nothing from the socket had a thousand answers kept that nobody counted.
const SEND_BUFFER_BYTES: usize = 16 * 1024;
/// Headers of one request: what grpcio allows.
const HEADERS_BYTES_MAX: u32 = 16 * 1024;
/// A request that is larger is parsed by a thread of Python, and not on the event loop.
const NATIVE_BYTES_MAX: usize = 256 * 1024;

type Http2<Io> = Connection<Io, Bytes>;
type Arrival = (Request<RecvStream>, SendResponse<Bytes>);

/// Serve a caller until it leaves, or is let go.
pub async fn serve(worker: Arc<Worker>, socket: TcpStream, peer: SocketAddr) {
    // Without it each answer would wait for the acknowledgement of the one before.
    if socket.set_nodelay(true).is_err() {
        return; // already gone
    }
    let caller = Arc::new(Caller {
        peer: peer_text(peer).into(),
        host: host_text(peer).into(),
        is_admitted: AtomicBool::new(false),
        worker,
    });
    let tls = caller.worker.shared.tls.read().clone();
    match tls {
        None => {
            if let Some(http2) = begun(&caller, handshake(&caller, socket)).await {
                speak(caller, http2).await;
            }
        }
        Some(tls) => {
            let shaking = async { handshake(&caller, tls.accept(socket).await.ok()?).await };
            if let Some(http2) = begun(&caller, shaking).await {
                speak(caller, http2).await;
            }
        }
    }
}

/// What has begun to speak in time, and before others needed the room.
async fn begun<T>(caller: &Caller, shaking: impl Future<Output = Option<T>>) -> Option<T> {
    let shared = &caller.worker.shared;
    let mut handshake = shared.handshakes.begin(&caller.host);
    let begun = tokio::select! {
        biased;
        begun = timeout(shared.timeouts.handshake, shaking) => begun.ok().flatten(),
        () = handshake.ended() => None,
    };
    if begun.is_none() {
        shared.handshakes_failed();
    }
    begun
}

async fn handshake<Io: AsyncRead + AsyncWrite + Unpin>(caller: &Caller, io: Io) -> Option<Http2<PacedIo<Io>>> {
    let shared = &caller.worker.shared;
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(WINDOW_BYTES)
        .data_frame_budget(2 * FRAME_BYTES * shared.calls_per_connection_max as usize)
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_concurrent_streams(shared.calls_per_connection_max);
    builder.handshake(PacedIo::new(io, shared.timeouts.taken)).await.ok()
}

async fn speak<Io: AsyncRead + AsyncWrite + Unpin>(caller: Arc<Caller>, mut http2: Http2<Io>) {
    let worker = &caller.worker;
    let mut stage = worker.stage.clone();
    let mut alive = Alive::new(http2.ping_pong(), worker.shared.timeouts);
    let mut is_wide = false;
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
                    if !is_wide && caller.is_admitted.load(Relaxed) {
                        is_wide = true;
                        http2.set_target_window_size(ALL_WINDOWS_BYTES);
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

// --- requests ---------------------------------------------------------------------------------------------------

/// Who is at the other end.
struct Caller {
    worker: Arc<Worker>,
    peer: ClientId,
    host: ClientId,
    /// Whether it has made a call that it may make.
    is_admitted: AtomicBool,
}

/// Where a request goes that was let in: it is answered here if it is `hot` and can be, and else by a thread of Python.
struct Route {
    hot: Option<Method>,
    /// Its number in the table, and that of its queue; a stream has none.
    verb: usize,
    queue: Option<usize>,
    client: Client,
    deadline: Option<Instant>,
}

impl Caller {
    /// Answer a request, or see to it that it is. Cost: that of the answer; never waits.
    fn answer(self: &Arc<Self>, (request, respond): Arrival, began: Instant) {
        let (head, body) = request.into_parts();
        if let Some(method) = health_method(&head) {
            let arriving = Arriving { head, reading: Reading::new(body), respond };
            return match method {
                HealthMethod::Check => self.probe(arriving),
                HealthMethod::Watch => self.watch_health(arriving),
            };
        }
        // Who may not call is told so before the message has come, and grpcio's server tells it.
        let Some(route) = self.route(&head, began) else {
            return self.carry_strangers(Arriving { head, reading: Reading::new(body), respond }, false);
        };
        self.is_admitted.store(true, Relaxed);
        let mut arriving = Arriving { head, reading: Reading::new(body), respond };
        if route.queue.is_none() {
            return self.carry(&route, arriving, false);
        }
        // Nearly always the body has come with the headers.
        match arriving.reading.poll(&mut Context::from_waker(Waker::noop()), NATIVE_BYTES_MAX) {
            Poll::Ready(read @ (Read::Whole | Read::Gone)) => self.answer_read(&route, began, arriving, &read),
            // How often its key may call is told before a request comes, and Python tells it.
            Poll::Ready(Read::TooMuch) | Poll::Pending if self.worker.shared.has_rates => {
                self.carry(&route, arriving, false);
            }
            Poll::Ready(Read::TooMuch) | Poll::Pending => {
                let caller = Arc::clone(self);
                tokio::spawn(async move { caller.answer_late(&route, began, arriving).await });
            }
        }
    }

    /// Answer a request that has not come whole.
    async fn answer_late(self: &Arc<Self>, route: &Route, began: Instant, mut arriving: Arriving) {
        let client_id = route.client.id(&self.peer);
        let shared = &self.worker.shared;
        let left = shared.timeouts.request.saturating_sub(began.elapsed());
        let read = match timeout(left, self.read(&mut arriving.reading, &client_id)).await {
            Ok(Ok(read)) => read,
            Ok(Err(why)) => {
                return self.refuse(route.verb, why, shared.unanswered.status(why), &mut arriving.respond);
            }
            Err(_) => {
                let slow = &shared.statuses.slow_request;
                return self.refuse(route.verb, Refusal::SlowRequest, slow, &mut arriving.respond);
            }
        };
        // Its key may have been revoked while the message was on its way.
        match self.route(&arriving.head, began) {
            Some(route) => self.answer_read(&route, began, arriving, &read),
            None => self.carry_strangers(arriving, matches!(read, Read::Whole)),
        }
    }

    /// Read a body as far as it is one message. Room for it is taken first, of what all callers share.
    async fn read(&self, reading: &mut Reading, client_id: &ClientId) -> Result<Read, Full> {
        let shared = &self.worker.shared;
        // What came so far may be a few bytes of a buffer that is much larger, and may wait for long.
        reading.copy();
        loop {
            let size = (reading.messages.begun() > 0).then_some(reading.messages.largest());
            if size.is_some_and(|size| size > shared.carried_bytes_max) {
                return Ok(Read::TooMuch);
            }
            shared.unanswered.grow(&mut reading.room, client_id, size.unwrap_or(0).max(shared.small_bytes))?;
            let most = size.map_or(PREFIX_BYTES - 1, |size| PREFIX_BYTES + size);
            reading.begun.reserve((PREFIX_BYTES + size.unwrap_or(0)).saturating_sub(reading.begun.len()));
            match poll_fn(|context| reading.poll(context, most)).await {
                Read::TooMuch if size.is_none() => {}
                read => return Ok(read),
            }
        }
    }

    /// `None`: it is carried to grpcio, whatever its body. Nothing of the body is read before.
    fn route(&self, head: &request::Parts, began: Instant) -> Option<Route> {
        let shared = &self.worker.shared;
        // A method is asked for by its path alone; with anything behind it, there is none of that name.
        let path = head.uri.path_and_query().filter(|path| path.query().is_none())?;
        let number = shared.verbs.number(path.path()).filter(|_| head.method == http::Method::POST)?;
        let verb = shared.verbs.verb(number);
        let hot = verb.hot.filter(|_| shared.hot_path.is_some() && shared.is_native());
        let admitted =
            RequestMeta::read(&head.headers, began).and_then(|meta| Some((shared.admit(verb, &meta)?, meta)));
        if admitted.as_ref().is_none_or(|(_, meta)| meta.of_run) {
            self.left_to_python(hot);
        }
        let (client, RequestMeta { deadline, of_run, .. }) = admitted?;
        Some(Route { hot: hot.filter(|_| !of_run), verb: number, queue: verb.queue, client, deadline })
    }

    fn answer_read(self: &Arc<Self>, route: &Route, began: Instant, mut arriving: Arriving, read: &Read) {
        let ended = match read {
            Read::Gone => return arriving.respond.send_reset(Reason::CANCEL),
            Read::Whole => true,
            Read::TooMuch => false,
        };
        let shared = &self.worker.shared;
        let begun = arriving.reading.take();
        if let (Some(method), Some(hot_path), true) = (route.hot, &shared.hot_path, ended)
            && begun.len() <= NATIVE_BYTES_MAX
            && let Some(response) = hot_path.answer(method, &route.client, route.deadline, &begun)
        {
            let EncodedResponse { message, answers } = response;
            let client_id = route.client.id(&self.peer);
            if let Ok(room) = shared.unsent.room(&client_id, message.len()) {
                let metrics = self.worker.metrics_of(method);
                metrics.answered(&shared.bounds, &answers, method.tells_steps(), began.elapsed());
                let answer = Answer { message: message.into(), room, deadline: route.deadline };
                return shared.unsent.send(arriving.respond, answer, &client_id);
            }
        }
        self.left_to_python(route.hot);
        arriving.reading.first = begun;
        match self.unary(route, &mut arriving, ended) {
            Ok(Some((queue, unary))) => match shared.queues.place(queue, &route.client.id(&self.peer)) {
                Ok(place) => dispatch(unary, place, &shared.unsent, arriving.respond),
                Err(why) => self.refuse(route.verb, why, shared.queues.status(queue, why), &mut arriving.respond),
            },
            Ok(None) => self.carry(route, arriving, ended),
            Err(why) => self.refuse(route.verb, why, shared.unanswered.status(why), &mut arriving.respond),
        }
    }

    /// What a thread of Python is given, and the number of the queue for it; `None` for what only grpcio sorts out.
    fn unary(&self, route: &Route, arriving: &mut Arriving, ended: bool) -> Result<Option<(usize, UnaryCall)>, Full> {
        let reading = &mut arriving.reading;
        let (Some(queue), true, Some(_)) = (route.queue, ended, only_message(&reading.first)) else {
            return Ok(None);
        };
        let Some(metadata) = metadata(&arriving.head.headers) else { return Ok(None) };
        if reading.first.len() > self.worker.shared.small_bytes {
            let client_id = route.client.id(&self.peer);
            self.worker.shared.unanswered.grow(&mut reading.room, &client_id, reading.first.len())?;
        }
        let unary = UnaryCall {
            verb: route.verb,
            metadata,
            peer: Arc::clone(&self.peer),
            deadline: route.deadline,
            message: reading.first.slice(PREFIX_BYTES..),
            message_room: reading.room.take(),
        };
        Ok(Some((queue, unary)))
    }

    fn left_to_python(&self, hot: Option<Method>) {
        if let Some(method) = hot {
            self.worker.metrics_of(method).left_to_python();
        }
    }

    fn refuse(&self, verb: usize, why: impl Into<Refusal>, status: &Status, respond: &mut SendResponse<Bytes>) {
        self.worker.shared.refused_calls.count(verb, why.into());
        status.send(respond);
    }

    // --- on to Python -------------------------------------------------------------------------------------------

    /// Carry a call of who may make it; `ended`: nothing follows what was read of its body.
    fn carry(self: &Arc<Self>, route: &Route, mut arriving: Arriving, ended: bool) {
        let shared = &self.worker.shared;
        let client_id = route.client.id(&self.peer);
        match shared.proxied.take(&client_id, 1) {
            Ok(place) => self.carry_in(place, arriving, Some(route.verb), client_id, ended),
            Err(why) => self.refuse(route.verb, why, shared.proxied.status(why), &mut arriving.respond),
        }
    }

    /// Carry any other call: its key does not count, it needs none, or only grpcio sorts it out.
    fn carry_strangers(self: &Arc<Self>, mut arriving: Arriving, ended: bool) {
        let strangers = &self.worker.shared.strangers;
        match strangers.take(&self.host, 1) {
            Ok(place) => self.carry_in(place, arriving, None, Arc::clone(&self.host), ended),
            Err(why) => strangers.status(why).send(&mut arriving.respond),
        }
    }

    fn carry_in(
        self: &Arc<Self>,
        place: Holding,
        arriving: Arriving,
        verb: Option<usize>,
        client_id: ClientId,
        ended: bool,
    ) {
        let Arriving { head, mut reading, respond } = arriving;
        let begun = reading.take();
        let Reading { body, room, .. } = reading;
        let ended = ended || (begun.is_empty() && body.is_end_stream());
        let call = Call { head, begun, ended, body, respond, verb, client_id, room };
        let caller = Arc::clone(self);
        tokio::spawn(async move { carry(&caller.worker, call, &caller.peer, place).await });
    }

    // --- probes -------------------------------------------------------------------------------------------------

    /// Say how we are. Who sends the question with its call and takes the answer, as all do, holds nothing meanwhile; who
    /// does not has a place among strangers.
    fn probe(self: &Arc<Self>, mut arriving: Arriving) {
        let Some(RequestMeta { deadline, .. }) = RequestMeta::read(&arriving.head.headers, Instant::now()) else {
            return self.carry_strangers(arriving, false);
        };
        let shared = &self.worker.shared;
        let most = PREFIX_BYTES + shared.open_message_bytes_max;
        match arriving.reading.poll(&mut Context::from_waker(Waker::noop()), most) {
            Poll::Ready(read) => self.answer_probe(arriving, &read, deadline, None),
            Poll::Pending => match shared.strangers.take(&self.host, 1) {
                Err(why) => shared.strangers.status(why).send(&mut arriving.respond),
                Ok(place) => {
                    let caller = Arc::clone(self);
                    tokio::spawn(async move {
                        arriving.reading.copy();
                        let reading = poll_fn(|context| arriving.reading.poll(context, most));
                        match timeout(caller.worker.shared.timeouts.request, reading).await {
                            Ok(read) => caller.answer_probe(arriving, &read, deadline, Some(place)),
                            Err(_) => caller.worker.shared.statuses.slow_request.send(&mut arriving.respond),
                        }
                    });
                }
            },
        }
    }

    /// Tell how we are from now on. Who watches has a place among strangers and one among watches, whatever it takes.
    fn watch_health(self: &Arc<Self>, mut arriving: Arriving) {
        let Some(RequestMeta { deadline, .. }) = RequestMeta::read(&arriving.head.headers, Instant::now()) else {
            return self.carry_strangers(arriving, false);
        };
        let places = match self.place_to_watch() {
            Ok(places) => places,
            Err(status) => return status.send(&mut arriving.respond),
        };
        let caller = Arc::clone(self);
        tokio::spawn(async move {
            let shared = &caller.worker.shared;
            arriving.reading.copy();
            let most = PREFIX_BYTES + shared.open_message_bytes_max;
            let reading = poll_fn(|context| arriving.reading.poll(context, most));
            let read = match timeout(shared.timeouts.request, reading).await {
                Ok(Read::Gone) => return arriving.respond.send_reset(Reason::CANCEL),
                Ok(read) => read,
                Err(_) => return shared.statuses.slow_request.send(&mut arriving.respond),
            };
            let is_whole = matches!(read, Read::Whole);
            arriving.reading.first = arriving.reading.take();
            let message = if is_whole { only_message(&arriving.reading.first) } else { None };
            let Some(is_known) = message.and_then(|message| shared.health.knows(message)) else {
                drop(places); // it is given others
                return caller.carry_strangers(arriving, is_whole);
            };
            let terms =
                WatchTerms { taken_within: shared.timeouts.taken, deadline, over: &shared.statuses.unavailable };
            let Arriving { reading, respond, .. } = arriving;
            drop(reading); // nothing of the request is kept while it watches
            shared.health.watch(is_known, respond, terms).await;
            drop(places);
        });
    }

    fn place_to_watch(&self) -> Result<[Holding; 2], &Status> {
        let Shared { strangers, health_watches, health_watches_per_peer_max, .. } = &*self.worker.shared;
        if health_watches.holdings.held(&self.host) >= *health_watches_per_peer_max {
            return Err(health_watches.status(Full::FairShareSpent));
        }
        let stranger = strangers.take(&self.host, 1).map_err(|why| strangers.status(why))?;
        let watch = health_watches.take(&self.host, 1).map_err(|why| health_watches.status(why))?;
        Ok([stranger, watch])
    }

    /// `place`: what it has among strangers, where it has one already.
    fn answer_probe(
        self: &Arc<Self>,
        mut arriving: Arriving,
        read: &Read,
        deadline: Option<Instant>,
        place: Option<Holding>,
    ) {
        let shared = &self.worker.shared;
        let told = match read {
            Read::Gone => return arriving.respond.send_reset(Reason::CANCEL),
            Read::TooMuch => None,
            Read::Whole => {
                arriving.reading.first = arriving.reading.take();
                only_message(&arriving.reading.first).and_then(|message| shared.health.answer(message))
            }
        };
        match told {
            Some(ProbeAnswer::Status(message)) => {
                let answer = Answer { message: Bytes::from_static(message), room: place, deadline };
                answer.send(arriving.respond, shared.timeouts.taken, || shared.strangers.take(&self.host, 1).ok());
            }
            Some(ProbeAnswer::NoSuchService) => Status::not_found().send(&mut arriving.respond),
            None => {
                drop(place); // it is given another one
                self.carry_strangers(arriving, matches!(read, Read::Whole));
            }
        }
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
    messages: Messages,
    /// What was taken for it.
    room: Option<Holding>,
}

impl Reading {
    fn new(body: RecvStream) -> Self {
        Self { first: Bytes::new(), begun: BytesMut::new(), body, messages: Messages::default(), room: None }
    }

    /// Read what there is, until more than `most` bytes are here.
    fn poll(&mut self, context: &mut Context<'_>, most: usize) -> Poll<Read> {
        loop {
            if self.body.is_end_stream() {
                return Poll::Ready(Read::Whole);
            }
            if self.first.len() + self.begun.len() > most {
                return Poll::Ready(Read::TooMuch);
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
                }
            }
        }
    }

    fn add(&mut self, data: Bytes) {
        self.messages.pass(&data);
        if self.first.is_empty() && self.begun.is_empty() {
            self.first = data;
        } else {
            self.copy();
            self.begun.extend_from_slice(&data);
        }
    }

    /// Keep nothing but what was read, and not the buffer that it came in.
    fn copy(&mut self) {
        if !self.first.is_empty() {
            self.begun.extend_from_slice(&std::mem::take(&mut self.first));
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
