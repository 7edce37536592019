//! Which changes of the log the rows of snapshots contain already.
//!
//! A table that was read at one cut contains exactly the changes before it. A table whose snapshot was
//! interrupted was read in ranges of its key at several cuts: there each row has the cut of its range, and an
//! update that moves a row from one range to another may be contained in one of them only.

use super::binlog::value::Value;
use super::key_range::KeyColumns;
use super::offset::{Cut, LogPoint, MysqlPosition, TransactionId};
use super::schema_history::{Table, TableName};
use crate::snapshot_progress::{Contained, KeyRange, TableList, TableRanges};
use crate::{CdcError, CdcErrorKind, CdcResult};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What snapshots have read.
#[derive(Debug, Default)]
pub(crate) struct SnapshotRows {
    /// The tables that were read at one cut.
    pub(crate) cuts: BTreeMap<TableName, Cut>,
    /// The tables that were read in ranges at several cuts.
    pub(crate) partial: BTreeMap<TableName, Arc<PartialTable>>,
}

/// A table that was read in ranges at several cuts, or not wholly.
#[derive(Debug)]
pub(crate) struct PartialTable {
    name: TableName,
    rows: TableRanges,
    cuts: Arc<[Cut]>,
}

/// What the rows of a table contain of a transaction.
#[derive(Debug, Clone)]
pub(crate) struct PartialRows {
    table: Arc<PartialTable>,
    /// Whether each cut is after the transaction.
    is_after: Vec<bool>,
    key: Option<KeyColumns>,
}

/// Returns a table's name in the list of a snapshot's tables.
pub(crate) fn listed_name(table: &TableName) -> String {
    // names have no zero character
    format!("{}\0{}", table.database, table.table)
}

impl SnapshotRows {
    /// Takes what a position has, with the list of its tables.
    pub(crate) fn new(position: &MysqlPosition, list: &TableList) -> Self {
        let mut this = Self { cuts: position.cuts.clone(), partial: BTreeMap::new() };
        let Some(reads) = &position.snapshot_reads else { return this };
        let cuts: Arc<[Cut]> = reads.cuts.clone().into();
        for (name, number) in list.tables() {
            let Some((database, table)) = name.split_once('\0') else { continue };
            let name = TableName::new(database, table);
            let rows = reads.progress.table(number);
            if let Some(cut) = rows.only_cut() {
                this.cuts.extend(cuts.get(cut).map(|cut| (name, cut.clone())));
            } else if !rows.ranges.is_empty() {
                let table = PartialTable { name: name.clone(), rows, cuts: Arc::clone(&cuts) };
                this.partial.insert(name, Arc::new(table));
            }
        }
        this
    }
}

impl PartialTable {
    /// Whether the definition of the table is that of a later place than a transaction's: that of the last
    /// range that was read.
    pub(crate) fn has_later_definition(&self, id: Option<&TransactionId>, start: &LogPoint) -> bool {
        let last = self.rows.ranges.iter().map(|range| range.cut).max();
        last.and_then(|cut| self.cuts.get(cut)).is_some_and(|cut| cut.contains(id, start))
    }

    /// Returns what the rows contain of a transaction, whose changes have rows of this definition.
    pub(crate) fn rows(
        self: &Arc<Self>,
        id: Option<&TransactionId>,
        start: &LogPoint,
        definition: &Table,
    ) -> PartialRows {
        let key = KeyColumns::of(definition).filter(|key| key.columns()[..] == self.rows.columns);
        let is_after = self.cuts.iter().map(|cut| cut.contains(id, start)).collect();
        PartialRows { table: Arc::clone(self), is_after, key }
    }
}

