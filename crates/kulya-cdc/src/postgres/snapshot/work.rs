//! What readers of a snapshot read: tables, and ranges of tables.

use crate::debezium::snapshot_mark::TablePlace;
use crate::postgres::connection::server_error::ServerError;
use crate::postgres::connection::session::identifier;
use crate::postgres::key_range::KeyColumns;
use crate::postgres::publication::PublishedTable;
use crate::postgres::table::Table;
use crate::snapshot_parts::ReadRange;
use crate::snapshot_progress::Key;
use crate::where_clause::where_clause;
use crate::{CdcError, CdcErrorKind, CdcResult};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The server's code of a lock that was not there in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// A table that is read.
#[derive(Debug)]
pub(super) struct TableWork {
    /// The table's number in the list of the snapshot's tables.
    number: usize,
    /// The number of the cut at which its rows are read.
    cut: usize,
    name: Arc<str>,
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
        (number, cut): (usize, usize),
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
            cut,
            name: published.info.name().into(),
            place,
            relation,
            columns: columns.join(", "),
            filter: published.filter.clone(),
            key,
            key_cells,
            version: Mutex::new(Arc::new(table)),
        })
    }

    /// Returns the statement that reads the rows of a range, in key order, or all rows.
    pub(super) fn copy(&self, range: &ReadRange) -> String {
        let Self { columns, relation, .. } = self;
        let condition = self.condition(range.after.as_ref(), range.to.as_ref());
        let order = self.key.as_ref().map(|key| format!(" ORDER BY {}", key.names())).unwrap_or_default();
        format!("COPY (SELECT {columns} FROM {relation}{condition}{order}) TO STDOUT")
    }

    /// Returns the work of reading a range.
    pub(super) fn range(self: &Arc<Self>, after: Option<Key>, to: Option<Key>) -> Work {
        let columns = self.key.as_ref().map_or_else(Arc::default, |key| Arc::clone(key.columns()));
        let range =
            ReadRange { table: self.number, name: Arc::clone(&self.name), columns, after, to, cut: self.cut };
        Work { table: Arc::clone(self), range }
    }

    /// Returns the condition of the published rows of a range, with WHERE; empty for all rows.
    pub(super) fn condition(&self, after: Option<&Key>, to: Option<&Key>) -> String {
        let range = self.key.as_ref().and_then(|key| key.condition(after, to));
        let filter = self.filter.as_ref().map(|filter| format!("({filter})"));
        let conditions: Vec<String> = filter.into_iter().chain(range).collect();
        where_clause(&conditions)
    }

    pub(super) fn relation(&self) -> &str {
        &self.relation
    }

    pub(super) fn key(&self) -> Option<&KeyColumns> {
        self.key.as_ref()
    }

    /// Returns the indexes of the key's columns in a row; `None` for a table that is read as a whole.
    pub(super) fn key_cells(&self) -> Option<&[usize]> {
        self.key.is_some().then_some(&self.key_cells)
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
        let name = &self.name;
        if ServerError::cause_of(&error).is_some_and(|cause| cause.code == LOCK_NOT_AVAILABLE) {
            let what = format!("a statement waits to change table {name}: its snapshot goes on after it");
            return CdcError::new(CdcErrorKind::Unreachable, what).because(error);
        }
        CdcError::new(error.kind(), format!("reading table {name} failed: {error}")).because(error)
    }
}

/// A range of a table for one reader.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) table: Arc<TableWork>,
    pub(super) range: ReadRange,
}

/// Returns the indexes of a key's columns in a table's rows; `None` if they lack one.
pub(super) fn key_cells(key: &KeyColumns, table: &Table) -> Option<Vec<usize>> {
    let index = |name: &str| table.column_names().position(|column| column == name);
    key.columns().iter().map(|column| index(&column.name)).collect()
}
