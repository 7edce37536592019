//! The events of a capture: converts changed rows of the log and rows of a snapshot to records of a batch.

use super::binlog::value::Value;
use super::binlog::{CutRow, Row, Rows, RowsKind};
use super::connection::TextRow;
use super::ddl::Flavour;
use super::event_table::{EventTable, LogRow, SnapshotRow};
use super::incremental::RowIdentity;
use super::schema_history::{self, TableName};
use super::source_block::Origin;
use super::stream::{Ddl, RowsChange};
use super::transaction::{Metadata, OpenTransaction};
use crate::CdcResult;
use crate::batch::Batch;
use crate::debezium::Compatibility;
use crate::debezium::change::{Change, ChangeContext, write_change};
use crate::debezium::envelope::{Operation, ProcessingTime};
use crate::debezium::events::EventContext;
use crate::debezium::replaced_values::ReplacedValues;
use crate::debezium::required_columns::write_with_optional_columns;
use crate::debezium::row_image::{Findings, RowImage};
use crate::debezium::transaction::TransactionOrder;
use crate::snapshot_progress::Contained;
use std::collections::HashMap;
use std::sync::Arc;

/// Writes events.
pub(crate) struct EventWriter {
    events: Arc<EventContext>,
    flavour: Flavour,
    pub(crate) metadata: Metadata,
    tables: HashMap<TableName, Arc<EventTable>>,
    /// The names of tables by their numbers.
    names: Vec<String>,
    replaced_values: ReplacedValues,
    /// The number of the last row in its event.
    last_row: u64,
}

/// The place of the events of a rows event in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventPlace<'a> {
    pub(crate) file: &'a str,
    pub(crate) now: &'a ProcessingTime,
    /// The statement that changed the rows, if it is wanted.
    pub(crate) statement: Option<&'a str>,
}

/// Rows that are being written, as the place of a change in the log knows them.
pub(crate) struct RowsToWrite<'c, 'r, 'e> {
    pub(crate) change: &'c RowsChange<'c>,
    pub(crate) rows: &'r mut Rows<'e>,
    /// The number of the next row in its event.
    pub(crate) row: &'r mut u64,
}

/// Where a change comes from.
#[derive(Clone, Copy)]
struct Source<'a> {
    table: &'a EventTable,
    origin: &'a Origin<'a>,
    now: &'a ProcessingTime,
}

impl EventWriter {
    pub(crate) fn new(events: Arc<EventContext>, flavour: Flavour) -> Self {
        Self {
            metadata: Metadata::new(&events),
            events,
            flavour,
            tables: HashMap::new(),
            names: Vec::new(),
            replaced_values: ReplacedValues::default(),
            last_row: 0,
        }
    }

    /// Returns the names of tables by their numbers.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns a table in the version of its definition; a new version is declared to the batch.
    pub(crate) fn table(
        &mut self,
        definition: &Arc<schema_history::Table>,
        batch: &mut Batch,
    ) -> Arc<EventTable> {
        let found = self.tables.get(&definition.name);
        if let Some(found) = found.filter(|found| found.is_of(definition)) {
            return Arc::clone(found);
        }
        let name = format!("{}.{}", definition.name.database, definition.name.table);
        let number = self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        let table = Arc::new(EventTable::new(&self.events, definition, self.flavour, number));
        batch.declare(&table.events.destination);
        self.tables.insert(definition.name.clone(), Arc::clone(&table));
        table
    }

    /// Returns what tells the rows of a table apart.
    pub(crate) fn identity(&self, definition: &Arc<schema_history::Table>) -> RowIdentity {
        RowIdentity::new(definition, &self.events, self.flavour)
    }

    /// Writes the events of changed rows, until there are none or the batch has `max_bytes`. Returns whether
    /// there may be more.
    ///
    /// # Errors
    /// Those of the log's decoder.
    pub(crate) fn write_rows(
        &mut self,
        rows: RowsToWrite<'_, '_, '_>,
        transaction: &mut OpenTransaction,
        place: EventPlace<'_>,
        batch: &mut Batch,
        max_bytes: usize,
    ) -> CdcResult<bool> {
        let RowsToWrite { change, rows, row: row_number } = rows;
        let operation = operation_of(change.event.kind);
        // an update may be the end of a row
        if operation != Operation::Update && self.is_skipped(operation) {
            return Ok(false);
        }
        let mut table = self.table(&change.table.table, batch);
        let micros = transaction.micros(change.timestamp);
        let opened = Arc::clone(&transaction.transaction);
        let gtid = transaction.gtid();
        let mut origin = Origin {
            micros,
            snapshot: "false",
            server_id: change.server_id,
            gtid: gtid.as_deref(),
            file: place.file,
            position: change.position,
            row: *row_number,
            thread: opened.thread,
            query: place.statement,
        };
        let mut findings = Findings::default();
        let mut row = Row::default();
        let mut is_more = true;
        while batch.size() < max_bytes {
            is_more = rows.next_row(&mut row)?;
            if !is_more {
                break;
            }
            let before = (operation != Operation::Create).then_some(&row.before[..]);
            let after = (operation != Operation::Delete).then_some(&row.after[..]);
            let before = before.filter(|row| table.rows.is_current(row));
            let after = after.filter(|row| table.rows.is_current(row));
            let operation = current_operation(before.is_some(), after.is_some());
            let Some(operation) = operation.filter(|operation| !self.is_skipped(*operation)) else {
                origin.row += 1;
                continue;
            };
            let contained = match &change.read {
                Some(read) => read.contained(before, after)?,
                None => Contained::Nothing,
            };
            let Some(operation) = contained.rest_of(operation) else {
                origin.row += 1;
                continue;
            };
            let before = before.filter(|_| operation != Operation::Create);
            let after = after.filter(|_| operation != Operation::Delete);
            let mut counter = transaction.counter(table.number, &self.metadata, batch);
            let is_changed = write_with_optional_columns(
                batch,
                &mut table,
                &mut || counter.as_mut().map(|count| count()),
                &mut findings,
                |table, batch, order, findings| {
                    let image = |cells| LogRow { table, cells };
                    let (before, after) = (before.map(image), after.map(image));
                    let change = Change { operation, before: before.as_ref(), after: after.as_ref() };
                    let source = Source { table, origin: &origin, now: place.now };
                    self.write(&change, source, order, findings, batch);
                },
                |table, places| table.with_optional(&self.events, self.flavour, places),
            );
            if is_changed {
                self.tables.insert(table.name().clone(), Arc::clone(&table));
            }
            origin.row += 1;
        }
        *row_number = origin.row;
        self.last_row = origin.row.saturating_sub(1);
        self.replaced_values.report(&findings.replaced);
        Ok(is_more)
    }

