//! MIN, MAX, FIRST_VALUE, LAST_VALUE and ARRAY_AGG: the values of each group in an order.

use super::accumulator::{Accumulator, EntryChange, Update};
use crate::error::{Problem, Result};
use crate::key_table::Slot;
use crate::ordered_rows::{ARRIVAL_LENGTH, OrderedRows};
use crate::row_codec::RowCodec;
use arrow_array::{Array, ArrayRef, ListArray, UInt32Array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, SortOptions};
use arrow_select::take::take;
use std::sync::Arc;

/// Which of a group's values are the result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pick {
    First,
    Last,
    All,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) is_by_arrival: bool,
    /// Only the first or last value is kept, as none is ever retracted.
    pub(super) keeps_extreme_only: bool,
    pub(super) ignores_nulls: bool,
    pub(super) is_distinct: bool,
}

/// The values of groups, as rows of the columns to order by and then the value.
pub(super) struct OrderedValues {
    codec: RowCodec,
    groups: Vec<OrderedRows>,
    pick: Pick,
    settings: Settings,
    item: Arc<Field>,
    /// Entries that were negative within the tick.
    negative: Vec<(Slot, Box<[u8]>)>,
    size_bytes: usize,
}

impl OrderedValues {
    pub(super) fn new(
        order: Vec<(DataType, SortOptions)>,
        value: DataType,
        pick: Pick,
        settings: Settings,
    ) -> Result<Self> {
        let item = Arc::new(Field::new("item", value.clone(), true));
        let codec = RowCodec::ordered(order.into_iter().chain([(value, SortOptions::default())]))?;
        let groups = Vec::new();
        Ok(Self { codec, groups, pick, settings, item, negative: Vec::new(), size_bytes: 0 })
    }

    fn row<'a>(&self, entry: &'a [u8]) -> &'a [u8] {
        if self.settings.is_by_arrival { &entry[ARRIVAL_LENGTH..] } else { entry }
    }

    fn decode<'a>(&'a self, entries: &[&'a [u8]]) -> Result<ArrayRef> {
        let mut columns = self.codec.decode(entries.iter().map(|entry| self.row(entry)))?;
        columns.pop().ok_or_else(|| Problem::state("a row has no value"))
    }

    fn add(&mut self, group: Slot, row: &[u8], weight: i64, changed: &mut EntryChange<'_>) -> Result<()> {
        let rows = &mut self.groups[group as usize];
        let (before, negative) = (rows.size_bytes(), &mut self.negative);
        if self.settings.keeps_extreme_only && is_beyond(rows, row, self.pick, self.settings.is_by_arrival) {
            return Ok(());
        }
        rows.add(row, weight, &mut |entry, new| {
            changed(group, entry, new);
            if new < 0 {
                negative.push((group, entry.into()));
            }
        })?;
        if self.settings.keeps_extreme_only {
            drop_others(rows, self.pick, &mut |entry| changed(group, entry, 0));
        }
        self.size_bytes = (self.size_bytes + rows.size_bytes()).saturating_sub(before);
        Ok(())
    }

    fn lists(&self, groups: &[Slot]) -> Result<ArrayRef> {
        let (mut entries, mut lengths) = (Vec::new(), Vec::with_capacity(groups.len()));
        for group in groups {
            let before = entries.len();
            for (entry, weight) in self.groups[*group as usize].iter() {
                let times = if self.settings.is_distinct { weight.min(1) } else { weight };
                entries.extend((0..times).map(|_| entry));
            }
            lengths.push(entries.len() - before);
        }
        let nulls: NullBuffer = lengths.iter().map(|length| *length > 0).collect::<Vec<_>>().into();
        let values = self.decode(&entries)?;
        if i32::try_from(values.len()).is_err() {
            return Err(Problem::Overflow { what: "array_agg", data_type: DataType::Int32 });
        }
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(Arc::new(ListArray::try_new(Arc::clone(&self.item), offsets, values, Some(nulls))?))
    }
}

