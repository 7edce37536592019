//! The net change of each row in a tick.

use crate::error::Result;
use crate::row_codec::{EncodedRows, RowCodec};
use crate::tick::Batch;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// The rows of a tick whose weights do not cancel out.
pub(crate) struct NetChanges {
    pub(crate) rows: EncodedRows,
    /// A row's number in the batch and its net weight, in the order of first occurrence.
    pub(crate) changes: Vec<(u32, i64)>,
}

impl NetChanges {
    pub(crate) fn of(batch: &Batch, codec: &RowCodec) -> Result<Self> {
        let row_count = batch.weights().len();
        let rows = codec.encode(batch.rows().columns(), row_count)?;
        Ok(Self::of_rows(rows, batch.weights()))
    }

    pub(crate) fn of_rows(rows: EncodedRows, weights: &[i64]) -> Self {
        let hasher = DefaultHashBuilder::default();
        let mut numbers: HashTable<u32> = HashTable::with_capacity(rows.len());
        let mut changes: Vec<(u32, i64)> = Vec::with_capacity(rows.len());
        for (index, weight) in weights.iter().enumerate() {
            let row = rows.row(index);
            let row_of = |number: &u32| rows.row(changes[*number as usize].0 as usize);
            let hash = hasher.hash_one(row);
            if let Some(number) = numbers.find(hash, |number| row_of(number) == row).copied() {
                changes[number as usize].1 += weight;
                continue;
            }
            let number = changes.len() as u32;
            changes.push((index as u32, *weight));
            let row_of = |number: &u32| rows.row(changes[*number as usize].0 as usize);
            numbers.insert_unique(hash, number, |number| hasher.hash_one(row_of(number)));
        }
        changes.retain(|(_, weight)| *weight != 0);
        Self { rows, changes }
    }

    pub(crate) fn row(&self, index: u32) -> &[u8] {
        self.rows.row(index as usize)
    }
}
