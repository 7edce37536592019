//! The implementation of the contract, [`StreamStore`].

use super::core::{EmbeddedStore, RESERVED_TRANSACTIONS};
use super::transaction::EmbeddedTransaction;
use crate::error::{closed, poisoned_state};
use crate::op::SegmentKey;
use crate::plan::Request;
use crate::state::{Segment, Slot};
use async_trait::async_trait;
use bytes::Bytes;
use kulya_store::{
    AppendTimes, Commit, CommitReceipt, Entry, Error, EventPointer, FramedChunk, Health, HealthStatus,
    Outcome, ReadChunk, Result, Scope, SegmentId, SegmentInfo, StreamConfig, StreamCut, StreamId, StreamInfo,
    StreamName, StreamStore, TableId, Tails, Transaction, TransactionId, WriterId,
};
use std::sync::Arc;
use std::sync::PoisonError;
use std::time::Duration;

impl From<EmbeddedStore> for Arc<dyn StreamStore> {
    fn from(store: EmbeddedStore) -> Self {
        Arc::new(store)
    }
}

#[async_trait]
impl StreamStore for EmbeddedStore {
    fn health(&self) -> Health {
        if self.inner.state.is_poisoned() {
            self.inner.log.set(HealthStatus::Failed, poisoned_state().to_string());
        }
        self.inner.supervisor.health()
    }

    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        self.submit_change(Request::CreateScope(scope.clone())).await
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        self.submit_change(Request::DeleteScope(scope.clone())).await
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        Ok(self.state()?.scopes.iter().cloned().collect())
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        self.submit_change(Request::CreateStream(stream.clone(), config)).await
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        let state = self.state()?;
        let found = state.stream(stream)?;
        Ok(StreamInfo { config: found.config(), sealed: found.sealed })
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        self.submit_change(Request::UpdateStream(stream.clone(), config)).await.map(drop)
    }

    async fn cut_at(&self, stream: &StreamId, since_epoch: Duration) -> Result<StreamCut> {
        // commit times are truncated to milliseconds
        let time = u64::try_from(since_epoch.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        let state = self.state()?;
        let found = state.stream(stream)?;
        let mut cut = StreamCut::of(stream, []);
        for (number, segment) in (0u32..).zip(&found.segments) {
            let key = SegmentKey { stream: found.id, number };
            let id = SegmentId { stream: stream.clone(), number, epoch: found.epoch };
            cut.advance(&id, state.offset_at(key, segment, time)?);
        }
        Ok(cut)
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        self.submit_change(Request::SealStream(stream.clone())).await
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        self.submit_change(Request::DeleteStream(stream.clone())).await
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        cut.check(&self.segments(&cut.stream).await?)?;
        let checked = cut.clone();
        let check = move |store: &Self| {
            checked.offsets().try_for_each(|(segment, offset)| store.check_boundary(&segment, offset))
        };
        self.spawn_blocking(check).await?;
        self.submit_change(Request::Truncate(cut.clone())).await.map(drop)
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let state = self.state()?;
        state.scope(scope)?;
        Ok(state.streams.keys().filter(|s| s.scope == *scope).map(|s| s.name.clone()).collect())
    }

    async fn tails(&self, streams: &[StreamId]) -> Result<Tails> {
        let state = self.state()?;
        Tails::at_one_moment(streams, |stream| {
            let found = state.stream(stream)?;
            let count = found.segments.len() as f64;
            let info = |(number, segment): (u32, &Segment)| SegmentInfo {
                id: SegmentId { stream: stream.clone(), number, epoch: found.epoch },
                key_range: f64::from(number) / count..f64::from(number + 1) / count,
                head: segment.head,
                tail: segment.tail,
            };
            Ok((0u32..).zip(&found.segments).map(info).collect())
        })
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        let segment = segment.clone();
        let read = move |store: &Self| store.read_blocking(&segment, offset, max_bytes, 0);
        Ok(self.spawn_blocking(read).await?.into())
    }

    async fn read_framed(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<FramedChunk> {
        let segment = segment.clone();
        let excess = max_bytes / 4;
        self.spawn_blocking(move |store| store.read_blocking(&segment, offset, max_bytes, excess)).await
    }

    async fn append_times(&self, segment: &SegmentId, from: u64, to: u64) -> Result<AppendTimes> {
        let segment = segment.clone();
        self.spawn_blocking(move |store| store.append_times_blocking(&segment, from, to)).await
    }

    async fn wait_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut commits = self.inner.commits.subscribe();
        loop {
            commits.borrow_and_update();
            {
                let state = self.state()?;
                if state.segment(segment)?.1.tail > offset {
                    return Ok(());
                }
                if state.stream(&segment.stream)?.sealed {
                    return Err(Error::sealed(&segment.stream));
                }
            }
            commits.changed().await.map_err(|_| closed())?;
        }
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        // a single small read, cheaper than a thread switch
        self.read_event_blocking(pointer)
    }

    async fn commit(&self, commit: Commit) -> Result<CommitReceipt> {
        let Commit { appends, changes, writer, durability } = commit;
        let batch = self.batch(appends).await?;
        self.submit_commit(Request::Commit { batch, changes, writer, durability }).await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        drop(self.state()?);
        let mut ids = self.inner.transactions.lock().await;
        if ids.last == ids.reserved {
            let up_to = ids.reserved + RESERVED_TRANSACTIONS;
            self.submit_change(Request::ReserveTransactions { up_to }).await?;
            ids.reserved = up_to;
        }
        ids.last += 1;
        let transaction = ids.last;
        drop(ids);
        self.inner.open_transactions.lock().unwrap_or_else(PoisonError::into_inner).insert(transaction);
        Ok(Box::new(EmbeddedTransaction { store: self.clone(), transaction, has_staged: false }))
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        let Ok(id) = u64::try_from(transaction.0) else { return Ok(Outcome::Unknown) };
        if let Some(done) = self.state()?.outcomes.get(&id) {
            return Ok(Outcome::Committed(done.clone()));
        }
        let open = self.inner.open_transactions.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(if open.contains(&id) { Outcome::Open } else { Outcome::Unknown })
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        Ok(self.state()?.writers.last(writer))
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let state = self.state()?;
        state.scope(scope)?;
        Ok(state.tables.keys().filter(|t| t.scope == *scope).map(|t| t.name.clone()).collect())
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        self.submit_change(Request::DeleteTable(table.clone())).await
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        self.submit_change(Request::CreateTable(table.clone())).await
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        let state = self.state()?;
        let found = state.slot(state.table(table)?, key)?;
        let entry = |slot: Slot| {
            Some(Entry { key: Bytes::copy_from_slice(key), value: slot.value?, version: slot.version })
        };
        Ok(found.and_then(entry))
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let state = self.state()?;
        state.entries(state.table(table)?, prefix, after, limit)
    }

    async fn close(&self) -> Result<()> {
        self.spawn_blocking(|store| {
            store.inner.close();
            Ok(())
        })
        .await
    }
}
