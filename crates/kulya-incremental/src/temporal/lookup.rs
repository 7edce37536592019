//! The join with a table as it is now (processing time).

use super::{joined_batch, joined_schema};
use crate::error::{Problem, Result};
use crate::expression::{ExpressionRef, data_types, evaluate_all};
use crate::key_table::KeyTable;
use crate::operator::{Operator, State};
use crate::ordered_rows::OrderedRows;
use crate::partition::rows::Partitions;
use crate::row_codec::{RowCodec, any_null};
use crate::tick::Tick;
use arrow_array::UInt32Array;
use arrow_schema::SchemaRef;
use arrow_select::take::take;

/// Joins each row of the left input with the rows that the right one has at the end of the tick. Later
/// changes of the right input change nothing.
///
/// The right side is kept here; where many views look the same table up, one replica for all would save
/// memory.
pub struct LookupJoin {
    inputs: [SchemaRef; 2],
    schema: SchemaRef,
    keys: [Vec<ExpressionRef>; 2],
    keeps_unmatched: bool,
    table: Partitions,
}

impl LookupJoin {
    /// A join of rows whose keys are equal; `keeps_unmatched` passes left rows without a match on with nulls.
    ///
    /// # Errors
    /// [`Problem::Input`] if the keys' types differ, [`Problem::Unsupported`] if a column cannot be held.
    pub fn new(
        left: SchemaRef,
        right: SchemaRef,
        on: Vec<(ExpressionRef, ExpressionRef)>,
        keeps_unmatched: bool,
    ) -> Result<Self> {
        let (left_keys, right_keys): (Vec<_>, Vec<_>) = on.into_iter().unzip();
        let key_types = data_types(&left_keys, &left)?;
        if key_types != data_types(&right_keys, &right)? {
            return Err(Problem::input("the keys of a join have the same types on both sides"));
        }
        let row_codec = RowCodec::new(right.fields().iter().map(|field| field.data_type().clone()))?;
        Ok(Self {
            schema: joined_schema(&left, &right),
            table: Partitions::new(RowCodec::new(key_types)?, row_codec, false),
            inputs: [left, right],
            keys: [left_keys, right_keys],
            keeps_unmatched,
        })
    }

    fn apply_table(&mut self, tick: &Tick) -> Result<()> {
        let Some(batch) = tick.concat(&self.inputs[1])? else { return Ok(()) };
        let count = batch.weights().len();
        let key_columns = evaluate_all(&self.keys[1], batch.rows())?;
        let keys = self.table.key_codec.encode(&key_columns, count)?;
        let rows = self.table.row_codec.encode(batch.rows().columns(), count)?;
        let mut touched = KeyTable::default();
        for (index, weight) in batch.weights().iter().enumerate() {
            if !any_null(&key_columns, index) {
                let slot = self.table.assign(keys.row(index));
                self.table.add(slot, rows.row(index), *weight)?;
                touched.insert(keys.row(index));
            }
        }
        self.table.end_tick()?;
        for key in touched.iter() {
            if let Some(slot) = self.table.find(touched.key(key)) {
                self.table.remove_if_empty(slot);
            }
        }
        Ok(())
    }
}

impl Operator for LookupJoin {
    fn kind(&self) -> &'static str {
        "lookup join"
    }

    fn inputs(&self) -> &[SchemaRef] {
        &self.inputs
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        self.apply_table(&inputs[1])?;
        // time is the stream's: the table has no event time here
        let watermark = inputs[0].watermark;
        let Some(batch) = inputs[0].concat(&self.inputs[0])? else {
            return Ok(Tick { batches: Vec::new(), watermark });
        };
        if batch.has_retractions() {
            return Err(Problem::RetractionOfInsertOnly);
        }
        let key_columns = evaluate_all(&self.keys[0], batch.rows())?;
        let keys = self.table.key_codec.encode(&key_columns, batch.weights().len())?;
        let (mut rows, mut found, mut indices, mut weights) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (index, weight) in batch.weights().iter().enumerate().filter(|(_, weight)| **weight > 0) {
            let before = rows.len();
            if let Some(slot) = self.table.find(keys.row(index)).filter(|_| !any_null(&key_columns, index)) {
                for (entry, count) in OrderedRows::iter(self.table.rows(slot)) {
                    rows.push(index as u32);
                    indices.push(Some(found.len() as u32));
                    found.push(entry);
                    weights.push(weight * count);
                }
            }
            if rows.len() == before && self.keeps_unmatched {
                rows.push(index as u32);
                indices.push(None);
                weights.push(*weight);
            }
        }
        let rows = UInt32Array::from(rows);
        let columns = batch.rows().columns().iter().map(|column| take(column, &rows, None));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let right = self.table.row_codec.decode(found)?;
        let output = joined_batch(&self.schema, columns, &right, indices, weights)?;
        Ok(Tick::of_rows(Some(output), watermark))
    }

    fn state(&self) -> Option<&dyn State> {
        Some(&self.table)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(&mut self.table)
    }
}
