//! The way from the readers of a snapshot to its output: batches of a bounded size, each with what it
//! completes, and commits of what is complete.
//!
//! What is read in ranges of a key is handed over with the range that each batch completes. A table that is
//! read as a whole completes with its last batch only, so its reader keeps the others from handing over
//! between its first batch and its last.

use crate::batch::Batch;
use crate::output::{Output, Reservation};
use crate::snapshot_progress::{Key, KeyColumn, KeyRange, SnapshotProgress};
use crate::{CdcError, CdcResult, Checkpoint, Progress};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};

/// The size at which a batch is handed over, in bytes. Several of them are in memory for each reader and on
/// the way to the sink.
const BATCH_BYTES: usize = 256 << 10;
/// The size of the events after which what is complete is committed, in bytes.
const COMMIT_BYTES: usize = 16 << 20;

/// A range of a table that is read.
#[derive(Debug, Clone)]
pub(crate) struct ReadRange {
    /// The table's number in the list of the snapshot's tables.
    pub(crate) table: usize,
    pub(crate) name: Arc<str>,
    /// The columns of the key; empty for a table that is read as a whole.
    pub(crate) columns: Arc<[KeyColumn]>,
    pub(crate) after: Option<Key>,
    pub(crate) to: Option<Key>,
    /// The number of the cut at which the rows are read.
    pub(crate) cut: usize,
}

impl ReadRange {
    /// Takes the part up to a key; the rest remains.
    pub(crate) fn take_to(&mut self, key: Key) -> Self {
        let after = self.after.replace(key.clone());
        Self { after, to: Some(key), ..self.clone() }
    }

    /// Adds the range to what a snapshot has read. Returns whether its table is complete.
    ///
    /// # Errors
    /// `Source` for a key that cannot be compared.
    pub(crate) fn add_to(self, progress: &mut SnapshotProgress, rows: u64) -> CdcResult<bool> {
        let Self { table, name, columns, after, to, cut } = self;
        progress
            .add(table, &columns, KeyRange { after, to, cut }, rows)
            .map_err(|_| CdcError::source(format!("a primary key of table {name} is no value of its type")))
    }
}

/// A batch of a reader.
pub(crate) struct Part {
    batch: Batch,
    /// The number of rows.
    rows: u64,
    /// What the batch completes; `None` if another batch of the same reader follows and completes more.
    completes: Option<ReadRange>,
    /// The memory of a large row.
    reservation: Option<Reservation>,
}

/// What readers share: the work, and the way to the output.
pub(crate) struct Readers<W> {
    work: Mutex<mpsc::Receiver<W>>,
    parts: mpsc::Sender<CdcResult<Part>>,
    /// The turn to hand over.
    turn: Arc<Semaphore>,
    /// The memory of large rows.
    large_rows: Arc<Semaphore>,
}

/// The collector's end.
pub(crate) struct Parts(mpsc::Receiver<CdcResult<Part>>);

/// Connects a planner, which sends work, a number of readers and a collector.
pub(crate) fn connect<W>(readers: u32) -> (mpsc::Sender<W>, Arc<Readers<W>>, Parts) {
    let (work_sender, work) = mpsc::channel(readers.max(1) as usize);
    let (parts_sender, parts) = mpsc::channel(1);
    let readers = Readers {
        work: Mutex::new(work),
        parts: parts_sender,
        turn: Arc::new(Semaphore::new(1)),
        large_rows: Arc::new(Semaphore::new(1)),
    };
    (work_sender, Arc::new(readers), Parts(parts))
}

/// A reader's end: the batch that it fills.
pub(crate) struct HandOver<W> {
    readers: Arc<Readers<W>>,
    pub(crate) batch: Batch,
    /// The number of rows of the batch.
    pub(crate) rows: u64,
    held_turn: Option<OwnedSemaphorePermit>,
    reservation: Option<Reservation>,
}

impl<W> HandOver<W> {
    pub(crate) fn new(readers: &Arc<Readers<W>>) -> Self {
        let (batch, held_turn, reservation) = Default::default();
        Self { readers: Arc::clone(readers), batch, rows: 0, held_turn, reservation }
    }

    /// Waits for work; `None` if there is none any more.
    pub(crate) async fn next_work(&self) -> Option<W> {
        // one reader waits for work, the others for it
        self.readers.work.lock().await.recv().await
    }

    /// Whether the batch is to be handed over before the next row is read.
    pub(crate) fn is_due(&self) -> bool {
        self.batch.size() >= BATCH_BYTES || self.reservation.is_some()
    }

