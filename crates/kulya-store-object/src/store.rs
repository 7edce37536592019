//! The store: implements the [`StreamStore`] contract. Each call is a request to the committer or a read of
//! the state at the end of the log.

use crate::bucket::Bucket;
use crate::committer;
use crate::journal::Journal;
use crate::log_client::LogClient;
use crate::maintenance::{Maintenance, PassReport};
use crate::plan::{Request, Response};
use crate::settings::Settings;
use crate::state::State;
use crate::transaction::ObjectTransaction;
use async_trait::async_trait;
use bytes::Bytes;
use kulya_store::log_backend::error::store_closed;
use kulya_store::log_backend::queue::job_queue;
use kulya_store::supervision::{Component, Supervisor};
use kulya_store::{
    AppendTimes, Commit, CommitReceipt, Entry, Error, ErrorKind, EventPointer, Health, HealthStatus, Outcome,
    ReadChunk, Result, Scope, SegmentId, StreamConfig, StreamCut, StreamId, StreamInfo, StreamName,
    StreamStore, TableId, Tails, Transaction, TransactionId, WriterId,
};
use object_store::ObjectStore;
use object_store::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// A stream store on object storage. Any number of instances, in this process or others, can open the same
/// objects: they see the same data.
#[derive(Clone)]
pub struct ObjectLogStore {
    pub(crate) shared: Arc<Shared>,
}

/// The result of [`ObjectLogStore::compact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionReport {
    /// The size of the events that were merged into larger objects, in bytes.
    pub merged_bytes: u64,
    /// The number of deleted objects. Log objects are deleted only after a grace period.
    pub deleted_objects: u64,
}

pub(crate) struct Shared {
    pub(crate) client: Arc<LogClient>,
    supervisor: Supervisor,
    maintenance: tokio::sync::Mutex<Maintenance>,
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
        let (sender, receiver) = job_queue();
        let due = Arc::new(Notify::new());
        let committer = committer::run(Arc::clone(&journal), Arc::clone(&due), receiver);
        supervisor.spawn("store.commits", HealthStatus::Failed, committer);
        let interval = journal.bucket.settings.maintenance_interval;
        let shared = Arc::new(Shared {
            client: Arc::new(LogClient::new(journal, sender)),
            supervisor: supervisor.clone(),
            maintenance: tokio::sync::Mutex::default(),
        });
        let (weak, component) = (Arc::downgrade(&shared), supervisor.component("store.maintenance"));
        supervisor.spawn_restarting("store.maintenance", move || {
            run_maintenance(Weak::clone(&weak), Arc::clone(&due), interval, component.clone())
        });
        Ok(Self { shared })
    }

    /// Returns the number of objects under the store's prefix and their total size in bytes.
    ///
    /// # Errors
    /// `Unreachable` when the storage does not answer.
    pub async fn usage(&self) -> Result<(u64, u64)> {
        self.client().journal.bucket.usage().await
    }

    /// Runs all maintenance now, due or not: applies retention, merges small objects, writes a checkpoint,
    /// and deletes unreferenced objects. Background tasks do this, too.
    ///
    /// # Errors
    /// `Conflict` when another process holds the maintenance lease; `Unreachable` when the storage does not
    /// answer.
    pub async fn compact(&self) -> Result<CompactionReport> {
        let pass = self.run_maintenance_pass(true).await?;
        let pass = pass.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, "maintenance lease held by another process: retry in a minute")
        })?;
        Ok(CompactionReport { merged_bytes: pass.merged_bytes, deleted_objects: pass.deleted_objects })
    }

    fn client(&self) -> &LogClient {
        &self.shared.client
    }

    async fn run_maintenance_pass(&self, force: bool) -> Result<Option<PassReport>> {
        self.shared.maintenance.lock().await.run_pass(&self.shared.client, self, force).await
    }
}

