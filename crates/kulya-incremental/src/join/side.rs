//! The rows of one side of a join, by join key.

use crate::entry::{Reader, put_bytes, put_signed, put_unsigned};
use crate::error::{Problem, Result};
use crate::key_table::{KeyTable, Slot};
use crate::operator::EntrySink;
use crate::row_codec::RowCodec;
use std::collections::BTreeSet;

const NONE: Slot = Slot::MAX;

/// Rows with their weights; the rows of a key are a list, the latest first.
pub(super) struct Side {
    pub(super) row_codec: RowCodec,
    key_codec: RowCodec,
    rows: KeyTable,
    data: Vec<RowData>,
    keys: KeyTable,
    /// By key, the first row of its list.
    heads: Vec<Slot>,
    next_arrival: u64,
    /// The times and rows of a side that forgets.
    by_time: BTreeSet<(i64, u64, Slot)>,
    has_time: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct RowData {
    pub(super) weight: i64,
    /// How many rows of the other side match, by weight.
    pub(super) matches: i64,
    /// The order of the list, which a restart must not change.
    arrival: u64,
    time: i64,
    key: Slot,
    next: Slot,
    previous: Slot,
}

impl RowData {
    /// The row behind it in its key's list.
    pub(super) fn next(&self) -> Option<Slot> {
        Some(self.next).filter(|next| *next != NONE)
    }
}

impl Side {
    pub(super) fn new(row_codec: RowCodec, key_codec: RowCodec, has_time: bool) -> Self {
        Self {
            row_codec,
            key_codec,
            rows: KeyTable::default(),
            data: Vec::new(),
            keys: KeyTable::default(),
            heads: Vec::new(),
            next_arrival: 0,
            by_time: BTreeSet::new(),
            has_time,
        }
    }

    /// The first row of a key's list.
    pub(super) fn first(&self, key: &[u8]) -> Option<Slot> {
        self.keys.find(key).map(|key| self.heads[key as usize])
    }

    pub(super) fn find(&self, row: &[u8]) -> Option<Slot> {
        self.rows.find(row)
    }

    pub(super) fn bytes(&self, row: Slot) -> &[u8] {
        self.rows.key(row)
    }

    /// The key of a row.
    pub(super) fn key(&self, row: Slot) -> &[u8] {
        self.keys.key(self.data[row as usize].key)
    }

    pub(super) fn data(&self, row: Slot) -> &RowData {
        &self.data[row as usize]
    }

    /// Adds to the weight of a row, which may be new.
    pub(super) fn add(&mut self, row: &[u8], key: &[u8], time: i64, weight: i64) -> Slot {
        let (slot, is_new) = self.rows.insert(row);
        if is_new {
            let arrival = self.next_arrival;
            self.next_arrival += 1;
            let data =
                RowData { weight: 0, matches: 0, arrival, time, key: NONE, next: NONE, previous: NONE };
            self.put(slot, data);
            self.link(slot, key);
        }
        self.data[slot as usize].weight += weight;
        self.rows.mark_dirty(slot);
        slot
    }

    fn put(&mut self, slot: Slot, data: RowData) {
        match self.data.get_mut(slot as usize) {
            Some(old) => *old = data,
            None => self.data.push(data),
        }
    }

    fn link(&mut self, slot: Slot, key: &[u8]) {
        let (key, is_new) = self.keys.insert(key);
        if is_new {
            self.heads.resize(self.keys.slot_count(), NONE);
            self.heads[key as usize] = NONE;
        }
        let head = std::mem::replace(&mut self.heads[key as usize], slot);
        if head != NONE {
            self.data[head as usize].previous = slot;
        }
        let data = &mut self.data[slot as usize];
        (data.key, data.next, data.previous) = (key, head, NONE);
        if self.has_time {
            self.by_time.insert((data.time, data.arrival, slot));
        }
    }

    pub(super) fn add_matches(&mut self, row: Slot, matches: i64) {
        self.data[row as usize].matches += matches;
        self.rows.mark_dirty(row);
    }

