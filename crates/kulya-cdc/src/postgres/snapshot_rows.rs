//! Which changes of the log the rows of snapshots contain already.
//!
//! A table that was read at one cut contains exactly the transactions of the cut. A table whose snapshot was
//! interrupted was read in ranges of its key at several cuts: there each row has the cut of its range, and an
//! update that moves a row from one range to another may be contained in one of them only.

use super::catalog::quoted;
use super::offset::{PostgresPosition, SnapshotCut};
use super::pgoutput::{Cell, ReplicaIdentity};
use super::table::Table;
use crate::snapshot_progress::{Contained, KeyRange, SnapshotProgress, TableList, TableRanges};
use crate::{CdcError, CdcErrorKind, CdcResult, Checkpoint, RowSchema};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What snapshots have read, as the position has it when streaming starts.
#[derive(Debug, Default)]
pub(crate) struct SnapshotRows {
    /// The cuts of tables by name, which earlier versions stored.
    by_name: BTreeMap<String, SnapshotCut>,
    list: TableList,
    progress: SnapshotProgress,
    cuts: Arc<[SnapshotCut]>,
}

/// What snapshots have read of a table.
#[derive(Debug, Clone)]
pub(crate) struct ReadTable {
    name: String,
    rows: TableRanges,
    cuts: Arc<[SnapshotCut]>,
    /// The indexes of the key's columns in the log's rows; `None` if the log has not all of them.
    key: Option<Vec<usize>>,
    /// Whether an update without an old row leaves the key as it is.
    has_old_keys: bool,
}

/// A change of a table.
#[derive(Clone, Copy)]
pub(crate) struct TableChange<'a> {
    pub(crate) xid: u32,
    pub(crate) commit_lsn: u64,
    pub(crate) is_update: bool,
    pub(crate) old: Option<&'a [Cell<'a>]>,
    pub(crate) new: Option<&'a [Cell<'a>]>,
}

/// Returns the list of the snapshot's tables that a checkpoint has.
///
/// # Errors
/// `Position` if it has none but must.
pub(crate) fn table_list(position: &PostgresPosition, history: Option<&str>) -> CdcResult<TableList> {
    if position.snapshot_reads.is_none() {
        return Ok(TableList::default());
    }
    history.and_then(TableList::parse).ok_or_else(|| {
        CdcError::new(CdcErrorKind::Position, "the stored list of the snapshot's tables cannot be parsed")
    })
}

impl SnapshotRows {
    /// Takes what a checkpoint has.
    ///
    /// # Errors
    /// `Position` for a checkpoint without the list of the tables.
    pub(crate) fn new(position: &PostgresPosition, checkpoint: &Checkpoint) -> CdcResult<Self> {
        let list = table_list(position, checkpoint.history.as_deref())?;
        let reads = position.snapshot_reads.clone().unwrap_or_default();
        let by_name = position.table_snapshots.clone();
        Ok(Self { by_name, list, progress: reads.progress, cuts: reads.cuts.into() })
    }

    /// Returns what is read of a table as the log describes it; `None` for nothing.
    pub(crate) fn table(&self, table: &Table, identity: ReplicaIdentity) -> Option<ReadTable> {
        let RowSchema { schema, table: name, .. } = &*table.events.schema;
        let listed = self.list.number(&quoted(schema, name));
        let name = table.events.schema.table_name();
        let (rows, cuts) = match listed {
            Some(number) => (self.progress.table(number), Arc::clone(&self.cuts)),
            None => {
                let cut = self.by_name.get(&name)?;
                let ranges = vec![KeyRange::whole(0)];
                (TableRanges { ranges, ..TableRanges::default() }, Arc::from([cut.clone()]))
            }
        };
        if rows.ranges.is_empty() {
            return None;
        }
        let index = |name: &str| table.column_names().position(|column| column == name);
        let key = rows.columns.iter().map(|column| index(&column.name)).collect();
        let has_old_keys = matches!(identity, ReplicaIdentity::Default | ReplicaIdentity::Full);
        Some(ReadTable { name, rows, cuts, key, has_old_keys })
    }

    /// Whether nothing was read, or the log is beyond it.
    pub(crate) fn is_empty(&self) -> bool {
        self.cuts.is_empty() && self.by_name.is_empty()
    }

    /// Whether a transaction is in a cut.
    pub(crate) fn contain_transaction(&self, xid: u32, commit_lsn: u64) -> bool {
        self.cuts.iter().chain(self.by_name.values()).any(|cut| cut.contains(xid, commit_lsn))
    }
}

