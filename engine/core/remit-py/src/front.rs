//! The frontend as Python holds it: `remit._core.Frontend`.
//!
//! Law: nothing here is called by the frontend's own threads; they never take the GIL. What may wait lets go of it, but for
//! locks of a queue, which are held for some memory accesses and never by who wishes for the GIL.

use std::collections::{HashMap, HashSet};
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use remit_front::credentials::{Caller, Credentials};
use remit_front::dispatch::dispatched_call::{DispatchedCall, Reply};
use remit_front::dispatch::queues::{QueueConfig, Unary, Verb};
use remit_front::fair_quota::Holdings;
use remit_front::hot_path::answer::{HotPath, Limits};
use remit_front::hot_path::questions::PREFIX_BYTES;
use remit_front::metrics::Bounds;
use remit_front::status::Status;
use remit_front::transport::server::{Config, Frontend};
use remit_front::transport::tls::{Pem, acceptor};
use remit_front::transport::worker::{Statuses, Timeouts};

use crate::clock::PyClock;
use crate::store::NativeCore;

/// A secret's SHA-256, its key's id and rights, the stores it sees (None: all), when it ceases to count.
type CredentialRow = ([u8; 32], String, HashSet<String>, Option<HashSet<String>>, Option<i64>);
/// The PEM of a chain, its key, and the authorities of clients.
type PemParts = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);
/// A gRPC code, a message, and details in base64.
type StatusParts = (u16, String, String);
/// A path, the verb's label, its queue, and the right it needs.
type VerbRow = (String, String, usize, Option<String>);
/// Capacity, and what is said where all are taken, and where too many are the client's.
type WorkQueueRow<'py> = (Bound<'py, PyHoldings>, StatusParts, StatusParts);
/// The verb's number, metadata, peer, seconds left (None: as long as it takes), the message, the way back, and how many
/// other threads wait for calls.
type Taken<'py> = (usize, Vec<(String, String)>, String, Option<f64>, Bound<'py, PyBytes>, PyReply, usize);

/// See `server/frontend/frontend.py`.
#[pyclass(name = "Frontend", frozen, module = "remit._core")]
pub struct PyFrontend {
    frontend: Frontend,
}