    pub(super) fn remove(&mut self, row: Slot) {
        let data = self.data[row as usize];
        if data.next != NONE {
            self.data[data.next as usize].previous = data.previous;
        }
        match data.previous {
            NONE if data.next == NONE => self.keys.remove_quietly(data.key),
            NONE => self.heads[data.key as usize] = data.next,
            previous => self.data[previous as usize].next = data.next,
        }
        if self.has_time {
            self.by_time.remove(&(data.time, data.arrival, row));
        }
        self.rows.remove(row);
    }

    /// The rows with a time up to `time`, in order.
    pub(super) fn rows_until(&self, time: i64) -> Vec<Slot> {
        self.by_time.range(..=(time, u64::MAX, NONE)).map(|(_, _, slot)| *slot).collect()
    }

    /// All rows in the order of arrival.
    pub(super) fn by_arrival(&self) -> Vec<Slot> {
        let mut slots: Vec<Slot> = self.rows.iter().collect();
        slots.sort_unstable_by_key(|slot| self.data(*slot).arrival);
        slots
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.rows.size_bytes()
            + self.keys.size_bytes()
            + self.data.capacity() * size_of::<RowData>()
            + self.heads.capacity() * size_of::<Slot>()
            + self.by_time.len() * 2 * size_of::<(i64, u64, Slot)>()
    }

    /// Passes on changed rows; an entry's key is the side's number and the row.
    pub(super) fn drain_dirty(&mut self, side: u8, sink: &mut EntrySink<'_>) {
        let (removed, dirty) = self.rows.take_dirty();
        removed.iter().for_each(|row| sink(&entry_key(side, row), None));
        self.write_entries(side, dirty.into_iter(), sink);
    }

    pub(super) fn snapshot(&self, side: u8, sink: &mut EntrySink<'_>) {
        self.write_entries(side, self.rows.iter(), sink);
    }

    fn write_entries(&self, side: u8, slots: impl Iterator<Item = Slot>, sink: &mut EntrySink<'_>) {
        let (mut key, mut value) = (vec![side], Vec::new());
        for slot in slots {
            let data = self.data(slot);
            key.truncate(1);
            key.extend_from_slice(self.rows.key(slot));
            value.clear();
            put_signed(&mut value, data.weight);
            put_signed(&mut value, data.matches);
            put_unsigned(&mut value, data.arrival);
            put_signed(&mut value, data.time);
            put_bytes(&mut value, self.keys.key(data.key));
            sink(&key, Some(&value));
        }
    }

    pub(super) fn restore(&mut self, row: &[u8], value: Option<&[u8]>) -> Result<()> {
        self.row_codec.check(row)?;
        if let Some(slot) = self.rows.find(row) {
            self.remove(slot);
        }
        let Some(value) = value else { return Ok(()) };
        let mut reader = Reader::new(value);
        let (weight, matches) = (reader.weight()?, reader.weight()?);
        let (arrival, time) = (reader.unsigned()?, reader.signed()?);
        let key = reader.bytes()?;
        reader.end()?;
        self.key_codec.check(key)?;
        if weight == 0 || arrival == u64::MAX {
            return Err(Problem::state("a row has an impossible weight"));
        }
        let (slot, _) = self.rows.insert(row);
        self.put(slot, RowData { weight, matches, arrival, time, key: NONE, next: NONE, previous: NONE });
        self.link(slot, key);
        self.next_arrival = self.next_arrival.max(arrival + 1);
        Ok(())
    }

    /// Puts the lists in the order of arrival.
    pub(super) fn finish_restore(&mut self) {
        let slots = self.by_arrival();
        self.heads.fill(NONE);
        for slot in slots {
            let key = self.data[slot as usize].key;
            let head = std::mem::replace(&mut self.heads[key as usize], slot);
            if head != NONE {
                self.data[head as usize].previous = slot;
            }
            let data = &mut self.data[slot as usize];
            (data.next, data.previous) = (head, NONE);
        }
        self.rows.clear_dirty();
        self.keys.clear_dirty();
    }
}

fn entry_key(side: u8, row: &[u8]) -> Vec<u8> {
    [&[side], row].concat()
}
