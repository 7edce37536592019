//! Bytes against the budget: what is being read, [`Load`], and what is being written, [`Answer`].
//!
//! Nobody waits for room. Two bodies that are half read and wait for each other's other half would wait for ever; so what
//! does not fit is refused, and its client comes back.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Response;
use http_body::{Frame, SizeHint};
use kulya_guard::limit::{Budget, Held};
use kulya_wire::MAX_MESSAGE_BYTES;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// The bytes of one request's body that may be in memory. Clones are one load.
#[derive(Clone)]
pub(super) struct Load(Arc<Within>);

struct Within {
    budget: Budget,
    on: Mutex<On>,
}

#[derive(Default)]
struct On {
    parts: VecDeque<Held>,
    bytes: usize,
    refused: bool,
}

impl Load {
    pub(super) fn new(budget: Budget) -> Self {
        Self(Arc::new(Within { budget, on: Mutex::default() }))
    }

    /// The body; it ends with an error where there is no room for more of it.
    pub(super) fn weighing(&self, body: Body) -> Body {
        Body::new(Weighed { body, load: self.clone() })
    }

    pub(super) fn was_refused(&self) -> bool {
        self.0.on.lock().unwrap_or_else(PoisonError::into_inner).refused
    }

    fn take(&self, bytes: usize) -> bool {
        let part = self.0.budget.take(bytes);
        let mut on = self.0.on.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(part) = part else {
            on.refused = true;
            return false;
        };
        on.bytes += bytes;
        on.parts.push_back(part);
        // of a call with many messages no more than the largest is in memory here
        while let Some(first) = on.parts.front().map(Held::amount)
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
}

impl HttpBody for Weighed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
            && !self.load.take(data.len())
        {
            let what = "the server has no room for more now";
            return Poll::Ready(Some(Err(axum::Error::new(std::io::Error::other(what)))));
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

/// An answer on its way: it holds its bytes, and its request's place, until its client has taken it or is gone.
pub(super) struct Answer {
    body: Body,
    budget: Budget,
    _place: Held,
    /// All of it where it is there at once, else the part that is being written.
    held: Held,
    is_whole: bool,
}

impl Answer {
    /// `None`: there is no room for it.
    pub(super) fn weigh(response: Response<Body>, budget: &Budget, place: Held) -> Option<Response<Body>> {
        let whole =
            response.body().size_hint().exact().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let held = budget.take(whole.unwrap_or_default())?;
        let (budget, is_whole) = (budget.clone(), whole.is_some());
        Some(response.map(|body| Body::new(Self { body, budget, _place: place, held, is_whole })))
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
        if !self.is_whole
            && let Poll::Ready(Some(Ok(frame))) = &polled
        {
            // it is there already: it counts against those who come
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.held = self.budget.take_anyway(bytes);
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use futures::executor::block_on;
    use futures::stream;

    async fn read(body: Body) -> Result<usize, axum::Error> {
        axum::body::to_bytes(body, usize::MAX).await.map(|bytes| bytes.len())
    }

    fn pieces(bytes: usize, count: usize) -> Body {
        let piece = Bytes::from(vec![0; bytes]);
        Body::from_stream(stream::iter((0..count).map(move |_| Ok::<_, axum::Error>(piece.clone()))))
    }

    #[test]
    fn what_is_read_counts_until_the_request_is_done() {
        let budget = Budget::new(100);
        let one = Load::new(budget.clone());
        assert_eq!(block_on(read(one.weighing(pieces(10, 6)))).unwrap(), 60);
        assert_eq!((budget.used(), one.was_refused()), (60, false));
        let two = Load::new(budget.clone());
        assert!(block_on(read(two.weighing(pieces(10, 6)))).is_err());
        assert!(two.was_refused());
        drop(two);
        assert_eq!(budget.used(), 60);
        drop(one);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn of_a_long_call_the_largest_message_counts() {
        let budget = Budget::new(MAX_MESSAGE_BYTES * 2);
        let load = Load::new(budget.clone());
        let piece = MAX_MESSAGE_BYTES / 4;
        assert!((0..20).all(|_| load.take(piece)));
        assert!(budget.used() <= MAX_MESSAGE_BYTES + piece, "{}", budget.used());
    }

    #[test]
    fn an_answer_counts_until_it_is_written() {
        let (budget, requests) = (Budget::new(100), Budget::new(2));
        let whole = |bytes: usize| Response::new(Body::from(vec![0; bytes]));
        let first = Answer::weigh(whole(70), &budget, requests.take(1).unwrap()).unwrap();
        assert_eq!((budget.used(), requests.used()), (70, 1));
        assert_eq!(first.body().size_hint().exact(), Some(70), "its length is told");
        assert!(Answer::weigh(whole(31), &budget, requests.take(1).unwrap()).is_none());
        assert_eq!(requests.used(), 1, "the place is given back");
        // of a stream only what is being written
        let response = Response::new(pieces(50, 3));
        let mut stream = Answer::weigh(response, &budget, requests.take(1).unwrap()).unwrap().into_body();
        assert_eq!(budget.used(), 70);
        let mut next = || {
            let frame = std::future::poll_fn(|context| Pin::new(&mut stream).poll_frame(context));
            frame.now_or_never().flatten().is_some()
        };
        assert!(next() && budget.used() == 120 && next() && budget.used() == 120 && next() && !next());
        drop(first);
        assert_eq!(budget.used(), 50);
        drop(stream);
        assert_eq!((budget.used(), requests.used()), (0, 0));
    }
}
