//! What the threads of a door share, and what each has of its own.
//!
//! Law: what a thread counts, it counts in memory that no other thread writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::upstream::Upstream;
use crate::dispatch::queues::Unary;
use crate::fair_quota::{Sharer, Shares};
use crate::hot_path::answer::{METHODS, Method, Oracle, Plain, Roster};
use crate::metrics::{Bounds, MethodCounts, Places};
use crate::status::Refusal;
use remit_core::clock::Clock;

/// How long callers may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// To begin to speak, TLS included.
    pub handshake: Duration,
    /// Between two calls.
    pub idle: Duration,
    /// Of silence, before it is asked whether anybody is there; and to answer that.
    pub ping_every: Duration,
    pub pong_within: Duration,
}

/// What the door says by itself.
pub struct Refusals {
    pub overloaded: Refusal,
    pub unavailable: Refusal,
}

/// How far a door is in its life.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Stage {
    Serving,
    /// Nothing new; what is under way ends by itself.
    Draining,
    /// Nothing at all.
    Over,
}

/// What all threads of a door share.
pub struct Shared {
    pub oracle: Option<Oracle>,
    pub callers: Roster,
    pub(super) clock: Arc<Clock>,
    pub unary: Unary,
    pub bounds: Bounds,
    pub patience: Patience,
    pub refusals: Refusals,
    pub calls_per_connection_max: u32,
    pub tls: RwLock<Option<TlsAcceptor>>,
    pub proxied: Arc<Places>,
    pub reading: Arc<Places>,
    pub unsent: Arc<Shares>,
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

    /// Who it is that calls a verb, where it may; `None` where Python must say why not. Cost: one SHA-256.
    pub fn sharer(&self, verb: usize, plain: &Plain, peer: &Sharer) -> Option<Sharer> {
        let callers = self.callers.read().clone();
        let admitted = callers.admit(plain.authorization.as_ref())?;
        admitted.sharer(self.unary.right(verb), peer, self.clock.now())
    }
}

/// One thread's part.
pub struct Worker {
    pub shared: Arc<Shared>,
    pub upstream: Upstream,
    pub stage: watch::Receiver<Stage>,
    pub(super) counts: [MethodCounts; METHODS.len()],
    pub(super) connections: AtomicUsize,
}

impl Worker {
    pub fn counts_of(&self, method: Method) -> &MethodCounts {
        &self.counts[method as usize]
    }
}