impl ReadTable {
    /// Returns what the rows contain of a change.
    ///
    /// # Errors
    /// `Position` for a change that cannot be assigned to the ranges of an interrupted snapshot.
    pub(crate) fn contained(&self, change: TableChange<'_>) -> CdcResult<Contained> {
        if let Some(cut) = self.rows.only_cut() {
            return Ok(Contained::of(self.is_in(cut, change)));
        }
        if !self.cuts.iter().any(|cut| cut.contains(change.xid, change.commit_lsn)) {
            return Ok(Contained::Nothing);
        }
        match (change.old, change.new) {
            (None, None) => self.truncation(change),
            (None, Some(_)) if change.is_update && !self.has_old_keys => {
                Err(self.unknown("its replica identity does not have the primary key"))
            }
            (old, new) => {
                let is_in = |row: Option<&[Cell<'_>]>| row.map(|row| self.is_row_in(row, change)).transpose();
                Ok(Contained::of_rows(is_in(old)?, is_in(new)?))
            }
        }
    }

    /// Whether the rows contain the change of a row of which only the first cells are there. What is not
    /// known is not contained.
    pub(crate) fn contains_cut_row(&self, change: TableChange<'_>) -> bool {
        self.contained(change).is_ok_and(|contained| contained == Contained::All)
    }

    fn is_in(&self, cut: usize, change: TableChange<'_>) -> bool {
        self.cuts.get(cut).is_some_and(|cut| cut.contains(change.xid, change.commit_lsn))
    }

    fn is_row_in(&self, row: &[Cell<'_>], change: TableChange<'_>) -> CdcResult<bool> {
        let columns = self.key.as_ref().ok_or_else(|| self.unknown("its primary key was changed"))?;
        let value = |index: &usize| match row.get(*index) {
            Some(Cell::Text(text)) => Ok(*text),
            _ => Err(self.unknown("the log does not have the primary key of a row")),
        };
        let key = columns.iter().map(value).collect::<CdcResult<Vec<&[u8]>>>()?;
        let cut =
            self.rows.cut_of(&key).map_err(|_| self.unknown("the type of its primary key was changed"))?;
        Ok(cut.is_some_and(|cut| self.is_in(cut, change)))
    }

    /// Returns whether all rows contain a TRUNCATE, or none.
    fn truncation(&self, change: TableChange<'_>) -> CdcResult<Contained> {
        let mut ranges = self.rows.ranges.iter().map(|range| self.is_in(range.cut, change));
        let is_in_first = ranges.next().unwrap_or(false);
        if self.rows.is_complete() && ranges.all(|is_in| is_in == is_in_first) {
            return Ok(Contained::of(is_in_first));
        }
        Err(self.unknown("it was truncated"))
    }

    fn unknown(&self, why: &str) -> CdcError {
        CdcError::new(
            CdcErrorKind::Position,
            format!(
                "the snapshot of table {} was interrupted, and {why} before it went on: capture again under \
                 another name, or with snapshot-mode = when_needed",
                self.name
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debezium::ValueModes;
    use crate::debezium::connector::Connector;
    use crate::debezium::events::EventContext;
    use crate::debezium::format::EventFormat;
    use crate::postgres::column::Kind;
    use crate::postgres::table::Column;
    use crate::snapshot_progress::{KeyColumn, KeyOrder};

    fn table(columns: &[&str]) -> Table {
        let format = EventFormat { topic_prefix: "p".into(), ..EventFormat::default() };
        let events = EventContext::new(Connector::Postgresql, format, ValueModes::default(), "");
        let columns = columns.iter().map(|name| Column::new((*name).to_owned(), false, Some(Kind::Text)));
        Table::new(&events, "s", "t", columns.collect(), Vec::new())
    }

    /// Rows up to key 10 read before transaction 5, the others before transaction 9, as far as they are read.
    fn position(is_complete: bool) -> (PostgresPosition, Checkpoint) {
        let cut = |xmax| SnapshotCut { lsn: xmax * 10, xmin: xmax, xmax, in_progress: Vec::new() };
        let columns = [KeyColumn { name: "id".into(), order: KeyOrder::Integer }];
        let mut progress = SnapshotProgress::default();
        let ten = || Some(vec!["10".to_owned()]);
        progress.add(1, &columns, KeyRange { after: None, to: ten(), cut: 0 }, 1).unwrap();
        if is_complete {
            progress.add(1, &columns, KeyRange { after: ten(), to: None, cut: 1 }, 1).unwrap();
        }
        progress.add(0, &[], KeyRange::whole(1), 1).unwrap();
        let mut list = TableList::default();
        list.add("\"s\".\"other\"".into());
        list.add("\"s\".\"t\"".into());
        let position: PostgresPosition =
            serde_json::from_str(r#"{"system":"1","database":"d","slot":"s","lsn":1}"#).unwrap();
        let reads = super::super::offset::SnapshotReads { cuts: vec![cut(5), cut(9)], progress };
        let position = PostgresPosition { snapshot_reads: Some(reads), ..position };
        let checkpoint =
            Checkpoint { position: crate::Position::Postgres(position.clone()), history: Some(list.text()) };
        (position, checkpoint)
    }

    fn read(columns: &[&str], identity: ReplicaIdentity, is_complete: bool) -> ReadTable {
        let (position, checkpoint) = position(is_complete);
        let text = serde_json::to_string(&checkpoint.position).unwrap();
        let stored: crate::Position = serde_json::from_str(&text).unwrap();
        assert_eq!(stored, checkpoint.position, "{text}");
        let rows = SnapshotRows::new(&position, &checkpoint).unwrap();
        rows.table(&table(columns), identity).unwrap()
    }

    /// The change of transaction `xid`, which commits before the snapshots end.
    fn change<'a>(xid: u32, old: Option<&'a [Cell<'a>]>, new: Option<&'a [Cell<'a>]>) -> TableChange<'a> {
        TableChange { xid, commit_lsn: 1, is_update: new.is_some(), old, new }
    }

    #[test]
    fn each_row_has_the_cut_of_its_range() {
        use Contained::{All, New, Nothing, Old};
        let table = read(&["v", "id"], ReplicaIdentity::Default, true);
        let (low, high) = ([Cell::Null, Cell::Text(b"7")], [Cell::Null, Cell::Text(b"11")]);
        let (low, high) = (Some(&low[..]), Some(&high[..]));
        for (xid, old, new, expected) in [
            (4, None, low, All),
            (4, None, high, All),
            (5, None, low, Nothing),
            (5, None, high, All),
            (9, None, high, Nothing),
            (5, low, None, Nothing),
            (5, high, None, All),
            // a row that moves from one range to the other, between both cuts
            (5, low, high, New),
            (5, high, low, Old),
            (4, low, high, All),
            (9, low, high, Nothing),
            (4, None, None, All),
            (9, None, None, Nothing),
        ] {
            assert_eq!(table.contained(change(xid, old, new)).unwrap(), expected, "{xid} {old:?} {new:?}");
        }
        // beyond the end of the snapshots, where transaction ids are used again
        let later = TableChange { commit_lsn: 90, ..change(4, None, low) };
        assert_eq!(table.contained(later).unwrap(), Nothing);
    }

    #[test]
    fn rows_that_are_not_read_contain_nothing() {
        let table = read(&["id"], ReplicaIdentity::Full, false);
        let (low, high) = ([Cell::Text(b"7")], [Cell::Text(b"11")]);
        assert_eq!(table.contained(change(4, None, Some(&low))).unwrap(), Contained::All);
        assert_eq!(table.contained(change(4, None, Some(&high))).unwrap(), Contained::Nothing);
        assert_eq!(table.contained(change(4, Some(&low), Some(&high))).unwrap(), Contained::Old);
    }

    #[test]
    fn changes_that_belong_to_no_range_are_refused() {
        let row = [Cell::Text(b"7")];
        let not_a_number = [Cell::Text(b"x")];
        for (columns, identity, change, expected) in [
            (&["id"][..], ReplicaIdentity::Index, change(5, None, Some(&row)), "replica identity"),
            (&["other"], ReplicaIdentity::Default, change(5, Some(&row), None), "primary key was changed"),
            (&["id"], ReplicaIdentity::Default, change(5, Some(&[Cell::Null]), None), "primary key of a row"),
            (
                &["id"],
                ReplicaIdentity::Default,
                change(5, Some(&not_a_number), None),
                "type of its primary key",
            ),
            (&["id"], ReplicaIdentity::Default, change(5, None, None), "truncated"),
        ] {
            let error = read(columns, identity, true).contained(change).unwrap_err();
            assert_eq!(error.kind(), CdcErrorKind::Position);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn cuts_of_earlier_versions_count() {
        let (position, checkpoint) = position(true);
        let cut = SnapshotCut { lsn: 90, xmin: 9, xmax: 9, in_progress: Vec::new() };
        let position = PostgresPosition {
            snapshot_reads: None,
            table_snapshots: BTreeMap::from([("s.t".to_owned(), cut)]),
            ..position
        };
        let rows = SnapshotRows::new(&position, &checkpoint).unwrap();
        let table = rows.table(&table(&["id"]), ReplicaIdentity::Nothing).unwrap();
        assert_eq!(table.contained(change(8, None, None)).unwrap(), Contained::All);
        assert_eq!(table.contained(change(9, None, None)).unwrap(), Contained::Nothing);
        assert!(rows.contain_transaction(8, 1) && !rows.contain_transaction(9, 1));
    }

    #[test]
    fn the_list_of_tables_is_needed() {
        let (position, checkpoint) = position(true);
        let error = SnapshotRows::new(&position, &Checkpoint { history: None, ..checkpoint }).unwrap_err();
        assert_eq!(error.kind(), CdcErrorKind::Position);
    }
}
