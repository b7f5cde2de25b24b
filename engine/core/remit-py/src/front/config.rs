//! What a frontend is made with, as Python gives it: dictionaries whose keys are the fields here, `FrontendConfig` of
//! `_core.pyi`. Times are in seconds.
//!
//! Law: a field that is missing or of another type is a TypeError, and what cannot be a ValueError; nothing is guessed.

use std::collections::{HashMap, HashSet};
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use remit_core::Core;
use remit_core::clock::Clock;
use remit_front::credentials::{Credential, Credentials};
use remit_front::dispatch::queues::QueueConfig;
use remit_front::fair_quota::Holdings;
use remit_front::hot_path::answer::{HotPath, Limits};
use remit_front::metrics::Bounds;
use remit_front::status::Status;
use remit_front::transport::pool::Pool;
use remit_front::transport::server::Config;
use remit_front::transport::tls::{Pem, acceptor};
use remit_front::transport::worker::{Statuses, Timeouts};
use remit_front::verbs::{Verb, VerbTable};
use tokio_rustls::TlsAcceptor;

use crate::holdings::PyHoldings;

/// A secret's SHA-256, its key's id and rights, the stores it sees (None: all), when it ceases to count.
pub type CredentialRow = ([u8; 32], String, HashSet<String>, Option<HashSet<String>>, Option<i64>);
/// The PEM of a chain, its key, and the authorities of clients.
pub type PemParts = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);
/// A gRPC code, a message, and details in base64.
pub type StatusParts = (u16, String, String);
/// A path, the verb's label, its queue (a stream has none), the right it needs, and whether the core may answer it.
type VerbRow = (String, String, Option<usize>, Option<String>, bool);
/// Places, and what is said where all are taken, and where too many are the client's.
type WorkQueueRow = (Py<PyHoldings>, StatusParts, StatusParts);

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct FrontendConfig {
    listener: ListenerConfig,
    upstream: UpstreamConfig,
    verbs: Vec<VerbRow>,
    queues: Vec<WorkQueueRow>,
    /// None: there are none, and everyone may call.
    credentials: Option<Vec<CredentialRow>>,
    limits: LimitsConfig,
    /// Memory for answers that wait to be read.
    unsent: Py<PyHoldings>,
    pools: PoolsConfig,
    /// Of which health is asked.
    services: HashSet<String>,
    timeouts: TimeoutsConfig,
    statuses: StatusesConfig,
    buckets: BucketsConfig,
}

/// Who is let in.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct ListenerConfig {
    /// Of a socket that listens, and is the frontend's from now on.
    descriptor: i32,
    threads: usize,
    calls_per_connection_max: u32,
    /// Whether there is a bound on how often a key may call, which Python keeps.
    has_rates: bool,
    /// None: without TLS.
    pem: Option<PemParts>,
}

/// Where that is carried which is neither answered nor dispatched here.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct UpstreamConfig {
    socket: PathBuf,
}

/// What all callers share: how much there is of it, and what is said where there is none, and where too much is the
/// client's.
type PoolRow = (usize, StatusParts, StatusParts);

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct PoolsConfig {
    /// Calls carried to Python: of who may make them, and of all others.
    proxied: PoolRow,
    strangers: PoolRow,
    /// Of those that watch health; the second status is also told where too many are of one address.
    health_watches: PoolRow,
    /// Bytes of requests, until they are answered.
    unanswered: PoolRow,
}

/// What one request may ask for.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct LimitsConfig {
    steps_max: u64,
    items_max: usize,
    spicedb_items_max: usize,
    context_bytes_max: usize,
    request_bytes_max: usize,
    response_bytes_max: usize,
    /// Of messages: above which grpcio says so by itself, up to which they are counted nowhere, and the largest of a
    /// method that needs no key.
    carried_bytes_max: usize,
    small_bytes: usize,
    open_message_bytes_max: usize,
    /// Watches of health, of one address.
    health_watches_per_peer_max: usize,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct TimeoutsConfig {
    handshake_s: f64,
    idle_s: f64,
    ping_every_s: f64,
    pong_within_s: f64,
    request_s: f64,
    taken_s: f64,
}

/// What is said to a call beside what the pools say.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct StatusesConfig {
    unavailable: StatusParts,
    slow_request: StatusParts,
    stranger_too_long: StatusParts,
}

/// The bounds of histograms.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct BucketsConfig {
    seconds: Vec<f64>,
    steps: Vec<u64>,
}

