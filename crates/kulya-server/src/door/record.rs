//! What is said of one request in the logs: its id, which every line about it has, the access log's line, and a warning
//! where it was slow.

use super::answer::Written;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use kulya_auth::access_log::{Access, AccessLog};
use kulya_auth::bounded;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids are not taken.
const MAX_ID_BYTES: usize = 128;
/// Of a path and a method no more goes into a log line.
const FIELD_BYTES: usize = 256;
/// Lines of one kind in a second.
const LINES_A_SECOND: u64 = 10;

/// Makes ids that no other process has made: when it began, and a number.
#[derive(Debug)]
pub(super) struct Ids {
    begun: u64,
    next: AtomicU64,
}

impl Ids {
    pub(super) fn new(since_epoch: Duration) -> Self {
        let begun = since_epoch.as_micros() as u64;
        Self { begun, next: AtomicU64::new(0) }
    }

    /// The id that the request brings, if it is one, else a new one.
    fn of(&self, headers: &HeaderMap) -> HeaderValue {
        let given = headers.get(REQUEST_ID).filter(|id| is_sane(id.as_bytes()));
        given.cloned().unwrap_or_else(|| {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            HeaderValue::try_from(format!("{:x}-{next:x}", self.begun))
                .unwrap_or_else(|_| HeaderValue::from_static("-"))
        })
    }
}

fn is_sane(id: &[u8]) -> bool {
    let is_sane = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.iter().all(is_sane)
}

/// Lets so many lines of one kind through in a second, and says how many it has kept back.
#[derive(Debug, Default)]
pub(super) struct LineLimit(Mutex<(u64, u64)>);

impl LineLimit {
    /// Whether there may be a line now; if so, how many there were none for.
    pub(super) fn line(&self, second: u64) -> Option<u64> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept_back = if counted.0 == second {
            0
        } else {
            let before = std::mem::replace(&mut *counted, (second, 0)).1;
            before.saturating_sub(LINES_A_SECOND)
        };
        counted.1 += 1;
        (counted.1 <= LINES_A_SECOND).then_some(kept_back)
    }
}

/// One request.
pub(super) struct Record {
    pub(super) id: HeaderValue,
    pub(super) span: tracing::Span,
    begun: Instant,
    address: Option<SocketAddr>,
    protocol: &'static str,
    access: Option<Arc<AccessLog>>,
    /// For the access log alone.
    method: String,
    path: String,
    pub(super) caller: Option<String>,
    pub(super) status: u16,
    pub(super) grpc_status: Option<i32>,
}

impl Record {
    pub(super) fn new(
        ids: &Ids,
        access: Option<Arc<AccessLog>>,
        request: &Request<Body>,
        address: Option<SocketAddr>,
    ) -> Self {
        let id = ids.of(request.headers());
        let (method, path) = (request.method().as_str(), request.uri().path());
        let span = tracing::error_span!(
            "request",
            id = id.to_str().unwrap_or_default(),
            method = &*bounded(method, FIELD_BYTES),
            path = &*bounded(path, FIELD_BYTES),
        );
        let (method, path) = match &access {
            Some(_) => (bounded(method, FIELD_BYTES).into_owned(), path.to_owned()),
            None => Default::default(),
        };
        let protocol = match request.version() {
            axum::http::Version::HTTP_2 => "HTTP/2",
            axum::http::Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        };
        let begun = Instant::now();
        let (caller, status, grpc_status) = (None, 0, None);
        Self { id, span, begun, address, protocol, access, method, path, caller, status, grpc_status }
    }

    /// The answer is known.
    pub(super) fn answered(&mut self, response: &mut Response<Body>) {
        self.status = response.status().as_u16();
        self.grpc_status = grpc_status(response.headers());
        response.headers_mut().insert(REQUEST_ID, self.id.clone());
    }

    /// The last byte of the answer is written, or nobody takes it any more.
    pub(super) fn end(self, written: Written) {
        let Some(log) = &self.access else { return };
        let milliseconds = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        log.write(&Access {
            request_id: self.id.to_str().unwrap_or_default(),
            address: self.address,
            caller: self.caller.as_deref(),
            protocol: self.protocol,
            method: &self.method,
            path: &self.path,
            status: self.status,
            grpc_status: written.grpc_status.or(self.grpc_status),
            bytes: written.bytes,
            milliseconds,
            complete: written.is_whole,
        });
    }
}

/// gRPC's status among headers or trailers.
pub(super) fn grpc_status(headers: &HeaderMap) -> Option<i32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// An error and its causes, as a log line has them.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let what = error.to_string();
        if !text.contains(&what) {
            text = format!("{text}: {what}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_taken_and_another_one_is_not() {
        let ids = Ids::new(Duration::from_micros(0xabc));
        let of = |given: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_bytes(given).unwrap());
            ids.of(&headers).to_str().unwrap().to_owned()
        };
        assert_eq!(of(b"3f2a.b-1_x"), "3f2a.b-1_x");
        for (number, bad) in [&b""[..], b"a b", b"a\"b", b"\xff", &[b'a'; 129]].into_iter().enumerate() {
            assert_eq!(of(bad), format!("abc-{number:x}"));
        }
        assert_eq!(ids.of(&HeaderMap::new()), "abc-5");
    }

    #[test]
    fn lines_are_limited_and_counted() {
        let limit = LineLimit::default();
        let lines: Vec<_> = (0..100).map(|_| limit.line(7)).collect();
        assert_eq!(lines.iter().flatten().count(), 10);
        assert_eq!((limit.line(8), limit.line(9)), (Some(90), Some(0)));
    }

    #[test]
    fn causes_are_told_once() {
        let cause = std::io::Error::other("the disk is gone");
        let error = kulya_store::Error::new(kulya_store::ErrorKind::Failed, "cannot append").because(cause);
        assert_eq!(with_causes(&error), "cannot append: the disk is gone");
    }
}
