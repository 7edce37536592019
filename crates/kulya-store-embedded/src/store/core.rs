//! The store itself: requests go to the committer, reads go to the state and the log files.

use crate::error::disk_error;
use crate::log_name::LogName;
use crate::wakeup::Wakeup;
use crate::buffer_pool::BufferPool;
use crate::checkpoint::Checkpoint;
use crate::committer::{Committer, PendingRequest, next_unkeyed};
use crate::disk::{Disk, FileSystem, LogFile, ReadFile};
use crate::commit_queue::CommitQueue;
use crate::folder::Folder;
use crate::frame::FrameKey;
use crate::index::{Index, LsmIndex, ObservedIndex};
use crate::maintenance_handle::{self, MaintenanceHandle};
use crate::op::SegmentKey;
use crate::prepare::{self, WritableStore};
use crate::plan::{Batch, EventLayout, Response, Request, Targets};
use crate::recovery;
use crate::state::{Segment, Slot, State};
use crate::maintenance::Maintenance;
use crate::verify::{self, VerifyReport};
use async_trait::async_trait;
use bytes::Bytes;
use kulya_store::clock::{Clock, SystemClock};
use kulya_store::supervision::{Component, Supervisor};
use kulya_store::{
    Append, Commit, CommitReceipt, Durability, Entry, Error, ErrorKind, EventPointer, Health, HealthStatus,
    Outcome, Pointers, ReadChunk, Result, Scope, SegmentId, SegmentInfo, StreamConfig, StreamCut, StreamId,
    StreamInfo, StreamName, StreamStore, TableChange, TableId, Transaction, TransactionId, WriterId,
};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot, watch};

/// The bytes of requests that may wait for the committer; who comes later waits outside.
const QUEUE_BYTES: usize = 64 << 20;
/// Events of more bytes are laid out where they hold nobody else up.
const BYTES_AT_ONCE: usize = 1 << 20;
/// Transaction ids are reserved in the log so many at a time, so that none is used again after a crash.
const RESERVED_TRANSACTIONS: u64 = 1 << 20;

/// A stream store in one directory, owned by this process. Clones share it; the last one dropped lets the
/// directory go.
#[derive(Clone)]
pub struct EmbeddedStore {
    /// `None` for the store's own threads, which do not keep it open. Goes before what it ends.
    pub(crate) _open: Option<Arc<OpenGuard>>,
    pub(crate) inner: Arc<Inner>,
}

/// Somebody has the store open.
pub(crate) struct OpenGuard(Arc<Inner>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

pub(crate) struct Inner {
    pub(crate) state: Arc<RwLock<State>>,
    commits: watch::Sender<u64>,
    commit_queue: CommitQueue,
    room: Arc<Semaphore>,
    pub(crate) folder: Arc<Folder>,
    /// Log files that are open for reading, by their numbers.
    pub(crate) files: Mutex<HashMap<u32, Arc<dyn ReadFile>>>,
    pub(crate) maintenance: Mutex<Maintenance>,
    pub(crate) wakeup: Arc<Wakeup>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) maintenance_handle: MaintenanceHandle,
    /// What the store says of itself.
    pub(crate) supervisor: Supervisor,
    /// Whether the log takes writes.
    pub(crate) log: Component,
    transactions: tokio::sync::Mutex<Ids>,
    open: Mutex<HashSet<u64>>,
    /// Events without a key so far.
    unkeyed: Arc<AtomicU32>,
    buffer_pool: BufferPool,
    closed: AtomicBool,
    is_read_only: bool,
}

/// Transaction ids: the last one given, and up to which they are reserved.
struct Ids {
    last: u64,
    reserved: u64,
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedStore").finish_non_exhaustive()
    }
}

impl EmbeddedStore {
    pub(crate) fn is_inline(&self) -> bool {
        self.inner.commit_queue.is_inline()
    }

