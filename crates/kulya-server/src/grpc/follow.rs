//! Long calls that wait for events: [`Follower`] gives a stream's events as they come, [`Waits`] says which of many
//! places have been passed.
//!
//! Both are pulled: HTTP/2 asks for the next reply when the client has taken the last ones, and only then is the store
//! read on. That is the whole backpressure.

use super::right::Rights;
use super::service::refusal;
use crate::door::Denied;
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

/// Events of one reply, about.
const CHUNK_BYTES: u64 = 256 << 10;
/// Places that one call waits at.
const MOST_WAITS: usize = 65_536;

/// A long call: gives one reply after the other.
pub(super) trait LongCall: Send + 'static {
    type Reply: Send + 'static;

    /// The next reply; `None` when it is over. An error is the last.
    fn next(&mut self) -> impl Future<Output = Option<std::result::Result<Self::Reply, Status>>> + Send;
}

/// The replies of a call as they are pulled.
pub(super) fn replies<C: LongCall>(call: C) -> BoxStream<'static, std::result::Result<C::Reply, Status>> {
    stream::unfold(call, |mut call| async move { Some((call.next().await?, call)) }).boxed()
}

/// What a long call is told when the server ends: its client may ask the next one.
pub(super) fn ending() -> Status {
    Status::unavailable("the server ends")
}

/// Follows a stream until it is sealed and read to its end.
pub(super) struct Follower {
    reads: Reads,
    ends: watch::Receiver<bool>,
    tail: Tail,
    max_bytes: usize,
    is_over: bool,
}

impl Follower {
    pub(super) fn new(reads: Reads, ends: watch::Receiver<bool>, from: StreamCut, max_bytes: u64) -> Self {
        let max_bytes = if max_bytes == 0 { CHUNK_BYTES } else { max_bytes.min(CHUNK_BYTES) };
        Self { reads, ends, tail: Tail::from(from), max_bytes: max_bytes as usize, is_over: false }
    }
}

impl LongCall for Follower {
    type Reply = v1::TailReply;

    async fn next(&mut self) -> Option<std::result::Result<v1::TailReply, Status>> {
        if self.is_over {
            return None;
        }
        let next = tokio::select! {
            // an error here is the sender's end, and so the server's
            _ = self.ends.wait_for(|ends| *ends) => return Some(Err(ending())),
            next = self.reads.follow(&mut self.tail, self.max_bytes) => next,
        };
        let reply = match next {
            Ok(Some((segment, chunk))) => {
                let (segment, chunk) = (Some((&segment).into()), Some(chunk.into()));
                Reply::Chunk(v1::SegmentChunk { segment, chunk })
            }
            Ok(None) => {
                self.is_over = true;
                Reply::End(v1::TailEnd {})
            }
            Err(error) => return Some(Err(refusal(error))),
        };
        Some(Ok(v1::TailReply { reply: Some(reply) }))
    }
}

type Waiting = Abortable<BoxFuture<'static, (u64, Result<()>)>>;

/// Waits at many places at once, for one client.
pub(super) struct Waits {
    store: Arc<dyn StreamStore>,
    ends: watch::Receiver<bool>,
    rights: Rights,
    requests: Streaming<v1::WaitRequest>,
    /// Whether the client may ask for more.
    is_open: bool,
    waiting: FuturesUnordered<Waiting>,
    handles: HashMap<u64, AbortHandle>,
}

impl Waits {
    pub(super) fn new(
        store: Arc<dyn StreamStore>,
        ends: watch::Receiver<bool>,
        rights: Rights,
        requests: Streaming<v1::WaitRequest>,
    ) -> Self {
        let (waiting, handles) = (FuturesUnordered::new(), HashMap::new());
        Self { store, ends, rights, requests, is_open: true, waiting, handles }
    }

    /// Begins or ends a wait. What may not be seen ends the call; another error is what the client is told at once.
    fn take(&mut self, id: u64, what: Option<What>) -> std::result::Result<Result<()>, Denied> {
        if let Some(What::Beyond(v1::Beyond { segment: Some(segment), .. })) = &what
            && let Ok(segment) = SegmentId::try_from(segment.clone())
        {
            self.rights.read(&segment.stream)?;
        }
        Ok(self.begin(id, what))
    }

    fn begin(&mut self, id: u64, what: Option<What>) -> Result<()> {
        let beyond = match what {
            Some(What::Beyond(beyond)) => beyond,
            Some(What::Cancel(_)) => {
                if let Some(handle) = self.handles.remove(&id) {
                    handle.abort();
                }
                return Ok(());
            }
            None => return Err(Error::invalid("the request names nothing to wait for")),
        };
        let segment = beyond.segment.ok_or_else(|| Error::invalid("the request names no segment"))?;
        let segment: SegmentId = segment.try_into()?;
        if self.handles.len() >= MOST_WAITS {
            let what = format!("one client waits at {MOST_WAITS} places at most: follow fewer segments");
            return Err(Error::invalid(what));
        }
        let (handle, registration) = AbortHandle::new_pair();
        if self.handles.insert(id, handle).is_some_and(|twice| {
            twice.abort();
            true
        }) {
            return Err(Error::invalid(format!("wait {id} was asked for twice")));
        }
        let (store, offset) = (Arc::clone(&self.store), beyond.offset);
        let wait = async move { (id, store.wait_beyond(&segment, offset).await) };
        self.waiting.push(Abortable::new(wait.boxed(), registration));
        Ok(())
    }
}

enum Happened {
    ServerEnds,
    Asked(std::result::Result<Option<v1::WaitRequest>, Status>),
    /// An error is a cancelled wait.
    Done(std::result::Result<(u64, Result<()>), Aborted>),
}

impl LongCall for Waits {
    type Reply = v1::WaitReply;

    async fn next(&mut self) -> Option<std::result::Result<v1::WaitReply, Status>> {
        loop {
            if !self.is_open && self.waiting.is_empty() {
                return None;
            }
            let happened = tokio::select! {
                _ = self.ends.wait_for(|ends| *ends) => Happened::ServerEnds,
                request = self.requests.message(), if self.is_open => Happened::Asked(request),
                Some(done) = self.waiting.next(), if !self.waiting.is_empty() => Happened::Done(done),
            };
            let (id, told) = match happened {
                Happened::ServerEnds => return Some(Err(ending())),
                Happened::Asked(Ok(Some(v1::WaitRequest { id, what }))) => match self.take(id, what) {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => (id, Err(error)),
                    Err(denied) => {
                        (self.is_open, self.waiting, self.handles) =
                            (false, FuturesUnordered::new(), HashMap::new());
                        return Some(Err(denied.into()));
                    }
                },
                Happened::Asked(Ok(None)) => {
                    self.is_open = false;
                    continue;
                }
                // cut
                Happened::Asked(Err(_)) => return None,
                Happened::Done(Ok(told)) => told,
                Happened::Done(Err(Aborted)) => continue,
            };
            self.handles.remove(&id);
            let error = told.err().map(|error| error::detail(&error));
            return Some(Ok(v1::WaitReply { id, error }));
        }
    }
}
