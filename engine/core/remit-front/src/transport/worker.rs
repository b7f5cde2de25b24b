//! What the threads of a frontend share, and what each has of its own.
//!
//! Law: what a thread counts, it counts in memory that no other thread writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::capacity::Capacity;
use super::request_meta::RequestMeta;
use super::upstream::Upstream;
use crate::credentials::{Client, Credentials};
use crate::dispatch::queues::WorkQueues;
use crate::fair_quota::Holdings;
use crate::hot_path::answer::HotPath;
use crate::hot_path::methods::{METHODS, Method};
use crate::metrics::{Bounds, MethodMetrics};
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
}

/// What the frontend says by itself: too much at once, and no server behind it.
pub struct Statuses {
    pub overloaded: Status,
    pub unavailable: Status,
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
    pub tls: RwLock<Option<TlsAcceptor>>,
    pub proxied: Capacity,
    pub reading: Capacity,
    pub unsent: Arc<Holdings>,
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
