//! What the threads of a frontend share, and what each has of its own.
//!
//! Law: what a thread counts, it counts in memory that no other thread writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::handshakes::Handshakes;
use super::health::Health;
use super::pool::Pool;
use super::request_meta::RequestMeta;
use super::upstream::Upstream;
use crate::credentials::{Client, Credentials};
use crate::dispatch::queues::WorkQueues;
use crate::fair_semaphore::FairSemaphore;
use crate::hot_path::answer::HotPath;
use crate::hot_path::methods::{METHODS, Method};
use crate::metrics::{Bounds, MethodMetrics, RefusedCalls};
use crate::response::Unsent;
use crate::status::Status;
use crate::verbs::{Verb, VerbTable};
use remit_core::clock::Clock;

/// How long callers may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To begin to speak, TLS included.
    pub handshake: Duration,
    /// Between two calls.
    pub idle: Duration,
    /// Of silence, before it is asked whether anybody is there; and to answer that.
    pub ping_every: Duration,
    pub pong_within: Duration,
    /// For a message of a request to come whole, from when it may.
    pub request: Duration,
    /// For anything that was sent to be taken.
    pub taken: Duration,
}

/// What the frontend says by itself, beside what its pools say: no server behind it, a request that does not come, one of
/// nobody that is too long.
pub struct Statuses {
    pub unavailable: Status,
    pub slow_request: Status,
    pub stranger_too_long: Status,
}

/// How far a frontend is in its life.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Stage {
    Serving,
    /// Nothing new; what is under way ends by itself.
    Draining,
    /// Nothing at all.
    Over,
}

/// What all threads of a frontend share.
pub struct Shared {
    pub hot_path: Option<HotPath>,
    pub verbs: VerbTable,
    pub queues: WorkQueues,
    pub(super) credentials: RwLock<Credentials>,
    pub(super) clock: Arc<Clock>,
    pub bounds: Bounds,
    pub timeouts: Timeouts,
    pub statuses: Statuses,
    pub calls_per_connection_max: u32,
    /// A message that is larger is carried as it comes: grpcio says that it is too large, before it has come.
    pub carried_bytes_max: usize,
    /// Messages up to this size are counted nowhere, as long as nobody waits for them.
    pub small_bytes: usize,
    /// The largest message of a method that needs no key.
    pub open_message_bytes_max: usize,
    /// Whether there is a bound on how often a key may call.
    pub has_rates: bool,
    pub tls: RwLock<Option<TlsAcceptor>>,
    /// Calls carried to Python whose key counts, or where there are no keys.
    pub proxied: Pool,
    /// All others, whose key does not, or which need none; by address.
    pub strangers: Pool,
    /// Of those that watch health.
    pub health_watches: Pool,
    pub health_watches_per_peer_max: usize,
    /// To let calls in to Python, of those and of these.
    pub(super) letting_in: Arc<FairSemaphore>,
    pub(super) letting_strangers_in: Arc<FairSemaphore>,
    /// Bytes of requests, from when they begin to arrive until they are answered.
    pub unanswered: Pool,
    pub unsent: Arc<Unsent>,
    pub health: Health,
    pub refused_calls: RefusedCalls,
    pub handshakes: Arc<Handshakes>,
    pub(super) is_native: AtomicBool,
    pub(super) handshakes_failed: AtomicU64,
    pub(super) accepted: AtomicU64,
}

impl Shared {
    /// Whether hot methods are answered here.
    pub fn is_native(&self) -> bool {
        self.is_native.load(Relaxed)
    }

    pub fn handshakes_failed(&self) {
        self.handshakes_failed.fetch_add(1, Relaxed);
    }

    /// Who calls a verb, where it may; `None` where Python must say why not. Cost: one SHA-256.
    pub fn admit(&self, verb: &Verb, meta: &RequestMeta) -> Option<Client> {
        self.credentials.read().admit(meta.authorization.as_ref(), verb.right.as_deref(), &self.clock)
    }
}

/// One thread's part.
pub struct Worker {
    pub shared: Arc<Shared>,
    pub upstream: Upstream,
    pub stage: watch::Receiver<Stage>,
    pub(super) metrics: [MethodMetrics; METHODS.len()],
    pub(super) connections: AtomicUsize,
}

impl Worker {
    pub fn metrics_of(&self, method: Method) -> &MethodMetrics {
        &self.metrics[method as usize]
    }
}
