//! The bytes of a request's body on their way in, [`Load`]: how many there may be, and how long they may take.
//!
//! Nobody waits for room. Two bodies that are half read and wait for each other's other half would wait for ever; so what
//! does not fit is refused, and its client comes back. A body that trickles is cut: it has a time from its beginning, which
//! grows with every byte that comes, up to a bound.

use crate::connections::InFlight;
use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use kulya_auth::fair_share::{Permit, Share};
use kulya_wire::MAX_MESSAGE_BYTES;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How fast a body must come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// The time that every body has.
    pub(super) time: Duration,
    /// So many bytes are worth a second more.
    pub(super) bytes_per_second: u32,
    /// No body has more time than this; `None` is no bound.
    pub(super) most: Option<Duration>,
}

impl Pace {
    /// When a body of which so many bytes have come must be at its end, counted from its beginning.
    fn deadline(&self, bytes: u64) -> Duration {
        let earned =
            Duration::from_millis(bytes.saturating_mul(1000) / u64::from(self.bytes_per_second.max(1)));
        let deadline = self.time.saturating_add(earned);
        self.most.map_or(deadline, |most| deadline.min(most))
    }
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is no room for it.
    NoRoom,
    /// It comes too slowly.
    TooSlow,
}

/// The bytes of one request's body that may be in memory. Clones are one load.
#[derive(Clone)]
pub(super) struct Load(Arc<Within>);

struct Within {
    bytes: Share,
    request: Arc<InFlight>,
    pace: Option<Pace>,
    on: Mutex<On>,
}

struct On {
    parts: VecDeque<Permit>,
    bytes: usize,
    refused: Option<Refused>,
    /// When something of the body came last.
    progress: Instant,
}

impl Load {
    pub(super) fn new(bytes: Share, request: Arc<InFlight>, pace: Option<Pace>) -> Self {
        let on = On { parts: VecDeque::new(), bytes: 0, refused: None, progress: Instant::now() };
        Self(Arc::new(Within { bytes, request, pace, on: Mutex::new(on) }))
    }

    /// The body; it ends with an error where there is no room for more of it, or where it comes too slowly.
    pub(super) fn weighing(&self, body: Body) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let begun = Instant::now();
        Body::new(Weighed { body, load: self.clone(), begun, bytes: 0, sleep: None })
    }

    pub(super) fn refused(&self) -> Option<Refused> {
        self.0.on.lock().unwrap_or_else(PoisonError::into_inner).refused
    }

    /// When something of the body came last.
    pub(super) fn progress(&self) -> Instant {
        self.0.on.lock().unwrap_or_else(PoisonError::into_inner).progress
    }

    fn refuse(&self, why: Refused) {
        self.0.on.lock().unwrap_or_else(PoisonError::into_inner).refused = Some(why);
    }

    fn take(&self, bytes: usize) -> bool {
        let part = self.0.bytes.take(bytes);
        let mut on = self.0.on.lock().unwrap_or_else(PoisonError::into_inner);
        on.progress = Instant::now();
        let Some(part) = part else {
            on.refused = Some(Refused::NoRoom);
            return false;
        };
        on.bytes += bytes;
        on.parts.push_back(part);
        // of a call with many messages no more than the largest is in memory here
        while let Some(first) = on.parts.front().map(Permit::amount)
            && on.bytes - first >= MAX_MESSAGE_BYTES
        {
            on.bytes -= first;
            on.parts.pop_front();
        }
        true
    }
}

struct Weighed {
    body: Body,
    load: Load,
    begun: Instant,
    bytes: u64,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Weighed {
    /// Whether the body's time is over.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let Some(pace) = self.load.0.pace else { return false };
        let deadline = self.begun + pace.deadline(self.bytes);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context).is_ready()
    }
}

impl HttpBody for Weighed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Pending => {
                self.load.0.request.waits_for_body();
                if self.is_late(context) {
                    self.load.refuse(Refused::TooSlow);
                    return Poll::Ready(Some(Err(error("the body comes too slowly"))));
                }
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.load.0.request.is_worked_on();
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.bytes += bytes as u64;
                if !self.load.take(bytes) {
                    return Poll::Ready(Some(Err(error("the server has no room for more now"))));
                }
            }
            Poll::Ready(_) => self.load.0.request.is_worked_on(),
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

impl Drop for Weighed {
    fn drop(&mut self) {
        // whoever does not read a body does not wait for it
        self.load.0.request.is_worked_on();
    }
}

fn error(what: &'static str) -> axum::Error {
    axum::Error::new(std::io::Error::other(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::tests::in_flight;
    use futures::stream;
    use kulya_auth::fair_share::Pool;

    async fn read(body: Body) -> Result<usize, axum::Error> {
        axum::body::to_bytes(body, usize::MAX).await.map(|bytes| bytes.len())
    }

    fn pieces(bytes: usize, count: usize) -> Body {
        let piece = Bytes::from(vec![0; bytes]);
        Body::from_stream(stream::iter((0..count).map(move |_| Ok::<_, axum::Error>(piece.clone()))))
    }

    fn load(pool: &Pool) -> Load {
        Load::new(pool.share(None), in_flight(), None)
    }

    #[tokio::test]
    async fn what_is_read_counts_until_the_request_is_done() {
        let pool = Pool::new(100, 100);
        let one = load(&pool);
        assert_eq!(read(one.weighing(pieces(10, 6))).await.unwrap(), 60);
        assert_eq!((pool.used(), one.refused()), (60, None));
        let two = load(&pool);
        assert!(read(two.weighing(pieces(10, 6))).await.is_err());
        assert_eq!(two.refused(), Some(Refused::NoRoom));
        drop(two);
        assert_eq!(pool.used(), 60);
        drop(one);
        assert_eq!(pool.used(), 0);
    }

    #[tokio::test]
    async fn of_a_long_call_the_largest_message_counts() {
        let pool = Pool::new(MAX_MESSAGE_BYTES * 2, 100);
        let load = load(&pool);
        let piece = MAX_MESSAGE_BYTES / 4;
        assert!((0..20).all(|_| load.take(piece)));
        assert!(pool.used() <= MAX_MESSAGE_BYTES + piece, "{}", pool.used());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_cut_and_one_that_flows_is_not() {
        let pace = Pace {
            time: Duration::from_secs(20),
            bytes_per_second: 500,
            most: Some(Duration::from_secs(300)),
        };
        let trickle = |bytes: usize, pause: u64| {
            let body = Body::from_stream(stream::unfold((), move |()| async move {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                Some((Ok::<_, axum::Error>(Bytes::from(vec![0; bytes])), ()))
            }));
            let load = Load::new(Pool::new(1 << 30, 100).share(None), in_flight(), Some(pace));
            async move {
                let begun = Instant::now();
                assert!(read(load.weighing(body)).await.is_err());
                (load.refused(), begun.elapsed().as_secs())
            }
        };
        assert_eq!(trickle(1, 11).await, (Some(Refused::TooSlow), 20));
        assert_eq!(trickle(500, 2).await, (Some(Refused::TooSlow), 39), "half as fast as it must be");
        assert_eq!(trickle(1000, 1).await, (Some(Refused::TooSlow), 300), "but not for ever");
    }
}
