//! The ranges of a table's key whose rows are read, each with its cut.
//!
//! A range does not have its lower end, and has its upper one. Ranges do not overlap, and neighbours with the
//! same cut are one, so their number is that of the readers and of the interruptions.

use super::key_order::KeyOrder;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The texts of a key's values, in key order.
pub type Key = Vec<String>;

/// A column of the key by which a table is read in ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyColumn {
    /// The name.
    pub name: String,
    /// The order of its values.
    pub order: KeyOrder,
}

/// The rows of a range of keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// The key before the range; `None` from the first key on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Key>,
    /// The last key of the range; `None` up to the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Key>,
    /// The number of the cut at which the rows were read.
    pub cut: usize,
}

impl KeyRange {
    /// Returns the range of all keys.
    pub(crate) fn whole(cut: usize) -> Self {
        Self { after: None, to: None, cut }
    }
}

/// A text is no value of the key's type, or the key has another number of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidKey;

/// What is read of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRanges {
    /// The columns of the key; empty if the table is not read in ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<KeyColumn>,
    /// The ranges in key order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<KeyRange>,
    /// The number of rows that were read.
    #[serde(default)]
    pub rows: u64,
}

impl TableRanges {
    /// Adds a range, which overlaps none of the others.
    ///
    /// # Errors
    /// A key that cannot be compared.
    pub(crate) fn add(&mut self, range: KeyRange) -> Result<(), InvalidKey> {
        let mut index = 0;
        for earlier in &self.ranges {
            if !self.is_at_or_before(earlier, &range)? {
                break;
            }
            index += 1;
        }
        self.ranges.insert(index, range);
        self.merge(index);
        if let Some(before) = index.checked_sub(1) {
            self.merge(before);
        }
        Ok(())
    }

    /// Whether a range is before another one.
    fn is_at_or_before(&self, earlier: &KeyRange, range: &KeyRange) -> Result<bool, InvalidKey> {
        let (Some(to), Some(after)) = (&earlier.to, &range.after) else { return Ok(false) };
        if to == after {
            return Ok(true);
        }
        Ok(self.compare(to.iter().map(String::as_bytes), after)? != Ordering::Greater)
    }

    /// Makes a range and the next one a single range, if nothing is between them and their cut is the same.
    fn merge(&mut self, index: usize) {
        let [first, second, ..] = self.ranges.get(index..).unwrap_or_default() else { return };
        if first.to.is_some() && first.to == second.after && first.cut == second.cut {
            let second = self.ranges.remove(index + 1);
            if let Some(first) = self.ranges.get_mut(index) {
                first.to = second.to;
            }
        }
    }

