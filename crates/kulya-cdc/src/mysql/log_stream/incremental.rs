//! Incremental snapshots beside the stream: tells the window of a chunk what the log changes, and writes the
//! rows of chunks.

use super::LogStream;
use crate::CdcResult;
use crate::incremental::{FinishedChunk, StreamProgress};
use crate::mysql::binlog::{Row, Rows, RowsKind};
use crate::mysql::incremental::{MysqlChunks, Streamed, plain_name};
use crate::mysql::source_block::Origin;
use crate::mysql::stream::RowsChange;
use crate::output::Output;
use crate::signal::SignalRecord;

impl LogStream {
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

    fn finished_chunk(&mut self, output: &Output<'_>) -> Option<FinishedChunk<MysqlChunks>> {
        let mut state = std::mem::take(&mut self.position.incremental);
        let position = &self.position;
        let progress = StreamProgress { place: position, position, streamed: &|| Streamed::at(position) };
        let finished = self.incremental.advance(&mut state, &progress, output.control);
        self.position.incremental = state;
        finished
    }

    /// Writes the rows of a chunk. They are committed with the progress.
    async fn write_chunk(
        &mut self,
        chunk: FinishedChunk<MysqlChunks>,
        output: &mut Output<'_>,
    ) -> CdcResult<()> {
        let mut table = self.writer.table(&chunk.table, &mut output.batch);
        let point = self.position.point.clone();
        // whole seconds, as Debezium has them
        let seconds = i64::try_from(output.clock.since_epoch().as_secs()).unwrap_or_default();
        let origin = Origin {
            micros: seconds.saturating_mul(1_000_000),
            snapshot: "incremental",
            server_id: 0,
            gtid: None,
            file: &point.file,
            position: point.position,
            row: 0,
            thread: None,
            query: None,
        };
        for row in &chunk.rows {
            self.writer.write_snapshot_row(&mut table, row, &origin, &self.now, &mut output.batch);
            if output.is_full() {
                output.stage().await?;
            }
        }
        Ok(())
    }

    /// Takes note of changed rows: a chunk does not have them, and a signal may be in one.
    pub(super) fn note_rows(&mut self, change: &RowsChange<'_>, mut rows: Rows<'_>) -> CdcResult<()> {
        let is_signal = self.is_signal(change);
        if !is_signal && !self.incremental.has_window() {
            return Ok(());
        }
        let Some(transaction) = &self.transaction else { return Ok(()) };
        let transaction = (transaction.transaction.id.clone(), transaction.transaction.start.clone());
        let definition = &change.table.table;
        let name = plain_name(&definition.name);
        if !is_signal && self.incremental.window_of(&name).is_none() {
            return Ok(());
        }
        let known = self.identity.take().filter(|identity| identity.is_of(definition));
        let identity = known.unwrap_or_else(|| self.writer.identity(definition));
        let mut row = Row::default();
        while rows.next_row(&mut row)? {
            if is_signal {
                self.incremental.on_logged_signal(identity.signal(&row.after));
            }
            let Some((window, _)) = self.incremental.window_of(&name) else { continue };
            let before = (change.event.kind != RowsKind::Insert).then_some(&row.before);
            let after = (change.event.kind != RowsKind::Delete).then_some(&row.after);
            for cells in [before, after].into_iter().flatten() {
                match identity.log_key(cells) {
                    Some(key) => window.on_change(&transaction, &key),
                    None => window.on_unknown_change(&transaction),
                }
            }
        }
        self.identity = Some(identity);
        Ok(())
    }

    /// Takes note of a row that is larger than an event can be.
    pub(super) fn note_cut_row(&mut self, change: &RowsChange<'_>) {
        if self.is_signal(change) {
            // it is reported as malformed
            self.incremental.on_logged_signal(SignalRecord::default());
        }
        if self.incremental.window_of(&plain_name(&change.table.table.name)).is_some() {
            self.note_unknown_change();
        }
    }

    fn is_signal(&self, change: &RowsChange<'_>) -> bool {
        let name = &change.table.table.name;
        change.event.kind == RowsKind::Insert && self.settings.is_signal_table(&name.database, &name.table)
    }

    /// Takes note of a statement that may change the definition or all rows of the table of a chunk, or of a
    /// transaction that was rolled back.
    pub(super) fn note_unknown_change(&mut self) {
        let Some(transaction) = &self.transaction else { return };
        let transaction = (transaction.transaction.id.clone(), transaction.transaction.start.clone());
        self.incremental.on_unknown_change(&transaction);
    }
}
