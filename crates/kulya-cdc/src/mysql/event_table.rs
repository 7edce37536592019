//! A captured table as its events need it: the converter of its rows, its part of the `source` block, its
//! destination.

use super::binlog::value::Value;
use super::connection::TextRow;
use super::ddl::Flavour;
use super::schema_history::{self, TableName};
use super::source_block::SourceBlock;
use super::table::{Table, TableContext};
use crate::RowSchema;
use crate::batch::Span;
use crate::debezium::events::{EventContext, TableEvents};
use crate::debezium::row_image::{Findings, RowImage};
use std::sync::Arc;

/// A captured table in a version of its definition.
#[derive(Debug)]
pub(crate) struct EventTable {
    definition: Arc<schema_history::Table>,
    /// The places of columns that are optional in spite of the definition.
    optional: Vec<usize>,
    pub(crate) rows: Table,
    pub(crate) source: SourceBlock,
    pub(crate) events: TableEvents,
    /// The number of the table's name.
    pub(crate) number: usize,
}

impl EventTable {
    pub(crate) fn new(
        events: &EventContext,
        definition: &Arc<schema_history::Table>,
        flavour: Flavour,
        number: usize,
    ) -> Self {
        let name = &definition.name;
        let prefix = &events.format.topic_prefix;
        let source = SourceBlock::new(flavour, prefix, &name.database, Some(&name.table));
        Self::build(events, definition, flavour, Vec::new(), source, number)
    }

    fn build(
        events: &EventContext,
        definition: &Arc<schema_history::Table>,
        flavour: Flavour,
        optional: Vec<usize>,
        source: SourceBlock,
        number: usize,
    ) -> Self {
        let rows = Table::with_rules(definition, TableContext::new(events, flavour), &optional);
        let events = events.table_with_key(RowSchema::clone(&rows.schema), &rows.key_columns());
        Self { definition: Arc::clone(definition), optional, rows, source, events, number }
    }

    /// Returns the table with the columns of these places optional: their values have no representation.
    pub(crate) fn with_optional(&self, events: &EventContext, flavour: Flavour, places: &[usize]) -> Self {
        let optional = self.optional.iter().chain(places).copied().collect();
        Self::build(events, &self.definition, flavour, optional, self.source.clone(), self.number)
    }

    pub(crate) fn name(&self) -> &TableName {
        &self.definition.name
    }

    /// Whether this is the version of a definition.
    pub(crate) fn is_of(&self, definition: &Arc<schema_history::Table>) -> bool {
        // the server describes a table again whenever it opens it
        Arc::ptr_eq(&self.definition, definition) || self.definition == *definition
    }
}

/// A row of the log.
pub(crate) struct LogRow<'a> {
    pub(crate) table: &'a EventTable,
    pub(crate) cells: &'a [Value<'a>],
}

impl RowImage for LogRow<'_> {
    fn write_row(&self, out: &mut Vec<u8>, findings: &mut Findings) {
        self.table.rows.write_log_row(self.cells, out, findings);
    }

    fn write_key(&self, out: &mut Vec<u8>) -> Option<(Span, Span)> {
        self.table.rows.write_key(self.cells, out)
    }
}

/// A row of a snapshot.
pub(crate) struct SnapshotRow<'a> {
    pub(crate) table: &'a EventTable,
    pub(crate) row: &'a TextRow,
}

impl RowImage for SnapshotRow<'_> {
    fn write_row(&self, out: &mut Vec<u8>, findings: &mut Findings) {
        self.table.rows.write_snapshot_row(|index| self.row.cell(index), out, findings);
    }

    fn write_key(&self, out: &mut Vec<u8>) -> Option<(Span, Span)> {
        self.table.rows.write_text_key(|index| self.row.cell(index), out)
    }
}
