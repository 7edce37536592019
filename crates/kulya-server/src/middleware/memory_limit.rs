//! The memory and the time of request bodies: [`BodyBudget`] counts the bytes of a body and enforces a
//! minimum rate.
//!
//! A body never waits for memory: two half-read bodies that wait for each other's memory would wait for ever.
//! A body that does not fit is rejected, and its client retries. A body that arrives too slowly is aborted:
//! its deadline is a fixed time after its start and moves with each byte received, up to a bound.

use crate::connections::InFlight;
use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use kulya_auth::fair_share::{Permit, Share};
use kulya_wire::MAX_MESSAGE_BYTES;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The minimum rate of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyRate {
    /// The time of every body.
    pub(super) time: Duration,
    /// The bytes that extend the deadline by a second.
    pub(super) bytes_per_second: u32,
    /// The upper bound; `None` is unlimited.
    pub(super) max_time: Option<Duration>,
}

impl BodyRate {
    /// The deadline of a body that has received so many bytes, counted from its start.
    fn deadline(&self, bytes: u64) -> Duration {
        let earned =
            Duration::from_millis(bytes.saturating_mul(1000) / u64::from(self.bytes_per_second.max(1)));
        let deadline = self.time.saturating_add(earned);
        self.max_time.map_or(deadline, |max_time| deadline.min(max_time))
    }
}

/// Why a body was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// There is not enough memory.
    OutOfMemory,
    /// It arrived too slowly.
    TooSlow,
}

/// The memory of one request's body. Clones are one budget.
#[derive(Clone)]
pub(super) struct BodyBudget(Arc<Inner>);

struct Inner {
    bytes: Share,
    request: Arc<InFlight>,
    rate: Option<BodyRate>,
    state: Mutex<State>,
}

struct State {
    permits: VecDeque<Permit>,
    bytes: usize,
    error: Option<BodyError>,
    /// When something of the body arrived last.
    progress: Instant,
}

impl BodyBudget {
    pub(super) fn new(bytes: Share, request: Arc<InFlight>, rate: Option<BodyRate>) -> Self {
        let state = State { permits: VecDeque::new(), bytes: 0, error: None, progress: Instant::now() };
        Self(Arc::new(Inner { bytes, request, rate, state: Mutex::new(state) }))
    }

    /// Wraps a body; it ends with an error when there is no memory for more of it or it arrives too slowly.
    pub(super) fn meter(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let started = Instant::now();
        Body::new(MeteredBody { body, budget: self.clone(), started, bytes: 0, sleep: None })
    }

    /// Returns why the body was aborted, if it was.
    pub(super) fn error(&self) -> Option<BodyError> {
        self.state().error
    }

    /// Returns when something of the body arrived last.
    pub(super) fn progress(&self) -> Instant {
        self.state().progress
    }

    fn abort(&self, error: BodyError) {
        self.state().error = Some(error);
    }

    fn try_acquire(&self, bytes: usize) -> bool {
        let permit = self.0.bytes.try_acquire(bytes);
        let mut state = self.state();
        state.progress = Instant::now();
        let Some(permit) = permit else {
            state.error = Some(BodyError::OutOfMemory);
            return false;
        };
        state.bytes += bytes;
        state.permits.push_back(permit);
        // of a call with many messages at most the largest one is in memory here
        while let Some(first) = state.permits.front().map(Permit::amount)
            && state.bytes - first >= MAX_MESSAGE_BYTES
        {
            state.bytes -= first;
            state.permits.pop_front();
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct MeteredBody {
    body: Body,
    budget: BodyBudget,
    started: Instant,
    bytes: u64,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl MeteredBody {
    /// Whether the body's deadline has passed.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let Some(rate) = self.budget.0.rate else { return false };
        let deadline = self.started + rate.deadline(self.bytes);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context).is_ready()
    }
}

impl HttpBody for MeteredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Pending => {
                self.budget.0.request.wait_for_body();
                if self.is_late(context) {
                    self.budget.abort(BodyError::TooSlow);
                    return Poll::Ready(Some(Err(error("timeout: the body arrived too slowly"))));
                }
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.budget.0.request.wait_for_server();
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.bytes += bytes as u64;
                if !self.budget.try_acquire(bytes) {
                    return Poll::Ready(Some(Err(error("out of memory for request bodies"))));
                }
            }
            Poll::Ready(_) => self.budget.0.request.wait_for_server(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for MeteredBody {
    fn drop(&mut self) {
        // a handler that drops a body does not wait for it
        self.budget.0.request.wait_for_server();
    }
}

fn error(message: &'static str) -> axum::Error {
    axum::Error::new(std::io::Error::other(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::test_support::in_flight;
    use futures::stream;
    use kulya_auth::fair_share::Pool;

    async fn read(body: Body) -> Result<usize, axum::Error> {
        axum::body::to_bytes(body, usize::MAX).await.map(|bytes| bytes.len())
    }

    fn chunks(bytes: usize, count: usize) -> Body {
        let chunk = Bytes::from(vec![0; bytes]);
        Body::from_stream(stream::iter((0..count).map(move |_| Ok::<_, axum::Error>(chunk.clone()))))
    }

    fn budget(pool: &Pool) -> BodyBudget {
        BodyBudget::new(pool.share(None), in_flight(), None)
    }

    #[tokio::test]
    async fn bytes_count_until_the_request_is_done() {
        let pool = Pool::new(100, 100);
        let one = budget(&pool);
        assert_eq!(read(one.meter(chunks(10, 6))).await.unwrap(), 60);
        assert_eq!((pool.used(), one.error()), (60, None));
        let two = budget(&pool);
        assert!(read(two.meter(chunks(10, 6))).await.is_err());
        assert_eq!(two.error(), Some(BodyError::OutOfMemory));
        drop(two);
        assert_eq!(pool.used(), 60);
        drop(one);
        assert_eq!(pool.used(), 0);
    }

    #[tokio::test]
    async fn a_streaming_call_counts_its_largest_message() {
        let pool = Pool::new(MAX_MESSAGE_BYTES * 2, 100);
        let budget = budget(&pool);
        let chunk = MAX_MESSAGE_BYTES / 4;
        assert!((0..20).all(|_| budget.try_acquire(chunk)));
        assert!(pool.used() <= MAX_MESSAGE_BYTES + chunk, "{}", pool.used());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_aborted() {
        let rate = BodyRate {
            time: Duration::from_secs(20),
            bytes_per_second: 500,
            max_time: Some(Duration::from_secs(300)),
        };
        let trickle = |bytes: usize, pause: u64| {
            let body = Body::from_stream(stream::unfold((), move |()| async move {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                Some((Ok::<_, axum::Error>(Bytes::from(vec![0; bytes])), ()))
            }));
            let budget = BodyBudget::new(Pool::new(1 << 30, 100).share(None), in_flight(), Some(rate));
            async move {
                let started = Instant::now();
                assert!(read(budget.meter(body)).await.is_err());
                (budget.error(), started.elapsed().as_secs())
            }
        };
        assert_eq!(trickle(1, 11).await, (Some(BodyError::TooSlow), 20));
        assert_eq!(trickle(500, 2).await, (Some(BodyError::TooSlow), 39), "at half of the minimum rate");
        assert_eq!(trickle(1000, 1).await, (Some(BodyError::TooSlow), 300), "at the upper bound");
    }
}
