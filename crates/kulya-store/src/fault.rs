//! Fault injection: a wrapper around any backend that fails writes on request, so that callers can be
//! tested against a full disk or a conflict at any call.

use crate::{
    AppendTimes, Commit, CommitReceipt, Entry, Error, ErrorKind, EventPointer, Outcome, ReadChunk, Result,
    Scope, SegmentId, StreamConfig, StreamCut, StreamId, StreamInfo, StreamName, StreamStore, TableChange,
    TableId, Tails, Transaction, TransactionId, WriterId,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A store that passes `allowed` writes through and fails later ones with an error of the given kind,
/// writing nothing.
pub struct FaultyStore<S> {
    inner: S,
    allowed: Arc<AtomicU64>,
    kind: ErrorKind,
}

impl<S: StreamStore> FaultyStore<S> {
    /// Wraps `inner`. The writes after the next `allowed` ones fail with `kind`.
    pub fn failing_after(inner: S, allowed: u64, kind: ErrorKind) -> Self {
        Self { inner, allowed: Arc::new(AtomicU64::new(allowed)), kind }
    }

    /// Allows `writes` further writes.
    pub fn allow(&self, writes: u64) {
        self.allowed.store(writes, Ordering::SeqCst);
    }

    fn check_write(&self) -> Result<()> {
        consume_write(&self.allowed, self.kind)
    }
}

fn consume_write(allowed: &AtomicU64, kind: ErrorKind) -> Result<()> {
    let left = allowed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    left.map(drop).map_err(|_| match kind {
        ErrorKind::Full => {
            Error::new(kind, "no space left on device: nothing was written; free disk space and retry")
        }
        kind => Error::new(kind, "injected fault"),
    })
}

impl<S: StreamStore> From<FaultyStore<S>> for Arc<dyn StreamStore> {
    fn from(store: FaultyStore<S>) -> Self {
        Arc::new(store)
    }
}

#[async_trait]
impl<S: StreamStore> StreamStore for FaultyStore<S> {
    fn unsupported(&self) -> &[(crate::Capability, &'static str)] {
        self.inner.unsupported()
    }

    fn health(&self) -> crate::Health {
        self.inner.health()
    }

    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        self.check_write()?;
        self.inner.create_scope(scope).await
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        self.inner.scopes().await
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        self.check_write()?;
        self.inner.delete_scope(scope).await
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        self.check_write()?;
        self.inner.create_stream(stream, config).await
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        self.inner.stream(stream).await
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        self.check_write()?;
        self.inner.seal_stream(stream).await
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        self.check_write()?;
        self.inner.delete_stream(stream).await
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        self.check_write()?;
        self.inner.update_stream(stream, config).await
    }

    async fn cut_at(&self, stream: &StreamId, since_epoch: std::time::Duration) -> Result<StreamCut> {
        self.inner.cut_at(stream, since_epoch).await
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        self.check_write()?;
        self.inner.truncate(cut).await
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.inner.streams(scope).await
    }

    async fn tails(&self, streams: &[StreamId]) -> Result<Tails> {
        self.inner.tails(streams).await
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        self.inner.read(segment, offset, max_bytes).await
    }

    async fn append_times(&self, segment: &SegmentId, from: u64, to: u64) -> Result<AppendTimes> {
        self.inner.append_times(segment, from, to).await
    }

    async fn wait_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        self.inner.wait_for_data(segment, offset).await
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        self.inner.event(pointer).await
    }

    async fn commit(&self, commit: Commit) -> Result<CommitReceipt> {
        self.check_write()?;
        self.inner.commit(commit).await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        let inner = self.inner.begin().await?;
        Ok(Box::new(FaultyTransaction { inner, allowed: Arc::clone(&self.allowed), kind: self.kind }))
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        self.inner.outcome(transaction).await
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        self.inner.last_event_number(writer).await
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.inner.tables(scope).await
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        self.check_write()?;
        self.inner.delete_table(table).await
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        self.check_write()?;
        self.inner.create_table(table).await
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        self.inner.get(table, key).await
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.inner.scan(table, prefix, after, limit).await
    }

    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
}

struct FaultyTransaction {
    inner: Box<dyn Transaction>,
    allowed: Arc<AtomicU64>,
    kind: ErrorKind,
}

#[async_trait]
impl Transaction for FaultyTransaction {
    fn id(&self) -> TransactionId {
        self.inner.id()
    }

    async fn stage(&mut self, appends: Vec<crate::Append>) -> Result<()> {
        consume_write(&self.allowed, self.kind)?;
        self.inner.stage(appends).await
    }

    async fn commit(self: Box<Self>, changes: Vec<TableChange>) -> Result<CommitReceipt> {
        consume_write(&self.allowed, self.kind)?;
        self.inner.commit(changes).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.inner.abort().await
    }
}
