//! All waits of a client in one call: [`Waits`]. A follower of a stream waits at each of its segments at once, and a
//! connection has room for a few hundred calls; so places are asked for in messages.

use super::line::Line;
use kulya_store::{Result, SegmentId, supervision};
use kulya_wire::v1::wait_request::What;
use kulya_wire::{error, v1};
use std::collections::HashMap;
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::AbortHandle;
use tonic::{Status, Streaming};

/// The call, while there is one.
#[derive(Default)]
pub(super) struct Waits(Mutex<Option<Arc<WaitCall>>>);

struct WaitCall {
    /// Two short messages for each wait at most. A connection that takes none dies of its silence.
    requests: mpsc::UnboundedSender<v1::WaitRequest>,
    pending: Arc<StdMutex<Pending>>,
    reader: AbortHandle,
}

#[derive(Default)]
struct Pending {
    asked: u64,
    /// Who waits for which answer.
    waiting: HashMap<u64, oneshot::Sender<Result<()>>>,
    is_over: bool,
}

impl Waits {
    /// Waits until the segment's tail lies beyond `offset`. Cancel-safe.
    pub(super) async fn wait(&self, line: &Line, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut patience = line.patience();
        loop {
            let cut = match line.while_open(self.call(line)).await? {
                Ok(call) => {
                    patience.renew();
                    match line.while_open(call.wait(segment, offset)).await? {
                        Some(told) => return told,
                        None => Status::unavailable("the connection was cut"),
                    }
                }
                Err(status) => status,
            };
            patience.endure(cut).await?;
        }
    }

    /// Ends the call, for whoever still waits too.
    pub(super) async fn close(&self) {
        *self.0.lock().await = None;
    }

    /// The call that is there, or a new one.
    async fn call(&self, line: &Line) -> std::result::Result<Arc<WaitCall>, Status> {
        let mut call = self.0.lock().await;
        if let Some(call) = call.as_ref().filter(|call| !call.pending().is_over) {
            return Ok(Arc::clone(call));
        }
        let new = Arc::new(WaitCall::open(line).await?);
        *call = Some(Arc::clone(&new));
        Ok(new)
    }
}

impl WaitCall {
    async fn open(line: &Line) -> std::result::Result<Self, Status> {
        let (requests, mut asked) = mpsc::unbounded_channel();
        let asked = futures::stream::poll_fn(move |context| asked.poll_recv(context));
        let replies = line.own_client().wait(asked).await?.into_inner();
        let pending = Arc::default();
        let reader =
            supervision::spawn_logged("replies to waits", read(replies, Arc::clone(&pending))).abort_handle();
        Ok(Self { requests, pending, reader })
    }

    /// `None` when the call was cut before there was an answer.
    async fn wait(&self, segment: &SegmentId, offset: u64) -> Option<Result<()>> {
        let (tell, told) = oneshot::channel();
        let id = {
            let mut pending = self.pending();
            if pending.is_over {
                return None;
            }
            pending.asked += 1;
            let id = pending.asked;
            pending.waiting.insert(id, tell);
            id
        };
        let _cancel = Cancel { call: self, id };
        let beyond = v1::Beyond { segment: Some(segment.into()), offset };
        self.requests.send(v1::WaitRequest { id, what: Some(What::Beyond(beyond)) }).ok()?;
        told.await.ok()
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

/// Hands each answer to whoever waits for it, until the call ends.
async fn read(mut replies: Streaming<v1::WaitReply>, pending: Arc<StdMutex<Pending>>) {
    let lock = || pending.lock().unwrap_or_else(PoisonError::into_inner);
    while let Ok(Some(v1::WaitReply { id, error })) = replies.message().await {
        if let Some(tell) = lock().waiting.remove(&id) {
            // nobody may wait any more
            let _ = tell.send(error.map(error::of_detail).map_or(Ok(()), Err));
        }
    }
    let mut pending = lock();
    pending.is_over = true;
    pending.waiting.clear();
}

/// Tells the server when nobody waits any more.
struct Cancel<'a> {
    call: &'a WaitCall,
    id: u64,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        if self.call.pending().waiting.remove(&self.id).is_some() {
            let cancel = What::Cancel(v1::Cancel {});
            // without a connection there is nothing to cancel
            let _ = self.call.requests.send(v1::WaitRequest { id: self.id, what: Some(cancel) });
        }
    }
}
