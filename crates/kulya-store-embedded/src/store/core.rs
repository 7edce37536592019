//! The store handle: sends requests to the committer, and gives access to the state and the log files.

use crate::commit_queue::CommitQueue;
use crate::committer::{PendingRequest, next_unkeyed};
use crate::disk::ReadFile;
use crate::error::{closed, poisoned_state, read_only};
use crate::folder::Folder;
use crate::maintenance::Maintenance;
use crate::maintenance::MaintenanceHandle;
use crate::plan::{Batch, EventLayout, Request, Response, Targets};
use crate::state::State;
use crate::wakeup::Wakeup;
use bytes::Bytes;
use kulya_store::clock::Clock;
use kulya_store::supervision::{Component, Supervisor};
use kulya_store::{Append, CommitReceipt, Durability, Error, ErrorKind, Pointers, Result, TableChange};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::{Semaphore, oneshot, watch};

/// The maximum size of queued requests, in bytes; callers wait beyond it.
pub(super) const QUEUE_BYTES: usize = 64 << 20;
/// The size of a batch, in bytes, above which its layout is computed on a blocking thread.
const INLINE_LAYOUT_BYTES: usize = 1 << 20;
/// The number of transaction ids that are reserved in the log at a time, so that none is reused after a
/// crash.
pub(super) const RESERVED_TRANSACTIONS: u64 = 1 << 20;

/// A stream store in one folder, which this process locks. Clones share the store; dropping the last one
/// closes it.
#[derive(Clone)]
pub struct EmbeddedStore {
    /// `None` in handles of the store's own threads, which do not keep it open. Dropped before `inner`.
    pub(crate) _open: Option<Arc<OpenGuard>>,
    pub(crate) inner: Arc<Inner>,
}

/// Closes the store when the last handle is dropped.
pub(crate) struct OpenGuard(pub(super) Arc<Inner>);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The shared state of a store's handles and threads.
pub(crate) struct Inner {
    pub(crate) state: Arc<RwLock<State>>,
    /// The sequence of the last frame; tail readers wait for it to change.
    pub(super) commits: watch::Sender<u64>,
    pub(super) commit_queue: CommitQueue,
    /// Limits the size of queued requests, in bytes.
    pub(super) queue_permits: Arc<Semaphore>,
    pub(crate) folder: Arc<Folder>,
    /// Log files that are open for reading, by id.
    pub(crate) files: Mutex<HashMap<u32, Arc<dyn ReadFile>>>,
    pub(crate) maintenance: Mutex<Maintenance>,
    pub(crate) wakeup: Arc<Wakeup>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) maintenance_thread: MaintenanceHandle,
    /// The health of the store's components.
    pub(crate) supervisor: Supervisor,
    /// The health of the log.
    pub(crate) log: Component,
    pub(super) transactions: tokio::sync::Mutex<TransactionIds>,
    /// The ids of open transactions.
    pub(super) open_transactions: Mutex<HashSet<u64>>,
    /// The round-robin counter of events without a key.
    pub(super) unkeyed: Arc<AtomicU32>,
    pub(super) is_closed: AtomicBool,
    pub(super) is_read_only: bool,
}