#[pymethods]
impl PyFrontend {
    /// Serve on a listening socket, which is the frontend's from now on; keep calls of `verbs` for whoever takes them, and
    /// carry to `upstream` what is neither answered nor kept here. `core` None: nothing is answered here. `keys` None:
    /// there are none, and everyone may ask. Times are in seconds.
    #[new]
    #[pyo3(signature = (
        core, clock, *, listener, upstream, threads, verbs, queues, keys, pem, overloaded, unavailable, seconds_bounds,
        steps_bounds, steps_max, items_max, context_bytes_max, request_bytes_max, response_bytes_max, calls_per_connection_max, proxied_max,
        unsent, handshake_s, idle_s, ping_every_s, pong_within_s
    ))]
    #[expect(clippy::too_many_arguments, reason = "all are named where it is called")]
    fn new(
        core: Option<&Bound<'_, NativeCore>>,
        clock: &Bound<'_, PyClock>,
        listener: i32,
        upstream: PathBuf,
        threads: usize,
        verbs: Vec<VerbRow>,
        queues: Vec<WorkQueueRow<'_>>,
        keys: Option<Vec<CredentialRow>>,
        pem: Option<PemParts>,
        overloaded: StatusParts,
        unavailable: StatusParts,
        seconds_bounds: Vec<f64>,
        steps_bounds: Vec<u64>,
        steps_max: u64,
        items_max: usize,
        context_bytes_max: usize,
        request_bytes_max: usize,
        response_bytes_max: usize,
        calls_per_connection_max: u32,
        proxied_max: u64,
        unsent: &Bound<'_, PyHoldings>,
        handshake_s: f64,
        idle_s: f64,
        ping_every_s: f64,
        pong_within_s: f64,
    ) -> PyResult<Self> {
        // SAFETY: Python has detached this descriptor from its socket and hands it over, so nobody else closes it.
        let listener = TcpListener::from(unsafe { OwnedFd::from_raw_fd(listener) });
        let limits = Limits { steps_max, items_max, context_bytes_max, request_bytes_max, response_bytes_max };
        let credentials = Arc::new(parking_lot::RwLock::new(Arc::new(credentials_of(keys))));
        let clock = Arc::clone(&clock.get().clock);
        let hot_path = core.map(|core| HotPath {
            engine: core.get().core.clone(),
            clock: Arc::clone(&clock),
            credentials: Arc::clone(&credentials),
            limits,
        });
        if let Some((path, .., queue, _)) = verbs.iter().find(|(_, _, queue, _)| *queue >= queues.len()) {
            return Err(PyValueError::new_err(format!("`{path}` waits in queue `{queue}`, of {}", queues.len())));
        }
        let verbs = verbs.into_iter().map(|(path, label, queue, right)| Verb { path, label, queue, right }).collect();
        let queues = queues
            .into_iter()
            .map(|(places, overloaded, fair_share_spent)| QueueConfig {
                places: Arc::clone(&places.get().holdings),
                overloaded: status_of(overloaded),
                fair_share_spent: status_of(fair_share_spent),
            })
            .collect();
        let config = Config {
            hot_path,
            credentials,
            clock,
            unary: Unary::new(verbs, queues),
            upstream,
            threads,
            bounds: Bounds { seconds: seconds_bounds, steps: steps_bounds },
            timeouts: Timeouts {
                handshake: seconds(handshake_s)?,
                idle: seconds(idle_s)?,
                ping_every: seconds(ping_every_s)?,
                pong_within: seconds(pong_within_s)?,
            },
            statuses: Statuses { overloaded: status_of(overloaded), unavailable: status_of(unavailable) },
            calls_per_connection_max,
            proxied_max,
            unsent: Arc::clone(&unsent.get().holdings),
        };
        let tls = pem.as_ref().map(acceptor_of).transpose()?;
        let frontend = Frontend::open(config, listener, tls).map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self { frontend })
    }

    /// From now on these keys count, and no others; None: there are none, and everyone may ask.
    fn set_keys(&self, keys: Option<Vec<CredentialRow>>) {
        *self.frontend.shared().credentials.write() = Arc::new(credentials_of(keys));
    }

    /// New connections get this certificate. Raises ValueError, and then they get the one of before.
    fn set_pem(&self, pem: PemParts) -> PyResult<()> {
        *self.frontend.shared().tls.write() = Some(acceptor_of(&pem)?);
        Ok(())
    }

    /// Whether hot methods are answered here.
    fn set_native(&self, is_native: bool) {
        self.frontend.set_native(is_native);
    }

    /// The next call that waits in a queue, waited for without the GIL; None once the frontend is closed.
    fn take<'py>(&self, python: Python<'py>, queue: usize) -> PyResult<Option<Taken<'py>>> {
        let Some(from) = self.frontend.shared().unary.queue(queue) else {
            return Err(PyValueError::new_err(format!("there is no queue `{queue}`")));
        };
        let Some((DispatchedCall { call, reply }, others)) = python.detach(|| from.take()) else {
            return Ok(None);
        };
        let left_s = call.deadline.map(|at| at.saturating_duration_since(Instant::now()).as_secs_f64());
        let message = PyBytes::new(python, &call.message);
        let reply = PyReply { reply: Mutex::new(Some(reply)) };
        Ok(Some((call.verb, call.metadata, call.peer.to_string(), left_s, message, reply, others)))
    }

    /// Let nobody new in, and tell everyone to take further calls elsewhere.
    fn drain(&self) {
        self.frontend.drain();
    }

    /// Drain, wait for what is under way, and end. Whether everything ended by itself.
    fn close(&self, python: Python<'_>, within_s: f64) -> PyResult<bool> {
        let within = seconds(within_s)?;
        Ok(python.detach(|| self.frontend.close(within)))
    }

    /// What was counted: `connections`, `accepted`, `handshakes_failed`, `proxied`, `proxied_refused`, and `methods`, by
    /// verb: `yes`, `no`, `elsewhere`, `steps` as (buckets, sum), `seconds` likewise, in nanoseconds, by the verdict of
    /// requests of one question and "" of others; `refused`, by verb: for want of places, and for having too many.
    fn metrics<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let metrics = PyDict::new(python);
        metrics.set_item("connections", self.frontend.connections())?;
        metrics.set_item("accepted", self.frontend.accepted())?;
        metrics.set_item("handshakes_failed", self.frontend.failed_handshakes())?;
        metrics.set_item("proxied", self.frontend.shared().proxied.taken())?;
        metrics.set_item("proxied_refused", self.frontend.shared().proxied.refused())?;
        let methods = PyDict::new(python);
        for (verb, sums) in self.frontend.sums() {
            let method = PyDict::new(python);
            method.set_item("yes", sums.yes)?;
            method.set_item("no", sums.no)?;
            method.set_item("elsewhere", sums.elsewhere)?;
            let seconds = PyDict::new(python);
            for (verdict, took) in [("yes", sums.seconds_yes), ("no", sums.seconds_no), ("", sums.seconds_others)] {
                seconds.set_item(verdict, took)?;
            }
            method.set_item("seconds", seconds)?;
            method.set_item("steps", sums.steps)?;
            methods.set_item(verb, method)?;
        }
        metrics.set_item("methods", methods)?;
        let unary = &self.frontend.shared().unary;
        metrics.set_item(
            "refused",
            unary.refused().map(|(verb, all, own)| (verb, (all, own))).collect::<HashMap<_, _>>(),
        )?;
        Ok(metrics)
    }
}

