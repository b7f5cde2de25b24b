//! `grpc.health.v1.Health`, answered where it arrives: whoever probes and takes the answer stands in no queue and takes of
//! no pool, so that no flood of others makes a server look as if it did not serve. Who watches has a place among strangers.
//!
//! Law: what is said here is what `health.py` would say; what is not plain is carried there.

use std::collections::HashSet;
use std::future::{pending, poll_fn};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::Method;
use http::request;
use remit_core::protobuf::{Fields, Value};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use crate::response::{head, send};
use crate::status::Status;

pub const CHECK: &str = "/grpc.health.v1.Health/Check";
pub const WATCH: &str = "/grpc.health.v1.Health/Watch";

const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const NOT_SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 2];
const SERVICE_UNKNOWN: &[u8] = &[0, 0, 0, 0, 2, 8, 3];

/// Of services by name, "" for the whole server; all have one status.
pub struct Health {
    services: HashSet<String>,
    state: watch::Sender<State>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum State {
    Serving,
    NotServing,
    /// Whoever watches is let go.
    Over,
}

/// What a probe is told.
#[derive(Debug, PartialEq, Eq)]
pub enum ProbeAnswer {
    /// A framed message.
    Status(&'static [u8]),
    NoSuchService,
}

impl Health {
    pub fn new(services: HashSet<String>) -> Self {
        Self { services, state: watch::Sender::new(State::Serving) }
    }

    /// Nothing, once it is over.
    pub fn set_serving(&self, is_serving: bool) {
        let state = if is_serving { State::Serving } else { State::NotServing };
        self.change(state);
    }

    /// Let go of all who watch.
    pub fn end(&self) {
        self.change(State::Over);
    }

    fn change(&self, state: State) {
        self.state.send_if_modified(|before| {
            let is_new = *before != State::Over && *before != state;
            if is_new {
                *before = state;
            }
            is_new
        });
    }

    /// What to say to a `HealthCheckRequest`; `None` where it is no plain one.
    pub fn answer(&self, message: &[u8]) -> Option<ProbeAnswer> {
        let is_known = self.knows(message)?;
        Some(match (is_known, *self.state.borrow()) {
            (false, _) => ProbeAnswer::NoSuchService,
            (true, State::Serving) => ProbeAnswer::Status(SERVING),
            (true, State::NotServing | State::Over) => ProbeAnswer::Status(NOT_SERVING),
        })
    }

    /// Tell who watches what is asked for, now and whenever it changes, until the caller has gone, takes nothing for too
    /// long, or is let go. `is_known`: see `knows`.
    pub async fn watch(&self, is_known: bool, mut respond: SendResponse<Bytes>, terms: WatchTerms<'_>) {
        let mut state = self.state.subscribe();
        let Ok(mut body) = respond.send_response(head(), false) else {
            return respond.send_reset(Reason::CANCEL);
        };
        let mut told: &[u8] = &[];
        loop {
            let status = match (*state.borrow_and_update(), is_known) {
                (State::Over, _) => return terms.over.end(&mut body),
                (_, false) => SERVICE_UNKNOWN,
                (State::Serving, true) => SERVING,
                (State::NotServing, true) => NOT_SERVING,
            };
            if status != told {
                match timeout(terms.taken_within, send(&mut body, Bytes::from_static(status), false)).await {
                    Ok(Ok(())) => told = status,
                    Ok(Err(_)) => return,
                    Err(_) => return body.send_reset(Reason::CANCEL),
                }
            }
            tokio::select! {
                biased;
                () = gone(&mut body) => return,
                changed = state.changed() => if changed.is_err() { return },
                () = passed(terms.deadline) => return Status::too_late().end(&mut body),
            }
        }
    }

    /// Whether it is a service of ours that a `HealthCheckRequest` asks for; `None` where that is no plain one.
    pub fn knows(&self, message: &[u8]) -> Option<bool> {
        let mut service = "";
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.read().ok()? {
            match (number, value) {
                (1, Value::Bytes(name)) => service = std::str::from_utf8(name).ok()?,
                _ => return None,
            }
        }
        Some(self.services.contains(service))
    }
}

/// How long who watches may take to take what it is told, until when it wants to, and what it is told where it is let go.
pub struct WatchTerms<'a> {
    pub taken_within: Duration,
    pub deadline: Option<Instant>,
    pub over: &'a Status,
}

async fn gone(body: &mut SendStream<Bytes>) {
    // Reset, or lost with its connection.
    drop(poll_fn(|context| body.poll_reset(context)).await);
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => pending().await,
    }
}

/// A method of this service.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum HealthMethod {
    Check,
    Watch,
}

/// Which of them a call asks for, where it does.
pub fn health_method(head: &request::Parts) -> Option<HealthMethod> {
    if head.method != Method::POST {
        return None;
    }
    match head.uri.path_and_query()?.as_str() {
        CHECK => Some(HealthMethod::Check),
        WATCH => Some(HealthMethod::Watch),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_the_status_of_the_server_and_no_other_has_any() {
        let health = Health::new(["", "remit.v1.Permissions"].map(str::to_owned).into());
        let named = |name: &str| [&[0x0a, name.len() as u8], name.as_bytes()].concat();
        for service in [b"".to_vec(), named(""), named("remit.v1.Permissions"), [named("x"), named("")].concat()] {
            assert_eq!(health.answer(&service), Some(ProbeAnswer::Status(SERVING)), "{service:?}");
        }
        health.set_serving(false);
        assert_eq!(health.answer(b""), Some(ProbeAnswer::Status(NOT_SERVING)));
        assert_eq!((health.knows(b""), health.knows(&named("another"))), (Some(true), Some(false)));
        assert_eq!(health.answer(&named("another")), Some(ProbeAnswer::NoSuchService));
        for odd in [&[0x0a, 2, 0xff, 0xfe][..], &[0x10, 1], &[0x0a, 9, 1], &[0xff]] {
            assert_eq!(health.answer(odd), None, "{odd:?}");
        }
    }
}
