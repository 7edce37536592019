//! The store: implements the [`StreamStore`] contract. Each call is a request to the committer or a read of
//! the state at the end of the log.

use crate::bucket::Bucket;
use crate::committer::{self, Job};
use crate::journal::Journal;
use crate::maintenance::{self, Maintenance};
use crate::plan::{Answer, Ask, MOST_BYTES};
use crate::settings::Settings;
use crate::state::State;
use crate::transaction::StagedTransaction;
use async_trait::async_trait;
use bytes::Bytes;
use kulya_store::supervision::Supervisor;
use kulya_store::{
    Commit, Committed, Entry, Error, ErrorKind, EventPointer, Health, HealthStatus, Outcome, ReadChunk,
    Result, Scope, SegmentId, SegmentInfo, StreamConfig, StreamCut, StreamId, StreamInfo, StreamName,
    StreamStore, TableId, Transaction, TransactionId, WriterId,
};
use object_store::ObjectStore;
use object_store::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

/// The maximum number of bytes of queued requests; beyond it writers wait (backpressure).
const ROOM_BYTES: usize = 64 << 20;

/// A stream store on object storage. Any number of instances, in this process or others, can open the same
/// objects: they see the same data.
#[derive(Clone)]
pub struct ObjectLogStore {
    pub(crate) inner: Arc<Inner>,
}

/// The result of [`ObjectLogStore::compact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The size of the events that were merged into larger objects, in bytes.
    pub merged_bytes: u64,
    /// The number of deleted objects. Log objects are deleted only after a grace period.
    pub deleted_objects: u64,
}

pub(crate) struct Inner {
    pub(crate) journal: Arc<Journal>,
    jobs: mpsc::UnboundedSender<Job>,
    room: Arc<Semaphore>,
    closed: watch::Sender<bool>,
    supervisor: Supervisor,
    pub(crate) maintenance: tokio::sync::Mutex<Maintenance>,
}

impl ObjectLogStore {
    /// Opens the store under `prefix`, or creates it if none exists: reads the newest checkpoint and the log
    /// after it. Must be called within a tokio runtime, on which background tasks are spawned.
    ///
    /// # Errors
    /// `Corrupt` when the log is damaged or the prefix holds something else; `InvalidInput` when the storage
    /// does not support conditional writes; `Unreachable` when it does not answer.
    pub async fn open(objects: Arc<dyn ObjectStore>, prefix: &Path, settings: Settings) -> Result<Self> {
        let supervisor = Supervisor::default();
        let bucket = Bucket::new(objects, prefix, settings);
        let journal = Arc::new(Journal::open(bucket, supervisor.component("store.log")).await?);
        let (jobs, queue) = mpsc::unbounded_channel();
        let due = Arc::new(Notify::new());
        let committing = committer::run(Arc::clone(&journal), Arc::clone(&due), queue);
        supervisor.spawn("store.commits", HealthStatus::Failed, committing);
        let room = Arc::new(Semaphore::new(ROOM_BYTES));
        let closed = watch::Sender::new(false);
        let kept = Arc::clone(&journal);
        let inner = Arc::new(Inner {
            journal,
            jobs,
            room,
            closed,
            supervisor: supervisor.clone(),
            maintenance: tokio::sync::Mutex::default(),
        });
        let (store, is) = (Arc::downgrade(&inner), supervisor.component("store.maintenance"));
        supervisor.spawn_restarting("store.maintenance", move || {
            maintenance::run(Weak::clone(&store), Arc::clone(&kept), Arc::clone(&due), is.clone())
        });
        Ok(Self { inner })
    }

    /// Returns the number of objects under the store's prefix and their total size in bytes.
    ///
    /// # Errors
    /// `Unreachable` when the storage does not answer.
    pub async fn usage(&self) -> Result<(u64, u64)> {
        self.inner.journal.bucket.usage().await
    }

    /// Runs all maintenance now, due or not: applies retention, merges small objects, writes a checkpoint,
    /// and deletes unreferenced objects. Background tasks do this, too.
    ///
    /// # Errors
    /// `Conflict` when another process holds the maintenance lease; `Unreachable` when the storage does not
    /// answer.
    pub async fn compact(&self) -> Result<Compacted> {
        let pass = self.inner.maintenance.lock().await.pass(&self.inner, true).await?;
        let pass = pass.ok_or_else(|| {
            Error::new(
                ErrorKind::Conflict,
                "maintenance lease held by another process: retry in a minute",
            )
        })?;
        Ok(Compacted { merged_bytes: pass.merged_bytes, deleted_objects: pass.deleted_objects })
    }
}