    pub(crate) fn state(&self) -> Result<RwLockReadGuard<'_, State>> {
        if self.inner.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        self.inner.state.read().map_err(|_| poisoned_state())
    }

    /// Why the committer takes nothing any more.
    fn ended(&self) -> Error {
        if self.inner.closed.load(Ordering::Acquire) {
            return closed();
        }
        if self.inner.is_read_only {
            return read_only();
        }
        let reason = self.inner.log.reason().unwrap_or_else(|| "the committer ended".into());
        Error::new(ErrorKind::Failed, format!("{reason}: open the store again"))
    }

    /// Has the committer do something; gives what was asked back, with the answer.
    async fn ask(&self, request: Request) -> Result<(Request, Response)> {
        let room =
            u32::try_from(queued_bytes(&request).min(QUEUE_BYTES)).expect("the queue is smaller than 4 GiB");
        let room = Arc::clone(&self.inner.queue_permits).acquire_many_owned(room).await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        let waiting = PendingRequest { request, reply, _permit: room };
        self.inner.commit_queue.send(waiting).await.ok_or_else(|| self.ended())?;
        let (request, reply) = answer.await.map_err(|_| self.ended())?;
        Ok((request, reply?))
    }

    async fn create(&self, request: Request) -> Result<bool> {
        match self.ask(request).await? {
            (_, Response::Created(is_new)) => Ok(is_new),
            (_, Response::Committed { .. }) => Ok(false),
        }
    }

    async fn change(&self, request: Request) -> Result<CommitReceipt> {
        let (request, reply) = self.ask(request).await?;
        let Response::Committed { starts, versions, duplicate } = reply else {
            return Ok(CommitReceipt::default());
        };
        let mut pointers = Pointers::default();
        if let Request::Commit { batch, .. } | Request::Stage { batch, .. } = request {
            // of what was staged nothing has its place yet
            pointers = batch.pointers(&starts);
            self.inner.buffer_pool.keep(batch.layout.map_or_else(Vec::new, EventLayout::into_buffer));
        }
        Ok(CommitReceipt { pointers, versions, duplicate })
    }

    /// Nothing, after which everything that was written is synced.
    pub(crate) async fn sync(&self) -> Result<()> {
        let (batch, changes, durability) = (Batch::default(), Vec::new(), Durability::Synced);
        self.change(Request::Commit { batch, changes, writer: None, durability }).await.map(drop)
    }

    /// Lays events out for the committer, which judges them: what cannot be laid out here it will refuse, or not, as
    /// things stand when their turn comes.
    async fn batch(&self, appends: Vec<Append>) -> Result<Batch> {
        let bytes: usize = appends.iter().map(|append| append.event.len()).sum();
        if bytes > BYTES_AT_ONCE { self.spawn_blocking(|store| store.lay_out(appends)).await } else { self.lay_out(appends) }
    }

    fn lay_out(&self, appends: Vec<Append>) -> Result<Batch> {
        let targets = Targets::find(&*self.state()?, &appends);
        let layout = targets.ok().map(|targets| {
            EventLayout::new(&targets, &appends, self.inner.buffer_pool.take(), || next_unkeyed(&self.inner.unkeyed))
        });
        Ok(Batch { appends, layout })
    }

    /// A log file; `None` when it was compacted away since its number was looked up.
    pub(crate) fn file(&self, number: u32) -> Result<Option<Arc<dyn ReadFile>>> {
        let files = || self.inner.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files().get(&number) {
            return Ok(Some(Arc::clone(file)));
        }
        let name = self.state()?.files.by_id.get(&number).map(|info| info.name);
        let Some(name) = name else { return Ok(None) };
        let file = self.inner.folder.read_log(name)?;
        if let Some(file) = &file {
            files().insert(number, Arc::clone(file));
            if !self.state()?.files.by_id.contains_key(&number) {
                // compacted away meanwhile: to keep it open would keep its room
                files().remove(&number);
            }
        }
        Ok(file)
    }

    /// Does what waits for the disk where it holds nobody else up: on a thread for such work where there is a runtime, and
    /// where there is none (on the keeper's thread, under another executor) at once.
    async fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let runtime = tokio::runtime::Handle::try_current();
        let Some(runtime) = runtime.ok().filter(|_| !self.is_inline()) else { return work(self) };
        let store = self.clone();
        let done = runtime.spawn_blocking(move || work(&store)).await;
        done.map_err(|e| Error::new(ErrorKind::Failed, "a read was cut off").because(e))?
    }
}

impl Inner {
    /// Lets the committer finish what waits, then ends it.
    fn end(&self) {
        self.wakeup.close();
        self.maintenance_handle.join();
        self.closed.store(true, Ordering::Release);
        self.commit_queue.close();
        self.commits.send_modify(|_| ());
    }
}

/// About how many bytes a request holds while it waits.
fn queued_bytes(request: &Request) -> usize {
    let appends = |appends: &[Append]| appends.iter().map(|a| 2 * a.event.len() + 64).sum::<usize>();
    let changes = |changes: &[TableChange]| {
        changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, Bytes::len) + 64).sum::<usize>()
    };
    64 + match request {
        Request::Commit { batch, changes: wanted, .. } => appends(&batch.appends) + changes(wanted),
        Request::Stage { batch, .. } => appends(&batch.appends),
        Request::CommitStaged { changes: wanted, .. } => changes(wanted),
        _ => 0,
    }
}