impl PartialRows {
    /// Returns what the rows contain of a change.
    ///
    /// # Errors
    /// `Position` for a change that cannot be assigned to a range.
    pub(crate) fn contained(
        &self,
        before: Option<&[Value<'_>]>,
        after: Option<&[Value<'_>]>,
    ) -> CdcResult<Contained> {
        if !self.is_after.contains(&true) {
            return Ok(Contained::Nothing);
        }
        let is_in = |row: Option<&[Value<'_>]>| row.map(|row| self.is_row_in(row)).transpose();
        Ok(Contained::of_rows(is_in(before)?, is_in(after)?))
    }

    /// Returns whether all rows contain a TRUNCATE, or none.
    ///
    /// # Errors
    /// `Position` if some do.
    pub(crate) fn contain_truncation(&self) -> CdcResult<bool> {
        let mut ranges = self.table.rows.ranges.iter().map(|range: &KeyRange| self.is_cut_after(range.cut));
        let is_in_first = ranges.next().unwrap_or(false);
        match self.table.rows.is_complete() && ranges.all(|is_in| is_in == is_in_first) {
            true => Ok(is_in_first),
            false if self.is_after.contains(&true) => Err(self.unknown("it was truncated")),
            false => Ok(false),
        }
    }

    fn is_cut_after(&self, cut: usize) -> bool {
        self.is_after.get(cut).copied().unwrap_or(false)
    }

    fn is_row_in(&self, row: &[Value<'_>]) -> CdcResult<bool> {
        let key = self.key.as_ref().and_then(|key| key.of_log_row(row));
        let key = key.ok_or_else(|| self.unknown("its primary key was changed"))?;
        let key: Vec<&[u8]> = key.iter().map(String::as_bytes).collect();
        let cut = self.table.rows.cut_of(&key);
        let cut = cut.map_err(|_| self.unknown("its primary key was changed"))?;
        Ok(cut.is_some_and(|cut| self.is_cut_after(cut)))
    }

    fn unknown(&self, why: &str) -> CdcError {
        CdcError::new(
            CdcErrorKind::Position,
            format!(
                "the snapshot of table {} was interrupted, and {why} before it went on: capture again under \
                 another name, or with snapshot-mode = when_needed",
                self.table.name
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::key_range::tests::definition;
    use crate::mysql::offset::{Gtids, ServerName, SnapshotReads};
    use crate::snapshot_progress::{KeyColumn, KeyOrder, SnapshotProgress};

    const TABLE: &str = "CREATE TABLE t (v INT, id INT PRIMARY KEY)";

    fn point(position: u64) -> LogPoint {
        LogPoint::new("log.000001", position)
    }

    /// Rows up to key 10 read at 500, the others at 900, as far as they are read, and another table at 900.
    fn position(is_complete: bool) -> (MysqlPosition, TableList) {
        let cut = |position| Cut { gtids: Gtids::parse(false, "").unwrap(), point: Some(point(position)) };
        let columns = [KeyColumn { name: "id".into(), order: KeyOrder::Integer }];
        let mut list = TableList::default();
        for table in ["other", "t"] {
            list.add(listed_name(&TableName::new("d", table)));
        }
        let mut progress = SnapshotProgress::default();
        let ten = || Some(vec!["10".to_owned()]);
        progress.add(0, &[], KeyRange::whole(1), 1).unwrap();
        progress.add(1, &columns, KeyRange { after: None, to: ten(), cut: 0 }, 1).unwrap();
        if is_complete {
            progress.add(1, &columns, KeyRange { after: ten(), to: None, cut: 1 }, 1).unwrap();
        }
        let position = MysqlPosition {
            server: ServerName { uuid: None, id: 1 },
            point: point(4),
            gtids: Gtids::parse(false, "").unwrap(),
            has_anonymous: false,
            cuts: BTreeMap::new(),
            snapshot_reads: Some(SnapshotReads { cuts: vec![cut(500), cut(900)], progress }),
            is_snapshot_unfinished: true,
            coverage: None,
        };
        let text = serde_json::to_string(&position).unwrap();
        assert_eq!(serde_json::from_str::<MysqlPosition>(&text).unwrap(), position, "{text}");
        (position, list)
    }

    fn partial(is_complete: bool) -> Arc<PartialTable> {
        let (position, list) = position(is_complete);
        let rows = SnapshotRows::new(&position, &list);
        assert_eq!(rows.cuts.len(), 1);
        assert_eq!(rows.cuts[&TableName::new("d", "other")].point, Some(point(900)));
        Arc::clone(&rows.partial[&TableName::new("d", "t")])
    }

    #[test]
    fn each_row_has_the_cut_of_its_range() {
        use Contained::{All, New, Nothing, Old};
        let table = partial(true);
        let definition = definition(TABLE);
        let (low, high) = ([Value::Null, Value::Int(10)], [Value::Null, Value::Int(11)]);
        let (low, high) = (Some(&low[..]), Some(&high[..]));
        for (start, before, after, expected) in [
            (400, None, low, All),
            (400, None, high, All),
            (600, None, low, Nothing),
            (600, None, high, All),
            (900, None, high, Nothing),
            (600, low, None, Nothing),
            // a row that moves from one range to the other, between both cuts
            (600, low, high, New),
            (600, high, low, Old),
        ] {
            let rows = table.rows(None, &point(start), &definition);
            assert_eq!(rows.contained(before, after).unwrap(), expected, "{start} {before:?} {after:?}");
        }
        assert!(table.has_later_definition(None, &point(600)));
        assert!(!table.has_later_definition(None, &point(900)));
    }

    #[test]
    fn changes_that_belong_to_no_range_are_refused() {
        let row = [Value::Null, Value::Int(7)];
        let other = definition("CREATE TABLE t (v INT, other INT PRIMARY KEY)");
        for (start, is_complete, is_refused) in [(400, true, false), (600, true, true), (950, true, false)] {
            let rows = partial(is_complete).rows(None, &point(start), &other);
            let contained = rows.contained(None, Some(&row));
            // before both cuts, but of a row that cannot be known
            assert_eq!(contained.is_err(), start < 900, "{start} {contained:?}");
            let truncation = rows.contain_truncation();
            assert_eq!(truncation.is_err(), is_refused, "{start} {truncation:?}");
            assert_eq!(truncation.unwrap_or(false), start == 400, "{start}");
        }
        let error = partial(false).rows(None, &point(400), &definition(TABLE)).contain_truncation();
        let error = error.unwrap_err();
        assert_eq!(error.kind(), CdcErrorKind::Position);
        assert!(error.to_string().contains("truncated"), "{error}");
    }
}