impl Inner {
    pub(crate) fn check_open(&self) -> Result<()> {
        if *self.closed.borrow() { Err(closed()) } else { Ok(()) }
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer> {
        self.check_open()?;
        self.journal.check_writes()?;
        let bytes = ask.bytes();
        if bytes > MOST_BYTES {
            return Err(Error::invalid(format!(
                "request of {bytes} bytes exceeds the maximum of {MOST_BYTES}: stage events in a transaction, in smaller parts"
            )));
        }
        let room = Arc::clone(&self.room).acquire_many_owned(bytes.min(ROOM_BYTES) as u32).await;
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job { ask, reply, _room: room.ok() }).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    async fn change(&self, ask: Ask) -> Result<bool> {
        Ok(matches!(self.ask(ask).await?, Answer::Done(true)))
    }

    /// Submits a request without waiting for the response.
    pub(crate) fn tell(&self, ask: Ask) {
        committer::tell(&self.jobs, ask);
    }

    /// Calls a function with the state at the end of the log.
    async fn look<T>(&self, act: impl FnOnce(&State) -> T) -> Result<T> {
        self.check_open()?;
        self.journal.sync().await?;
        self.journal.with(act)
    }

    async fn wait_beyond(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut moved = self.journal.moved.subscribe();
        self.journal.sync().await?;
        let longest = self.journal.bucket.settings.poll;
        let mut pause = (longest / 32).max(Duration::from_millis(1)).min(longest);
        loop {
            moved.borrow_and_update();
            let looks = self.journal.looks();
            let (tail, sealed) = self
                .journal
                .with(|state| state.segment(segment).map(|(found, sealed)| (found.tail, sealed)))??;
            if tail > offset {
                return Ok(());
            }
            if sealed {
                return Err(Error::sealed(&segment.stream));
            }
            tokio::select! {
                _ = moved.changed() => {}
                () = tokio::time::sleep(pause) => {
                    // poll less and less often while nothing arrives
                    pause = (pause + pause / 4).min(longest);
                    // of many waiting readers only one polls
                    if self.journal.looks() == looks {
                        self.journal.sync().await?;
                    }
                }
            }
        }
    }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store is closed")
}

#[async_trait]
impl StreamStore for ObjectLogStore {
    fn health(&self) -> Health {
        self.inner.supervisor.health()
    }

    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        self.inner.change(Ask::CreateScope(scope.clone())).await
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        self.inner.look(|state| state.scopes.iter().cloned().collect()).await
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        self.inner.change(Ask::DeleteScope(scope.clone())).await
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        config.check(stream)?;
        self.inner.change(Ask::CreateStream(stream.clone(), config)).await
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        self.inner.look(|state| state.info(stream)).await?
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        self.inner.change(Ask::UpdateStream(stream.clone(), config)).await.map(drop)
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        self.inner.change(Ask::SealStream(stream.clone())).await
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        self.inner.change(Ask::DeleteStream(stream.clone())).await
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        self.inner.check_open()?;
        self.inner.journal.check_cut(cut).await?;
        self.inner.change(Ask::Truncate(cut.clone())).await.map(drop)
    }

    async fn cut_at(&self, stream: &StreamId, since_epoch: Duration) -> Result<StreamCut> {
        self.inner.check_open()?;
        self.inner.journal.cut_at(stream, since_epoch).await
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.inner.look(|state| state.streams_of(scope)).await?
    }

    async fn segments(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        self.inner.look(|state| state.infos(stream)).await?
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        self.inner.check_open()?;
        self.inner.journal.read(segment, offset, max_bytes).await
    }

    async fn wait_beyond(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut closing = self.inner.closed.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closed| *closed) => Err(closed()),
            waited = self.inner.wait_beyond(segment, offset) => waited,
        }
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        self.inner.check_open()?;
        self.inner.journal.event(pointer).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        let Commit { appends, changes, writer, durability: _ } = commit;
        match self.inner.ask(Ask::Commit { appends, changes, writer }).await? {
            Answer::Committed(done) => Ok(done),
            Answer::Done(_) | Answer::Begun(_) => Err(closed()),
        }
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        let Answer::Begun(name) = self.inner.ask(Ask::Begin).await? else { return Err(closed()) };
        Ok(Box::new(StagedTransaction { inner: Arc::clone(&self.inner), name, over: false }))
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        self.inner.look(|state| state.outcome(transaction)).await
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        self.inner.look(|state| state.last_event_number(writer)).await
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        self.inner.change(Ask::CreateTable(table.clone())).await
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.inner.look(|state| state.tables_of(scope)).await?
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        self.inner.change(Ask::DeleteTable(table.clone())).await
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        self.inner.look(|state| Ok(state.table(table)?.get(key))).await?
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.inner.look(|state| Ok(state.table(table)?.scan(prefix, after, limit))).await?
    }

    async fn close(&self) -> Result<()> {
        self.inner.closed.send_replace(true);
        Ok(())
    }
}
