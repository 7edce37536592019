//! COUNT.

use super::accumulator::{Accumulator, EntryChange, Update};
use crate::entry::{Reader, put_signed};
use crate::error::{Problem, Result};
use crate::key_table::Slot;
use arrow_array::{Array, ArrayRef, Int64Array};
use std::sync::Arc;

pub(super) struct Count {
    counts: Vec<i64>,
    has_argument: bool,
    /// Groups that were negative within the tick.
    negative: Vec<Slot>,
}

impl Count {
    pub(super) fn new(has_argument: bool) -> Self {
        Self { counts: Vec::new(), has_argument, negative: Vec::new() }
    }

    fn add(&mut self, group: Slot, weight: i64) {
        let count = &mut self.counts[group as usize];
        *count += weight;
        if *count < 0 {
            self.negative.push(group);
        }
    }
}

impl Accumulator for Count {
    fn grow(&mut self, slots: usize) {
        self.counts.resize(slots, 0);
    }

    fn update(&mut self, update: &Update<'_>, _changed: &mut EntryChange<'_>) -> Result<()> {
        let changes = update.groups.iter().zip(update.weights);
        match update.argument.filter(|argument| self.has_argument && argument.logical_null_count() > 0) {
            None => changes.for_each(|(group, weight)| self.add(*group, *weight)),
            Some(argument) => {
                let nulls = argument.logical_nulls();
                for (row, (group, weight)) in changes.enumerate() {
                    if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                        self.add(*group, *weight);
                    }
                }
            }
        }
        Ok(())
    }

    fn end_tick(&mut self) -> Result<()> {
        let Self { counts, negative, .. } = self;
        match negative.drain(..).any(|group| counts[group as usize] < 0) {
            true => Err(Problem::NegativeWeight),
            false => Ok(()),
        }
    }

    fn evaluate(&self, groups: &[Slot]) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from_iter_values(groups.iter().map(|group| self.counts[*group as usize]))))
    }

    fn clear(&mut self, group: Slot) {
        self.counts[group as usize] = 0;
    }

    fn write(&self, group: Slot, out: &mut Vec<u8>) {
        put_signed(out, self.counts[group as usize]);
    }

    fn read(&mut self, group: Slot, input: &mut Reader<'_>) -> Result<()> {
        self.counts[group as usize] = input.weight()?;
        Ok(())
    }

    fn size_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}
