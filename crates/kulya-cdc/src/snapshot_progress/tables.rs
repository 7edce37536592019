//! The tables that a snapshot has read, by their numbers.
//!
//! Tables are read in the order of their numbers by a few readers, so all up to a number are read and only a
//! few beyond it. What was read at one cut is one entry, so the size does not grow with the number of tables.

use super::key_range::{InvalidKey, KeyColumn, KeyRange, TableRanges};
use super::table_list::TableList;
use crate::{CdcError, CdcResult};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Tables that were read as wholes, from the end of the entry before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadTables {
    /// The number after the last of the tables.
    pub until: usize,
    /// The number of the cut at which they were read.
    pub cut: usize,
}

/// A table of which parts are read, or which was read before one with a lower number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableProgress {
    /// The table's number.
    pub table: usize,
    /// What is read of it.
    #[serde(flatten)]
    pub read: TableRanges,
}

/// What a snapshot has read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotProgress {
    /// The number of tables at the beginning of the list of which nothing remains to be read.
    pub finished: usize,
    /// The tables up to `finished` that were read as wholes; `tables` has the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<ReadTables>,
    /// Tables with more than one range, and those beyond `finished`, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableProgress>,
}

impl SnapshotProgress {
    /// Adds what was read of a table. Returns whether nothing remains to be read of it.
    ///
    /// # Errors
    /// A key that cannot be compared.
    pub(crate) fn add(
        &mut self,
        table: usize,
        columns: &[KeyColumn],
        range: KeyRange,
        rows: u64,
    ) -> Result<bool, InvalidKey> {
        let read = self.entry(table);
        if read.columns.is_empty() {
            read.columns = columns.to_vec();
        }
        read.rows += rows;
        read.add(range)?;
        let is_complete = read.is_complete();
        if is_complete {
            self.advance(&BTreeSet::new());
        }
        Ok(is_complete)
    }

    fn entry(&mut self, table: usize) -> &mut TableRanges {
        let index = match self.tables.binary_search_by_key(&table, |entry| entry.table) {
            Ok(index) => index,
            Err(index) => {
                self.tables.insert(index, TableProgress { table, read: TableRanges::default() });
                index
            }
        };
        // the index of an entry that exists
        &mut self.tables[index].read
    }

    /// Numbers the tables of a run, of all of which something remains to be read; those that are not in the
    /// list are added to it. Other tables of the list that are not read exist no more.
    pub(crate) fn number_tables(&mut self, names: &[String], list: &mut TableList) -> Vec<usize> {
        let known = list.len();
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            numbers.push(match list.number(name) {
                Some(number) if number >= self.finished => number,
                earlier => {
                    let number = list.add(name.clone());
                    // it was there no more when the tables up to its number were finished
                    if let Some(read) = earlier.map(|earlier| self.take(earlier)) {
                        *self.entry(number) = read;
                    }
                    number
                }
            });
        }
        let mut missing: BTreeSet<usize> = (self.finished..known).collect();
        for number in &numbers {
            missing.remove(number);
        }
        missing.retain(|number| !self.table(*number).is_complete());
        self.advance(&missing);
        numbers
    }

    /// Adds the cuts of a run, in place of those at which nothing was read. Returns the number of the first.
    pub(crate) fn add_cuts<C>(&self, cuts: &mut Vec<C>, new: impl IntoIterator<Item = C>) -> usize {
        let of_ranges = self.tables.iter().flat_map(|table| &table.read.ranges).map(|range| range.cut);
        let used = self.read.iter().map(|read| read.cut).chain(of_ranges).max();
        cuts.truncate(used.map_or(0, |used| used + 1));
        let first = cuts.len();
        cuts.extend(new);
        first
    }

    /// Checks that tables are complete.
    ///
    /// # Errors
    /// `Source` when they are not: a reader has ended without a word.
    pub(crate) fn check_complete(&self, tables: &[usize]) -> CdcResult<()> {
        if tables.iter().all(|table| self.table(*table).is_complete()) {
            return Ok(());
        }
        Err(CdcError::source("a reader of the snapshot has ended before its tables were read"))
    }

    /// Moves `finished` over the tables of which nothing remains to be read.
    fn advance(&mut self, missing: &BTreeSet<usize>) {
        loop {
            let table = self.finished;
            let found = self.tables.binary_search_by_key(&table, |entry| entry.table);
            let read = found.ok().and_then(|index| self.tables.get(index)).map(|entry| &entry.read);
            let only_cut = read.and_then(TableRanges::only_cut);
            if let (Some(cut), Ok(index)) = (only_cut, found) {
                self.tables.remove(index);
                match self.read.last_mut() {
                    // entries of `tables` between both count more
                    Some(last) if last.cut == cut => last.until = table + 1,
                    _ => self.read.push(ReadTables { until: table + 1, cut }),
                }
            } else if missing.contains(&table) {
                // without an entry it would belong to the tables that were read
                self.entry(table);
            } else if !read.is_some_and(TableRanges::is_complete) {
                return;
            }
            self.finished += 1;
        }
    }

    /// Returns what is read of a table.
    pub(crate) fn table(&self, table: usize) -> TableRanges {
        if let Ok(index) = self.tables.binary_search_by_key(&table, |entry| entry.table) {
            return self.tables.get(index).map(|entry| entry.read.clone()).unwrap_or_default();
        }
        let read = self.read.iter().find(|read| table < read.until);
        let ranges = read.map(|read| KeyRange::whole(read.cut)).into_iter().collect();
        TableRanges { ranges, ..TableRanges::default() }
    }

    /// Takes what is read of a table, to be continued under another number.
    fn take(&mut self, table: usize) -> TableRanges {
        let read = self.table(table);
        *self.entry(table) = TableRanges::default();
        read
    }
}

