//! What the headers of a request say, as far as it matters before its message is read.
//!
//! Law: a request whose headers are not plain is carried to grpcio, which says what is wrong with them.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};

/// What the headers of a plain request say.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct RequestMeta {
    pub authorization: Option<HeaderValue>,
    pub deadline: Option<Instant>,
    /// On behalf of a run: which is for Python to look at.
    pub of_run: bool,
}

impl RequestMeta {
    /// `None` for a request that is not plain: no gRPC, compressed, of two keys. Other metadata changes no answer.
    pub fn read(headers: &HeaderMap, began: Instant) -> Option<Self> {
        let mut meta = Self { authorization: None, deadline: None, of_run: false };
        let mut is_grpc = false;
        for (name, value) in headers {
            match name.as_str() {
                "content-type" => is_grpc = matches!(value.as_bytes(), b"application/grpc" | b"application/grpc+proto"),
                "grpc-encoding" if value != "identity" => return None,
                "x-remit-run" => meta.of_run = true,
                "authorization" if meta.authorization.replace(value.clone()).is_some() => return None,
                "grpc-timeout" => meta.deadline = Some(began + timeout(value.as_bytes())?),
                _ => {}
            }
        }
        is_grpc.then_some(meta)
    }
}

/// What `grpc-timeout` says: up to eight digits and a unit.
fn timeout(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0, |count, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3_600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: RequestMeta = RequestMeta { authorization: None, deadline: None, of_run: false };

    #[test]
    fn only_plain_headers_are() {
        let plain = |extra: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static("application/grpc"));
            for (name, value) in extra {
                headers.append(*name, HeaderValue::from_static(value));
            }
            RequestMeta::read(&headers, Instant::now())
        };
        assert_eq!(plain(&[("te", "trailers"), ("traceparent", "00-1"), ("grpc-encoding", "identity")]), Some(EMPTY));
        assert_eq!(plain(&[("authorization", "Bearer x")]).unwrap().authorization.unwrap(), "Bearer x");
        assert!(plain(&[("x-remit-run", "r-1")]).unwrap().of_run);
        assert!(plain(&[("grpc-timeout", "5S")]).unwrap().deadline.is_some());
        for extra in [
            &[("grpc-encoding", "gzip")][..],
            &[("authorization", "a"), ("authorization", "b")],
            &[("grpc-timeout", "5")],
            &[("grpc-timeout", "123456789S")],
            &[("grpc-timeout", "S")],
            &[("grpc-timeout", "-1S")],
        ] {
            assert_eq!(plain(extra), None, "{extra:?}");
        }
        assert_eq!(RequestMeta::read(&HeaderMap::new(), Instant::now()), None);
    }

    #[test]
    fn a_timeout_is_read_in_every_unit() {
        let read = |text: &str| timeout(text.as_bytes());
        assert_eq!(read("2H"), Some(Duration::from_secs(7_200)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
    }
}
