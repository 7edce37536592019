//! The events of a snapshot's rows.

use crate::batch::Batch;
use crate::debezium::envelope::ProcessingTime;
use crate::debezium::events::EventContext;
use crate::debezium::replaced_values::ReplacedValues;
use crate::postgres::copy_line::CopyLine;
use crate::postgres::offset::{PostgresPosition, SnapshotCut};
use crate::postgres::pgoutput::Cell;
use crate::postgres::read_row;
use crate::postgres::settings::Target;
use crate::postgres::source_block::{Origin, SourceStart};
use crate::postgres::table::Table;
use crate::snapshot_progress::Key;
use kulya_store::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};

/// What all rows of a snapshot have in common.
pub(super) struct RowContext {
    pub(super) events: Arc<EventContext>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) replaced_values: Mutex<ReplacedValues>,
    start: SourceStart,
    read_micros: i64,
    transaction: u32,
    lsn: u64,
}

impl RowContext {
    pub(super) fn new(
        events: &Arc<EventContext>,
        clock: &Arc<dyn Clock>,
        target: &Target,
        cut: &SnapshotCut,
        position: &PostgresPosition,
    ) -> Self {
        Self {
            events: Arc::clone(events),
            clock: Arc::clone(clock),
            replaced_values: Mutex::default(),
            start: SourceStart::new(&target.settings.name, &target.database),
            read_micros: i64::try_from(clock.since_epoch().as_micros()).unwrap_or(i64::MAX),
            transaction: cut.xmax as u32,
            lsn: position.lsn,
        }
    }

    /// Returns the origin of a row with a mark.
    fn origin(&self, mark: &'static str) -> Origin<'_> {
        Origin {
            start: &self.start,
            snapshot: mark,
            committed_micros: self.read_micros,
            transaction: Some(self.transaction),
            lsn: self.lsn,
            last_commit_lsn: None,
        }
    }
}

/// Writes rows of COPY as events.
pub(super) struct RowWriter {
    context: Arc<RowContext>,
    line: CopyLine,
}

impl RowWriter {
    pub(super) fn new(context: Arc<RowContext>) -> Self {
        Self { context, line: CopyLine::default() }
    }

    /// Writes a row with its mark. A null in a required column makes the column optional.
    pub(super) fn write(
        &mut self,
        line: &[u8],
        mark: &'static str,
        table: &mut Arc<Table>,
        batch: &mut Batch,
    ) {
        let Self { context, line: parser } = self;
        let origin = context.origin(mark);
        let now = ProcessingTime::new(context.clock.since_epoch());
        let cells = parser.parse(line);
        let findings = read_row::write(batch, table, &cells, (&context.events, &origin, &now));
        if !findings.replaced.is_empty() {
            let reports = context.replaced_values.lock();
            reports.unwrap_or_else(PoisonError::into_inner).report(&findings.replaced);
        }
        self.line.release_large();
    }

    /// Leaves out an event whose row, of which only the beginning is there, is larger than an event can be.
    pub(super) fn omit(&mut self, beginning: &[u8], bytes: usize, table: &Table, batch: &mut Batch) {
        read_row::omit(batch, table, &self.line.parse(beginning), bytes);
    }

    /// Returns the key of a row, by the indexes of its columns; `None` if a value is no text.
    pub(super) fn key(&mut self, line: &[u8], columns: &[usize]) -> Option<Key> {
        let cells = self.line.parse(line);
        let value = |index: &usize| match cells.get(*index) {
            Some(Cell::Text(text)) => std::str::from_utf8(text).ok().map(str::to_owned),
            _ => None,
        };
        let key = columns.iter().map(value).collect();
        self.line.release_large();
        key
    }
}
