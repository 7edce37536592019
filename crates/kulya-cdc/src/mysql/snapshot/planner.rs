//! Divides the tables of a snapshot into what readers read: ranges of their key where it is of integers, else
//! wholes.

use super::session::{TableSession, read_error};
use crate::batch::Batch;
use crate::debezium::snapshot_mark::TablePlace;
use crate::mysql::catalog::TableInfo;
use crate::mysql::connection::Connection;
use crate::mysql::event_table::EventTable;
use crate::mysql::events::EventWriter;
use crate::mysql::key_range::KeyColumns;
use crate::mysql::schema_history::SchemaHistory;
use crate::snapshot_parts::ReadRange;
use crate::snapshot_progress::{Key, TableRanges};
use crate::{CdcError, CdcErrorKind, CdcResult};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// The number of rows of a range where an interrupted snapshot goes on that the settings would not divide.
const DEFAULT_ROWS: u64 = 20_000;

/// A table of which something remains to be read.
pub(crate) struct PlannedTable {
    /// The table's number in the list of the snapshot's tables.
    pub(crate) number: usize,
    pub(crate) info: TableInfo,
    pub(crate) place: TablePlace,
    /// What earlier runs have read.
    pub(crate) read: TableRanges,
}

/// A table that is read.
pub(crate) struct TableWork {
    number: usize,
    name: Arc<str>,
    pub(super) info: TableInfo,
    pub(super) place: TablePlace,
    /// The table in the version of the last row: a null may have made a column optional.
    version: Mutex<Arc<EventTable>>,
    pub(super) key: Option<KeyColumns>,
}

/// A range of a table for one reader.
pub(crate) struct Work {
    pub(super) table: Arc<TableWork>,
    pub(super) range: ReadRange,
}

impl TableWork {
    pub(super) fn version(&self) -> Arc<EventTable> {
        Arc::clone(&self.lock())
    }

    pub(super) fn set_version(&self, table: &Arc<EventTable>) {
        self.lock().clone_from(table);
    }

    fn lock(&self) -> MutexGuard<'_, Arc<EventTable>> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn range(self: &Arc<Self>, after: Option<Key>, to: Option<Key>) -> Work {
        let columns = self.key.as_ref().map_or_else(Arc::default, |key| Arc::clone(key.columns()));
        let range =
            ReadRange { table: self.number, name: Arc::clone(&self.name), columns, after, to, cut: 0 };
        Work { table: Arc::clone(self), range }
    }

    /// Returns the statement that reads the rows of a range, in key order, or all rows.
    pub(super) fn select(&self, range: &ReadRange) -> String {
        let (list, table) = (self.version().rows.select_list(), self.info.quoted());
        let Some(key) = &self.key else { return format!("SELECT {list} FROM {table}") };
        let condition = key.condition(range.after.as_ref(), range.to.as_ref());
        format!("SELECT {list} FROM {table}{condition} ORDER BY {}", key.names())
    }
}

/// Marks the first table, and the last one that has rows.
///
/// # Errors
/// Those of the session.
pub(crate) async fn mark_places(tables: &mut [PlannedTable], session: &mut TableSession) -> CdcResult<()> {
    if let Some(first) = tables.first_mut() {
        first.place.is_first = true;
    }
    for table in tables.iter_mut().rev() {
        if session.has_rows(&table.info).await? {
            table.place.is_last = true;
            break;
        }
    }
    Ok(())
}

pub(crate) struct Planner<'a> {
    /// A session without a transaction: where ranges end need not be exact.
    pub(crate) session: &'a mut Connection,
    pub(crate) writer: &'a mut EventWriter,
    /// The definitions at the place of the snapshot.
    pub(crate) definitions: &'a SchemaHistory,
    /// The number of rows of a range; 0 to read tables as wholes.
    pub(crate) chunk_rows: u64,
    /// Whether one reader reads all of a table: the readers have different cuts.
    pub(crate) is_undivided: bool,
}

impl Planner<'_> {
    /// Hands the work to the readers, in the order of the tables and of their keys. Ends early when no reader
    /// is left.
    ///
    /// # Errors
    /// `Unreachable` when a table was changed meanwhile, or for the network.
    pub(crate) async fn plan(
        &mut self,
        tables: Vec<PlannedTable>,
        work: mpsc::Sender<Work>,
    ) -> CdcResult<()> {
        for table in tables {
            if !self.plan_table(table, &work).await? {
                break;
            }
        }
        Ok(())
    }

    /// Returns whether readers are left.
    async fn plan_table(&mut self, planned: PlannedTable, work: &mpsc::Sender<Work>) -> CdcResult<bool> {
        let PlannedTable { number, info, place, read } = planned;
        let definition = self.definitions.table(&info.name.database, &info.name.table).cloned();
        let definition = definition
            .ok_or_else(|| CdcError::source(format!("table {} is not in the schema history", info.name)))?;
        let is_continued = !read.ranges.is_empty();
        let definition = Arc::new(definition);
        let events = self.writer.table(&definition, &mut Batch::default());
        let is_selected = |place| events.rows.selected_place(place).is_some();
        let key = KeyColumns::of(&definition).filter(|key| key.places().all(is_selected));
        let key = key.filter(|_| self.chunk_rows > 0 || is_continued);
        if is_continued && key.as_ref().is_none_or(|key| key.columns()[..] != read.columns) {
            return Err(key_changed(&info));
        }
        let name = info.name.to_string().into();
        let table = Arc::new(TableWork { number, name, info, place, version: Mutex::new(events), key });
        let Some(key) = &table.key else {
            return Ok(work.send(table.range(None, None)).await.is_ok());
        };
        let rows = if self.chunk_rows == 0 { DEFAULT_ROWS } else { self.chunk_rows };
        for (mut after, to) in read.missing() {
            while !self.is_undivided {
                let condition = key.condition(after.as_ref(), to.as_ref());
                let (name, failed) = (table.info.quoted(), |error| read_error(&table.info, error));
                let last = key.last_of(self.session, &name, &condition, rows, failed).await?;
                let Some(last) = last else { break };
                if work.send(table.range(after, Some(last.clone()))).await.is_err() {
                    return Ok(false);
                }
                after = Some(last);
            }
            if work.send(table.range(after, to)).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Returns the error of a table of which a part is read, and that has another key or definition now.
pub(crate) fn key_changed(table: &TableInfo) -> CdcError {
    CdcError::new(
        CdcErrorKind::Position,
        format!(
            "table {} was changed while its snapshot was interrupted: capture again under another name, or \
             with snapshot-mode = when_needed",
            table.name
        ),
    )
}