/// See `Holdings` of `server/limits/fair_quota.py`, whose clients share with those of the frontend.
#[pyclass(name = "Holdings", frozen, module = "remit._core")]
pub struct PyHoldings {
    pub holdings: Arc<Holdings>,
}

#[pymethods]
impl PyHoldings {
    #[new]
    fn new(limit: usize) -> Self {
        Self { holdings: Holdings::new(limit) }
    }

    /// None; or where there is not enough, or not for this client, what it holds and what is left.
    fn take(&self, client_id: &str, amount: usize) -> Option<(usize, usize)> {
        self.holdings.hold(&client_id.into(), amount).err().map(|refused| (refused.own, refused.free))
    }

    /// False where the client does not hold as much.
    fn give_back(&self, client_id: &str, amount: usize) -> bool {
        self.holdings.give_back(client_id, amount)
    }

    /// How much is taken, how many hold something, and how many were refused.
    fn stats(&self) -> (usize, usize, u64) {
        (self.holdings.taken(), self.holdings.clients(), self.holdings.refused())
    }
}

/// The way back of one call that was taken: answered once, or else the caller is told of a failure.
#[pyclass(name = "Reply", frozen, module = "remit._core")]
pub struct PyReply {
    reply: Mutex<Option<Reply>>,
}

#[pymethods]
impl PyReply {
    /// Whether nobody waits for the answer any more. Cost: a look.
    fn is_gone(&self) -> bool {
        self.reply.lock().as_ref().is_none_or(Reply::is_gone)
    }

    /// Take the room that an answer of so many bytes needs until it is read. Where there is none, what the client holds
    /// and what is left; and then the call can only be refused.
    fn make_room(&self, size: usize) -> Option<(usize, usize)> {
        let refused = self.reply.lock().as_mut()?.make_room(size).err()?;
        Some((refused.own, refused.free))
    }

    /// Answer with a message. Nothing where it was answered.
    fn answer(&self, message: &[u8]) -> PyResult<()> {
        let length = u32::try_from(message.len())
            .map_err(|_| PyValueError::new_err(format!("`{}` bytes are no message of gRPC", message.len())))?;
        if let Some(reply) = self.reply.lock().take() {
            let mut framed = Vec::with_capacity(PREFIX_BYTES + message.len());
            framed.push(0);
            framed.extend_from_slice(&length.to_be_bytes());
            framed.extend_from_slice(message);
            reply.answer(framed.into());
        }
        Ok(())
    }

    /// End the call with a status. Nothing where it was answered.
    fn refuse(&self, status: StatusParts, request_id: String) {
        if let Some(reply) = self.reply.lock().take() {
            reply.refuse(Status { request_id, ..status_of(status) });
        }
    }
}

fn credentials_of(keys: Option<Vec<CredentialRow>>) -> Credentials {
    match keys {
        None => Credentials::Everyone,
        Some(rows) => {
            Credentials::Keyed(HashMap::from_iter(rows.into_iter().map(|(digest, id, rights, stores, until_us)| {
                let may_check = rights.contains("check");
                (digest, Caller { id: id.into(), may_check, rights, stores, until_us })
            })))
        }
    }
}

fn acceptor_of((chain, private_key, client_authorities): &PemParts) -> PyResult<tokio_rustls::TlsAcceptor> {
    let pem = Pem { chain, private_key, client_authorities: client_authorities.as_deref() };
    acceptor(&pem).map_err(PyValueError::new_err)
}

fn status_of((code, message, details): StatusParts) -> Status {
    Status { code, message, details, request_id: String::new() }
}

fn seconds(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(format!("`{seconds}` seconds: {error}")))
}