    /// Compares a key with the end of a range.
    fn compare<'k>(
        &self,
        key: impl ExactSizeIterator<Item = &'k [u8]>,
        end: &Key,
    ) -> Result<Ordering, InvalidKey> {
        if key.len() != self.columns.len() || end.len() != self.columns.len() {
            return Err(InvalidKey);
        }
        for ((column, value), end) in self.columns.iter().zip(key).zip(end) {
            let order = column.order.compare(value, end.as_bytes()).ok_or(InvalidKey)?;
            if order != Ordering::Equal {
                return Ok(order);
            }
        }
        Ok(Ordering::Equal)
    }

    /// Returns the ends of the ranges that are not read, in key order.
    pub(crate) fn missing(&self) -> Vec<(Option<Key>, Option<Key>)> {
        let mut missing = Vec::new();
        let mut after: Option<Key> = None;
        for range in &self.ranges {
            if range.after != after {
                missing.push((after.take(), range.after.clone()));
            }
            if range.to.is_none() {
                return missing;
            }
            after.clone_from(&range.to);
        }
        missing.push((after, None));
        missing
    }

    /// Whether all rows are read.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing().is_empty()
    }

    /// Returns the cut of all rows; `None` if they have several, or are not all read.
    pub(crate) fn only_cut(&self) -> Option<usize> {
        match &self.ranges[..] {
            [range] if range.after.is_none() && range.to.is_none() => Some(range.cut),
            _ => None,
        }
    }

    /// Returns the cut at which the row with a key was read, or would have been; `None` if its range is not
    /// read.
    ///
    /// # Errors
    /// A key that cannot be compared.
    pub(crate) fn cut_of(&self, key: &[&[u8]]) -> Result<Option<usize>, InvalidKey> {
        for range in &self.ranges {
            let is_in_or_before = match &range.to {
                Some(to) => self.compare(key.iter().copied(), to)? != Ordering::Greater,
                None => true,
            };
            if is_in_or_before {
                let is_in = match &range.after {
                    Some(after) => self.compare(key.iter().copied(), after)? == Ordering::Greater,
                    None => true,
                };
                return Ok(is_in.then_some(range.cut));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn integers(count: usize) -> TableRanges {
        let column = |index| KeyColumn { name: format!("k{index}"), order: KeyOrder::Integer };
        TableRanges { columns: (0..count).map(column).collect(), ..TableRanges::default() }
    }

    fn key(value: i64) -> Option<Key> {
        Some(vec![value.to_string()])
    }

    fn range(after: Option<i64>, to: Option<i64>, cut: usize) -> KeyRange {
        KeyRange { after: after.and_then(key), to: to.and_then(key), cut }
    }

    #[test]
    fn neighbours_with_one_cut_are_one_range() {
        let mut table = integers(1);
        assert_eq!(table.missing(), [(None, None)]);
        for (after, to, expected) in [
            (Some(20), Some(30), 1),
            (None, Some(10), 2),
            (Some(40), Some(50), 3),
            (Some(10), Some(20), 2),
            (Some(30), Some(40), 1),
            (Some(50), None, 1),
        ] {
            assert!(!table.is_complete());
            table.add(range(after, to, 0)).unwrap();
            assert_eq!(table.ranges.len(), expected, "{after:?} {to:?}: {table:?}");
        }
        assert_eq!((table.only_cut(), table.is_complete()), (Some(0), true));
    }

    #[test]
    fn each_key_has_the_cut_of_its_range() {
        let mut table = integers(1);
        for (after, to, cut) in [(None, Some(9), 0), (Some(100), Some(200), 0), (Some(9), Some(50), 1)] {
            table.add(range(after, to, cut)).unwrap();
        }
        assert_eq!(table.missing(), [(key(50), key(100)), (key(200), None)]);
        for (value, expected) in [
            ("-5", Some(0)),
            ("9", Some(0)),
            ("10", Some(1)),
            ("50", Some(1)),
            ("51", None),
            ("100", None),
            ("101", Some(0)),
            ("200", Some(0)),
            ("201", None),
        ] {
            assert_eq!(table.cut_of(&[value.as_bytes()]), Ok(expected), "{value}");
        }
        assert_eq!(table.cut_of(&[b"x"]), Err(InvalidKey));
        assert_eq!(table.cut_of(&[]), Err(InvalidKey));
        assert_eq!((table.only_cut(), table.is_complete()), (None, false));
    }

    #[test]
    fn keys_of_several_columns_are_compared_in_key_order() {
        let mut table = integers(2);
        let key = |a: &str, b: &str| Some(vec![a.to_owned(), b.to_owned()]);
        table.add(KeyRange { after: None, to: key("2", "10"), cut: 0 }).unwrap();
        table.add(KeyRange { after: key("2", "10"), to: None, cut: 1 }).unwrap();
        for (a, b, expected) in
            [("1", "99", 0), ("2", "9", 0), ("2", "10", 0), ("2", "11", 1), ("10", "0", 1)]
        {
            assert_eq!(table.cut_of(&[a.as_bytes(), b.as_bytes()]), Ok(Some(expected)), "{a} {b}");
        }
        assert!(table.is_complete() && table.only_cut().is_none());
    }

    proptest! {
        #[test]
        fn ranges_in_any_order_become_all_keys(
            mut ends in proptest::collection::btree_set(-1000i64..1000, 0..12),
            order in proptest::collection::vec(any::<usize>(), 13),
            cuts in proptest::collection::vec(0usize..3, 13),
        ) {
            let mut ranges = Vec::new();
            let mut after = None;
            while let Some(to) = ends.pop_first() {
                ranges.push((after, Some(to)));
                after = Some(to);
            }
            ranges.push((after, None));
            let expected = ranges.clone();
            let mut table = integers(1);
            let mut cut_of = std::collections::HashMap::new();
            for (place, cut) in order.iter().zip(&cuts) {
                if ranges.is_empty() {
                    break;
                }
                let (after, to) = ranges.remove(place % ranges.len());
                prop_assert!(!table.is_complete());
                table.add(range(after, to, *cut)).unwrap();
                cut_of.insert((after, to), *cut);
            }
            prop_assert!(table.is_complete(), "{:?}", table);
            for value in -1001i64..=1001 {
                let (range, cut) = cut_of
                    .iter()
                    .find(|((after, to), _)| {
                        after.is_none_or(|after| after < value) && to.is_none_or(|to| value <= to)
                    })
                    .unwrap();
                let text = value.to_string();
                prop_assert_eq!(table.cut_of(&[text.as_bytes()]), Ok(Some(*cut)), "{} {:?}", value, range);
            }
            prop_assert!(table.ranges.len() <= expected.len());
        }
    }
}