    /// Waits until a row of more than [`LARGE_ROW_BYTES`](crate::batch::LARGE_ROW_BYTES) may be in memory:
    /// the one before is stored.
    pub(crate) async fn reserve_large_row(&mut self) {
        if self.reservation.is_none() {
            // the turn first: who has it waits for nothing that another reader has
            self.take_turn().await;
            self.reservation = Reservation::take(&self.readers.large_rows).await;
        }
    }

    /// Hands over the batch.
    ///
    /// # Errors
    /// `Source` when the snapshot has failed elsewhere, which has the reason.
    pub(crate) async fn hand_over(&mut self, completes: Option<ReadRange>) -> CdcResult<()> {
        self.take_turn().await;
        let is_complete = completes.is_some();
        // a batch that was full is followed by another one, which need not grow step by step
        let is_full = self.batch.size() >= BATCH_BYTES && self.reservation.is_none();
        let next = Batch::with_capacity(if is_full { BATCH_BYTES + BATCH_BYTES / 8 } else { 0 });
        let part = Part {
            batch: std::mem::replace(&mut self.batch, next),
            rows: std::mem::take(&mut self.rows),
            completes,
            reservation: self.reservation.take(),
        };
        let sent = self.readers.parts.send(Ok(part)).await;
        if is_complete {
            self.held_turn = None;
        }
        sent.map_err(|_| CdcError::source("the snapshot has ended"))
    }

    /// Hands over the error that ends the reader.
    pub(crate) async fn fail(self, error: CdcError) {
        // without a receiver the snapshot has failed already
        let _ = self.readers.parts.send(Err(error)).await;
    }

    async fn take_turn(&mut self) {
        if self.held_turn.is_none() {
            // the semaphore is never closed
            self.held_turn = Arc::clone(&self.readers.turn).acquire_owned().await.ok();
        }
    }
}

/// The position of a snapshot.
pub(crate) trait SnapshotPosition: Send {
    /// Adds what is read. Returns whether its table is complete.
    ///
    /// # Errors
    /// `Source` for a key that cannot be compared.
    fn add(&mut self, range: ReadRange, rows: u64) -> CdcResult<bool>;

    /// Returns what is stored with the rows.
    fn checkpoint(&mut self) -> Checkpoint;
}

