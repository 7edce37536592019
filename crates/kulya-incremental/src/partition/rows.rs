//! The rows of partitions, each in its order.

use crate::entry::{Reader, put_bytes, read_weight, signed};
use crate::error::{Problem, Result};
use crate::key_table::{KeyTable, Slot};
use crate::operator::{EntrySink, State};
use crate::ordered_rows::{ARRIVAL_LENGTH, DirtyEntries, OrderedRows};
use crate::row_codec::RowCodec;

/// An entry's key begins so, then the partition and the row; its value is the weight.
const ROW: u8 = 1;

/// Partitions by key, with what changed since the last commit.
pub(crate) struct Partitions {
    pub(crate) key_codec: RowCodec,
    pub(crate) row_codec: RowCodec,
    keys: KeyTable,
    rows: Vec<OrderedRows>,
    is_by_arrival: bool,
    dirty: DirtyEntries,
    /// Rows that were negative within the tick.
    negative: Vec<(Slot, Box<[u8]>)>,
    row_bytes: usize,
}

impl Partitions {
    pub(crate) fn new(key_codec: RowCodec, row_codec: RowCodec, is_by_arrival: bool) -> Self {
        Self {
            key_codec,
            row_codec,
            keys: KeyTable::default(),
            rows: Vec::new(),
            is_by_arrival,
            dirty: DirtyEntries::default(),
            negative: Vec::new(),
            row_bytes: 0,
        }
    }

    /// The partition of a key, which may be new.
    pub(crate) fn assign(&mut self, key: &[u8]) -> Slot {
        let (slot, _) = self.keys.insert(key);
        self.rows.resize_with(self.keys.slot_count(), || OrderedRows::new(self.is_by_arrival));
        slot
    }

    pub(crate) fn find(&self, key: &[u8]) -> Option<Slot> {
        self.keys.find(key)
    }

    pub(crate) fn key(&self, slot: Slot) -> &[u8] {
        self.keys.key(slot)
    }

    pub(crate) fn rows(&self, slot: Slot) -> &OrderedRows {
        &self.rows[slot as usize]
    }

    /// The columns of an entry, without the number of its arrival.
    pub(crate) fn row<'a>(&self, entry: &'a [u8]) -> &'a [u8] {
        if self.is_by_arrival { &entry[ARRIVAL_LENGTH..] } else { entry }
    }

    pub(crate) fn add(&mut self, slot: Slot, row: &[u8], weight: i64) -> Result<()> {
        let Self { keys, rows, dirty, negative, .. } = self;
        let rows = &mut rows[slot as usize];
        let before = rows.size_bytes();
        rows.add(row, weight, &mut |entry, new| {
            dirty.set(entry_key(keys.key(slot), entry), (new != 0).then(|| signed(new)));
            if new < 0 {
                negative.push((slot, entry.into()));
            }
        })?;
        self.row_bytes = (self.row_bytes + rows.size_bytes()).saturating_sub(before);
        Ok(())
    }

    /// Removes an entry.
    pub(crate) fn drop_entry(&mut self, slot: Slot, entry: &[u8]) {
        let rows = &mut self.rows[slot as usize];
        let before = rows.size_bytes();
        rows.set(entry, 0);
        self.row_bytes = (self.row_bytes + rows.size_bytes()).saturating_sub(before);
        self.dirty.set(entry_key(self.keys.key(slot), entry), None);
    }

    /// Checks that no row is negative at the end of a tick.
    pub(crate) fn end_tick(&mut self) -> Result<()> {
        let Self { rows, negative, .. } = self;
        match negative.drain(..).any(|(slot, entry)| rows[slot as usize].weight(&entry) < 0) {
            true => Err(Problem::NegativeWeight),
            false => Ok(()),
        }
    }

    pub(crate) fn remove_if_empty(&mut self, slot: Slot) {
        if self.rows(slot).is_empty() {
            self.rows[slot as usize].clear();
            self.keys.remove_quietly(slot);
        }
    }

    /// Removes a partition and its rows.
    pub(crate) fn remove(&mut self, slot: Slot) {
        let key = self.keys.key(slot);
        for (entry, _) in self.rows[slot as usize].iter() {
            self.dirty.set(entry_key(key, entry), None);
        }
        self.row_bytes = self.row_bytes.saturating_sub(self.rows(slot).size_bytes());
        self.rows[slot as usize].clear();
        self.keys.remove_quietly(slot);
    }

    /// All partitions.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> {
        self.keys.iter()
    }
}

impl State for Partitions {
    fn size_bytes(&self) -> usize {
        self.keys.size_bytes()
            + self.rows.capacity() * size_of::<OrderedRows>()
            + self.row_bytes
            + self.dirty.size_bytes()
    }

    fn drain_dirty(&mut self, sink: &mut EntrySink<'_>) {
        self.dirty.drain(sink);
    }

    fn snapshot(&self, sink: &mut EntrySink<'_>) {
        for slot in self.keys.iter() {
            for (entry, weight) in self.rows(slot).iter() {
                sink(&entry_key(self.keys.key(slot), entry), Some(&signed(weight)));
            }
        }
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let mut reader = Reader::new(key);
        if reader.byte()? != ROW {
            return Err(Problem::state("there is no such entry of a partition"));
        }
        let (partition, entry) = (reader.bytes()?, reader.rest());
        self.key_codec.check(partition)?;
        let row = match self.is_by_arrival {
            true => entry.get(ARRIVAL_LENGTH..).ok_or_else(|| Problem::state("a row has no arrival"))?,
            false => entry,
        };
        self.row_codec.check(row)?;
        let weight = value.map_or(Ok(0), read_weight)?;
        if (weight == 0) != value.is_none() {
            return Err(Problem::state("a row has an impossible weight"));
        }
        let slot = self.assign(partition);
        let rows = &mut self.rows[slot as usize];
        let before = rows.size_bytes();
        rows.set(entry, weight);
        self.row_bytes = (self.row_bytes + rows.size_bytes()).saturating_sub(before);
        self.remove_if_empty(slot);
        Ok(())
    }
}

fn entry_key(partition: &[u8], entry: &[u8]) -> Vec<u8> {
    let mut key = vec![ROW];
    put_bytes(&mut key, partition);
    key.extend_from_slice(entry);
    key
}
