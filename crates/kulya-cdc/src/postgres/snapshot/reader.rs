//! A reader of a snapshot: a session of its own, whose rows become events in a task of its own.
//!
//! Events are handed over in batches of a bounded size. What is read in ranges of a key is handed over with
//! the range that each batch completes. A table that is read as a whole completes with its last batch only,
//! so its reader keeps the others from handing over between its first batch and its last.

use super::row_writer::{RowContext, RowWriter};
use super::work::{ReadRange, Work};
use crate::batch::Batch;
use crate::output::{MAX_BATCH_BYTES, Reservation};
use crate::postgres::connection::copy::{CopySession, Line};
use crate::postgres::connection::frames::Frame;
use crate::postgres::table::Table;
use crate::snapshot_progress::Key;
use crate::{CdcError, CdcResult};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc};

/// The size of a row of which there is one at a time in memory, in bytes: smaller ones make a batch.
const LARGE_ROW_BYTES: usize = MAX_BATCH_BYTES;

/// A batch of a reader.
pub(super) struct Part {
    pub(super) batch: Batch,
    /// The number of rows.
    pub(super) rows: u64,
    /// What the batch completes; `None` if another batch of the same reader follows and completes more.
    pub(super) completes: Option<ReadRange>,
    /// The memory of a large row.
    pub(super) reservation: Option<Reservation>,
}

/// What all readers share.
pub(super) struct Shared {
    pub(super) rows: Arc<RowContext>,
    pub(super) work: Mutex<mpsc::Receiver<Work>>,
    /// The turn to hand over.
    pub(super) turn: Arc<Semaphore>,
    /// The memory of large rows.
    pub(super) large_rows: Arc<Semaphore>,
}

/// A reader.
pub(super) struct Reader {
    session: CopySession,
    shared: Arc<Shared>,
    parts: mpsc::Sender<CdcResult<Part>>,
    writer: RowWriter,
    batch: Batch,
    rows: u64,
    turn: Option<OwnedSemaphorePermit>,
    reservation: Option<Reservation>,
}

impl Reader {
    pub(super) fn new(
        session: CopySession,
        shared: &Arc<Shared>,
        parts: mpsc::Sender<CdcResult<Part>>,
    ) -> Self {
        let writer = RowWriter::new(Arc::clone(&shared.rows));
        let (batch, turn, reservation) = Default::default();
        Self { session, shared: Arc::clone(shared), parts, writer, batch, rows: 0, turn, reservation }
    }

    /// Reads until there is no work, and ends the session. An error is handed over.
    pub(super) async fn run(mut self) {
        loop {
            // one reader waits for work, the others for it
            let work = self.shared.work.lock().await.recv().await;
            let Some(work) = work else { break };
            if let Err(error) = self.read(&work).await {
                // without a receiver the snapshot has failed already
                let _ = self.parts.send(Err(work.table.failed(error))).await;
                return;
            }
        }
        self.session.close().await;
    }

    async fn read(&mut self, work: &Work) -> CdcResult<()> {
        let mut table = work.table.version();
        self.batch.declare(&table.events.destination);
        self.session.start(&work.copy()).await?;
        let mut after = work.after.clone();
        let mut is_first = work.after.is_none();
        while let Some(frame) = self.next_line().await? {
            if let Some(bytes) = frame.cut_from {
                self.writer.omit(&frame.payload, bytes, &table, &mut self.batch);
                continue;
            }
            let is_followed = self.session.is_followed().await?;
            let mark = work.table.place.mark(is_first, !is_followed && work.to.is_none());
            is_first = false;
            self.writer.write(&frame.payload, mark, &mut table, &mut self.batch);
            self.rows += 1;
            if is_followed && (self.batch.size() >= MAX_BATCH_BYTES || self.reservation.is_some()) {
                work.table.set_version(&table);
                self.hand_over_row(work, &frame, &table, &mut after).await?;
            }
        }
        work.table.set_version(&table);
        let completes = ReadRange { table: Arc::clone(&work.table), after, to: work.to.clone() };
        self.hand_over(Some(completes), &table).await
    }

    /// Hands over the batch whose last row is not that of the range.
    async fn hand_over_row(
        &mut self,
        work: &Work,
        last: &Frame,
        table: &Arc<Table>,
        after: &mut Option<Key>,
    ) -> CdcResult<()> {
        if work.table.key().is_none() {
            return self.hand_over(None, table).await;
        }
        let Some(key) = self.writer.key(&last.payload, work.table.key_cells()) else {
            return Err(CdcError::source("a row has null or no text in its primary key"));
        };
        let to = Some(key);
        let completes =
            ReadRange { table: Arc::clone(&work.table), after: std::mem::replace(after, to.clone()), to };
        self.hand_over(Some(completes), table).await
    }

    async fn hand_over(&mut self, completes: Option<ReadRange>, table: &Arc<Table>) -> CdcResult<()> {
        self.take_turn().await;
        let is_complete = completes.is_some();
        // a batch that was full is followed by another one, which need not grow step by step
        let is_full = self.batch.size() >= MAX_BATCH_BYTES && self.reservation.is_none();
        let next = Batch::with_capacity(if is_full { MAX_BATCH_BYTES + MAX_BATCH_BYTES / 16 } else { 0 });
        let part = Part {
            batch: std::mem::replace(&mut self.batch, next),
            rows: std::mem::take(&mut self.rows),
            completes,
            reservation: self.reservation.take(),
        };
        let sent = self.parts.send(Ok(part)).await;
        if is_complete {
            self.turn = None;
        }
        self.batch.declare(&table.events.destination);
        sent.map_err(|_| CdcError::source("the snapshot has ended"))
    }

    async fn take_turn(&mut self) {
        if self.turn.is_none() {
            // the semaphore is never closed
            self.turn = Arc::clone(&self.shared.turn).acquire_owned().await.ok();
        }
    }

    /// Returns the next line; `None` after the last one. Before a large one arrives, waits until the one
    /// before is stored.
    async fn next_line(&mut self) -> CdcResult<Option<Frame>> {
        loop {
            match self.session.take_line()? {
                Line::Arrived(frame) => return Ok(Some(frame)),
                Line::End => return Ok(None),
                Line::Missing { bytes } if bytes > LARGE_ROW_BYTES && self.reservation.is_none() => {
                    // the turn first: who has it waits for nothing that another reader has
                    self.take_turn().await;
                    self.reservation = Reservation::take(&self.shared.large_rows).await;
                }
                Line::Missing { .. } => {}
            }
            self.session.receive().await?;
        }
    }
}