impl FrontendConfig {
    /// As the frontend wants it: with its listener, and TLS where there is any. `core` None: nothing is answered here.
    pub fn into_parts(
        self,
        core: Option<Arc<Core>>,
        clock: Arc<Clock>,
    ) -> PyResult<(Config, TcpListener, Option<TlsAcceptor>)> {
        // SAFETY: Python has detached this descriptor from its socket and gives it away, so nobody else closes it.
        let listener = TcpListener::from(unsafe { OwnedFd::from_raw_fd(self.listener.descriptor) });
        let tls = self.listener.pem.as_ref().map(acceptor_of).transpose()?;
        let stopping = status_of(self.statuses.unavailable);
        let config = Config {
            carried_bytes_max: self.limits.carried_bytes_max,
            small_bytes: self.limits.small_bytes,
            open_message_bytes_max: self.limits.open_message_bytes_max,
            health_watches_per_peer_max: self.limits.health_watches_per_peer_max,
            has_rates: self.listener.has_rates,
            hot_path: core.map(|core| HotPath { engine: core, clock: Arc::clone(&clock), limits: self.limits.into() }),
            verbs: verbs_of(self.verbs, self.queues.len()).map_err(PyValueError::new_err)?,
            queues: self.queues.into_iter().map(|row| queue_of(row, &stopping)).collect(),
            credentials: credentials_of(self.credentials),
            clock,
            upstream: self.upstream.socket,
            threads: self.listener.threads,
            bounds: Bounds { seconds: self.buckets.seconds, steps: self.buckets.steps },
            timeouts: Timeouts {
                handshake: seconds(self.timeouts.handshake_s)?,
                idle: seconds(self.timeouts.idle_s)?,
                ping_every: seconds(self.timeouts.ping_every_s)?,
                pong_within: seconds(self.timeouts.pong_within_s)?,
                request: seconds(self.timeouts.request_s)?,
                taken: seconds(self.timeouts.taken_s)?,
            },
            statuses: Statuses {
                unavailable: stopping,
                slow_request: status_of(self.statuses.slow_request),
                stranger_too_long: status_of(self.statuses.stranger_too_long),
            },
            calls_per_connection_max: self.listener.calls_per_connection_max,
            proxied: pool_of(self.pools.proxied),
            strangers: pool_of(self.pools.strangers),
            health_watches: pool_of(self.pools.health_watches),
            unanswered: pool_of(self.pools.unanswered),
            services: self.services,
            unsent: Arc::clone(&self.unsent.get().holdings),
        };
        Ok((config, listener, tls))
    }
}

impl From<LimitsConfig> for Limits {
    fn from(limits: LimitsConfig) -> Self {
        Self {
            steps_max: limits.steps_max,
            items_max: limits.items_max,
            spicedb_items_max: limits.spicedb_items_max,
            context_bytes_max: limits.context_bytes_max,
            request_bytes_max: limits.request_bytes_max,
            response_bytes_max: limits.response_bytes_max,
        }
    }
}

fn verbs_of(rows: Vec<VerbRow>, queues: usize) -> Result<VerbTable, String> {
    let verbs =
        rows.into_iter().map(|(path, label, queue, right, is_hot)| Verb::new(path, label, queue, right, is_hot));
    VerbTable::new(verbs.collect::<Result<_, _>>()?, queues)
}

fn queue_of((places, overloaded, fair_share_spent): WorkQueueRow, stopping: &Status) -> QueueConfig {
    QueueConfig {
        places: Arc::clone(&places.get().holdings),
        overloaded: status_of(overloaded),
        fair_share_spent: status_of(fair_share_spent),
        stopping: stopping.clone(),
    }
}

fn pool_of((limit, overloaded, fair_share_spent): PoolRow) -> Pool {
    Pool {
        holdings: Holdings::new(limit),
        overloaded: status_of(overloaded),
        fair_share_spent: status_of(fair_share_spent),
    }
}

pub fn credentials_of(rows: Option<Vec<CredentialRow>>) -> Credentials {
    match rows {
        None => Credentials::Everyone,
        Some(rows) => {
            Credentials::Keyed(HashMap::from_iter(rows.into_iter().map(|(digest, id, rights, stores, until_us)| {
                (digest, Arc::new(Credential { id: id.into(), rights, stores, until_us }))
            })))
        }
    }
}

pub fn acceptor_of((chain, private_key, client_authorities): &PemParts) -> PyResult<TlsAcceptor> {
    let pem = Pem { chain, private_key, client_authorities: client_authorities.as_deref() };
    acceptor(&pem).map_err(PyValueError::new_err)
}

pub fn status_of((code, message, details): StatusParts) -> Status {
    Status { code, message, details, request_id: String::new() }
}

pub fn seconds(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(format!("`{seconds}` seconds: {error}")))
}
