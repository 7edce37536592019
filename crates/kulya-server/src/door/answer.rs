//! An answer's bytes on their way out: they count for as long as they are in memory, which is until they are written and
//! not until they are handed on.

use super::record::grpc_status;
use crate::connections::InFlight;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::Response;
use http_body::{Frame, SizeHint};
use kulya_auth::fair_share::{Permit, Share};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

/// What a request holds until the last byte of its answer is written or its client is gone.
pub(super) struct Held {
    pub(super) request: Arc<InFlight>,
    /// The request's place among all at a time.
    _place: Option<Permit>,
    /// Told when it is over.
    ended: Option<Ended>,
    written: AtomicU64,
    is_whole: AtomicBool,
    grpc_status: OnceLock<i32>,
}

/// What is done when an answer is over.
type Ended = Box<dyn FnOnce(Written) + Send + Sync>;

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// So many bytes of its body were handed to the connection.
    pub(super) bytes: u64,
    /// Whether that was all of it.
    pub(super) is_whole: bool,
    /// gRPC's status behind it.
    pub(super) grpc_status: Option<i32>,
}

impl Held {
    pub(super) fn new(request: Arc<InFlight>, place: Option<Permit>, ended: Option<Ended>) -> Self {
        let (written, is_whole) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { request, _place: place, ended, written, is_whole, grpc_status: OnceLock::new() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            let (bytes, is_whole) = (*self.written.get_mut(), *self.is_whole.get_mut());
            ended(Written { bytes, is_whole, grpc_status: self.grpc_status.get().copied() });
        }
    }
}

/// An answer on its way.
pub(super) struct Answer {
    body: Body,
    bytes: Share,
    held: Arc<Held>,
    /// For all of it, where it is there at once.
    whole: Option<Permit>,
}

impl Answer {
    /// The answer, which gives up what it holds bit by bit; the error gives it back: there is no room for it.
    pub(super) fn weigh(response: Response<Body>, bytes: &Share, held: Held) -> Result<Response<Body>, Held> {
        let exact = response.body().size_hint().exact();
        let length = exact.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let Some(part) = bytes.take(length) else { return Err(held) };
        Ok(Self::with(response, bytes, held, (length > 0).then_some(part)))
    }

    /// A short answer, for which nobody asks whether there is room.
    pub(super) fn refusal(response: Response<Body>, bytes: &Share, held: Held) -> Response<Body> {
        Self::with(response, bytes, held, None)
    }

    fn with(response: Response<Body>, bytes: &Share, held: Held, whole: Option<Permit>) -> Response<Body> {
        held.request.answers();
        response.map(|body| {
            held.is_whole.store(body.is_end_stream(), Ordering::Release);
            Body::new(Self { body, bytes: bytes.clone(), held: Arc::new(held), whole })
        })
    }

    fn handed_on(&mut self, bytes: Bytes) -> Bytes {
        let length = bytes.len();
        let part = match &mut self.whole {
            Some(_) if self.body.is_end_stream() => self.whole.take(),
            _ => None,
        };
        let part = part.unwrap_or_else(|| {
            if let Some(whole) = &mut self.whole {
                whole.shrink(whole.amount().saturating_sub(length));
            }
            // it is there already: it counts against those who come
            self.bytes.force_acquire(length)
        });
        self.held.written.fetch_add(length as u64, Ordering::AcqRel);
        self.held.request.hand_on(length);
        Bytes::from_owner(Handed { bytes, _part: part, held: Arc::clone(&self.held) })
    }
}

/// Bytes that were handed on to the connection and are not written yet.
struct Handed {
    bytes: Bytes,
    _part: Permit,
    held: Arc<Held>,
}

impl AsRef<[u8]> for Handed {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        self.held.request.wrote(self.bytes.len());
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let is_over = matches!(polled, Poll::Ready(None)) || self.body.is_end_stream();
        if is_over {
            self.held.is_whole.store(true, Ordering::Release);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.held.request.answers();
                if let Some(status) = frame.trailers_ref().and_then(grpc_status) {
                    let _ = self.held.grpc_status.set(status);
                }
                Poll::Ready(Some(Ok(frame.map_data(|bytes| self.handed_on(bytes)))))
            }
            Poll::Pending => {
                self.held.request.is_worked_on();
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
    use crate::connections::tests::in_flight;
    use futures::{FutureExt, stream};
    use kulya_auth::fair_share::Pool;
    use std::sync::Mutex;

    fn next(body: &mut Body) -> Option<Bytes> {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        frame.now_or_never().flatten().map(|frame| frame.unwrap().into_data().unwrap())
    }

    #[tokio::test]
    async fn bytes_count_until_they_are_written() {
        let (pool, places) = (Pool::new(100, 100), Pool::new(3, 100));
        let (bytes, place) = (pool.share(None), places.share(None));
        let told = Arc::new(Mutex::new(None));
        let held = || {
            let told = Arc::clone(&told);
            let ended = move |written| *told.lock().unwrap() = Some(written);
            Held::new(in_flight(), place.take(1), Some(Box::new(ended)))
        };
        let whole = |bytes: usize| Response::new(Body::from(vec![0; bytes]));
        let mut first = Answer::weigh(whole(40), &bytes, held()).ok().unwrap().into_body();
        assert_eq!((pool.used(), places.used(), first.size_hint().exact()), (40, 1, Some(40)));
        // handed on, and its body gone, as hyper does it: it is in memory still
        let piece = next(&mut first).unwrap();
        drop(first);
        assert_eq!((pool.used(), places.used()), (40, 1), "not written yet");
        let behind = piece.slice(30..);
        drop(piece);
        assert_eq!(pool.used(), 40, "some of it is left");
        drop(behind);
        assert_eq!((pool.used(), places.used()), (0, 0));
        assert_eq!(
            told.lock().unwrap().take(),
            Some(Written { bytes: 40, is_whole: true, grpc_status: None })
        );
        let other = bytes.take(61).unwrap();
        assert!(Answer::weigh(whole(40), &bytes, held()).is_err(), "there is no room");
        drop(other);
        assert_eq!(places.used(), 0);
    }

    #[tokio::test]
    async fn of_a_stream_only_what_is_not_written_counts() {
        let (pool, places) = (Pool::new(100, 100), Pool::new(3, 100));
        let pieces = stream::iter((0..3).map(|_| Ok::<_, axum::Error>(Bytes::from(vec![0; 50]))));
        let response = Response::new(Body::from_stream(pieces));
        let held = Held::new(in_flight(), places.share(None).take(1), None);
        let mut body = Answer::weigh(response, &pool.share(None), held).ok().unwrap().into_body();
        assert_eq!(pool.used(), 0);
        let one = next(&mut body).unwrap();
        let two = next(&mut body).unwrap();
        assert_eq!(pool.used(), 100);
        drop(one);
        assert_eq!(pool.used(), 50);
        let three = next(&mut body).unwrap();
        assert!(next(&mut body).is_none());
        drop((two, three, body));
        assert_eq!((pool.used(), places.used()), (0, 0));
    }
}
