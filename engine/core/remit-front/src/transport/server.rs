//! The frontend itself: a thread for each core, one socket that listens, and the order in which all of it ends.
//!
//! Each thread has connections of its own and an event loop of its own, which beat one loop over several threads by a
//! third to a half. One thread accepts, and gives each connection to the thread that has the fewest: connections of gRPC
//! live long, and the kernel's way of sharing a port deals them out blindly. So the port is bound once, by a socket that
//! shares it with nobody, and a second process is refused by the kernel.
//! Law: once a drain begins nobody new is let in, and who was let in is answered.

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::connection::serve;
use super::handshakes::Handshakes;
use super::health::Health;
use super::pool::Pool;
use super::proxy::LET_IN_AT_ONCE;
use super::upstream::Upstream;
use super::worker::{Shared, Stage, Statuses, Timeouts, Worker};
use crate::credentials::Credentials;
use crate::dispatch::queues::{QueueConfig, WorkQueues};
use crate::fair_quota::Holdings;
use crate::fair_semaphore::FairSemaphore;
use crate::hot_path::answer::HotPath;
use crate::hot_path::methods::METHODS;
use crate::metrics::{Bounds, MethodMetrics, MethodTotals, RefusedCalls};
use crate::response::Unsent;
use crate::verbs::VerbTable;
use remit_core::clock::Clock;

/// What a frontend is made with. `hot_path` `None`: everything is Python's to answer.
pub struct Config {
    pub hot_path: Option<HotPath>,
    pub verbs: VerbTable,
    /// As many as the table of verbs was made for.
    pub queues: Vec<QueueConfig>,
    pub credentials: Credentials,
    pub clock: Arc<Clock>,
    pub upstream: PathBuf,
    pub threads: usize,
    pub bounds: Bounds,
    pub timeouts: Timeouts,
    pub statuses: Statuses,
    pub calls_per_connection_max: u32,
    pub carried_bytes_max: usize,
    pub small_bytes: usize,
    pub open_message_bytes_max: usize,
    pub has_rates: bool,
    pub proxied: Pool,
    pub strangers: Pool,
    /// Of strangers that watch health, and how many there may be of one address.
    pub health_watches: Pool,
    pub health_watches_per_peer_max: usize,
    pub unanswered: Pool,
    pub unsent: Arc<Holdings>,
    /// Of which health is asked.
    pub services: HashSet<String>,
}

/// Connections that have not begun to speak: with TLS some 40 KB each.
const HANDSHAKES_MAX: usize = 1_024;

/// A frontend that serves, until it is closed or dropped.
pub struct Frontend {
    shared: Arc<Shared>,
    workers: Vec<Arc<Worker>>,
    stage: watch::Sender<Stage>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    running: Arc<Running>,
}

/// How many threads have not ended yet.
#[derive(Default)]
struct Running {
    count: Mutex<usize>,
    ended: Condvar,
}

