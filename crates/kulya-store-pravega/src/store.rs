//! The store: implements the [`StreamStore`] contract on the controller, the segments and the journal.

use crate::client::PravegaClient;
use crate::controller::{DeleteOutcome, is_denied};
use crate::journal_handle::journal_stream;
use crate::plan::{Request, Response, change_bytes};
use crate::settings::Settings;
use crate::transaction::PravegaTransaction;
use async_trait::async_trait;
use bytes::Bytes;
use kulya_store::log_backend::error::store_closed;
use kulya_store::supervision::Component;
use kulya_store::{
    AppendTimes, Capability, Commit, CommitReceipt, Entry, Error, ErrorKind, EventPointer, Health,
    HealthStatus, Outcome, ReadChunk, Result, Scope, SegmentId, SegmentInfo, StreamConfig, StreamCut,
    StreamId, StreamInfo, StreamName, StreamStore, TableId, Tails, Transaction, TransactionId, WriterId,
};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A stream store on Pravega. Any number of instances, in this process or others, can open the same Pravega:
/// they see the same data.
#[derive(Clone)]
pub struct PravegaStore {
    pub(crate) client: Arc<PravegaClient>,
}

impl PravegaStore {
    /// Connects to Pravega; if a journal exists, reads it to its end and finishes what another process left
    /// unfinished. Creates nothing: the first commit that needs a journal creates it.
    ///
    /// # Errors
    /// `Unreachable` when Pravega does not answer; `InvalidInput` when the address, a certificate or the
    /// credentials are wrong; `Corrupt` when the journal is damaged.
    pub async fn open(settings: Settings) -> Result<Self> {
        match Self::start(settings).await? {
            (store, None) => Ok(store),
            (_, Some(error)) => Err(error),
        }
    }

    /// Opens the store also while Pravega is unavailable, for servers: returns the connection error as the
    /// second value. Until Pravega answers, calls fail with `Unreachable`, and
    /// [`health`](StreamStore::health) reports it.
    ///
    /// # Errors
    /// As [`PravegaStore::open`], except `Unreachable`.
    pub async fn start(settings: Settings) -> Result<(Self, Option<Error>)> {
        let store = Self { client: Arc::new(PravegaClient::new(settings)?) };
        let unavailable = match store.client.open_journal().await {
            Ok(_) => None,
            // a client without access to our journal can still read streams
            Err(error) if is_denied(&error) => None,
            Err(error) if error.kind() == ErrorKind::Unreachable => Some(error),
            Err(error) => return Err(error),
        };
        store.spawn_probe(unavailable.as_ref().map_or(Ok(()), Err));
        Ok((store, unavailable))
    }

    /// Checks once whether Pravega answers, for callers that wait after [`PravegaStore::start`].
    ///
    /// # Errors
    /// `Unreachable` while it does not answer.
    pub async fn ping(&self) -> Result<()> {
        let response = match self.client.open_journal().await {
            Err(error) if !is_denied(&error) => Err(error),
            _ => Ok(()),
        };
        report_health(&self.client.supervisor.component(COMPONENT), response.as_ref().map(drop));
        response
    }

    /// Spawns a task that probes Pravega at intervals, so that the store's health reports an outage before a
    /// caller meets it.
    fn spawn_probe(&self, first: std::result::Result<(), &Error>) {
        let component = self.client.supervisor.component(COMPONENT);
        report_health(&component, first);
        let client = Arc::downgrade(&self.client);
        self.client
            .supervisor
            .spawn_restarting("store.pravega.probe", move || probe(client.clone(), component.clone()));
    }
}

/// The name of the store's health component.
const COMPONENT: &str = "store.pravega";
/// The interval between two probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// Sets the component's health from the outcome of a call.
fn report_health(component: &Component, response: std::result::Result<(), &Error>) {
    match response {
        Err(error) if error.kind() == ErrorKind::Unreachable => {
            component.set(HealthStatus::Unavailable, error.to_string());
        }
        _ => component.set_healthy(),
    }
}

/// Probes Pravega until the store is closed.
async fn probe(client: Weak<PravegaClient>, component: Component) {
    let Some(mut closing) = client.upgrade().map(|client| client.closed.subscribe()) else { return };
    loop {
        tokio::select! {
            _ = closing.wait_for(|closed| *closed) => return,
            () = tokio::time::sleep(PROBE_INTERVAL) => {}
        }
        let Some(client) = client.upgrade() else { return };
        let outcome = client.with_deadline(0, client.check_available()).await;
        report_health(&component, outcome.as_ref().map(drop));
    }
}

impl From<PravegaStore> for Arc<dyn StreamStore> {
    fn from(store: PravegaStore) -> Self {
        Arc::new(store)
    }
}

#[async_trait]
impl StreamStore for PravegaStore {
    fn health(&self) -> Health {
        self.client.supervisor.health()
    }

