//! Streaming calls: [`StreamingCall`] produces their replies, [`TailCall`] tails a stream, and [`WaitCall`]
//! waits for data in many segments.
//!
//! Backpressure: HTTP/2 pulls the next reply when the client has read the last ones, and only then is the
//! store read.

use super::authorization::CallAuthorization;
use super::status::store_status;
use crate::reads::Reads;
use futures::future::{AbortHandle, Abortable, Aborted, BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, FuturesUnordered, StreamExt};
use kulya_store::{Error, Result, SegmentId, StreamCut, StreamStore, Tail};
use kulya_wire::v1::tail_reply::Reply;
use kulya_wire::v1::wait_request::What;
use kulya_wire::{error, v1};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::watch;
use tonic::{Status, Streaming};

/// The approximate bytes of events in one reply.
const CHUNK_BYTES: u64 = 256 << 10;
/// Segments that one call waits for.
const MAX_WAITS: usize = 65_536;

/// A call with a stream of replies.
pub(super) trait StreamingCall: Send + 'static {
    type Reply: Send + 'static;

    /// Returns the next reply; `None` at the end. An error is the last.
    fn next(&mut self) -> impl Future<Output = Option<std::result::Result<Self::Reply, Status>>> + Send;
}

/// Returns the replies of a call as a stream.
pub(super) fn into_stream<C: StreamingCall>(
    call: C,
) -> BoxStream<'static, std::result::Result<C::Reply, Status>> {
    stream::unfold(call, |mut call| async move { Some((call.next().await?, call)) }).boxed()
}

/// Returns the status of a streaming call when the server shuts down: its client may retry with another
/// server.
pub(super) fn shutting_down() -> Status {
    Status::unavailable("the server is shutting down")
}

/// Tails a stream until it is sealed and read to its end.
pub(super) struct TailCall {
    reads: Reads,
    stopping: watch::Receiver<bool>,
    tail: Tail,
    max_bytes: usize,
    is_complete: bool,
}

impl TailCall {
    pub(super) fn new(
        reads: Reads,
        stopping: watch::Receiver<bool>,
        from: StreamCut,
        max_bytes: u64,
    ) -> Self {
        let max_bytes = if max_bytes == 0 { CHUNK_BYTES } else { max_bytes.min(CHUNK_BYTES) };
        Self { reads, stopping, tail: Tail::from(from), max_bytes: max_bytes as usize, is_complete: false }
    }
}

impl StreamingCall for TailCall {
    type Reply = v1::TailReply;

    async fn next(&mut self) -> Option<std::result::Result<v1::TailReply, Status>> {
        if self.is_complete {
            return None;
        }
        let next = tokio::select! {
            // an error means that the sender was dropped with the server
            _ = self.stopping.wait_for(|stopping| *stopping) => return Some(Err(shutting_down())),
            next = self.reads.tail(&mut self.tail, self.max_bytes) => next,
        };
        let reply = match next {
            Ok(Some((segment, chunk))) => {
                let (segment, chunk) = (Some((&segment).into()), Some(chunk.into()));
                Reply::Chunk(v1::SegmentChunk { segment, chunk })
            }
            Ok(None) => {
                self.is_complete = true;
                Reply::End(v1::TailEnd {})
            }
            Err(error) => return Some(Err(store_status(error))),
        };
        Some(Ok(v1::TailReply { reply: Some(reply) }))
    }
}

type Waiting = Abortable<BoxFuture<'static, (u64, Result<()>)>>;

/// Waits for data in many segments at once, for one client.
pub(super) struct WaitCall {
    store: Arc<dyn StreamStore>,
    stopping: watch::Receiver<bool>,
    authorization: CallAuthorization,
    requests: Streaming<v1::WaitRequest>,
    /// Whether the client may send more requests.
    is_open: bool,
    waiting: FuturesUnordered<Waiting>,
    handles: HashMap<u64, AbortHandle>,
}