/// Runs a maintenance pass whenever a writer notifies it and at each interval, until the store is closed.
async fn run_maintenance(store: Weak<Shared>, due: Arc<Notify>, interval: Duration, component: Component) {
    loop {
        tokio::select! {
            () = due.notified() => {}
            () = tokio::time::sleep(interval) => {}
        }
        let Some(shared) = store.upgrade().filter(|shared| shared.client.check_open().is_ok()) else {
            return;
        };
        match (ObjectLogStore { shared }).run_maintenance_pass(false).await {
            Ok(pass) => {
                let PassReport { merged_bytes, deleted_objects } = pass.unwrap_or_default();
                component.count("merged_bytes", merged_bytes);
                component.count("deleted_objects", deleted_objects);
                component.set_healthy();
            }
            // a failed pass is repeated; meanwhile no data is lost, only no space is reclaimed
            Err(error) => {
                tracing::warn!("maintenance failed, will retry: {error}");
                component.set(HealthStatus::Degraded, error.to_string());
                component.count("failures", 1);
            }
        }
    }
}

impl From<ObjectLogStore> for Arc<dyn StreamStore> {
    fn from(store: ObjectLogStore) -> Self {
        Arc::new(store)
    }
}

#[async_trait]
impl StreamStore for ObjectLogStore {
    fn health(&self) -> Health {
        self.shared.supervisor.health()
    }

    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        self.client().submit_change(Request::CreateScope(scope.clone())).await
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        self.client().read_state(|state| state.scopes.iter().cloned().collect()).await
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        self.client().submit_change(Request::DeleteScope(scope.clone())).await
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        config.validate(stream)?;
        self.client().submit_change(Request::CreateStream(stream.clone(), config)).await
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        self.client().read_state(|state| state.info(stream)).await?
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        self.client().submit_change(Request::UpdateStream(stream.clone(), config)).await.map(drop)
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        self.client().submit_change(Request::SealStream(stream.clone())).await
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        self.client().submit_change(Request::DeleteStream(stream.clone())).await
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        self.client().check_open()?;
        self.client().journal.check_cut(cut).await?;
        self.client().submit_change(Request::Truncate(cut.clone())).await.map(drop)
    }

    async fn cut_at(&self, stream: &StreamId, since_epoch: Duration) -> Result<StreamCut> {
        self.client().check_open()?;
        self.client().journal.cut_at(stream, since_epoch).await
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.client().read_state(|state| state.streams_of(scope)).await?
    }

    async fn tails(&self, streams: &[StreamId]) -> Result<Tails> {
        let find = |state: &State| Tails::at_one_moment(streams, |stream| state.segment_infos(stream));
        self.client().read_state(find).await?
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        self.client().check_open()?;
        self.client().journal.read(segment, offset, max_bytes).await
    }

    async fn append_times(&self, segment: &SegmentId, from: u64, to: u64) -> Result<AppendTimes> {
        self.client().check_open()?;
        self.client().journal.append_times(segment, from, to).await
    }

    async fn wait_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        self.client().wait_for_data(segment, offset).await
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        self.client().check_open()?;
        self.client().journal.event(pointer).await
    }

    async fn commit(&self, commit: Commit) -> Result<CommitReceipt> {
        let Commit { appends, changes, writer, durability: _ } = commit;
        match self.client().submit(Request::Commit { appends, changes, writer }).await? {
            Response::CommitReceipt(done) => Ok(done),
            Response::Changed(_) | Response::Id(_) => Err(store_closed()),
        }
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        let Response::Id(id) = self.client().submit(Request::Begin).await? else {
            return Err(store_closed());
        };
        Ok(Box::new(ObjectTransaction::new(Arc::clone(&self.shared.client), id)))
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        self.client().read_state(|state| state.outcome(transaction)).await
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        self.client().read_state(|state| state.last_event_number(writer)).await
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        self.client().submit_change(Request::CreateTable(table.clone())).await
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.client().read_state(|state| state.tables_of(scope)).await?
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        self.client().submit_change(Request::DeleteTable(table.clone())).await
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        self.client().read_state(|state| Ok(state.table(table)?.get(key))).await?
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.client().read_state(|state| Ok(state.table(table)?.scan(prefix, after, limit))).await?
    }

    async fn close(&self) -> Result<()> {
        self.client().close();
        Ok(())
    }
}