    /// Leaves out the event of a row that is larger than an event can be.
    pub(crate) fn omit_row(&mut self, change: &RowsChange<'_>, row: &CutRow<'_>, batch: &mut Batch) {
        if self.is_skipped(operation_of(change.event.kind)) {
            return;
        }
        let table = self.table(&change.table.table, batch);
        let cells: Vec<Value<'_>> = row.cells.iter().map(|cell| cell.unwrap_or(Value::Null)).collect();
        // of what is not known there is a record, too
        let contained = change.read.as_ref().map(|read| read.contained(None, Some(&cells)));
        if contained.is_some_and(|contained| matches!(contained, Ok(Contained::All))) {
            return;
        }
        let key = table.rows.write_cut_key(&row.cells, batch.buffer());
        batch.omit(&table.events.destination, key, row.length);
    }

    /// Leaves out the event of a row of a snapshot that is larger than an event can be.
    pub(crate) fn omit_snapshot_row(table: &EventTable, row: &TextRow, bytes: usize, batch: &mut Batch) {
        let key = table.rows.write_cut_text_key(row, batch.buffer());
        batch.omit(&table.events.destination, key, bytes);
    }

    /// Writes the event of a TRUNCATE of a table.
    pub(crate) fn write_truncate(
        &mut self,
        definition: &Arc<schema_history::Table>,
        ddl: &Ddl<'_>,
        transaction: &mut OpenTransaction,
        place: EventPlace<'_>,
        batch: &mut Batch,
    ) {
        if self.is_skipped(Operation::Truncate) {
            return;
        }
        // a statement has no rows, and Debezium gives the number that it has set last
        let row = if self.events.modes.compat == Compatibility::Debezium { self.last_row } else { 0 };
        let table = self.table(definition, batch);
        let gtid = transaction.gtid();
        let origin = Origin {
            micros: transaction.micros(ddl.timestamp),
            snapshot: "false",
            server_id: ddl.server_id,
            gtid: gtid.as_deref(),
            file: place.file,
            position: ddl.position,
            row,
            thread: None,
            query: None,
        };
        let change = Change::<'_, LogRow<'_>> { operation: Operation::Truncate, before: None, after: None };
        let mut counter = transaction.counter(table.number, &self.metadata, batch);
        let mut order = || counter.as_mut().map(|count| count());
        let source = Source { table: &table, origin: &origin, now: place.now };
        self.write(&change, source, &mut order, &mut Findings::default(), batch);
    }

    /// Writes the event of a row that a snapshot has read; `table` is the version of the event's table.
    pub(crate) fn write_snapshot_row(
        &mut self,
        table: &mut Arc<EventTable>,
        row: &TextRow,
        origin: &Origin<'_>,
        now: &ProcessingTime,
        batch: &mut Batch,
    ) {
        batch.reserve_for_row(row.bytes());
        let mut findings = Findings::default();
        let is_changed = write_with_optional_columns(
            batch,
            table,
            &mut || None,
            &mut findings,
            |table, batch, order, findings| {
                let row = SnapshotRow { table, row };
                let change = Change { operation: Operation::Read, before: None, after: Some(&row) };
                self.write(&change, Source { table, origin, now }, order, findings, batch);
            },
            |table, places| table.with_optional(&self.events, self.flavour, places),
        );
        if is_changed {
            self.tables.insert(table.name().clone(), Arc::clone(table));
        }
        self.replaced_values.report(&findings.replaced);
    }

    fn is_skipped(&self, operation: Operation) -> bool {
        self.events.format.skipped_operations.contains(operation)
    }

    fn write<'t, R: RowImage>(
        &self,
        change: &Change<'_, R>,
        source: Source<'_>,
        order: &mut dyn FnMut() -> Option<TransactionOrder<'t>>,
        findings: &mut Findings,
        batch: &mut Batch,
    ) {
        let Source { table, origin, now } = source;
        let context = ChangeContext {
            events: &self.events,
            table: &table.events,
            now,
            source: &|out| table.source.write(origin, out),
        };
        write_change(batch, change, &context, order, findings);
    }
}

/// Returns the operation of a change by the current rows that it has: a former version of a row is none.
fn current_operation(has_before: bool, has_after: bool) -> Option<Operation> {
    match (has_before, has_after) {
        (false, false) => None,
        (false, true) => Some(Operation::Create),
        (true, true) => Some(Operation::Update),
        (true, false) => Some(Operation::Delete),
    }
}

fn operation_of(kind: RowsKind) -> Operation {
    match kind {
        RowsKind::Insert => Operation::Create,
        RowsKind::Update => Operation::Update,
        RowsKind::Delete => Operation::Delete,
    }
}
