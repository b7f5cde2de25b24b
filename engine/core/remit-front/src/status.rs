//! What the frontend itself refuses, in words that Python gave it: too much at once, and no server behind it.
//!
//! Law: every request ends in an answer or in a gRPC status; whoever asked never guesses from an HTTP error.

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::{HeaderMap, HeaderValue, Response};

/// The content type of every answer.
pub const GRPC: &str = "application/grpc";

/// A gRPC status, ready to be sent. `details` are those of `grpc-status-details-bin`, in base64.
#[derive(Debug, Clone)]
pub struct Status {
    pub code: u16,
    pub message: String,
    pub details: String,
    /// Under which the log of the server tells more; empty where it does not.
    pub request_id: String,
}

impl Status {
    /// A status without details, which carries no more than a code.
    fn bare(code: u16, message: &str) -> Self {
        Self { code, message: message.to_owned(), details: String::new(), request_id: String::new() }
    }

    /// A defect of ours.
    pub fn failed() -> Self {
        Self::bare(13, "the server failed on this request")
    }

    /// What was asked about is not there.
    pub fn not_found() -> Self {
        Self::bare(5, "")
    }

    /// What its caller waited for no longer.
    pub fn too_late() -> Self {
        Self::bare(4, "")
    }

    /// What a stream means that ended before it began to answer: the table of gRPC over HTTP/2.
    pub fn of_reset(reason: Option<Reason>, unavailable: &Self) -> Self {
        match reason {
            Some(Reason::CANCEL) => Self::bare(1, "the call was cancelled"),
            Some(Reason::ENHANCE_YOUR_CALM) => Self::bare(8, "the server was asked too much at once"),
            Some(Reason::INADEQUATE_SECURITY) => Self::bare(7, "the connection is not secure enough"),
            Some(Reason::REFUSED_STREAM) | None => unavailable.clone(),
            Some(_) => Self::bare(13, "the server ended the call without an answer"),
        }
    }

    /// End a call with this. Whoever made it may have gone meanwhile; then nobody needs to know.
    pub fn send(&self, respond: &mut SendResponse<Bytes>) {
        let mut response = Response::new(());
        *response.headers_mut() = self.headers();
        if respond.send_response(response, true).is_err() {
            respond.send_reset(Reason::CANCEL);
        }
    }

    /// End a call with this whose answer has begun.
    pub fn end(&self, body: &mut SendStream<Bytes>) {
        let mut trailers = self.headers();
        trailers.remove(http::header::CONTENT_TYPE);
        if body.send_trailers(trailers).is_err() {
            body.send_reset(Reason::CANCEL);
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(5);
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(GRPC));
        headers.insert("grpc-status", HeaderValue::from(self.code));
        if let Ok(message) = HeaderValue::from_str(&percent_encoded(&self.message)) {
            headers.insert("grpc-message", message);
        }
        if let (false, Ok(details)) = (self.details.is_empty(), HeaderValue::from_str(&self.details)) {
            headers.insert("grpc-status-details-bin", details);
        }
        if let (false, Ok(request_id)) = (self.request_id.is_empty(), HeaderValue::from_str(&self.request_id)) {
            headers.insert("x-request-id", request_id);
        }
        headers
    }
}

/// As gRPC wants messages: printable ASCII as it is, all other bytes and `%` in percent signs. By hand, for it is a loop of
/// six lines, and no crate knows that set.
fn percent_encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_travel_as_printable_ascii() {
        assert_eq!(percent_encoded("100 % `ü`\n"), "100 %25 `%C3%BC`%0A");
        let status = Status { details: "AAAA".to_owned(), ..Status::bare(8, "wait a little") };
        let headers = status.headers();
        assert_eq!(
            (&headers["grpc-status"], &headers["grpc-message"]),
            (&HeaderValue::from(8), &HeaderValue::from_static("wait a little"))
        );
        assert_eq!(headers["grpc-status-details-bin"], "AAAA");
    }

    #[test]
    fn a_stream_that_was_never_taken_may_be_tried_again() {
        let unavailable = Status::bare(14, "not now");
        for (reason, code) in [
            (None, 14),
            (Some(Reason::REFUSED_STREAM), 14),
            (Some(Reason::CANCEL), 1),
            (Some(Reason::ENHANCE_YOUR_CALM), 8),
            (Some(Reason::PROTOCOL_ERROR), 13),
        ] {
            assert_eq!(Status::of_reset(reason, &unavailable).code, code, "{reason:?}");
        }
    }
}
