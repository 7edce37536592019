//! The groups of an aggregate and their state, for aggregates over tables and over windows.

use super::accumulator::{Accumulator, Update};
use super::call::AggregateCall;
use crate::entry::{Reader, put_bytes, put_signed, put_unsigned, read_weight, signed};
use crate::error::{Problem, Result};
use crate::expression::{evaluate, evaluate_condition};
use crate::key_table::{KeyTable, Slot};
use crate::operator::{EntrySink, State};
use crate::ordered_rows::DirtyEntries;
use crate::row_codec::{EncodedRows, RowCodec};
use crate::tick::Batch;
use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, Schema};

/// The key of a group's entry begins so; its value is the number of rows and the functions' numbers.
const GROUP: u8 = 1;
/// The key of a value's entry begins so, then the function's number, the group and the value; its value is a
/// weight.
const VALUE: u8 = 2;

/// Groups of rows with equal keys: how many rows each has, and the state of each function.
pub(crate) struct Groups {
    pub(crate) codec: RowCodec,
    keys: KeyTable,
    counts: Vec<i64>,
    calls: Vec<AggregateCall>,
    accumulators: Vec<Box<dyn Accumulator>>,
    dirty: DirtyEntries,
    /// Whether a group without rows stays.
    keeps_empty: bool,
    is_insert_only: bool,
    /// By slot, the last tick that touched it.
    touched_in: Vec<u64>,
    tick: u64,
}

/// The groups that a tick touches, in the order of their first rows.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    pub(crate) slots: Vec<Slot>,
    /// The first row of each.
    pub(crate) rows: Vec<u32>,
    /// Whether each was there before.
    pub(crate) existed: Vec<bool>,
}

impl Groups {
    pub(crate) fn new(
        schema: &Schema,
        keys: Vec<DataType>,
        calls: Vec<AggregateCall>,
        keeps_empty: bool,
        is_insert_only: bool,
    ) -> Result<Self> {
        let accumulators =
            calls.iter().map(|call| call.accumulator(schema, is_insert_only)).collect::<Result<_>>()?;
        Ok(Self {
            codec: RowCodec::new(keys)?,
            keys: KeyTable::default(),
            counts: Vec::new(),
            calls,
            accumulators,
            dirty: DirtyEntries::default(),
            keeps_empty,
            is_insert_only,
            touched_in: Vec::new(),
            tick: 0,
        })
    }

    /// The columns of the functions' results.
    pub(crate) fn fields(schema: &Schema, calls: &[AggregateCall]) -> Result<Vec<Field>> {
        calls.iter().map(|call| call.field(schema)).collect()
    }

    pub(crate) fn keys(&self) -> &KeyTable {
        &self.keys
    }

    pub(crate) fn exists(&self, slot: Slot) -> bool {
        self.keeps_empty || self.counts[slot as usize] > 0
    }

    /// Finds or makes the group of each row. Begins a tick.
    pub(crate) fn assign(&mut self, rows: &EncodedRows) -> (Vec<Slot>, Touched) {
        self.tick += 1;
        let (mut slots, mut touched) = (Vec::with_capacity(rows.len()), Touched::default());
        for (index, row) in rows.iter().enumerate() {
            let (slot, is_new) = self.keys.insert(row);
            if is_new {
                self.grow();
            }
            slots.push(slot);
            if std::mem::replace(&mut self.touched_in[slot as usize], self.tick) != self.tick {
                touched.slots.push(slot);
                touched.rows.push(index as u32);
                touched.existed.push(!is_new && self.exists(slot));
                self.keys.mark_dirty(slot);
            }
        }
        (slots, touched)
    }

    fn grow(&mut self) {
        let slots = self.keys.slot_count();
        if slots > self.counts.len() {
            self.counts.resize(slots, 0);
            self.touched_in.resize(slots, 0);
            self.accumulators.iter_mut().for_each(|accumulator| accumulator.grow(slots));
        }
    }

    /// Applies rows whose groups are known.
    pub(crate) fn apply(&mut self, slots: &[Slot], batch: &Batch) -> Result<()> {
        if self.is_insert_only && batch.has_retractions() {
            return Err(Problem::RetractionOfInsertOnly);
        }
        for (slot, weight) in slots.iter().zip(batch.weights()) {
            self.counts[*slot as usize] += weight;
        }
        for (number, (call, accumulator)) in self.calls.iter().zip(&mut self.accumulators).enumerate() {
            let argument =
                call.argument.as_ref().map(|argument| evaluate(argument, batch.rows())).transpose()?;
            let order = call
                .order
                .iter()
                .map(|order| evaluate(&order.expression, batch.rows()))
                .collect::<Result<Vec<_>>>()?;
            let filtered: Option<Vec<i64>> = match &call.condition {
                None => None,
                Some(condition) => {
                    let is_kept = evaluate_condition(condition, batch.rows())?;
                    let weights = batch.weights().iter().zip(is_kept.values());
                    Some(weights.map(|(weight, is_kept)| if is_kept { *weight } else { 0 }).collect())
                }
            };
            let weights = filtered.as_deref().unwrap_or(batch.weights());
            let (keys, dirty) = (&self.keys, &mut self.dirty);
            let update = Update { groups: slots, weights, argument: argument.as_ref(), order: &order };
            accumulator.update(&update, &mut |slot, entry, weight| {
                let value = (weight != 0).then(|| signed(weight));
                dirty.set(value_key(number, keys.key(slot), entry), value);
            })?;
        }
        Ok(())
    }

