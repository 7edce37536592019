//! Collects the batches of a snapshot's readers, and commits them with what they complete.

use super::reader::Part;
use super::work::ReadRange;
use crate::output::Output;
use crate::postgres::offset::PostgresPosition;
use crate::{CdcError, CdcResult, Checkpoint, Position, Progress};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The size of the events after which what is completed is committed, in bytes.
const COMMIT_BYTES: usize = 16 << 20;

pub(super) struct Collector<'a, 'o> {
    position: &'a mut PostgresPosition,
    output: &'a mut Output<'o>,
    /// The list of the snapshot's tables, until it is committed.
    list: Option<Arc<str>>,
    /// The size of the events since the last commit, in bytes.
    staged: usize,
}

impl<'a, 'o> Collector<'a, 'o> {
    pub(super) fn new(
        position: &'a mut PostgresPosition,
        list: Arc<str>,
        output: &'a mut Output<'o>,
    ) -> Self {
        Self { position, output, list: Some(list), staged: 0 }
    }

    /// Collects until all readers have ended.
    pub(super) async fn collect(&mut self, mut parts: mpsc::Receiver<CdcResult<Part>>) -> CdcResult<()> {
        while let Some(part) = parts.recv().await {
            let Part { batch, rows, completes, reservation } = part?;
            self.output.check_cancelled()?;
            (self.output.on_progress)(Progress::SnapshotRows(rows));
            self.staged += batch.size();
            self.output.batch = batch;
            self.output.reservation = reservation;
            let is_table_complete = match completes {
                Some(range) => self.complete(range, rows)?,
                // what its reader hands over next completes it
                None => {
                    self.output.stage().await?;
                    continue;
                }
            };
            if is_table_complete || self.staged >= COMMIT_BYTES {
                self.commit().await?;
            } else {
                self.output.stage().await?;
            }
        }
        Ok(())
    }

    /// Returns whether a table is complete with a range.
    fn complete(&mut self, range: ReadRange, rows: u64) -> CdcResult<bool> {
        let reads = self.position.snapshot_reads.get_or_insert_default();
        let (table, range) = range.at(reads.cuts.len().saturating_sub(1));
        let added = reads.progress.add(table.number, table.key_columns(), range, rows);
        let is_complete = added.map_err(|_| {
            CdcError::source(format!("a primary key of table {} is no value of its type", table.name))
        })?;
        if is_complete {
            (self.output.on_progress)(Progress::SnapshotTable);
        }
        Ok(is_complete)
    }

    async fn commit(&mut self) -> CdcResult<()> {
        self.staged = 0;
        let position = Position::Postgres(self.position.clone());
        self.output.commit(Checkpoint { position, history: self.list.take() }).await?;
        Ok(())
    }

    /// Checks that the tables are complete.
    ///
    /// # Errors
    /// `Source` when a reader has ended without a word.
    pub(super) fn finish(self, tables: &[usize]) -> CdcResult<()> {
        let progress = &self.position.snapshot_reads.get_or_insert_default().progress;
        if tables.iter().all(|table| progress.table(*table).is_complete()) {
            return Ok(());
        }
        Err(CdcError::source("a reader of the snapshot has ended before its tables were read"))
    }
}
