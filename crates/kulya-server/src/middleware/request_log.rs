//! The logs of one request: its id, which all of its log lines carry, and its line in the access log.

use super::metered_response::Completion;
use super::protocol::grpc_status;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use kulya_auth::access_log::{AccessEntry, AccessLog};
use kulya_auth::truncate;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is accepted from a client, in bytes.
const MAX_ID_BYTES: usize = 128;
/// Longest path and method in a log line, in bytes.
const MAX_FIELD_BYTES: usize = 256;
/// Lines of one kind per second.
const MAX_LINES_PER_SECOND: u64 = 10;

/// Generates request ids that are unique across restarts: the start time and a number.
#[derive(Debug)]
pub(super) struct RequestIds {
    started: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new(since_epoch: Duration) -> Self {
        let started = since_epoch.as_micros() as u64;
        Self { started, next: AtomicU64::new(0) }
    }

    /// Returns the id in the request's headers if it is valid, otherwise a new one.
    fn id(&self, headers: &HeaderMap) -> HeaderValue {
        let given = headers.get(REQUEST_ID).filter(|id| is_valid_id(id.as_bytes()));
        given.cloned().unwrap_or_else(|| {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            HeaderValue::try_from(format!("{:x}-{next:x}", self.started))
                .unwrap_or_else(|_| HeaderValue::from_static("-"))
        })
    }
}

fn is_valid_id(id: &[u8]) -> bool {
    let is_valid = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.iter().all(is_valid)
}

/// Limits the lines of one kind per second and counts the suppressed ones.
#[derive(Debug, Default)]
pub(super) struct LogRateLimit(Mutex<(u64, u64)>);

impl LogRateLimit {
    /// Returns `None` when the line is to be suppressed, otherwise the number of lines suppressed in the last
    /// second.
    pub(super) fn try_acquire(&self, second: u64) -> Option<u64> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let suppressed = if counted.0 == second {
            0
        } else {
            let before = std::mem::replace(&mut *counted, (second, 0)).1;
            before.saturating_sub(MAX_LINES_PER_SECOND)
        };
        counted.1 += 1;
        (counted.1 <= MAX_LINES_PER_SECOND).then_some(suppressed)
    }
}

/// What is logged of one request.
pub(super) struct RequestLog {
    pub(super) id: HeaderValue,
    pub(super) span: tracing::Span,
    started: Instant,
    address: Option<SocketAddr>,
    protocol: &'static str,
    access_log: Option<Arc<AccessLog>>,
    /// Empty without an access log, like the path.
    method: String,
    path: String,
    pub(super) caller: Option<String>,
    status: u16,
    grpc_status: Option<i32>,
}

impl RequestLog {
    pub(super) fn new(
        ids: &RequestIds,
        access_log: Option<Arc<AccessLog>>,
        request: &Request<Body>,
        address: Option<SocketAddr>,
    ) -> Self {
        let id = ids.id(request.headers());
        let (method, path) = (request.method().as_str(), request.uri().path());
        let span = tracing::error_span!(
            "request",
            id = id.to_str().unwrap_or_default(),
            method = &*truncate(method, MAX_FIELD_BYTES),
            path = &*truncate(path, MAX_FIELD_BYTES),
        );
        let (method, path) = match &access_log {
            Some(_) => (truncate(method, MAX_FIELD_BYTES).into_owned(), path.to_owned()),
            None => Default::default(),
        };
        let protocol = match request.version() {
            axum::http::Version::HTTP_2 => "HTTP/2",
            axum::http::Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        };
        let started = Instant::now();
        let (caller, status, grpc_status) = (None, 0, None);
        Self { id, span, started, address, protocol, access_log, method, path, caller, status, grpc_status }
    }

    /// Records the response's status and adds the request id to its headers.
    pub(super) fn set_response(&mut self, response: &mut Response<Body>) {
        self.status = response.status().as_u16();
        self.grpc_status = grpc_status(response.headers());
        response.headers_mut().insert(REQUEST_ID, self.id.clone());
    }

    /// Writes the access log's line: the response is complete, or its client has disconnected.
    pub(super) fn complete(self, completion: Completion) {
        let Some(log) = &self.access_log else { return };
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        log.write(&AccessEntry {
            request_id: self.id.to_str().unwrap_or_default(),
            address: self.address,
            caller: self.caller.as_deref(),
            protocol: self.protocol,
            method: &self.method,
            path: &self.path,
            status: self.status,
            grpc_status: completion.grpc_status.or(self.grpc_status),
            bytes: completion.bytes,
            milliseconds,
            complete: completion.is_complete,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_id_is_accepted_and_another_one_replaced() {
        let ids = RequestIds::new(Duration::from_micros(0xabc));
        let id = |given: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(given).unwrap());
            ids.id(&headers).to_str().unwrap().to_owned()
        };
        assert_eq!(id(b"3f2a.b-1_x"), "3f2a.b-1_x");
        for (number, bad) in [&b""[..], b"a b", b"a\"b", b"\xff", &[b'a'; 129]].into_iter().enumerate() {
            assert_eq!(id(bad), format!("abc-{number:x}"));
        }
        assert_eq!(ids.id(&HeaderMap::new()), "abc-5");
    }

    #[test]
    fn lines_are_limited_and_counted() {
        let limit = LogRateLimit::default();
        let lines: Vec<_> = (0..100).map(|_| limit.try_acquire(7)).collect();
        assert_eq!(lines.iter().flatten().count(), 10);
        assert_eq!((limit.try_acquire(8), limit.try_acquire(9)), (Some(90), Some(0)));
    }
}
