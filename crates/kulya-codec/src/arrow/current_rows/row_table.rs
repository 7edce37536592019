//! A table of rows by their keys, both as bytes, in little more memory than these: rows lie one after
//! another in pages, and an index of open addressing has eight bytes for each. A row that still fits is
//! replaced where it is; a page of which little is live any more is moved into others.

use crate::arrow::column_buffer::value_bytes::{read_unsigned, unsigned_len, write_unsigned};
use std::hash::{BuildHasher, RandomState};

const MIN_PAGE_BYTES: usize = 4 << 10;
const MAX_PAGE_BYTES: usize = 1 << 20;
/// An index entry has these bits for a row's offset in its page.
const OFFSET_BITS: u32 = 20;
/// An index entry has these bits of the hash, so that few other keys are compared.
const TAG_BITS: u32 = 18;
const MIN_INDEX_LEN: usize = 64;
/// No row.
const EMPTY: u64 = 0;
/// No row any more.
const DELETED: u64 = u64::MAX;

#[derive(Debug, Default)]
struct Page {
    bytes: Vec<u8>,
    /// The size of its live rows.
    live: usize,
}

#[derive(Debug, Default)]
pub(super) struct RowTable {
    pages: Vec<Page>,
    /// Numbers of pages without rows.
    free: Vec<usize>,
    /// The page that rows are appended to.
    tail: usize,
    /// The size of the pages.
    page_bytes: usize,
    index: Vec<u64>,
    /// The number of entries of the index that are not empty.
    used: usize,
    rows: usize,
    hasher: RandomState,
}

/// Where a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Location {
    page: usize,
    offset: usize,
}

impl Location {
    fn entry(self, hash: u64) -> u64 {
        let place = (self.page as u64 + 1) << OFFSET_BITS | self.offset as u64;
        place << TAG_BITS | hash & ((1 << TAG_BITS) - 1)
    }

    fn of_entry(entry: u64) -> Self {
        let place = entry >> TAG_BITS;
        let page = (place >> OFFSET_BITS) as usize;
        Self { page: page.saturating_sub(1), offset: (place & ((1 << OFFSET_BITS) - 1)) as usize }
    }
}

/// A row in a page: its size and whether it is dead in one number, the length of its key, the key, the value,
/// and perhaps unused bytes.
struct StoredRow<'a> {
    is_dead: bool,
    /// The length of the number with the size.
    head: usize,
    /// The size of what follows it.
    size: usize,
    key: &'a [u8],
    value: &'a [u8],
}

impl<'a> StoredRow<'a> {
    fn read(page: &'a [u8], offset: usize) -> Option<Self> {
        let mut rest = page.get(offset..)?;
        let before = rest.len();
        let size_and_mark = read_unsigned(&mut rest)?;
        let (head, size) = (before - rest.len(), (size_and_mark >> 1) as usize);
        let mut row = rest.get(..size)?;
        let key_length = read_unsigned(&mut row)? as usize;
        let (key, value) = row.split_at_checked(key_length)?;
        Some(Self { is_dead: size_and_mark & 1 == 1, head, size, key, value })
    }

    fn len(&self) -> usize {
        self.head + self.size
    }
}

