//! Multiplexes all waits for data of a client over one call: [`WaitMultiplexer`]. A tailing reader waits at
//! each of its segments at once, and a connection is limited to a few hundred calls, so each wait is a
//! message of a shared call.

use super::channel::Channel;
use kulya_store::{Result, SegmentId, supervision};
use kulya_wire::v1::wait_request::What;
use kulya_wire::{error, v1};
use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::AbortHandle;
use tonic::{Status, Streaming};

/// The shared call, opened by the first wait.
#[derive(Default)]
pub(super) struct WaitMultiplexer(Mutex<Option<Arc<WaitCall>>>);

struct WaitCall {
    /// Unbounded, because each wait sends at most two short messages; a stalled connection is closed by
    /// keep-alive.
    requests: mpsc::UnboundedSender<v1::WaitRequest>,
    pending: Arc<StdMutex<Pending>>,
    reader: AbortHandle,
}

#[derive(Default)]
struct Pending {
    last_id: u64,
    /// The pending waits by id.
    waiting: HashMap<u64, oneshot::Sender<Result<()>>>,
    is_closed: bool,
}

impl WaitMultiplexer {
    /// Waits until the segment's tail is beyond `offset`. Cancel-safe.
    pub(super) async fn wait(&self, channel: &Channel, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut retry = channel.retry_policy();
        loop {
            let status = match channel.unless_closed(self.call(channel)).await? {
                Ok(call) => {
                    retry.reset();
                    match channel.unless_closed(call.wait(segment, offset)).await? {
                        Some(result) => return result,
                        None => Status::unavailable("connection closed"),
                    }
                }
                Err(status) => status,
            };
            retry.backoff(status).await?;
        }
    }

    /// Ends the call and all pending waits.
    pub(super) async fn close(&self) {
        *self.0.lock().await = None;
    }

    /// Returns the open call, or opens one.
    async fn call(&self, channel: &Channel) -> std::result::Result<Arc<WaitCall>, Status> {
        let mut call = self.0.lock().await;
        if let Some(call) = call.as_ref().filter(|call| !call.pending().is_closed) {
            return Ok(Arc::clone(call));
        }
        let new = Arc::new(WaitCall::open(channel).await?);
        *call = Some(Arc::clone(&new));
        Ok(new)
    }
}

impl WaitCall {
    async fn open(channel: &Channel) -> std::result::Result<Self, Status> {
        let (requests, mut receiver) = mpsc::unbounded_channel();
        let outgoing = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
        let replies = channel.dedicated_client().wait(outgoing).await?.into_inner();
        let pending = Arc::default();
        let reader =
            supervision::spawn_logged("wait replies", dispatch(replies, Arc::clone(&pending))).abort_handle();
        Ok(Self { requests, pending, reader })
    }

    /// Returns `None` when the call ended before the reply.
    async fn wait(&self, segment: &SegmentId, offset: u64) -> Option<Result<()>> {
        let (sender, receiver) = oneshot::channel();
        let id = {
            let mut pending = self.pending();
            if pending.is_closed {
                return None;
            }
            pending.last_id += 1;
            let id = pending.last_id;
            pending.waiting.insert(id, sender);
            id
        };
        let _cancel = CancelOnDrop { call: self, id };
        let beyond = v1::Beyond { segment: Some(segment.into()), offset };
        self.requests.send(v1::WaitRequest { id, what: Some(What::Beyond(beyond)) }).ok()?;
        receiver.await.ok()
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WaitCall {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Dispatches each reply to its wait, until the call ends.
async fn dispatch(mut replies: Streaming<v1::WaitReply>, pending: Arc<StdMutex<Pending>>) {
    let lock = || pending.lock().unwrap_or_else(PoisonError::into_inner);
    while let Ok(Some(v1::WaitReply { id, error })) = replies.message().await {
        if let Some(sender) = lock().waiting.remove(&id) {
            // the wait may have been cancelled
            let _ = sender.send(error.map(error::from_detail).map_or(Ok(()), Err));
        }
    }
    let mut pending = lock();
    pending.is_closed = true;
    pending.waiting.clear();
}

/// Cancels a wait at the server when it is dropped.
struct CancelOnDrop<'a> {
    call: &'a WaitCall,
    id: u64,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        if self.call.pending().waiting.remove(&self.id).is_some() {
            let cancel = What::Cancel(v1::Cancel {});
            // without a connection there is nothing to cancel
            let _ = self.call.requests.send(v1::WaitRequest { id: self.id, what: Some(cancel) });
        }
    }
}
