//! The memory of responses: bytes of a response count until they are written to the connection, not only
//! until they are handed to it.

use super::protocol::grpc_status;
use crate::connections::InFlight;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::Response;
use http_body::{Frame, SizeHint};
use kulya_auth::fair_share::{Permit, Share};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

/// What a request holds until its response is written or its client has disconnected.
pub(super) struct RequestGuard {
    request: Arc<InFlight>,
    /// The permit among the requests at a time.
    _permit: Option<Permit>,
    on_complete: Option<OnComplete>,
    written: AtomicU64,
    is_complete: AtomicBool,
    grpc_status: OnceLock<i32>,
}

/// Called when a response is complete or aborted.
type OnComplete = Box<dyn FnOnce(Completion) + Send + Sync>;

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Completion {
    /// The bytes of its body that were handed to the connection.
    pub(super) bytes: u64,
    /// Whether that was the whole body.
    pub(super) is_complete: bool,
    /// The gRPC status in the trailers.
    pub(super) grpc_status: Option<i32>,
}

impl RequestGuard {
    pub(super) fn new(
        request: Arc<InFlight>,
        permit: Option<Permit>,
        on_complete: Option<OnComplete>,
    ) -> Self {
        let (written, is_complete) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { request, _permit: permit, on_complete, written, is_complete, grpc_status: OnceLock::new() }
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        if let Some(on_complete) = self.on_complete.take() {
            let (bytes, is_complete) = (*self.written.get_mut(), *self.is_complete.get_mut());
            on_complete(Completion { bytes, is_complete, grpc_status: self.grpc_status.get().copied() });
        }
    }
}

/// Meters a response, which releases its memory as it is written. The error returns the guard: there is not
/// enough memory.
pub(super) fn meter_response(
    response: Response<Body>,
    bytes: &Share,
    guard: RequestGuard,
) -> Result<Response<Body>, RequestGuard> {
    let exact = response.body().size_hint().exact();
    let length = exact.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let Some(permit) = bytes.try_acquire(length) else { return Err(guard) };
    Ok(metered(response, bytes, guard, (length > 0).then_some(permit)))
}

/// Meters a short error response, which needs no permit.
pub(super) fn meter_error(response: Response<Body>, bytes: &Share, guard: RequestGuard) -> Response<Body> {
    metered(response, bytes, guard, None)
}

fn metered(
    response: Response<Body>,
    bytes: &Share,
    guard: RequestGuard,
    permit: Option<Permit>,
) -> Response<Body> {
    guard.request.wait_for_client();
    response.map(|body| {
        guard.is_complete.store(body.is_end_stream(), Ordering::Release);
        Body::new(MeteredResponse { body, bytes: bytes.clone(), guard: Arc::new(guard), permit })
    })
}

/// The body of a response.
struct MeteredResponse {
    body: Body,
    bytes: Share,
    guard: Arc<RequestGuard>,
    /// For the rest of a body of known length.
    permit: Option<Permit>,
}

impl MeteredResponse {
    fn hand_over(&mut self, bytes: Bytes) -> Bytes {
        let length = bytes.len();
        let permit = match &mut self.permit {
            Some(_) if self.body.is_end_stream() => self.permit.take(),
            _ => None,
        };
        let permit = permit.unwrap_or_else(|| {
            if let Some(rest) = &mut self.permit {
                rest.shrink_to(rest.amount().saturating_sub(length));
            }
            // the bytes are in memory already and count against later requests
            self.bytes.force_acquire(length)
        });
        self.guard.written.fetch_add(length as u64, Ordering::AcqRel);
        self.guard.request.hand_over(length);
        Bytes::from_owner(UnwrittenBytes { bytes, _permit: permit, guard: Arc::clone(&self.guard) })
    }
}

/// Bytes that were handed to the connection and are not written yet.
struct UnwrittenBytes {
    bytes: Bytes,
    _permit: Permit,
    guard: Arc<RequestGuard>,
}

impl AsRef<[u8]> for UnwrittenBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for UnwrittenBytes {
    fn drop(&mut self) {
        self.guard.request.bytes_written(self.bytes.len());
    }
}

impl HttpBody for MeteredResponse {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let is_complete = matches!(polled, Poll::Ready(None)) || self.body.is_end_stream();
        if is_complete {
            self.guard.is_complete.store(true, Ordering::Release);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.guard.request.wait_for_client();
                if let Some(status) = frame.trailers_ref().and_then(grpc_status) {
                    let _ = self.guard.grpc_status.set(status);
                }
                Poll::Ready(Some(Ok(frame.map_data(|bytes| self.hand_over(bytes)))))
            }
            Poll::Pending => {
                self.guard.request.wait_for_server();
                Poll::Pending
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::test_support::in_flight;
    use futures::{FutureExt, stream};
    use kulya_auth::fair_share::Pool;
    use std::sync::Mutex;

    fn next(body: &mut Body) -> Option<Bytes> {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        frame.now_or_never().flatten().map(|frame| frame.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn bytes_count_until_they_are_written() {
        let (pool, requests) = (Pool::new(100, 100), Pool::new(3, 100));
        let (bytes, request_share) = (pool.share(None), requests.share(None));
        let completed = Arc::new(Mutex::new(None));
        let guard = || {
            let completed = Arc::clone(&completed);
            let on_complete = move |completion| *completed.lock().unwrap() = Some(completion);
            RequestGuard::new(in_flight(), request_share.try_acquire(1), Some(Box::new(on_complete)))
        };
        let whole = |bytes: usize| Response::new(Body::from(vec![0; bytes]));
        let mut first = meter_response(whole(40), &bytes, guard()).ok().unwrap().into_body();
        assert_eq!((pool.used(), requests.used(), first.size_hint().exact()), (40, 1, Some(40)));
        // hyper drops a body whose bytes it still holds: they are in memory
        let chunk = next(&mut first).unwrap();
        drop(first);
        assert_eq!((pool.used(), requests.used()), (40, 1), "not written yet");
        let tail = chunk.slice(30..);
        drop(chunk);
        assert_eq!(pool.used(), 40, "a part is not written");
        drop(tail);
        assert_eq!((pool.used(), requests.used()), (0, 0));
        assert_eq!(
            completed.lock().unwrap().take(),
            Some(Completion { bytes: 40, is_complete: true, grpc_status: None })
        );
        let other = bytes.try_acquire(61).unwrap();
        assert!(meter_response(whole(40), &bytes, guard()).is_err(), "not enough memory");
        drop(other);
        assert_eq!(requests.used(), 0);
    }

    #[tokio::test]
    async fn a_streamed_body_counts_unwritten_bytes_only() {
        let (pool, requests) = (Pool::new(100, 100), Pool::new(3, 100));
        let chunks = stream::iter((0..3).map(|_| Ok::<_, axum::Error>(Bytes::from(vec![0; 50]))));
        let response = Response::new(Body::from_stream(chunks));
        let guard = RequestGuard::new(in_flight(), requests.share(None).try_acquire(1), None);
        let mut body = meter_response(response, &pool.share(None), guard).ok().unwrap().into_body();
        assert_eq!(pool.used(), 0);
        let one = next(&mut body).unwrap();
        let two = next(&mut body).unwrap();
        assert_eq!(pool.used(), 100);
        drop(one);
        assert_eq!(pool.used(), 50);
        let three = next(&mut body).unwrap();
        assert!(next(&mut body).is_none());
        drop((two, three, body));
        assert_eq!((pool.used(), requests.used()), (0, 0));
    }
}