    /// Checks the state after the last change of a tick.
    pub(crate) fn end_tick(&mut self, touched: &[Slot]) -> Result<()> {
        if touched.iter().any(|slot| self.counts[*slot as usize] < 0) {
            return Err(Problem::NegativeWeight);
        }
        self.accumulators.iter_mut().try_for_each(|accumulator| accumulator.end_tick())
    }

    /// The results of the functions for groups.
    pub(crate) fn evaluate(&self, slots: &[Slot]) -> Result<Vec<ArrayRef>> {
        self.accumulators.iter().map(|accumulator| accumulator.evaluate(slots)).collect()
    }

    /// Removes the groups that have no rows.
    pub(crate) fn remove_empty(&mut self, touched: &[Slot]) {
        for slot in touched {
            if !self.exists(*slot) {
                self.remove(*slot, false);
            }
        }
    }

    /// Removes a group; one that is full has entries that are removed with it.
    pub(crate) fn remove(&mut self, slot: Slot, is_full: bool) {
        if is_full {
            let (keys, dirty) = (&self.keys, &mut self.dirty);
            for (number, accumulator) in self.accumulators.iter().enumerate() {
                accumulator.entries(slot, &mut |entry, _| {
                    dirty.set(value_key(number, keys.key(slot), entry), None);
                });
            }
        }
        self.clear(slot);
        self.keys.remove(slot);
    }

    fn clear(&mut self, slot: Slot) {
        self.counts[slot as usize] = 0;
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.clear(slot));
    }

    /// Writes a group's entry over buffers, the first of which begins with the entry's kind.
    fn write_group(&self, slot: Slot, key: &mut Vec<u8>, value: &mut Vec<u8>) {
        key.truncate(1);
        key.extend_from_slice(self.keys.key(slot));
        value.clear();
        put_signed(value, self.counts[slot as usize]);
        self.accumulators.iter().for_each(|accumulator| accumulator.write(slot, value));
    }

    fn restore_group(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        self.codec.check(key)?;
        let Some(value) = value else {
            if let Some(slot) = self.keys.find(key) {
                self.clear(slot);
                self.keys.remove(slot);
            }
            return Ok(());
        };
        let slot = self.restored_slot(key);
        let mut reader = Reader::new(value);
        self.counts[slot as usize] = reader.weight()?;
        for accumulator in &mut self.accumulators {
            accumulator.read(slot, &mut reader)?;
        }
        reader.end()
    }

    fn restored_slot(&mut self, key: &[u8]) -> Slot {
        let (slot, is_new) = self.keys.insert(key);
        if is_new {
            self.grow();
        }
        slot
    }

    fn restore_value(
        &mut self,
        number: usize,
        group: &[u8],
        entry: &[u8],
        value: Option<&[u8]>,
    ) -> Result<()> {
        self.codec.check(group)?;
        if number >= self.accumulators.len() {
            return Err(Problem::state(format!("there is no function {number}")));
        }
        let slot = match (self.keys.find(group), value) {
            (Some(slot), _) => slot,
            // removed with its group
            (None, None) => return Ok(()),
            (None, Some(_)) => self.restored_slot(group),
        };
        let weight = value.map_or(Ok(0), read_weight)?;
        self.accumulators[number].restore_entry(slot, entry, weight)
    }

    pub(crate) fn finish_restore(&mut self) -> Result<()> {
        self.keys.clear_dirty();
        match self.keys.iter().any(|slot| !self.exists(slot)) {
            true => Err(Problem::state("a group has no rows")),
            false => Ok(()),
        }
    }
}

impl State for Groups {
    fn size_bytes(&self) -> usize {
        self.keys.size_bytes()
            + (self.counts.capacity() + self.touched_in.capacity()) * size_of::<i64>()
            + self.dirty.size_bytes()
            + self.accumulators.iter().map(|accumulator| accumulator.size_bytes()).sum::<usize>()
    }

    fn drain_dirty(&mut self, sink: &mut EntrySink<'_>) {
        let (removed, dirty) = self.keys.take_dirty();
        removed.iter().for_each(|key| sink(&group_key(key), None));
        let (mut key, mut value) = (vec![GROUP], Vec::new());
        for slot in dirty {
            self.write_group(slot, &mut key, &mut value);
            sink(&key, Some(&value));
        }
        self.dirty.drain(sink);
    }

    fn snapshot(&self, sink: &mut EntrySink<'_>) {
        let (mut entry_key, mut value) = (vec![GROUP], Vec::new());
        for slot in self.keys.iter() {
            let key = self.keys.key(slot);
            self.write_group(slot, &mut entry_key, &mut value);
            sink(&entry_key, Some(&value));
            for (number, accumulator) in self.accumulators.iter().enumerate() {
                accumulator.entries(slot, &mut |entry, weight| {
                    sink(&value_key(number, key, entry), Some(&signed(weight)));
                });
            }
        }
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let mut reader = Reader::new(key);
        match reader.byte()? {
            GROUP => self.restore_group(reader.rest(), value),
            VALUE => {
                let number = usize::try_from(reader.unsigned()?).unwrap_or(usize::MAX);
                let group = reader.bytes()?;
                self.restore_value(number, group, reader.rest(), value)
            }
            other => Err(Problem::state(format!("there is no entry of kind {other}"))),
        }
    }
}

fn group_key(key: &[u8]) -> Vec<u8> {
    [&[GROUP], key].concat()
}

fn value_key(number: usize, group: &[u8], entry: &[u8]) -> Vec<u8> {
    let mut key = vec![VALUE];
    put_unsigned(&mut key, number as u64);
    put_bytes(&mut key, group);
    key.extend_from_slice(entry);
    key
}