impl WaitCall {
    pub(super) fn new(
        store: Arc<dyn StreamStore>,
        stopping: watch::Receiver<bool>,
        authorization: CallAuthorization,
        requests: Streaming<v1::WaitRequest>,
    ) -> Self {
        let (waiting, handles) = (FuturesUnordered::new(), HashMap::new());
        Self { store, stopping, authorization, requests, is_open: true, waiting, handles }
    }

    /// Starts or cancels a wait. A denied permission ends the call; another error is the reply to this
    /// request.
    fn handle(&mut self, id: u64, what: Option<What>) -> std::result::Result<Result<()>, Status> {
        if let Some(What::Beyond(v1::Beyond { segment: Some(segment), .. })) = &what
            && let Ok(segment) = SegmentId::try_from(segment.clone())
        {
            self.authorization.read(&segment.stream)?;
        }
        Ok(self.start(id, what))
    }

    fn start(&mut self, id: u64, what: Option<What>) -> Result<()> {
        let beyond = match what {
            Some(What::Beyond(beyond)) => beyond,
            Some(What::Cancel(_)) => {
                if let Some(handle) = self.handles.remove(&id) {
                    handle.abort();
                }
                return Ok(());
            }
            None => {
                return Err(Error::invalid(
                    "the request has neither a position to wait for nor a cancellation",
                ));
            }
        };
        let segment = beyond.segment.ok_or_else(|| Error::invalid("the request has no segment"))?;
        let segment: SegmentId = segment.try_into()?;
        if self.handles.len() >= MAX_WAITS {
            let what = format!("one client can wait for {MAX_WAITS} segments at most: tail fewer segments");
            return Err(Error::invalid(what));
        }
        let (handle, registration) = AbortHandle::new_pair();
        if self.handles.insert(id, handle).is_some_and(|duplicate| {
            duplicate.abort();
            true
        }) {
            return Err(Error::invalid(format!("wait {id} was requested twice")));
        }
        let (store, offset) = (Arc::clone(&self.store), beyond.offset);
        let wait = async move { (id, store.wait_beyond(&segment, offset).await) };
        self.waiting.push(Abortable::new(wait.boxed(), registration));
        Ok(())
    }
}

enum Event {
    ShuttingDown,
    Request(std::result::Result<Option<v1::WaitRequest>, Status>),
    /// A wait that is over; the error is that it was cancelled.
    Completed(std::result::Result<(u64, Result<()>), Aborted>),
}

impl StreamingCall for WaitCall {
    type Reply = v1::WaitReply;

    async fn next(&mut self) -> Option<std::result::Result<v1::WaitReply, Status>> {
        loop {
            if !self.is_open && self.waiting.is_empty() {
                return None;
            }
            let event = tokio::select! {
                _ = self.stopping.wait_for(|stopping| *stopping) => Event::ShuttingDown,
                request = self.requests.message(), if self.is_open => Event::Request(request),
                Some(completed) = self.waiting.next(), if !self.waiting.is_empty() => Event::Completed(completed),
            };
            let (id, result) = match event {
                Event::ShuttingDown => return Some(Err(shutting_down())),
                Event::Request(Ok(Some(v1::WaitRequest { id, what }))) => match self.handle(id, what) {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => (id, Err(error)),
                    Err(denied) => {
                        (self.is_open, self.waiting, self.handles) =
                            (false, FuturesUnordered::new(), HashMap::new());
                        return Some(Err(denied));
                    }
                },
                Event::Request(Ok(None)) => {
                    self.is_open = false;
                    continue;
                }
                // the client has disconnected
                Event::Request(Err(_)) => return None,
                Event::Completed(Ok(result)) => result,
                Event::Completed(Err(Aborted)) => continue,
            };
            self.handles.remove(&id);
            let error = result.err().map(|error| error::detail(&error));
            return Some(Ok(v1::WaitReply { id, error }));
        }
    }
}
