//! The door as Python holds it: `remit._core.Door`.
//!
//! Law: nothing here is called by the door's own threads; they never take the GIL. What may wait lets go of it.

use std::collections::{HashMap, HashSet};
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::callers::{Caller, Callers};
use super::native::{Limits, Oracle};
use super::numbers::Bounds;
use super::refusals::Refusal;
use super::server::{Door, Patience, Plan, Refusals};
use super::tls::{Pem, acceptor};
use crate::clock::PyClock;
use crate::python::NativeCore;

/// A secret's SHA-256, whether its key may check, the stores it sees (None: all), when it ceases to count.
type KeyRow = ([u8; 32], bool, Option<HashSet<String>>, Option<i64>);
/// The PEM of a chain, its key, and the authorities of clients.
type PemParts = (Vec<u8>, Vec<u8>, Option<Vec<u8>>);
/// A gRPC code, a message, and details in base64.
type RefusalParts = (u16, String, String);

/// See `server/front_door.py`.
#[pyclass(name = "Door", frozen, module = "remit._core")]
pub struct PyDoor {
    door: Door,
}

#[pymethods]
impl PyDoor {
    /// Serve on a listening socket, which is the door's from now on, and carry to `upstream` what is not answered here.
    /// `core` None: everything. `keys` None: there are none, and everyone may ask. Times are in seconds.
    #[new]
    #[pyo3(signature = (
        core, clock, *, listener, upstream, threads, keys, pem, overloaded, unavailable, seconds_bounds, steps_bounds,
        steps_max, items_max, request_bytes_max, response_bytes_max, calls_per_connection_max, proxied_max,
        unsent_bytes_max, handshake_s, idle_s, ping_every_s, pong_within_s
    ))]
    #[expect(clippy::too_many_arguments, reason = "all are named where it is called")]
    fn new(
        core: Option<&Bound<'_, NativeCore>>,
        clock: &Bound<'_, PyClock>,
        listener: i32,
        upstream: PathBuf,
        threads: usize,
        keys: Option<Vec<KeyRow>>,
        pem: Option<PemParts>,
        overloaded: RefusalParts,
        unavailable: RefusalParts,
        seconds_bounds: Vec<f64>,
        steps_bounds: Vec<u64>,
        steps_max: u64,
        items_max: usize,
        request_bytes_max: usize,
        response_bytes_max: usize,
        calls_per_connection_max: u32,
        proxied_max: u64,
        unsent_bytes_max: u64,
        handshake_s: f64,
        idle_s: f64,
        ping_every_s: f64,
        pong_within_s: f64,
    ) -> PyResult<Self> {
        // SAFETY: Python has detached this descriptor from its socket and hands it over, so nobody else closes it.
        let listener = TcpListener::from(unsafe { OwnedFd::from_raw_fd(listener) });
        let limits = Limits { steps_max, items_max, request_bytes_max, response_bytes_max };
        let callers = parking_lot::RwLock::new(Arc::new(callers(keys)));
        let clock = Arc::clone(&clock.get().clock);
        let oracle = core.map(|core| Oracle { decider: core.get().core.clone(), clock, callers, limits });
        let plan = Plan {
            oracle,
            upstream,
            threads,
            bounds: Bounds { seconds: seconds_bounds, steps: steps_bounds },
            patience: Patience {
                handshake: seconds(handshake_s)?,
                idle: seconds(idle_s)?,
                ping_every: seconds(ping_every_s)?,
                pong_within: seconds(pong_within_s)?,
            },
            refusals: Refusals { overloaded: refusal(overloaded), unavailable: refusal(unavailable) },
            calls_per_connection_max,
            proxied_max,
            unsent_bytes_max,
        };
        let tls = pem.as_ref().map(accepting).transpose()?;
        let door = Door::open(plan, listener, tls).map_err(|error| PyOSError::new_err(error.to_string()))?;
        Ok(Self { door })
    }

    /// From now on these keys count, and no others; None: there are none, and everyone may ask.
    fn set_keys(&self, keys: Option<Vec<KeyRow>>) {
        if let Some(oracle) = &self.door.shared().oracle {
            *oracle.callers.write() = Arc::new(callers(keys));
        }
    }

    /// New connections get this certificate. Raises ValueError, and then they get the one of before.
    fn set_pem(&self, pem: PemParts) -> PyResult<()> {
        *self.door.shared().tls.write() = Some(accepting(&pem)?);
        Ok(())
    }

    /// Whether hot methods are answered here.
    fn set_native(&self, is_native: bool) {
        self.door.set_native(is_native);
    }

    /// Let nobody new in, and tell everyone to take further calls elsewhere.
    fn drain(&self) {
        self.door.drain();
    }

    /// Drain, wait for what is under way, and end. Whether everything ended by itself.
    fn close(&self, python: Python<'_>, within_s: f64) -> PyResult<bool> {
        let within = seconds(within_s)?;
        Ok(python.detach(|| self.door.close(within)))
    }

    /// What was counted: `connections`, `accepted`, `handshakes_failed`, `proxied`, `proxied_refused`, and `methods`, by
    /// verb: `yes`, `no`, `elsewhere`, `seconds` and `steps` as (buckets, sum), the first in nanoseconds.
    fn numbers<'py>(&self, python: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let numbers = PyDict::new(python);
        numbers.set_item("connections", self.door.connections())?;
        numbers.set_item("accepted", self.door.accepted())?;
        numbers.set_item("handshakes_failed", self.door.failed_handshakes())?;
        numbers.set_item("proxied", self.door.shared().proxied.taken())?;
        numbers.set_item("proxied_refused", self.door.shared().proxied.refused())?;
        let methods = PyDict::new(python);
        for (verb, sums) in self.door.sums() {
            let method = PyDict::new(python);
            method.set_item("yes", sums.yes)?;
            method.set_item("no", sums.no)?;
            method.set_item("elsewhere", sums.elsewhere)?;
            method.set_item("seconds", sums.seconds)?;
            method.set_item("steps", sums.steps)?;
            methods.set_item(verb, method)?;
        }
        numbers.set_item("methods", methods)?;
        Ok(numbers)
    }
}

fn callers(keys: Option<Vec<KeyRow>>) -> Callers {
    match keys {
        None => Callers::Everyone,
        Some(rows) => Callers::Keyed(HashMap::from_iter(
            rows.into_iter()
                .map(|(digest, may_check, stores, until_us)| (digest, Caller { may_check, stores, until_us })),
        )),
    }
}

fn accepting((chain, private_key, client_authorities): &PemParts) -> PyResult<tokio_rustls::TlsAcceptor> {
    let pem = Pem { chain, private_key, client_authorities: client_authorities.as_deref() };
    acceptor(&pem).map_err(PyValueError::new_err)
}

fn refusal((code, message, details): RefusalParts) -> Refusal {
    Refusal { code, message, details }
}

fn seconds(seconds: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| PyValueError::new_err(format!("`{seconds}` seconds: {error}")))
}