    fn unsupported(&self) -> &[(Capability, &'static str)] {
        &[
            (
                Capability::AtomicVisibility,
                "events of a commit are appended to their segments one after the other",
            ),
            (Capability::CutAtTime, "pravega stores no time of single events"),
            (
                Capability::HigherEpochs,
                "pravega continues the segment numbers of a recreated stream, and restarts at epoch 0",
            ),
            (Capability::CombinedRetention, "pravega's retention policy is by time or by size"),
            (Capability::AppendTimes, "pravega stores no time of single events"),
        ]
    }

    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        self.client.with_deadline(0, self.client.controller.create_scope(scope)).await
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        self.client.with_deadline(0, self.client.controller.scopes()).await
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        self.client.with_deadline(0, self.client.delete_scope(scope)).await
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        config.validate(stream)?;
        self.client.with_deadline(0, self.client.controller.create_stream(stream, &config)).await
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        let found = async {
            let config = self.client.controller.configuration(stream).await?;
            let sealed = self.client.refresh_layout(stream).await?.sealed;
            Ok(StreamInfo { config, sealed })
        };
        self.client.with_deadline(0, found).await
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        let updated = async {
            let now = self.client.controller.configuration(stream).await?;
            config.validate_update(stream, &now)?;
            self.client.controller.update_stream(stream, &config).await
        };
        self.client.with_deadline(0, updated).await
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        self.client.with_deadline(0, self.client.seal_stream(stream)).await
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        self.client.layouts.invalidate(stream);
        match self.client.with_deadline(0, self.client.controller.delete_stream(stream)).await? {
            DeleteOutcome::Deleted => Ok(true),
            DeleteOutcome::NotFound => Ok(false),
            DeleteOutcome::NotSealed => Err(Error::not_sealed(stream)),
        }
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        self.client.with_deadline(0, self.client.truncate(cut)).await
    }

    async fn cut_at(&self, stream: &StreamId, _: Duration) -> Result<StreamCut> {
        self.client.check_open()?;
        let what =
            format!("a cut of stream {stream} by time is not supported on Pravega: use one by position");
        Err(Error::new(ErrorKind::NotSupported, what))
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let mut found = self.client.with_deadline(0, self.client.controller.streams(scope)).await?;
        let journal = journal_stream();
        if *scope == journal.scope {
            found.retain(|name| *name != journal.name);
        }
        Ok(found)
    }

    async fn tails(&self, streams: &[StreamId]) -> Result<Tails> {
        self.client.with_deadline(0, self.client.tails(streams)).await
    }

    // of one stream, and of no particular moment: one request per segment
    async fn segments(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        self.client.with_deadline(0, self.client.segment_infos(stream)).await
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        self.client
            .with_deadline(max_bytes, self.client.segments.read_events(segment, offset, max_bytes))
            .await
    }

    async fn append_times(&self, segment: &SegmentId, _: u64, _: u64) -> Result<AppendTimes> {
        self.client.check_open()?;
        let what = format!(
            "append times of segment {segment} are not supported on Pravega: it stores no time of single events"
        );
        Err(Error::new(ErrorKind::NotSupported, what))
    }

    async fn wait_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut closing = self.client.closed.subscribe();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closed| *closed) => Err(store_closed()),
            waited = self.client.segments.wait_for_data(segment, offset) => waited,
        }
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        self.client.with_deadline(pointer.length as usize, self.client.event(pointer)).await
    }

    async fn commit(&self, commit: Commit) -> Result<CommitReceipt> {
        let events = commit.appends.iter().map(|append| append.event.len()).sum::<usize>();
        let bytes = events + commit.changes.iter().map(change_bytes).sum::<usize>();
        self.client.with_deadline(bytes, self.client.commit(commit)).await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        let Response::Written { record_id, .. } =
            self.client.with_deadline(0, self.client.submit(Request::Begin)).await?
        else {
            return Err(store_closed());
        };
        Ok(Box::new(PravegaTransaction::new(Arc::clone(&self.client), record_id)))
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        self.client.with_deadline(0, self.client.sync()).await?;
        Ok(self.client.with_state(|state| state.outcome(transaction)))
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        self.client.with_deadline(0, self.client.sync()).await?;
        Ok(self.client.with_state(|state| state.last_event_number(writer)))
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        let created = async {
            self.client.check_scope(&table.scope).await?;
            self.client.submit(Request::CreateTable { table: table.clone() }).await
        };
        Ok(matches!(self.client.with_deadline(0, created).await?, Response::Written { .. }))
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let synced = async {
            self.client.sync().await?;
            self.client.check_scope(scope).await
        };
        self.client.with_deadline(0, synced).await?;
        Ok(self.client.with_state(|state| state.tables_of(scope)))
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        let response = self
            .client
            .with_deadline(0, self.client.submit(Request::DeleteTable { table: table.clone() }))
            .await?;
        Ok(matches!(response, Response::Written { .. }))
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        self.client.with_deadline(0, self.client.sync()).await?;
        self.client.with_state(|state| Ok(state.table(table)?.get(key)))
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.client.with_deadline(0, self.client.sync()).await?;
        self.client.with_state(|state| Ok(state.table(table)?.scan(prefix, after, limit)))
    }

    async fn close(&self) -> Result<()> {
        self.client.closed.send_replace(true);
        Ok(())
    }
}