impl RowTable {
    /// Returns the number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Returns the memory of the pages and the index, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.page_bytes + self.index.len() * size_of::<u64>() + self.pages.len() * size_of::<Page>()
    }

    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    fn row(&self, location: Location) -> Option<StoredRow<'_>> {
        StoredRow::read(&self.pages.get(location.page)?.bytes, location.offset)
    }

    /// Returns the places of the index that are looked at for a hash, in their order.
    fn probe(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let len = self.index.len();
        let first = ((u128::from(hash) * len as u128) >> 64) as usize;
        (first..len).chain(0..first)
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<(usize, Location)> {
        let tag = hash & ((1 << TAG_BITS) - 1);
        for place in self.probe(hash) {
            let entry = *self.index.get(place)?;
            if entry == EMPTY {
                return None;
            }
            if entry != DELETED && entry & ((1 << TAG_BITS) - 1) == tag {
                let location = Location::of_entry(entry);
                if self.row(location)?.key == key {
                    return Some((place, location));
                }
            }
        }
        None
    }

    /// Returns the value of a key, perhaps with unused bytes behind it.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let (_, location) = self.find(self.hash(key), key)?;
        Some(self.row(location)?.value)
    }

    /// Sets the value of a key.
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        let hash = self.hash(key);
        let Some((place, location)) = self.find(hash, key) else {
            if (self.used + 1) * 5 > self.index.len() * 4 {
                self.rebuild_index();
            }
            let tail = self.tail;
            let location = self.append(key, value);
            self.insert(hash, location);
            self.rows += 1;
            return self.compact_if_sparse(tail);
        };
        if self.replace(location, value) {
            return;
        }
        let tail = self.tail;
        let moved = self.append(key, value);
        if let Some(entry) = self.index.get_mut(place) {
            *entry = moved.entry(hash);
        }
        self.bury(location);
        self.compact_if_sparse(tail);
    }

    /// Removes a key and returns whether it was there.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let Some((place, location)) = self.find(self.hash(key), key) else { return false };
        if let Some(entry) = self.index.get_mut(place) {
            *entry = DELETED;
        }
        self.rows -= 1;
        self.bury(location);
        true
    }

    /// Removes all rows.
    pub(super) fn clear(&mut self) {
        *self = Self { hasher: self.hasher.clone(), ..Self::default() };
    }

    /// Writes a value in the place of an older one, if it fits there.
    fn replace(&mut self, location: Location, value: &[u8]) -> bool {
        let Some(row) = self.row(location) else { return false };
        let start = location.offset + row.len() - row.value.len();
        if value.len() > row.value.len() {
            return false;
        }
        let page = self.pages.get_mut(location.page);
        let place = page.and_then(|page| page.bytes.get_mut(start..start + value.len()));
        place.is_some_and(|place| {
            place.copy_from_slice(value);
            true
        })
    }

    fn append(&mut self, key: &[u8], value: &[u8]) -> Location {
        let body = unsigned_len(key.len() as u64) + key.len() + value.len();
        let size = unsigned_len((body as u64) << 1) + body;
        let has_room = |page: &Page| {
            page.bytes.len() < MAX_PAGE_BYTES && page.bytes.capacity() - page.bytes.len() >= size
        };
        if !self.pages.get(self.tail).is_some_and(has_room) {
            self.add_page(size);
        }
        let Some(page) = self.pages.get_mut(self.tail) else { return Location { page: 0, offset: 0 } };
        let offset = page.bytes.len();
        write_unsigned((body as u64) << 1, &mut page.bytes);
        write_unsigned(key.len() as u64, &mut page.bytes);
        page.bytes.extend_from_slice(key);
        page.bytes.extend_from_slice(value);
        page.live += size;
        Location { page: self.tail, offset }
    }

    /// Makes a page for rows of this size the tail. Pages are larger in a large table.
    fn add_page(&mut self, size: usize) {
        let capacity = (self.page_bytes / 16).clamp(MIN_PAGE_BYTES, MAX_PAGE_BYTES).max(size);
        let page = Page { bytes: Vec::with_capacity(capacity), live: 0 };
        self.page_bytes += page.bytes.capacity();
        match self.free.pop() {
            Some(number) => {
                self.tail = number;
                if let Some(place) = self.pages.get_mut(number) {
                    *place = page;
                }
            }
            None => {
                self.tail = self.pages.len();
                self.pages.push(page);
            }
        }
    }

    /// Marks a row as dead.
    fn bury(&mut self, location: Location) {
        let Some(length) = self.row(location).map(|row| row.len()) else { return };
        if let Some(page) = self.pages.get_mut(location.page) {
            page.bytes.get_mut(location.offset).into_iter().for_each(|byte| *byte |= 1);
            page.live = page.live.saturating_sub(length);
        }
        self.compact_if_sparse(location.page);
    }

    /// Moves the live rows of a page into the tail if they are less than three fifths of it.
    fn compact_if_sparse(&mut self, number: usize) {
        let Some(page) = self.pages.get_mut(number).filter(|_| number != self.tail) else { return };
        if page.bytes.is_empty() || page.live * 5 >= page.bytes.len() * 3 {
            return;
        }
        let page = std::mem::take(page);
        let mut offset = 0;
        while let Some(row) = StoredRow::read(&page.bytes, offset) {
            if !row.is_dead {
                let hash = self.hash(row.key);
                let old = Location { page: number, offset }.entry(hash);
                let moved = self.append(row.key, row.value).entry(hash);
                let place = self.probe(hash).find(|place| self.index.get(*place) == Some(&old));
                if let Some(entry) = place.and_then(|place| self.index.get_mut(place)) {
                    *entry = moved;
                }
            }
            offset += row.len();
        }
        self.page_bytes -= page.bytes.capacity();
        self.free.push(number);
    }

    /// Adds an entry of a key that the index does not have.
    fn insert(&mut self, hash: u64, location: Location) {
        let free = self.probe(hash).find(|place| self.index.get(*place) == Some(&EMPTY));
        if let Some(place) = free.and_then(|place| self.index.get_mut(place)) {
            *place = location.entry(hash);
            self.used += 1;
        }
    }

    /// Makes the index larger, or frees it of deleted entries. The old one is dropped first: the keys are
    /// in the pages.
    fn rebuild_index(&mut self) {
        self.index = Vec::new();
        self.index = vec![EMPTY; ((self.rows + 1) * 7 / 4).max(MIN_INDEX_LEN)];
        self.used = 0;
        for number in 0..self.pages.len() {
            let mut offset = 0;
            while let Some(row) = self.row(Location { page: number, offset }) {
                let (length, is_dead) = (row.len(), row.is_dead);
                if !is_dead {
                    let hash = self.hash(row.key);
                    self.insert(hash, Location { page: number, offset });
                }
                offset += length;
            }
        }
    }

    /// Starts to take the rows out, page by page.
    pub(super) fn drain(&mut self) -> Drain {
        let table = std::mem::take(self);
        self.hasher = table.hasher;
        Drain { pages: table.pages.into_iter(), page: Vec::new(), offset: 0 }
    }
}

