//! Two stores on the same objects behind one interface: calls alternate between them.

use crate::ObjectLogStore;
use async_trait::async_trait;
use bytes::Bytes;
use kulya_store::{
    AppendTimes, Commit, CommitReceipt, Entry, EventPointer, Outcome, ReadChunk, Result, Scope, SegmentId,
    StreamConfig, StreamCut, StreamId, StreamInfo, StreamName, StreamStore, TableId, Tails, Transaction,
    TransactionId, WriterId,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(super) struct AlternatingStores {
    stores: [ObjectLogStore; 2],
    calls: AtomicUsize,
}

impl AlternatingStores {
    pub(super) fn new(one: ObjectLogStore, two: ObjectLogStore) -> Self {
        Self { stores: [one, two], calls: AtomicUsize::new(0) }
    }

    fn next(&self) -> &ObjectLogStore {
        &self.stores[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

#[async_trait]
impl StreamStore for AlternatingStores {
    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        self.next().create_scope(scope).await
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        self.next().scopes().await
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        self.next().delete_scope(scope).await
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        self.next().create_stream(stream, config).await
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        self.next().stream(stream).await
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        self.next().update_stream(stream, config).await
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        self.next().seal_stream(stream).await
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        self.next().delete_stream(stream).await
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        self.next().truncate(cut).await
    }

    async fn cut_at(&self, stream: &StreamId, since_epoch: Duration) -> Result<StreamCut> {
        self.next().cut_at(stream, since_epoch).await
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.next().streams(scope).await
    }

    async fn tails(&self, streams: &[StreamId]) -> Result<Tails> {
        self.next().tails(streams).await
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        self.next().read(segment, offset, max_bytes).await
    }

    async fn append_times(&self, segment: &SegmentId, from: u64, to: u64) -> Result<AppendTimes> {
        self.next().append_times(segment, from, to).await
    }

    async fn wait_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        self.next().wait_for_data(segment, offset).await
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        self.next().event(pointer).await
    }

    async fn commit(&self, commit: Commit) -> Result<CommitReceipt> {
        self.next().commit(commit).await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        self.next().begin().await
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        self.next().outcome(transaction).await
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        self.next().last_event_number(writer).await
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        self.next().create_table(table).await
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.next().tables(scope).await
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        self.next().delete_table(table).await
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        self.next().get(table, key).await
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.next().scan(table, prefix, after, limit).await
    }

    async fn close(&self) -> Result<()> {
        for store in &self.stores {
            store.close().await?;
        }
        Ok(())
    }
}
