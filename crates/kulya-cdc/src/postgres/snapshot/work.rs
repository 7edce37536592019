//! What readers of a snapshot read: tables, and ranges of tables.

use crate::debezium::Compatibility;
use crate::debezium::events::EventContext;
use crate::debezium::snapshot_mark::TablePlace;
use crate::postgres::catalog::TableInfo;
use crate::postgres::connection::session::identifier;
use crate::postgres::key_range::KeyColumns;
use crate::postgres::publication::PublishedTable;
use crate::postgres::table::Table;
use crate::snapshot_progress::{Key, KeyColumn, KeyRange};
use crate::{CdcError, CdcResult};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A table that is read.
#[derive(Debug)]
pub(super) struct TableWork {
    /// The table's number in the list of the snapshot's tables.
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) place: TablePlace,
    /// The table as a statement names it, and its columns.
    relation: String,
    columns: String,
    /// The condition of the published rows.
    filter: Option<String>,
    /// The key by whose ranges the table is read; `None` if it is read as a whole.
    key: Option<KeyColumns>,
    /// The indexes of the key's columns in a row.
    key_cells: Vec<usize>,
    /// The table in the version of the last row: a null may have made a column optional.
    version: Mutex<Arc<Table>>,
}

impl TableWork {
    pub(super) fn new(
        number: usize,
        published: &PublishedTable,
        place: TablePlace,
        relation: String,
        key: Option<KeyColumns>,
        table: Table,
    ) -> CdcResult<Self> {
        let columns: Vec<String> = table.column_names().map(identifier).collect();
        let key_cells = match &key {
            Some(key) => key_cells(key, &table).ok_or_else(|| {
                CdcError::source(format!("the rows of table {} lack its key", published.info.name()))
            })?,
            None => Vec::new(),
        };
        Ok(Self {
            number,
            name: published.info.name(),
            place,
            relation,
            columns: columns.join(", "),
            filter: published.filter.clone(),
            key,
            key_cells,
            version: Mutex::new(Arc::new(table)),
        })
    }

    /// Returns the query of the rows of a range, in key order, or of all rows.
    fn select(&self, after: Option<&Key>, to: Option<&Key>) -> String {
        let Self { columns, relation, .. } = self;
        let order = self.key.as_ref().map(|key| format!(" ORDER BY {}", key.names())).unwrap_or_default();
        format!("SELECT {columns} FROM {relation}{}{order}", self.condition(after, to))
    }

    /// Returns the condition of the published rows of a range, with WHERE; empty for all rows.
    pub(super) fn condition(&self, after: Option<&Key>, to: Option<&Key>) -> String {
        let range = self.key.as_ref().and_then(|key| key.condition(after, to));
        let filter = self.filter.as_ref().map(|filter| format!("({filter})"));
        let conditions: Vec<String> = filter.into_iter().chain(range).collect();
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
    }

    pub(super) fn relation(&self) -> &str {
        &self.relation
    }

    pub(super) fn key(&self) -> Option<&KeyColumns> {
        self.key.as_ref()
    }

    /// Returns the columns of the key by whose ranges the table is read.
    pub(super) fn key_columns(&self) -> &[KeyColumn] {
        self.key.as_ref().map_or(&[], KeyColumns::columns)
    }

    pub(super) fn key_cells(&self) -> &[usize] {
        &self.key_cells
    }

    pub(super) fn version(&self) -> Arc<Table> {
        Arc::clone(&self.lock())
    }

    pub(super) fn set_version(&self, table: &Arc<Table>) {
        let mut version = self.lock();
        if !Arc::ptr_eq(&version, table) {
            *version = Arc::clone(table);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Table>> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns an error of reading the table.
    pub(super) fn failed(&self, error: CdcError) -> CdcError {
        CdcError::new(error.kind(), format!("reading table {} failed: {error}", self.name)).because(error)
    }
}

/// A range of a table for one reader.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) table: Arc<TableWork>,
    pub(super) after: Option<Key>,
    pub(super) to: Option<Key>,
}

impl Work {
    /// Returns the statement that reads the rows.
    pub(super) fn copy(&self) -> String {
        format!("COPY ({}) TO STDOUT", self.table.select(self.after.as_ref(), self.to.as_ref()))
    }
}

/// What a batch completes.
#[derive(Debug)]
pub(super) struct ReadRange {
    pub(super) table: Arc<TableWork>,
    pub(super) after: Option<Key>,
    pub(super) to: Option<Key>,
}

impl ReadRange {
    /// Returns the range, read at a cut.
    pub(super) fn at(self, cut: usize) -> (Arc<TableWork>, KeyRange) {
        let Self { table, after, to } = self;
        (table, KeyRange { after, to, cut })
    }
}

/// Returns a table as a statement names it: without the tables that inherit from it, whose rows are their
/// own. Debezium reads them with both.
pub(super) fn relation(table: &TableInfo, events: &EventContext) -> String {
    let has_descendants = table.is_partitioned || events.modes.compat == Compatibility::Debezium;
    format!("{}{}", if has_descendants { "" } else { "ONLY " }, table.quoted())
}

/// Returns the indexes of a key's columns in a table's rows; `None` if they lack one.
pub(super) fn key_cells(key: &KeyColumns, table: &Table) -> Option<Vec<usize>> {
    let index = |name: &str| table.column_names().position(|column| column == name);
    key.columns().iter().map(|column| index(&column.name)).collect()
}