impl Frontend {
    /// Serve on a socket that listens. It begins with credentials and certificates as they are given.
    pub fn open(config: Config, listener: StdListener, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (stage, watching) = watch::channel(Stage::Serving);
        let streams_max = config.proxied.holdings.limit() + config.strangers.holdings.limit();
        let shared = Arc::new(Shared {
            refused_calls: RefusedCalls::new(config.verbs.all().len()),
            hot_path: config.hot_path,
            queues: WorkQueues::new(config.queues),
            verbs: config.verbs,
            credentials: RwLock::new(config.credentials),
            clock: config.clock,
            bounds: config.bounds,
            timeouts: config.timeouts,
            statuses: config.statuses,
            calls_per_connection_max: config.calls_per_connection_max,
            carried_bytes_max: config.carried_bytes_max,
            small_bytes: config.small_bytes,
            open_message_bytes_max: config.open_message_bytes_max,
            has_rates: config.has_rates,
            tls: RwLock::new(tls),
            proxied: config.proxied,
            strangers: config.strangers,
            health_watches: config.health_watches,
            health_watches_per_peer_max: config.health_watches_per_peer_max,
            letting_in: Arc::new(FairSemaphore::new(LET_IN_AT_ONCE)),
            letting_strangers_in: Arc::new(FairSemaphore::new(LET_IN_AT_ONCE)),
            unanswered: config.unanswered,
            unsent: Arc::new(Unsent {
                holdings: config.unsent,
                small_bytes: config.small_bytes,
                taken_within: config.timeouts.taken,
            }),
            health: Health::new(config.services),
            handshakes: Handshakes::new(HANDSHAKES_MAX),
            is_native: AtomicBool::new(true),
            handshakes_failed: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
        });
        let workers: Vec<_> = (0..config.threads.max(1))
            .map(|_| {
                Arc::new(Worker {
                    shared: Arc::clone(&shared),
                    upstream: Upstream::new(config.upstream.clone(), streams_max),
                    stage: watching.clone(),
                    metrics: METHODS.map(|_| MethodMetrics::new(&shared.bounds)),
                    connections: AtomicUsize::new(0),
                })
            })
            .collect();
        let frontend = Self { shared, workers, stage, threads: Mutex::new(Vec::new()), running: Arc::default() };
        frontend.start(listener)?;
        Ok(frontend)
    }

    fn start(&self, listener: StdListener) -> io::Result<()> {
        let mut senders = Vec::new();
        let mut receivers = Vec::new();
        for worker in &self.workers {
            let (sender, receiver) = mpsc::unbounded_channel();
            senders.push((Arc::clone(worker), sender));
            receivers.push(receiver);
        }
        let mut accepting = Some((listener, senders));
        for (number, (worker, arriving)) in self.workers.iter().zip(receivers).enumerate() {
            let (worker, accepting) = (Arc::clone(worker), accepting.take());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let running = Arc::clone(&self.running);
            *running.count.lock() += 1;
            let counted = Counted(running);
            let thread = std::thread::Builder::new().name(format!("remit-front-{number}")).spawn(move || {
                let _counted = counted;
                runtime.block_on(work(worker, arriving, accepting));
            })?;
            self.threads.lock().push(thread);
        }
        Ok(())
    }

    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Whether hot methods are answered here from now on, or by Python.
    pub fn set_native(&self, is_native: bool) {
        self.shared.is_native.store(is_native, Relaxed);
    }

    /// From now on these count, and no others.
    pub fn set_credentials(&self, credentials: Credentials) {
        let before = std::mem::replace(&mut *self.shared.credentials.write(), credentials);
        drop(before); // which may take a while, and nobody waits for it
    }

    /// New connections get this certificate.
    pub fn set_tls(&self, tls: TlsAcceptor) {
        *self.shared.tls.write() = Some(tls);
    }

    /// Let nobody new in, and tell everyone to take further calls elsewhere.
    pub fn drain(&self) {
        self.stage.send_if_modified(|stage| {
            let is_first = *stage == Stage::Serving;
            if is_first {
                *stage = Stage::Draining;
            }
            is_first
        });
    }

    /// Drain, wait for what is under way, and end. Whether everything ended by itself.
    pub fn close(&self, within: Duration) -> bool {
        self.drain();
        self.shared.health.end();
        self.shared.handshakes.end();
        let until = Instant::now() + within;
        let mut count = self.running.count.lock();
        while *count > 0 && !self.running.ended.wait_until(&mut count, until).timed_out() {}
        let finished = *count == 0;
        drop(count);
        self.stage.send_replace(Stage::Over);
        self.shared.queues.close();
        for thread in self.threads.lock().drain(..) {
            // A thread that failed has told so on standard error, and serves nobody any more.
            drop(thread.join());
        }
        finished
    }

    // --- for whoever watches ------------------------------------------------------------------------------------

