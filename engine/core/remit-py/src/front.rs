//! The frontend as Python holds it: `remit._core.Frontend`.
//!
//! Law: nothing here is called by the frontend's own threads; they never take the GIL. What may wait lets go of it, but for
//! locks of a queue, which are held for some memory accesses and never by who wishes for the GIL.

mod config;

use std::net::SocketAddr;
use std::time::Instant;

use parking_lot::Mutex;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use remit_front::dispatch::dispatched_call::{DispatchedCall, Reply};
use remit_front::hot_path::questions::PREFIX_BYTES;
use remit_front::status::Status;
use remit_front::transport::peers::{host_text, peer_text};
use remit_front::transport::server::Frontend;

use crate::clock::PyClock;
use crate::store::NativeCore;
use config::{CredentialRow, FrontendConfig, PemParts, StatusParts, acceptor_of, credentials_of, seconds, status_of};

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
    /// Serve as `config` says. `core` None: nothing is answered here. Raises ValueError for what cannot be served, and
    /// OSError where it cannot begin.
    #[new]
    fn new(core: Option<&Bound<'_, NativeCore>>, clock: &Bound<'_, PyClock>, config: FrontendConfig) -> PyResult<Self> {
        let core = core.map(|core| core.get().core.clone());
        let (config, listener, tls) = config.into_parts(core, clock.get().clock.clone())?;
        let frontend = Frontend::open(config, listener, tls).map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self { frontend })
    }

    /// From now on these count, and no others; None: there are none, and everyone may call.
    fn set_credentials(&self, credentials: Option<Vec<CredentialRow>>) {
        self.frontend.set_credentials(credentials_of(credentials));
    }

    /// New connections get this certificate. Raises ValueError, and then they get the one of before.
    fn set_pem(&self, pem: PemParts) -> PyResult<()> {
        self.frontend.set_tls(acceptor_of(&pem)?);
        Ok(())
    }

    /// Whether hot methods are answered here.
    fn set_native(&self, is_native: bool) {
        self.frontend.set_native(is_native);
    }

    /// What health says from now on.
    fn set_serving(&self, is_serving: bool) {
        self.frontend.shared().health.set_serving(is_serving);
    }

    /// The next call that waits in a queue, waited for without the GIL; None once the frontend is closed.
    fn take<'py>(&self, python: Python<'py>, queue: usize) -> PyResult<Option<Taken<'py>>> {
        let Some(from) = self.frontend.shared().queues.queue(queue) else {
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

    /// What was counted: `connections`, `accepted`, `handshakes_failed`, `handshakes_waiting`, `handshakes_let_go`;
    /// `proxied`, `strangers` and `unanswered`: what is taken, and how often there was none; `methods`, by verb: `yes`, `no`,
    /// `elsewhere`, `steps` as (buckets, sum), `seconds` likewise, in nanoseconds, by the verdict of requests of one question
    /// and "" of others; and `refused`, by verb: for want of room, for having too much of it, and for not coming in time.
    fn metrics<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let metrics = PyDict::new(python);
        metrics.set_item("connections", self.frontend.connections())?;
        metrics.set_item("accepted", self.frontend.accepted())?;
        metrics.set_item("handshakes_failed", self.frontend.failed_handshakes())?;
        let (waiting, let_go) = self.frontend.handshakes();
        metrics.set_item("handshakes_waiting", waiting)?;
        metrics.set_item("handshakes_let_go", let_go)?;
        let shared = self.frontend.shared();
        for (name, pool) in
            [("proxied", &shared.proxied), ("strangers", &shared.strangers), ("unanswered", &shared.unanswered)]
        {
            metrics.set_item(name, (pool.holdings.taken(), pool.holdings.refused()))?;
        }
        let methods = PyDict::new(python);
        for (label, totals) in self.frontend.methods() {
            let method = PyDict::new(python);
            method.set_item("yes", totals.yes)?;
            method.set_item("no", totals.no)?;
            method.set_item("elsewhere", totals.elsewhere)?;
            let seconds = PyDict::new(python);
            for (verdict, took) in [("yes", totals.seconds_yes), ("no", totals.seconds_no), ("", totals.seconds_others)]
            {
                seconds.set_item(verdict, took)?;
            }
            method.set_item("seconds", seconds)?;
            method.set_item("steps", totals.steps)?;
            methods.set_item(label, method)?;
        }
        metrics.set_item("methods", methods)?;
        let refused = PyDict::new(python);
        for (label, counts) in self.frontend.refused() {
            refused.set_item(label, counts)?;
        }
        metrics.set_item("refused", refused)?;
        Ok(metrics)
    }
}

/// What the frontend calls a connection from an address, and the host by which it counts strangers. Raises ValueError.
#[pyfunction]
pub fn peer_and_host(address: &str) -> PyResult<(String, String)> {
    let address: SocketAddr =
        address.parse().map_err(|_| PyValueError::new_err(format!("`{address}` is no address with a port")))?;
    Ok((peer_text(address), host_text(address)))
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
