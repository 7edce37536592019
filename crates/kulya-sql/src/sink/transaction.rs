//! A statement's rows as one transaction of the store.

use super::routing::RoutingKey;
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::RecordBatch;
use kulya_codec::arrow::{BatchEncoder, RowKind};
use kulya_store::framing::framed_len;
use kulya_store::{Append, ErrorKind, Outcome, StreamId, StreamStore, Transaction};
use std::sync::Arc;

/// The size of events in a segment, in bytes, that are staged together: scans read as much at once.
const STAGED_BYTES: usize = 1 << 20;

/// A stream that a statement writes to.
pub(crate) struct TargetStream {
    pub(crate) stream: StreamId,
    pub(crate) encoder: Box<dyn BatchEncoder>,
    pub(crate) routing: RoutingKey,
}

impl TargetStream {
    /// Returns the events of rows.
    ///
    /// # Errors
    /// `InvalidValue` for a row that the format cannot write.
    pub(crate) fn events(&mut self, rows: &RecordBatch, kinds: Option<&[RowKind]>) -> SqlResult<Vec<Append>> {
        let mut keys = self.routing.of_rows(rows)?.map(Vec::into_iter);
        let events = self.encoder.encode(rows, kinds).map_err(|e| {
            SqlError::new(SqlErrorKind::InvalidValue, format!("stream {}: {e}", self.stream)).because(e)
        })?;
        let append = |event| {
            let routing_key = keys.as_mut().and_then(Iterator::next).flatten();
            Append { stream: self.stream.clone(), routing_key, event }
        };
        Ok(events.into_iter().map(append).collect())
    }
}

/// What a statement has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Inserted {
    pub(crate) rows: u64,
    /// The size of the events in bytes.
    pub(crate) bytes: u64,
}

/// The transaction of a statement. Dropping it without a commit aborts it.
pub(crate) struct InsertTransaction {
    store: Arc<dyn StreamStore>,
    transaction: Box<dyn Transaction>,
    pending: Vec<Append>,
    pending_bytes: usize,
    written: Inserted,
}

impl InsertTransaction {
    /// Begins a transaction.
    pub(crate) async fn begin(store: Arc<dyn StreamStore>) -> SqlResult<Self> {
        let transaction = store.begin().await?;
        Ok(Self { store, transaction, pending: Vec::new(), pending_bytes: 0, written: Inserted::default() })
    }

    /// Writes rows to a stream.
    ///
    /// # Errors
    /// `InvalidValue` for a row that the format cannot write, and those of the store.
    pub(crate) async fn write(
        &mut self,
        target: &mut TargetStream,
        rows: &RecordBatch,
        kinds: Option<&[RowKind]>,
    ) -> SqlResult<()> {
        for append in target.events(rows, kinds)? {
            self.pending_bytes += framed_len(append.event.len()) as usize;
            self.written.rows += 1;
            self.written.bytes += append.event.len() as u64;
            self.pending.push(append);
            if self.pending_bytes >= STAGED_BYTES {
                self.stage().await?;
            }
        }
        Ok(())
    }

    async fn stage(&mut self) -> SqlResult<()> {
        self.pending_bytes = 0;
        // events of the same size will follow
        let room = Vec::with_capacity(self.pending.len());
        let pending = std::mem::replace(&mut self.pending, room);
        if !pending.is_empty() {
            self.transaction.stage(pending).await?;
        }
        Ok(())
    }

    /// Makes the rows visible, all at once.
    ///
    /// # Errors
    /// Those of the store; nothing is visible then.
    pub(crate) async fn commit(mut self) -> SqlResult<Inserted> {
        self.stage().await?;
        let id = self.transaction.id();
        match self.transaction.commit(Vec::new()).await {
            Err(error) if error.kind() == ErrorKind::ResponseLost => match self.store.outcome(id).await? {
                Outcome::Committed(_) => Ok(self.written),
                _ => Err(error.into()),
            },
            result => {
                result?;
                Ok(self.written)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, StringArray};
    use bytes::Bytes;
    use kulya_codec::CodecResult;
    use kulya_store::fault::FaultyStore;
    use kulya_store::memory::MemoryStore;
    use kulya_store::{Scope, StreamConfig, bounded_read};

    /// Writes the text of the first column.
    struct Texts;

    impl BatchEncoder for Texts {
        fn encode(&mut self, rows: &RecordBatch, _: Option<&[RowKind]>) -> CodecResult<Vec<Bytes>> {
            let texts = rows.column(0).as_any().downcast_ref::<StringArray>().unwrap();
            Ok(texts.iter().map(|text| Bytes::copy_from_slice(text.unwrap_or_default().as_bytes())).collect())
        }
    }

    fn target(stream: &str) -> TargetStream {
        TargetStream {
            stream: stream.parse().unwrap(),
            encoder: Box::new(Texts),
            routing: RoutingKey::Text(0),
        }
    }

    fn rows(count: usize) -> RecordBatch {
        let texts: ArrayRef =
            Arc::new((0..count).map(|n| Some(format!("{n} {}", "x".repeat(1000)))).collect::<StringArray>());
        RecordBatch::try_from_iter([("text", texts)]).unwrap()
    }

    async fn streams(store: &dyn StreamStore) {
        store.create_scope(&Scope::new("shop").unwrap()).await.unwrap();
        for stream in ["shop/a", "shop/b"] {
            store.create_stream(&stream.parse().unwrap(), StreamConfig::with_segments(2)).await.unwrap();
        }
    }

    async fn write(store: Arc<dyn StreamStore>) -> SqlResult<Inserted> {
        let mut transaction = InsertTransaction::begin(store).await?;
        for stream in ["shop/a", "shop/b"] {
            transaction.write(&mut target(stream), &rows(3000), None).await?;
        }
        transaction.commit().await
    }

    async fn counts(store: &dyn StreamStore) -> [usize; 2] {
        let (a, b) = ("shop/a".parse().unwrap(), "shop/b".parse().unwrap());
        [bounded_read(store, &a).await.unwrap().len(), bounded_read(store, &b).await.unwrap().len()]
    }

    #[tokio::test]
    async fn rows_of_a_statement_become_visible_together_or_not_at_all() {
        let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
        streams(&*store).await;
        let mut transaction = InsertTransaction::begin(Arc::clone(&store)).await.unwrap();
        transaction.write(&mut target("shop/a"), &rows(3000), None).await.unwrap();
        assert_eq!(counts(&*store).await, [0, 0]);
        drop(transaction);
        let written = write(Arc::clone(&store)).await.unwrap();
        assert_eq!((written.rows, counts(&*store).await), (6000, [3000, 3000]));
        let mut failures = 0;
        for allowed in 0.. {
            let faulty = Arc::new(FaultyStore::failing_after(MemoryStore::new(), u64::MAX, ErrorKind::Full));
            streams(&*faulty).await;
            faulty.allow(allowed);
            let store: Arc<dyn StreamStore> = faulty;
            match write(Arc::clone(&store)).await {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind(), SqlErrorKind::DiskFull),
            }
            assert_eq!(counts(&*store).await, [0, 0], "after {allowed} writes");
            failures += 1;
        }
        assert!(failures >= 6, "{failures} steps");
    }
}