/// The transaction ids that were assigned and reserved.
pub(super) struct TransactionIds {
    /// The last assigned id.
    pub(super) last: u64,
    /// The highest reserved id.
    pub(super) reserved: u64,
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
        if self.inner.is_closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        self.inner.state.read().map_err(|_| poisoned_state())
    }

    /// Returns why the committer accepts no requests.
    fn stopped_error(&self) -> Error {
        if self.inner.is_closed.load(Ordering::Acquire) {
            return closed();
        }
        if self.inner.is_read_only {
            return read_only();
        }
        let reason = self.inner.log.reason().unwrap_or_else(|| "the committer stopped".into());
        Error::new(ErrorKind::Failed, format!("{reason}: reopen the store"))
    }

    /// Sends a request to the committer and waits for the response; returns both.
    async fn submit(&self, request: Request) -> Result<(Request, Response)> {
        let permit =
            u32::try_from(queued_bytes(&request).min(QUEUE_BYTES)).expect("the queue is smaller than 4 GiB");
        let permit =
            Arc::clone(&self.inner.queue_permits).acquire_many_owned(permit).await.map_err(|_| closed())?;
        let (reply, receiver) = oneshot::channel();
        let pending = PendingRequest { request, reply, _permit: permit };
        self.inner.commit_queue.send(pending).await.ok_or_else(|| self.stopped_error())?;
        let (request, response) = receiver.await.map_err(|_| self.stopped_error())?;
        Ok((request, response?))
    }

    /// Submits a request that creates, changes or deletes something; returns whether it did.
    pub(super) async fn submit_change(&self, request: Request) -> Result<bool> {
        match self.submit(request).await? {
            (_, Response::Created(is_new)) => Ok(is_new),
            (_, Response::Committed { .. }) => Ok(false),
        }
    }

    /// Submits a commit, or a part of a transaction.
    pub(super) async fn submit_commit(&self, request: Request) -> Result<CommitReceipt> {
        let (request, response) = self.submit(request).await?;
        let Response::Committed { starts, versions, duplicate } = response else {
            return Ok(CommitReceipt::default());
        };
        let mut pointers = Pointers::default();
        if let Request::Commit { batch, .. } | Request::Stage { batch, .. } = request {
            // staged events have no offsets yet
            pointers = batch.pointers(&starts);
        }
        Ok(CommitReceipt { pointers, versions, duplicate })
    }

    /// Syncs everything that was written, by an empty commit.
    pub(crate) async fn sync(&self) -> Result<()> {
        let (batch, changes, durability) = (Batch::default(), Vec::new(), Durability::Synced);
        self.submit_commit(Request::Commit { batch, changes, writer: None, durability }).await.map(drop)
    }

    /// Computes the layout of a batch. If it fails, the committer repeats it and rejects the request, or
    /// not, depending on the state then.
    pub(super) async fn batch(&self, appends: Vec<Append>) -> Result<Batch> {
        let bytes: usize = appends.iter().map(|append| append.event.len()).sum();
        if bytes > INLINE_LAYOUT_BYTES {
            self.spawn_blocking(|store| store.lay_out(appends)).await
        } else {
            self.lay_out(appends)
        }
    }

    fn lay_out(&self, appends: Vec<Append>) -> Result<Batch> {
        let targets = Targets::find(&*self.state()?, &appends);
        let layout = targets
            .ok()
            .map(|targets| EventLayout::new(&targets, &appends, || next_unkeyed(&self.inner.unkeyed)));
        Ok(Batch { appends, layout })
    }

    /// Opens a log file by id; `None` if it was removed by a compaction.
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
                // removed meanwhile: an open file would keep its disk space
                files().remove(&number);
            }
        }
        Ok(file)
    }

    /// Runs blocking work: on a blocking thread if there is a runtime, and otherwise (on the maintenance
    /// thread, or under another executor) on the current thread.
    pub(super) async fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let runtime = tokio::runtime::Handle::try_current();
        let Some(runtime) = runtime.ok().filter(|_| !self.is_inline()) else { return work(self) };
        let store = self.clone();
        let result = runtime.spawn_blocking(move || work(&store)).await;
        result.map_err(|e| Error::new(ErrorKind::Failed, "a blocking task was aborted").because(e))?
    }
}

impl Inner {
    /// Stops maintenance, then lets the committer process its queue and stop.
    pub(super) fn close(&self) {
        self.wakeup.close();
        self.maintenance_thread.join();
        self.is_closed.store(true, Ordering::Release);
        self.commit_queue.close();
        self.commits.send_modify(|_| ());
    }
}

/// Returns about how many bytes a request occupies in the queue.
fn queued_bytes(request: &Request) -> usize {
    let appends = |appends: &[Append]| appends.iter().map(|a| a.event.len() + 64).sum::<usize>();
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
