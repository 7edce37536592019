//! Divides the tables of a snapshot into what readers read: small tables as wholes, larger ones in ranges of
//! their primary key.

use super::work::{TableWork, Work, key_cells};
use crate::debezium::events::EventContext;
use crate::debezium::snapshot_mark::TablePlace;
use crate::postgres::catalog::Catalog;
use crate::postgres::connection::session::Session;
use crate::postgres::key_range::KeyColumns;
use crate::postgres::publication::PublishedTable;
use crate::postgres::table::Table;
use crate::snapshot_progress::TableRanges;
use crate::{CdcError, CdcErrorKind, CdcResult};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The size on disk up to which a table is read as a whole, in bytes.
const MAX_WHOLE_BYTES: u64 = 1 << 20;
/// The size on disk of a range, in bytes, where rows are so large that the setting makes it larger.
const MAX_RANGE_BYTES: u64 = 16 << 20;
/// The number of rows of a range where an interrupted snapshot goes on that the settings would not divide.
const DEFAULT_ROWS: u64 = 20_000;

/// A table of which something remains to be read.
pub(super) struct PlannedTable {
    pub(super) number: usize,
    pub(super) published: PublishedTable,
    pub(super) place: TablePlace,
    /// What earlier runs have read.
    pub(super) read: TableRanges,
}

/// What the catalog has of a table's size and key.
struct Layout {
    bytes: u64,
    /// The primary key, if the table can be read in its ranges.
    key: Option<KeyColumns>,
}

pub(super) struct Planner<'a> {
    pub(super) session: &'a Session,
    pub(super) events: &'a EventContext,
    pub(super) catalog: &'a mut Catalog,
    /// The number of rows of a range; 0 to read tables as wholes.
    pub(super) chunk_rows: u64,
    /// The number of the run's cut.
    pub(super) cut: usize,
}

impl Planner<'_> {
    /// Hands the work to the readers, in the order of the tables and of their keys. Ends early when no reader
    /// is left.
    pub(super) async fn plan(
        &mut self,
        tables: Vec<PlannedTable>,
        work: mpsc::Sender<Work>,
    ) -> CdcResult<()> {
        for table in tables {
            if !self.plan_table(&table, &work).await? {
                break;
            }
        }
        Ok(())
    }

    /// Returns whether readers are left.
    async fn plan_table(&mut self, planned: &PlannedTable, work: &mpsc::Sender<Work>) -> CdcResult<bool> {
        let PlannedTable { number, published, place, read } = planned;
        let columns = published.columns.as_deref();
        let table = self.catalog.current_table(self.session, self.events, &published.info, columns).await?;
        warn_of_omitted_columns(&table);
        let layout = self.layout(planned, &table).await?;
        let rows = self.range_rows(published.info.rows, layout.bytes);
        let relation = published.info.relation(self.events.modes.compat);
        let table = TableWork::new((*number, self.cut), published, *place, relation, layout.key, table)?;
        let table = Arc::new(table);
        let Some(key) = table.key() else {
            return Ok(work.send(table.range(None, None)).await.is_ok());
        };
        for (mut after, to) in read.missing() {
            loop {
                let condition = table.condition(after.as_ref(), to.as_ref());
                let bound = key.bound(self.session, table.relation(), &condition, rows);
                let bound = bound.await.map_err(|error| table.failed(error))?;
                let is_last = bound.is_none();
                let end = bound.or_else(|| to.clone());
                if work.send(table.range(after, end.clone())).await.is_err() {
                    return Ok(false);
                }
                if is_last {
                    break;
                }
                after = end;
            }
        }
        Ok(true)
    }

    /// Returns the number of rows of a range of a table.
    fn range_rows(&self, rows: u64, bytes: u64) -> u64 {
        let by_setting = if self.chunk_rows == 0 { DEFAULT_ROWS } else { self.chunk_rows };
        let by_size = u128::from(rows) * u128::from(MAX_RANGE_BYTES) / u128::from(bytes.max(1));
        match u64::try_from(by_size).unwrap_or(u64::MAX) {
            // the number of rows is not known
            _ if rows == 0 => by_setting,
            by_size => by_setting.min(by_size.max(1)),
        }
    }

    /// Decides whether a table is read in ranges.
    async fn layout(&self, planned: &PlannedTable, table: &Table) -> CdcResult<Layout> {
        let PlannedTable { published, read, .. } = planned;
        let whole = Layout { bytes: 0, key: None };
        let is_continued = !read.ranges.is_empty();
        if self.chunk_rows == 0 && !is_continued {
            return Ok(whole);
        }
        let oid = published.info.oid;
        // an update whose log has no old row has the same key, unless the replica identity is another one;
        // with the rows of tables that inherit from it, a table may have a key twice
        let sql = format!(
            "SELECT CASE WHEN c.relkind = 'p' THEN (SELECT coalesce(sum(pg_table_size(p.relid)), 0) \
             FROM pg_partition_tree(c.oid) p WHERE p.isleaf) ELSE pg_table_size(c.oid) END, \
             CASE WHEN c.relkind = 'p' THEN NOT EXISTS (SELECT FROM pg_partition_tree(c.oid) p \
             JOIN pg_class l ON l.oid = p.relid WHERE p.isleaf AND l.relreplident NOT IN ('d', 'f')) \
             ELSE c.relreplident IN ('d', 'f') AND NOT EXISTS (SELECT FROM pg_inherits h \
             WHERE h.inhparent = c.oid) END FROM pg_class c WHERE c.oid = {oid}"
        );
        let row = self.session.row(&sql).await?;
        let text = |column: usize| row.as_ref().and_then(|row| row.get(column)).unwrap_or_default();
        let bytes = text(0).parse().unwrap_or(0);
        let has_keys = text(1) == "t";
        if !is_continued && (bytes <= MAX_WHOLE_BYTES || !has_keys) {
            return Ok(whole);
        }
        let key = KeyColumns::read(self.session, oid).await?;
        let key = key.filter(|key| has_keys && key_cells(key, table).is_some());
        if is_continued && key.as_ref().is_none_or(|key| key.columns()[..] != read.columns) {
            return Err(CdcError::new(
                CdcErrorKind::Position,
                format!(
                    "the primary key or the replica identity of table {} was changed while its snapshot was \
                     interrupted: capture again under another name, or with snapshot-mode = when_needed",
                    published.info.name()
                ),
            ));
        }
        Ok(Layout { bytes, key })
    }
}

/// Names the columns that events do not contain.
pub(super) fn warn_of_omitted_columns(table: &Table) {
    let omitted = table.omitted_columns();
    if !omitted.is_empty() {
        tracing::warn!(
            table = table.events.schema.table_name(),
            columns = omitted.join(", "),
            "events do not contain columns of these types: set include-unknown-types to have their text"
        );
    }
}
