//! `grpc.health.v1.Health/Check`, answered where it arrives: whoever probes and takes the answer stands in no queue
//! and takes of no pool, so that no flood of others makes a server look as if it did not serve.
//!
//! Law: what is said here is what `health.py` would say; what is not plain is carried there.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use http::Method;
use http::request;
use remit_core::protobuf::{Fields, Value};

pub const CHECK: &str = "/grpc.health.v1.Health/Check";

const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
const NOT_SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 2];

/// Of services by name, "" for the whole server; all have one status.
pub struct Health {
    services: HashSet<String>,
    is_serving: AtomicBool,
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
        Self { services, is_serving: AtomicBool::new(true) }
    }

    pub fn set_serving(&self, is_serving: bool) {
        self.is_serving.store(is_serving, Relaxed);
    }

    /// What to say to a `HealthCheckRequest`; `None` where it is no plain one.
    pub fn answer(&self, message: &[u8]) -> Option<ProbeAnswer> {
        let mut service = "";
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.read().ok()? {
            match (number, value) {
                (1, Value::Bytes(name)) => service = std::str::from_utf8(name).ok()?,
                _ => return None,
            }
        }
        Some(match (self.services.contains(service), self.is_serving.load(Relaxed)) {
            (false, _) => ProbeAnswer::NoSuchService,
            (true, true) => ProbeAnswer::Status(SERVING),
            (true, false) => ProbeAnswer::Status(NOT_SERVING),
        })
    }
}

/// Whether a call is a probe.
pub fn is_probe(head: &request::Parts) -> bool {
    head.method == Method::POST && head.uri.path_and_query().is_some_and(|path| path == CHECK)
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
        assert_eq!(health.answer(&named("another")), Some(ProbeAnswer::NoSuchService));
        for odd in [&[0x0a, 2, 0xff, 0xfe][..], &[0x10, 1], &[0x0a, 9, 1], &[0xff]] {
            assert_eq!(health.answer(odd), None, "{odd:?}");
        }
    }
}
