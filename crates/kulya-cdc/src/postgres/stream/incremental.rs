//! Incremental snapshots beside the stream: tells the window of a chunk what the log changes, and writes the
//! rows of chunks.

use super::state::ReplicationStream;
use crate::CdcResult;
use crate::debezium::envelope::{Operation, ProcessingTime};
use crate::incremental::{FinishedChunk, StreamProgress};
use crate::output::Output;
use crate::postgres::connection::session::lsn_text;
use crate::postgres::copy_line::CopyLine;
use crate::postgres::incremental::{ChunkLine, ChunkTable, PostgresChunks, row_key};
use crate::postgres::pgoutput::Cell;
use crate::postgres::read_row;
use crate::postgres::source_block::Origin;
use crate::postgres::table::Table;
use crate::signal::SignalRecord;
use std::sync::Arc;

impl ReplicationStream<'_> {
    /// Goes on with incremental snapshots and signals if there are any. Must not be called within a
    /// transaction of the log.
    pub(super) async fn advance_incremental(&mut self, output: &mut Output<'_>) -> CdcResult<()> {
        if !self.incremental.is_active(&self.position.incremental, output.control) {
            return Ok(());
        }
        if let Some(chunk) = self.finished_chunk(output) {
            self.write_chunk(chunk, output).await?;
        }
        if self.incremental.take_changed() { self.commit(output).await } else { Ok(()) }
    }

    fn finished_chunk(&mut self, output: &Output<'_>) -> Option<FinishedChunk<PostgresChunks>> {
        let lsn = self.position.lsn;
        let streamed = &self.streamed;
        let progress =
            StreamProgress { place: &lsn, position: &lsn_text(lsn), streamed: &|| streamed.to_vec() };
        self.incremental.advance(&mut self.position.incremental, &progress, output.control)
    }

    /// Writes the rows of a chunk. They are committed with the progress.
    async fn write_chunk(
        &mut self,
        chunk: FinishedChunk<PostgresChunks>,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let FinishedChunk { table: ChunkTable { table, key_cells }, rows } = chunk;
        let mut table = Arc::new(table);
        let mut line = CopyLine::default();
        for ChunkLine { line: text, cut_from } in rows {
            let cells = line.parse(&text);
            let cells = cells.get(key_cells..).unwrap_or_default();
            match cut_from {
                None => self.write_chunk_row(cells, &mut table, output),
                Some(bytes) => read_row::omit(&mut output.batch, &table, cells, bytes),
            }
            if output.is_full() {
                output.stage().await?;
            }
        }
        Ok(())
    }

    /// Writes a row. A null in a required column declares the table again, with that column optional.
    fn write_chunk_row(&mut self, cells: &[Cell<'_>], table: &mut Arc<Table>, output: &mut Output<'_>) {
        let now = ProcessingTime::new(output.clock.since_epoch());
        let origin = Origin {
            start: &self.source,
            snapshot: "incremental",
            committed_micros: output.clock.since_epoch().as_micros() as i64,
            transaction: None,
            lsn: self.position.lsn,
            last_commit_lsn: self.last_commit.map(|last| last.end_lsn),
        };
        let findings = read_row::write(&mut output.batch, table, cells, (self.events, &origin, &now));
        self.replaced_values.report(&findings.replaced);
    }

    /// Takes note of a change of a row: a chunk does not have it, and a signal may be in it.
    pub(super) fn note_change(
        &mut self,
        table: &Table,
        operation: Operation,
        before: Option<&[Cell<'_>]>,
        after: Option<&[Cell<'_>]>,
    ) {
        let schema = &table.events.schema;
        let is_signal = operation == Operation::Create
            && self.target.settings.is_signal_table(&schema.schema, &schema.table);
        if is_signal {
            self.incremental.on_logged_signal(signal(after.unwrap_or_default()));
        }
        if !self.incremental.has_window() {
            return;
        }
        let Some(transaction) = &self.transaction else { return };
        let transaction = (transaction.xid, transaction.commit_lsn);
        let Some((window, progress)) = self.incremental.window_of(&schema.table_name()) else { return };
        let surrogate_key = progress.surrogate_key.as_deref();
        if before.is_none() && after.is_none() {
            return window.on_unknown_change(&transaction);
        }
        for cells in [before, after].into_iter().flatten() {
            match row_key(table, surrogate_key, cells) {
                Some(key) => window.on_change(&transaction, &key),
                None => window.on_unknown_change(&transaction),
            }
        }
    }

    /// Takes note that a table's columns or key may be others than before, or that an unknown row was
    /// changed.
    pub(super) fn note_table(&mut self, table: &Table) {
        if let Some(transaction) = &self.transaction
            && let Some((window, _)) = self.incremental.window_of(&table.events.schema.table_name())
        {
            window.on_unknown_change(&(transaction.xid, transaction.commit_lsn));
        }
    }
}

/// Returns the signal of a row: its first three columns, whatever their names.
fn signal(cells: &[Cell<'_>]) -> SignalRecord {
    let text = |place: usize| match cells.get(place) {
        Some(Cell::Text(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    };
    SignalRecord { id: text(0), kind: text(1), data: text(2) }
}
