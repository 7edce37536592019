//! A reader of a snapshot: a session of its own, whose rows become events in a task of its own.

use super::planner::{TableWork, Work};
use super::session::{TableSession, read_error};
use crate::batch::LARGE_ROW_BYTES;
use crate::debezium::envelope::ProcessingTime;
use crate::mysql::catalog::TableInfo;
use crate::mysql::connection::TextRow;
use crate::mysql::event_table::EventTable;
use crate::mysql::events::EventWriter;
use crate::mysql::key_range::KeyColumns;
use crate::mysql::offset::LogPoint;
use crate::mysql::source_block::Origin;
use crate::snapshot_parts::{HandOver, ReadRange};
use crate::snapshot_progress::Key;
use crate::{CdcError, CdcResult};
use kulya_store::clock::Clock;
use std::sync::Arc;

/// What all rows of a snapshot have in common.
pub(crate) struct RowContext {
    clock: Arc<dyn Clock>,
    place: LogPoint,
    /// When the snapshot was started, in microseconds since 1970-01-01 UTC.
    micros: i64,
}

impl RowContext {
    /// `place` is that in the log at which the rows are read.
    pub(crate) fn new(clock: &Arc<dyn Clock>, place: LogPoint) -> Self {
        // whole seconds, as Debezium has them
        let seconds = i64::try_from(clock.since_epoch().as_secs()).unwrap_or_default();
        Self { clock: Arc::clone(clock), place, micros: seconds.saturating_mul(1_000_000) }
    }

    /// Returns the origin of a row with a mark.
    pub(crate) fn origin(&self, mark: &'static str) -> Origin<'_> {
        Origin {
            micros: self.micros,
            snapshot: mark,
            server_id: 0,
            gtid: None,
            file: &self.place.file,
            position: self.place.position,
            row: 0,
            thread: None,
            query: None,
        }
    }

    pub(crate) fn now(&self) -> ProcessingTime {
        ProcessingTime::new(self.clock.since_epoch())
    }
}

/// A reader.
pub(crate) struct Reader {
    session: TableSession,
    context: Arc<RowContext>,
    /// The number of the session's cut.
    cut: usize,
    writer: EventWriter,
    output: HandOver<Work>,
}

impl Reader {
    pub(crate) fn new(
        (session, cut): (TableSession, usize),
        context: &Arc<RowContext>,
        writer: EventWriter,
        output: HandOver<Work>,
    ) -> Self {
        Self { session, context: Arc::clone(context), cut, writer, output }
    }

    /// Reads until there is no work, and ends the session. An error is handed over.
    pub(crate) async fn run(mut self) {
        while let Some(work) = self.output.next_work().await {
            if let Err(error) = self.read(&work).await {
                return self.output.fail(error).await;
            }
        }
        // the transaction only reads
        let _ = self.session.end().await;
    }

    async fn read(&mut self, Work { table: work, range }: &Work) -> CdcResult<()> {
        let Self { session, context, cut, writer, output } = self;
        let TableWork { info, place, key, .. } = &**work;
        let mut table = work.version();
        output.batch.declare(&table.events.destination);
        session.hold(info).await?;
        let rows = session.connection.query_rows(&work.select(range)).await;
        let mut rows = rows.map_err(|error| read_error(info, error))?.cutting_long_rows();
        let mut row = TextRow::default();
        let mut rest = ReadRange { cut: *cut, ..range.clone() };
        let mut is_first = range.after.is_none();
        let mut following = rows.following().await.map_err(|error| read_error(info, error))?;
        loop {
            // before a large row arrives, the one before is stored
            if following.is_some_and(|bytes| bytes > LARGE_ROW_BYTES) {
                output.reserve_large_row().await;
            }
            // the end is read, too: otherwise the connection is closed
            if !rows.next_into(&mut row).await.map_err(|error| read_error(info, error))? {
                break;
            }
            following = rows.following().await.map_err(|error| read_error(info, error))?;
            if let Some(bytes) = row.cut_from() {
                EventWriter::omit_snapshot_row(&table, &row, bytes, &mut output.batch);
                continue;
            }
            let is_followed = following.is_some();
            let mark = place.mark(is_first, !is_followed && range.to.is_none());
            is_first = false;
            let now = context.now();
            writer.write_snapshot_row(&mut table, &row, &context.origin(mark), &now, &mut output.batch);
            output.rows += 1;
            if is_followed && output.is_due() {
                work.set_version(&table);
                let completes = match key {
                    Some(key) => Some(rest.take_to(key_of(key, &table, &row, info)?)),
                    None => None,
                };
                // of a large row, which the batch has
                row = TextRow::default();
                output.hand_over(completes).await?;
                output.batch.declare(&table.events.destination);
            }
        }
        drop(rows);
        work.set_version(&table);
        session.release().await?;
        output.hand_over(Some(rest)).await
    }
}

/// Returns the key of a row.
fn key_of(key: &KeyColumns, table: &EventTable, row: &TextRow, info: &TableInfo) -> CdcResult<Key> {
    let key = key.of_row(|place| row.cell(table.rows.selected_place(place)?));
    key.map_err(|error| {
        CdcError::new(error.kind(), format!("cannot read table {}: {error}", info.name)).because(error)
    })
}
