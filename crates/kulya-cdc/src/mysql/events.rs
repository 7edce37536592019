//! The events of a capture: converts changed rows of the log and rows of a snapshot to records of a batch.

use super::binlog::{Row, RowsKind};
use super::connection::TextRow;
use super::ddl::Flavour;
use super::event_table::{EventTable, LogRow, SnapshotRow};
use super::schema_history::{self, TableName};
use super::source_block::Origin;
use super::stream::{Ddl, RowsChange};
use super::transaction::{Metadata, OpenTransaction};
use crate::CdcResult;
use crate::batch::Batch;
use crate::debezium::change::{Change, ChangeContext, write_change};
use crate::debezium::envelope::{Operation, ProcessingTime};
use crate::debezium::events::EventContext;
use crate::debezium::replaced_values::ReplacedValues;
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
}

/// The place of the events of a rows event in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventPlace<'a> {
    pub(crate) file: &'a str,
    pub(crate) now: &'a ProcessingTime,
    /// The statement that changed the rows, if it is wanted.
    pub(crate) statement: Option<&'a str>,
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

    /// Writes the events of changed rows.
    ///
    /// # Errors
    /// Those of the log's decoder.
    pub(crate) fn write_rows(
        &mut self,
        change: &RowsChange<'_>,
        transaction: &mut OpenTransaction,
        place: EventPlace<'_>,
        batch: &mut Batch,
    ) -> CdcResult<()> {
        let operation = match change.event.kind {
            RowsKind::Insert => Operation::Create,
            RowsKind::Update => Operation::Update,
            RowsKind::Delete => Operation::Delete,
        };
        if self.is_skipped(operation) {
            return Ok(());
        }
        let table = self.table(&change.table.table, batch);
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
            row: 0,
            thread: opened.thread,
            query: place.statement,
        };
        let mut findings = Findings::default();
        let mut rows = change.event.rows(&change.table.map)?;
        let mut row = Row::default();
        while rows.next_row(&mut row)? {
            let before = (operation != Operation::Create).then_some(&row.before[..]);
            let after = (operation != Operation::Delete).then_some(&row.after[..]);
            let contained = match &change.read {
                Some(read) => read.contained(before, after)?,
                None => Contained::Nothing,
            };
            let Some(operation) = contained.rest_of(operation) else {
                origin.row += 1;
                continue;
            };
            let image = |cells| LogRow { table: &table, cells };
            let before = before.filter(|_| operation != Operation::Create).map(image);
            let after = after.filter(|_| operation != Operation::Delete).map(image);
            let change = Change { operation, before: before.as_ref(), after: after.as_ref() };
            let counter = transaction.counter(table.number, &self.metadata, batch);
            let source = Source { table: &table, origin: &origin, now: place.now };
            self.write(&change, source, counter, &mut findings, batch);
            origin.row += 1;
        }
        self.replaced_values.report(&findings.replaced);
        Ok(())
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
        let table = self.table(definition, batch);
        let gtid = transaction.gtid();
        let origin = Origin {
            micros: transaction.micros(ddl.timestamp),
            snapshot: "false",
            server_id: ddl.server_id,
            gtid: gtid.as_deref(),
            file: place.file,
            position: ddl.position,
            row: 0,
            thread: None,
            query: None,
        };
        let change = Change::<'_, LogRow<'_>> { operation: Operation::Truncate, before: None, after: None };
        let counter = transaction.counter(table.number, &self.metadata, batch);
        let source = Source { table: &table, origin: &origin, now: place.now };
        self.write(&change, source, counter, &mut Findings::default(), batch);
    }

    /// Writes the event of a row that a snapshot has read.
    pub(crate) fn write_snapshot_row(
        &mut self,
        table: &EventTable,
        row: &TextRow,
        origin: &Origin<'_>,
        now: &ProcessingTime,
        batch: &mut Batch,
    ) {
        let row = SnapshotRow { table, row };
        let change = Change { operation: Operation::Read, before: None, after: Some(&row) };
        let mut findings = Findings::default();
        let counter = None::<fn() -> TransactionOrder<'static>>;
        self.write(&change, Source { table, origin, now }, counter, &mut findings, batch);
        self.replaced_values.report(&findings.replaced);
    }

    fn is_skipped(&self, operation: Operation) -> bool {
        self.events.format.skipped_operations.contains(operation)
    }

    fn write<'t, R: RowImage>(
        &self,
        change: &Change<'_, R>,
        source: Source<'_>,
        mut counter: Option<impl FnMut() -> TransactionOrder<'t>>,
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
        write_change(batch, change, &context, &mut || counter.as_mut().map(|count| count()), findings);
    }
}