/// Commits what readers hand over, until all have ended; the first commit has what the output's batch has.
///
/// # Errors
/// Those of the readers; `Unreachable` when the capture is cancelled, or the destination has failed.
pub(crate) async fn collect(
    mut parts: Parts,
    position: &mut dyn SnapshotPosition,
    output: &mut Output<'_>,
) -> CdcResult<()> {
    if !output.batch.is_empty() {
        // what the source has written before the rows
        output.stage().await?;
    }
    let mut staged = 0;
    while let Some(part) = parts.0.recv().await {
        let Part { batch, rows, completes, reservation } = part?;
        output.check_cancelled()?;
        (output.on_progress)(Progress::SnapshotRows(rows));
        staged += batch.size();
        (output.batch, output.reservation) = (batch, reservation);
        let Some(range) = completes else {
            // what its reader hands over next completes it
            output.stage().await?;
            continue;
        };
        let is_table_complete = position.add(range, rows)?;
        if is_table_complete {
            (output.on_progress)(Progress::SnapshotTable);
        }
        if is_table_complete || staged >= COMMIT_BYTES {
            staged = 0;
            output.commit(position.checkpoint()).await?;
        } else {
            output.stage().await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Destination;
    use crate::control::Control;
    use crate::memory::Memory;
    use crate::snapshot_progress::KeyOrder;
    use crate::{CancellationToken, Position, Sink, output};
    use async_trait::async_trait;
    use futures::FutureExt;
    use kulya_store::clock::{Clock, SystemClock};
    use std::pin::pin;

    /// Writes what it gets as text: `s` for what is staged, `c` for commits.
    #[derive(Default)]
    struct TextSink(String);

    impl TextSink {
        fn add(&mut self, what: &str, batch: &Batch) {
            let values = batch.records().filter_map(|record| record.value);
            let values = values.map(|value| String::from_utf8_lossy(value).chars().next().unwrap_or('?'));
            self.0 += &format!("{what}:{} ", values.collect::<String>());
        }
    }

    #[async_trait]
    impl Sink for TextSink {
        async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
            Ok(None)
        }

        async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
            self.add("s", &batch);
            Ok(())
        }

        async fn commit(&mut self, batch: Batch, _: &Checkpoint) -> CdcResult<()> {
            self.add("c", &batch);
            Ok(())
        }
    }

    #[derive(Default)]
    struct Reads(SnapshotProgress);

    impl SnapshotPosition for Reads {
        fn add(&mut self, range: ReadRange, rows: u64) -> CdcResult<bool> {
            range.add_to(&mut self.0, rows)
        }

        fn checkpoint(&mut self) -> Checkpoint {
            let text = r#"{"system":"1","database":"d","slot":"s","lsn":1}"#;
            serde_json::from_str::<Position>(text).unwrap().into()
        }
    }

    fn range(table: usize) -> ReadRange {
        let columns = [KeyColumn { name: "id".into(), order: KeyOrder::Integer }];
        ReadRange { table, name: "t".into(), columns: columns.into(), after: None, to: None, cut: 0 }
    }

    fn write(output: &mut HandOver<()>, value: &str) {
        output.batch.push_copy(&Arc::new(Destination::of_topic("t")), None, Some(value.as_bytes()));
        output.rows += 1;
    }

    /// Runs readers with a collector; returns what a sink gets, and what is read.
    async fn run(readers: impl AsyncFnOnce(HandOver<()>, HandOver<()>)) -> (CdcResult<()>, String, Reads) {
        let (clock, control, cancel) =
            (Arc::<dyn Clock>::from(SystemClock), Control::default(), CancellationToken::new());
        let (mut sink, mut reads) = (TextSink::default(), Reads::default());
        let (mut output, input) = output::connect(&clock, &|_| (), &cancel, &control, Memory::default());
        let (work, shared, parts) = connect::<()>(2);
        let ends = (HandOver::new(&shared), HandOver::new(&shared));
        drop((work, shared));
        let read = async {
            let collected = collect(parts, &mut reads, &mut output).await;
            drop(output);
            collected
        };
        let (collected, (), written) =
            tokio::join!(read, readers(ends.0, ends.1), input.write_to(&mut sink, &|_| (), &control));
        written.unwrap();
        (collected, sink.0, reads)
    }

    #[tokio::test]
    async fn table_that_is_read_as_a_whole_is_not_interleaved() {
        let (result, written, reads) = run(async |mut a, mut b| {
            write(&mut a, "1");
            a.hand_over(None).await.unwrap();
            let mut waiting = pin!(async {
                let mut rest = range(1);
                write(&mut b, "x");
                b.hand_over(Some(rest.take_to(vec!["5".into()]))).await.unwrap();
                write(&mut b, "y");
                b.hand_over(Some(rest)).await.unwrap();
            });
            assert!(waiting.as_mut().now_or_never().is_none());
            write(&mut a, "2");
            a.hand_over(None).await.unwrap();
            a.hand_over(Some(range(0))).await.unwrap();
            waiting.await;
        })
        .await;
        result.unwrap();
        // a table's end is a commit
        assert_eq!(written, "s:1 s:2 c: s:x c:y ");
        assert_eq!(reads.0.finished, 2);
    }

    #[tokio::test]
    async fn large_row_is_stored_before_the_next_arrives() {
        let (result, written, _) = run(async |mut a, mut b| {
            a.reserve_large_row().await;
            write(&mut a, "1");
            assert!(a.is_due() && !b.is_due());
            // it waits for the turn of the other one, and then for its memory
            let readers = Arc::clone(&b.readers);
            {
                let mut waiting = pin!(b.reserve_large_row());
                assert!(waiting.as_mut().now_or_never().is_none());
                a.hand_over(Some(range(0))).await.unwrap();
                assert!(!a.is_due());
                waiting.await;
            }
            assert_eq!(readers.large_rows.available_permits(), 0);
            write(&mut b, "2");
            b.hand_over(Some(range(1))).await.unwrap();
        })
        .await;
        result.unwrap();
        assert_eq!(written, "c:1 c:2 ");
    }

    #[tokio::test]
    async fn error_of_a_reader_ends_the_snapshot() {
        let (result, written, reads) = run(async |mut a, b| {
            write(&mut a, "1");
            a.hand_over(None).await.unwrap();
            b.fail(CdcError::source("the table is gone")).await;
        })
        .await;
        assert!(result.unwrap_err().to_string().contains("is gone"));
        assert_eq!((written.as_str(), reads.0.finished), ("s:1 ", 0));
    }
}