/// Whether a row cannot become the one that is kept.
fn is_beyond(rows: &OrderedRows, row: &[u8], pick: Pick, is_by_arrival: bool) -> bool {
    match (pick, is_by_arrival) {
        (Pick::First, true) => !rows.is_empty(),
        (Pick::First, false) => rows.first().is_some_and(|first| first < row),
        (Pick::Last, false) => rows.last().is_some_and(|last| last > row),
        _ => false,
    }
}

fn drop_others(rows: &mut OrderedRows, pick: Pick, dropped: &mut dyn FnMut(&[u8])) {
    while let (Some(first), Some(last)) = (rows.first(), rows.last())
        && first != last
    {
        let other: Box<[u8]> = if pick == Pick::First { last.into() } else { first.into() };
        rows.set(&other, 0);
        dropped(&other);
    }
}

impl Accumulator for OrderedValues {
    fn grow(&mut self, slots: usize) {
        self.groups.resize_with(slots, || OrderedRows::new(self.settings.is_by_arrival));
    }

    fn update(&mut self, update: &Update<'_>, changed: &mut EntryChange<'_>) -> Result<()> {
        let Some(argument) = update.argument else { return Ok(()) };
        let columns: Vec<ArrayRef> = update.order.iter().chain([argument]).map(Arc::clone).collect();
        let rows = self.codec.encode(&columns, update.groups.len())?;
        let nulls = argument.logical_nulls().filter(|_| self.settings.ignores_nulls);
        // insertions first, so that in arrival order a retraction finds a row of the same tick
        for is_insertion in [true, false] {
            for (row, (group, weight)) in update.groups.iter().zip(update.weights).enumerate() {
                let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                if *weight != 0 && (*weight > 0) == is_insertion && !is_null {
                    self.add(*group, rows.row(row), *weight, changed)?;
                }
            }
        }
        Ok(())
    }

    fn end_tick(&mut self) -> Result<()> {
        let Self { groups, negative, .. } = self;
        match negative.drain(..).any(|(group, entry)| groups[group as usize].weight(&entry) < 0) {
            true => Err(Problem::NegativeWeight),
            false => Ok(()),
        }
    }

    fn evaluate(&self, groups: &[Slot]) -> Result<ArrayRef> {
        if self.pick == Pick::All {
            return self.lists(groups);
        }
        let (mut entries, mut indices) = (Vec::new(), Vec::with_capacity(groups.len()));
        for group in groups {
            let rows = &self.groups[*group as usize];
            let entry = if self.pick == Pick::First { rows.first() } else { rows.last() };
            indices.push(entry.map(|_| entries.len() as u32));
            entries.extend(entry);
        }
        let values = self.decode(&entries)?;
        match entries.len() == groups.len() {
            true => Ok(values),
            false => Ok(take(&values, &UInt32Array::from(indices), None)?),
        }
    }

    fn clear(&mut self, group: Slot) {
        let rows = &mut self.groups[group as usize];
        self.size_bytes = self.size_bytes.saturating_sub(rows.size_bytes());
        rows.clear();
    }

    fn entries(&self, group: Slot, sink: &mut dyn FnMut(&[u8], i64)) {
        self.groups[group as usize].iter().for_each(|(entry, weight)| sink(entry, weight));
    }

    fn restore_entry(&mut self, group: Slot, entry: &[u8], weight: i64) -> Result<()> {
        let row = match self.settings.is_by_arrival {
            true => entry.get(ARRIVAL_LENGTH..).ok_or_else(|| Problem::state("a value has no arrival"))?,
            false => entry,
        };
        self.codec.check(row)?;
        let rows = &mut self.groups[group as usize];
        let before = rows.size_bytes();
        rows.set(entry, weight);
        self.size_bytes = (self.size_bytes + rows.size_bytes()).saturating_sub(before);
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.groups.capacity() * size_of::<OrderedRows>() + self.size_bytes
    }
}