/// The rows of a table that is taken apart, in the order of its pages.
#[derive(Debug)]
pub(super) struct Drain {
    pages: std::vec::IntoIter<Page>,
    page: Vec<u8>,
    offset: usize,
}

impl Drain {
    /// Passes the key and the value of the next row; `None` at the end.
    pub(super) fn next<T>(&mut self, take: impl FnOnce(&[u8], &[u8]) -> T) -> Option<T> {
        loop {
            match StoredRow::read(&self.page, self.offset) {
                Some(row) => {
                    self.offset += row.len();
                    if !row.is_dead {
                        return Some(take(row.key, row.value));
                    }
                }
                None => {
                    (self.page, self.offset) = (self.pages.next()?.bytes, 0);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn rows(table: &mut RowTable) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut drain = table.drain();
        let mut rows = BTreeMap::new();
        while let Some((key, value)) = drain.next(|key, value| (key.to_vec(), value.to_vec())) {
            assert!(rows.insert(key, value).is_none(), "a key is there once");
        }
        rows
    }

    proptest! {
        #[test]
        fn a_table_is_a_map(changes in prop::collection::vec((0_u16..300, 0_usize..200, any::<u8>()), 0..3000)) {
            let (mut table, mut map) = (RowTable::default(), BTreeMap::new());
            for (key, length, byte) in changes {
                let key = vec![key as u8; usize::from(key >> 8) + 1];
                if byte < 64 {
                    prop_assert_eq!(table.remove(&key), map.remove(&key).is_some());
                } else {
                    let value = vec![byte; length];
                    table.put(&key, &value);
                    map.insert(key, value);
                }
                prop_assert_eq!(table.len(), map.len());
            }
            for (key, value) in &map {
                prop_assert!(table.get(key).unwrap().starts_with(value));
            }
            let found = rows(&mut table);
            prop_assert_eq!(found.len(), map.len());
            for (key, value) in map {
                prop_assert!(found.get(&key).unwrap().starts_with(&value));
            }
            prop_assert_eq!((table.len(), table.memory_bytes()), (0, 0));
        }
    }

    #[test]
    fn rows_take_little_more_memory_than_their_bytes() {
        let mut table = RowTable::default();
        let value = [7; 60];
        for key in 0_u32..100_000 {
            table.put(&key.to_le_bytes(), &value);
        }
        for round in 0..3_usize {
            for key in 0_u32..100_000 {
                table.put(&key.to_le_bytes(), value.get(..60 - round).unwrap());
            }
        }
        let in_place = table.memory_bytes() / table.len();
        assert!(in_place < 64 + 20, "{in_place} bytes a row");
        for round in 1..4_usize {
            for key in 0_u32..100_000 {
                table.put(&(key * 7 % 100_000).to_le_bytes(), &vec![round as u8; 60 + round]);
            }
        }
        let moved = table.memory_bytes() / table.len();
        assert!(moved < 2 * 64, "{moved} bytes a row");
        for key in 0_u32..99_000 {
            table.remove(&key.to_le_bytes());
        }
        let left = rows(&mut table);
        assert_eq!(left.len(), 1000);
    }

    #[test]
    fn a_row_may_be_larger_than_a_page() {
        let mut table = RowTable::default();
        let large = vec![1; 3 << 20];
        for key in [b"a", b"b", b"c"] {
            table.put(key, &large);
            table.put(key, b"small");
        }
        table.put(b"a", &large);
        table.clear();
        table.put(b"a", &large);
        table.put(b"b", b"");
        assert_eq!(rows(&mut table), [(b"a".to_vec(), large), (b"b".to_vec(), Vec::new())].into());
    }
}
