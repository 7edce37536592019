//! Rows in an order, each with its weight: what MIN, FIRST_VALUE, ARRAY_AGG, top-N and OVER keep of a group.

use crate::error::{Problem, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Rows as bytes that compare as the rows do. With arrival order, a row's entry begins with the number of its
/// arrival instead.
#[derive(Debug)]
pub(crate) struct OrderedRows {
    entries: BTreeMap<Box<[u8]>, i64>,
    /// With arrival order: each entry's row, and then its number.
    arrivals: Option<BTreeSet<Box<[u8]>>>,
    entry_bytes: usize,
}

/// The length of the number of an arrival.
pub(crate) const ARRIVAL_LENGTH: usize = size_of::<u64>();
/// What the nodes of the tree take for an entry besides its bytes, about.
const ENTRY_OVERHEAD: usize = 40;

impl OrderedRows {
    pub(crate) fn new(is_by_arrival: bool) -> Self {
        let arrivals = is_by_arrival.then(BTreeSet::new);
        Self { entries: BTreeMap::new(), arrivals, entry_bytes: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries in order, with their weights.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], i64)> {
        self.entries.iter().map(|(entry, weight)| (entry.as_ref(), *weight))
    }

    pub(crate) fn first(&self) -> Option<&[u8]> {
        self.entries.first_key_value().map(|(entry, _)| entry.as_ref())
    }

    pub(crate) fn last(&self) -> Option<&[u8]> {
        self.entries.last_key_value().map(|(entry, _)| entry.as_ref())
    }

    /// The last entry before the bytes.
    pub(crate) fn before(&self, bytes: &[u8]) -> Option<&[u8]> {
        self.entries
            .range::<[u8], _>((Bound::Unbounded, Bound::Excluded(bytes)))
            .next_back()
            .map(|(entry, _)| entry.as_ref())
    }

    /// The first entry from the bytes on.
    pub(crate) fn from(&self, bytes: &[u8]) -> Option<&[u8]> {
        self.entries
            .range::<[u8], _>((Bound::Included(bytes), Bound::Unbounded))
            .next()
            .map(|(entry, _)| entry.as_ref())
    }

    /// Adds to the weight of a row, and reports the entries that changed with their new weights.
    ///
    /// In arrival order an insertion is the last entry, and a retraction removes the first entries of the
    /// row. A weight may become negative within a tick; in arrival order the insertion must come first.
    pub(crate) fn add(&mut self, row: &[u8], weight: i64, changed: &mut dyn FnMut(&[u8], i64)) -> Result<()> {
        if weight == 0 {
            return Ok(());
        }
        if self.arrivals.is_none() {
            self.change(row, weight, changed);
            return Ok(());
        }
        if weight > 0 {
            let entry = [&self.next_arrival().to_be_bytes()[..], row].concat();
            self.change(&entry, weight, changed);
            return Ok(());
        }
        let mut missing = weight;
        while missing < 0 {
            let entry = self.first_arrival(row).ok_or(Problem::NegativeWeight)?;
            let removed = self.entries.get(entry.as_slice()).copied().unwrap_or_default().min(-missing);
            self.change(&entry, -removed, changed);
            missing += removed;
        }
        Ok(())
    }

    fn next_arrival(&self) -> u64 {
        self.last()
            .and_then(|entry| entry.first_chunk())
            .map_or(0, |number| u64::from_be_bytes(*number).saturating_add(1))
    }

    /// The first entry of a row.
    fn first_arrival(&self, row: &[u8]) -> Option<Vec<u8>> {
        let arrival =
            self.arrivals.as_ref()?.range::<[u8], _>((Bound::Included(row), Bound::Unbounded)).next()?;
        let (found, number) = arrival.split_last_chunk::<ARRIVAL_LENGTH>()?;
        (found == row).then(|| [number, row].concat())
    }

    fn change(&mut self, entry: &[u8], weight: i64, changed: &mut dyn FnMut(&[u8], i64)) {
        let new = self.weight(entry) + weight;
        self.set(entry, new);
        changed(entry, new);
    }

    pub(crate) fn weight(&self, entry: &[u8]) -> i64 {
        self.entries.get(entry).copied().unwrap_or_default()
    }

    /// Sets the weight of an entry; 0 removes it.
    pub(crate) fn set(&mut self, entry: &[u8], weight: i64) {
        let arrival = |entry: &[u8]| -> Box<[u8]> {
            let (number, row) = entry.split_at(ARRIVAL_LENGTH.min(entry.len()));
            [row, number].concat().into()
        };
        if weight == 0 {
            if self.entries.remove(entry).is_some() {
                self.entry_bytes -= entry.len();
                if let Some(arrivals) = &mut self.arrivals {
                    arrivals.remove(&arrival(entry));
                }
            }
            return;
        }
        if let Some(old) = self.entries.get_mut(entry) {
            *old = weight;
            return;
        }
        self.entries.insert(entry.into(), weight);
        self.entry_bytes += entry.len();
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.insert(arrival(entry));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.entry_bytes = 0;
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.clear();
        }
    }

    pub(crate) fn size_bytes(&self) -> usize {
        let copies = if self.arrivals.is_some() { 2 } else { 1 };
        copies * (self.entry_bytes + self.entries.len() * ENTRY_OVERHEAD)
    }
}

/// Entries that changed since the last commit, with their values, or None if they were removed.
#[derive(Debug, Default)]
pub(crate) struct DirtyEntries {
    entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    bytes: usize,
}

impl DirtyEntries {
    pub(crate) fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::len) + ENTRY_OVERHEAD;
        self.entries.insert(key, value);
    }

    pub(crate) fn drain(&mut self, sink: &mut crate::operator::EntrySink<'_>) {
        for (key, value) in std::mem::take(&mut self.entries) {
            sink(&key, value.as_deref());
        }
        self.bytes = 0;
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retraction_removes_the_first_arrival_of_its_row() {
        let mut rows = OrderedRows::new(true);
        for (row, weight) in [(b"a", 1), (b"b", 1), (b"a", 2), (b"a", -2)] {
            rows.add(row, weight, &mut |_, _| {}).unwrap();
        }
        let left: Vec<_> = rows.iter().map(|(entry, weight)| (&entry[ARRIVAL_LENGTH..], weight)).collect();
        assert_eq!(left, [(&b"b"[..], 1), (&b"a"[..], 1)]);
        for missing in [b"0", b"c"] {
            assert!(matches!(rows.add(missing, -1, &mut |_, _| {}), Err(Problem::NegativeWeight)));
        }
    }
}