    /// Of each verb that may be answered here its label, and its method's metrics.
    pub fn methods(&self) -> Vec<(&str, MethodTotals)> {
        let verbs = self.shared.verbs.all().iter();
        let hot = verbs.filter_map(|verb| verb.hot.map(|method| (verb.label.as_str(), method)));
        hot.map(|(label, method)| {
            let mut totals = MethodTotals::default();
            self.workers.iter().for_each(|worker| worker.metrics_of(method).add_to(&mut totals));
            (label, totals)
        })
        .collect()
    }

    /// Of each verb, how many calls were refused before any work: for want of room, for having too much of it, and because
    /// they did not come.
    pub fn refused(&self) -> impl Iterator<Item = (&str, [u64; 3])> {
        let verbs = self.shared.verbs.all().iter().enumerate();
        verbs.map(|(number, verb)| (verb.label.as_str(), self.shared.refused_calls.of(number)))
    }

    pub fn connections(&self) -> usize {
        self.workers.iter().map(|worker| worker.connections.load(Relaxed)).sum()
    }

    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Relaxed)
    }

    /// Connections that have not begun to speak, and how many were let go for others to begin.
    pub fn handshakes(&self) -> (usize, u64) {
        (self.shared.handshakes.waiting(), self.shared.handshakes.let_go())
    }

    pub fn failed_handshakes(&self) -> u64 {
        self.shared.handshakes_failed.load(Relaxed)
    }
}

impl Drop for Frontend {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

/// Tells that a thread has ended, however it did.
struct Counted(Arc<Running>);

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.count.lock() -= 1;
        self.0.ended.notify_all();
    }
}

// --- threads ----------------------------------------------------------------------------------------------------

/// The threads, and the way to hand each a connection.
type Senders = Vec<(Arc<Worker>, mpsc::UnboundedSender<(StdStream, SocketAddr)>)>;

/// A thread's whole life: serve what arrives until nothing more can, and nothing is left.
async fn work(
    worker: Arc<Worker>,
    mut arriving: mpsc::UnboundedReceiver<(StdStream, SocketAddr)>,
    accepting: Option<(StdListener, Senders)>,
) {
    let mut tasks = JoinSet::new();
    if let Some((listener, senders)) = accepting {
        tasks.spawn(accept(listener, senders, worker.stage.clone()));
    }
    let mut is_open = true;
    while is_open || !tasks.is_empty() {
        tokio::select! {
            arrived = arriving.recv(), if is_open => match arrived {
                Some((socket, peer)) => {
                    // What cannot be made a socket of this loop is closed by being dropped.
                    if let Ok(socket) = TcpStream::from_std(socket) {
                        let open = Open(Arc::clone(&worker));
                        tasks.spawn(async move {
                            serve(Arc::clone(&open.0), socket, peer).await;
                        });
                    } else {
                        worker.connections.fetch_sub(1, Relaxed);
                    }
                }
                None => is_open = false,
            },
            // A task that failed has told so on standard error; it was one connection.
            _ = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

/// A connection, counted while it is open.
struct Open(Arc<Worker>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

/// How long to wait where no more files can be opened: until some connection has ended, most likely.
const NO_FILES: Duration = Duration::from_millis(50);

async fn accept(listener: StdListener, senders: Senders, mut stage: watch::Receiver<Stage>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stage.changed() => return,
            accepted = listener.accept() => accepted,
        };
        let arrived = accepted.and_then(|(socket, peer)| Ok((socket.into_std()?, peer)));
        match arrived {
            Ok(arrived) => {
                let (worker, sender) = senders
                    .iter()
                    .min_by_key(|(worker, _)| worker.connections.load(Relaxed))
                    .expect("there is at least one thread");
                worker.shared.accepted.fetch_add(1, Relaxed);
                worker.connections.fetch_add(1, Relaxed);
                if sender.send(arrived).is_err() {
                    return;
                }
            }
            Err(_) => tokio::time::sleep(NO_FILES).await,
        }
    }
}