#[cfg(test)]
mod tests {
    use super::super::key_order::KeyOrder;
    use super::*;

    fn whole(progress: &mut SnapshotProgress, table: usize, cut: usize) {
        assert!(progress.add(table, &[], KeyRange::whole(cut), 1).unwrap());
    }

    fn columns() -> [KeyColumn; 1] {
        [KeyColumn { name: "id".into(), order: KeyOrder::Integer }]
    }

    fn range(after: Option<&str>, to: Option<&str>, cut: usize) -> KeyRange {
        let key = |text: Option<&str>| text.map(|text| vec![text.to_owned()]);
        KeyRange { after: key(after), to: key(to), cut }
    }

    #[test]
    fn size_does_not_grow_with_the_number_of_tables() {
        let mut progress = SnapshotProgress::default();
        let mut bytes = 0;
        for table in 0..2000 {
            // four readers: each fourth table is finished first
            whole(&mut progress, table / 4 * 4 + (3 - table % 4), 0);
            bytes += serde_json::to_string(&progress).unwrap().len();
        }
        assert_eq!((progress.finished, progress.tables.len()), (2000, 0));
        assert_eq!(progress.read, [ReadTables { until: 2000, cut: 0 }]);
        assert!(bytes < 2000 * 250, "{bytes}");
    }

    #[test]
    fn each_table_keeps_its_cut() {
        let mut progress = SnapshotProgress::default();
        whole(&mut progress, 0, 0);
        whole(&mut progress, 2, 0);
        assert!(!progress.add(1, &columns(), range(None, Some("5"), 0), 5).unwrap());
        assert_eq!(progress.finished, 1);
        // after an interruption
        assert_eq!(progress.table(1).missing(), [(Some(vec!["5".into()]), None)]);
        assert!(progress.add(1, &columns(), range(Some("5"), None, 1), 2).unwrap());
        whole(&mut progress, 3, 1);
        assert_eq!(progress.finished, 4);
        let cuts = |table| progress.table(table).ranges.iter().map(|range| range.cut).collect::<Vec<_>>();
        assert_eq!(
            [cuts(0), cuts(1), cuts(2), cuts(3), cuts(4)],
            [vec![0], vec![0, 1], vec![0], vec![1], vec![]]
        );
        assert_eq!(progress.table(1).rows, 7);
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<SnapshotProgress>(&text).unwrap(), progress, "{text}");
    }

    #[test]
    fn tables_that_exist_no_more_are_not_read() {
        let mut progress = SnapshotProgress::default();
        let mut list = TableList::default();
        let names = |names: &str| names.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(progress.number_tables(&names("a b c d"), &mut list), [0, 1, 2, 3]);
        assert!(!progress.add(0, &columns(), range(None, Some("5"), 0), 5).unwrap());
        whole(&mut progress, 2, 0);
        assert!(progress.check_complete(&[2]).is_ok() && progress.check_complete(&[0, 2]).is_err());
        // a and b are gone, and e is new
        assert_eq!(progress.number_tables(&names("d e"), &mut list), [3, 4]);
        assert_eq!(progress.finished, 3);
        assert_eq!(progress.table(0).ranges, [range(None, Some("5"), 0)]);
        assert_eq!((progress.table(1).ranges.len(), progress.table(2).only_cut()), (0, Some(0)));
        // a is there again
        assert_eq!(progress.number_tables(&names("a d e"), &mut list), [5, 3, 4]);
        assert_eq!(progress.table(5).missing(), [(Some(vec!["5".into()]), None)]);
        assert_eq!((progress.table(0).ranges.len(), progress.finished), (0, 3));
    }

    #[test]
    fn cuts_at_which_nothing_was_read_are_forgotten() {
        let mut progress = SnapshotProgress::default();
        let mut cuts = Vec::new();
        assert_eq!(progress.add_cuts(&mut cuts, ["a"]), 0);
        assert_eq!(progress.add_cuts(&mut cuts, ["b"]), 0);
        assert_eq!(cuts, ["b"]);
        assert!(!progress.add(1, &columns(), range(None, Some("5"), 0), 5).unwrap());
        assert_eq!(progress.add_cuts(&mut cuts, ["c"]), 1);
        assert_eq!(progress.add_cuts(&mut cuts, ["d", "e"]), 1);
        assert_eq!(cuts, ["b", "d", "e"]);
    }
}
