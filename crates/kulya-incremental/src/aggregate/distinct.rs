//! DISTINCT: each value of a group is passed on once, when it comes, and retracted when the last one goes.

use super::accumulator::{Accumulator, EntryChange, Update};
use crate::entry::Reader;
use crate::error::{Problem, Result};
use crate::key_table::Slot;
use crate::ordered_rows::OrderedRows;
use crate::row_codec::RowCodec;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use std::slice::from_ref;

pub(super) struct Distinct {
    codec: RowCodec,
    groups: Vec<OrderedRows>,
    inner: Box<dyn Accumulator>,
    /// Values that were negative within the tick.
    negative: Vec<(Slot, Box<[u8]>)>,
    size_bytes: usize,
}

impl Distinct {
    /// Of a function that has no entries of its own.
    pub(super) fn new(argument: DataType, inner: Box<dyn Accumulator>) -> Result<Self> {
        let codec = RowCodec::new([argument])?;
        Ok(Self { codec, groups: Vec::new(), inner, negative: Vec::new(), size_bytes: 0 })
    }
}

impl Accumulator for Distinct {
    fn grow(&mut self, slots: usize) {
        self.groups.resize_with(slots, || OrderedRows::new(false));
        self.inner.grow(slots);
    }

    fn update(&mut self, update: &Update<'_>, changed: &mut EntryChange<'_>) -> Result<()> {
        let Some(argument) = update.argument else { return Ok(()) };
        let values = self.codec.encode(from_ref(argument), argument.len())?;
        let nulls = argument.logical_nulls();
        let (mut rows, mut groups, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (group, weight)) in update.groups.iter().zip(update.weights).enumerate() {
            if *weight == 0 || nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                continue;
            }
            let counts = &mut self.groups[*group as usize];
            let value = values.row(row);
            let (size, before) = (counts.size_bytes(), counts.weight(value));
            let after = before + weight;
            counts.set(value, after);
            self.size_bytes = (self.size_bytes + counts.size_bytes()).saturating_sub(size);
            changed(*group, value, after);
            if after < 0 {
                self.negative.push((*group, value.into()));
            }
            if (before > 0) != (after > 0) {
                rows.push(row as u32);
                groups.push(*group);
                weights.push(if after > 0 { 1 } else { -1 });
            }
        }
        let argument = take(argument, &UInt32Array::from(rows), None)?;
        let update = Update { groups: &groups, weights: &weights, argument: Some(&argument), order: &[] };
        self.inner.update(&update, &mut |_, _, _| {})
    }

    fn end_tick(&mut self) -> Result<()> {
        let Self { groups, negative, .. } = self;
        match negative.drain(..).any(|(group, value)| groups[group as usize].weight(&value) < 0) {
            true => Err(Problem::NegativeWeight),
            false => self.inner.end_tick(),
        }
    }

    fn evaluate(&self, groups: &[Slot]) -> Result<ArrayRef> {
        self.inner.evaluate(groups)
    }

    fn clear(&mut self, group: Slot) {
        let counts = &mut self.groups[group as usize];
        self.size_bytes = self.size_bytes.saturating_sub(counts.size_bytes());
        counts.clear();
        self.inner.clear(group);
    }

    fn write(&self, group: Slot, out: &mut Vec<u8>) {
        self.inner.write(group, out);
    }

    fn read(&mut self, group: Slot, input: &mut Reader<'_>) -> Result<()> {
        self.inner.read(group, input)
    }

    fn entries(&self, group: Slot, sink: &mut dyn FnMut(&[u8], i64)) {
        self.groups[group as usize].iter().for_each(|(value, count)| sink(value, count));
    }

    fn restore_entry(&mut self, group: Slot, entry: &[u8], weight: i64) -> Result<()> {
        self.codec.check(entry)?;
        let counts = &mut self.groups[group as usize];
        let size = counts.size_bytes();
        counts.set(entry, weight);
        self.size_bytes = (self.size_bytes + counts.size_bytes()).saturating_sub(size);
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.groups.capacity() * size_of::<OrderedRows>() + self.size_bytes + self.inner.size_bytes()
    }
}
