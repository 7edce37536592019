//! A reader of a snapshot: a session of its own, whose rows become events in a task of its own.

use super::planner::{TableWork, Work};
use super::session::{TableSession, read_error};
use crate::debezium::envelope::ProcessingTime;
use crate::mysql::connection::TextRow;
use crate::mysql::events::EventWriter;
use crate::mysql::offset::LogPoint;
use crate::mysql::source_block::Origin;
use crate::snapshot_parts::{HandOver, ReadRange};
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

    async fn read(&mut self, Work { table, range }: &Work) -> CdcResult<()> {
        let Self { session, context, cut, writer, output } = self;
        let TableWork { info, events, place, key, .. } = &**table;
        output.batch.declare(&events.events.destination);
        session.hold(info).await?;
        let failed = |error| read_error(info, error);
        let mut rows = session.connection.query_rows(&table.select(range)).await.map_err(failed)?;
        // a row is held back until it is known whether it is the last one
        let (mut row, mut next) = (TextRow::default(), TextRow::default());
        let mut rest = ReadRange { cut: *cut, ..range.clone() };
        let mut is_first = range.after.is_none();
        let mut is_row = rows.next_into(&mut row).await.map_err(failed)?;
        while is_row {
            let is_followed = rows.next_into(&mut next).await.map_err(failed)?;
            let mark = place.mark(is_first, !is_followed && range.to.is_none());
            is_first = false;
            let now = context.now();
            writer.write_snapshot_row(events, &row, &context.origin(mark), &now, &mut output.batch);
            output.rows += 1;
            if is_followed && output.is_due() {
                let completes = match key {
                    Some(key) => Some(rest.take_to(key.of_row(|cell| row.cell(cell)).map_err(|_| {
                        CdcError::source(format!("table {} has a key without a value", info.name))
                    })?)),
                    None => None,
                };
                output.hand_over(completes).await?;
                output.batch.declare(&events.events.destination);
            }
            std::mem::swap(&mut row, &mut next);
            is_row = is_followed;
        }
        drop(rows);
        session.release().await?;
        output.hand_over(Some(rest)).await
    }
}
