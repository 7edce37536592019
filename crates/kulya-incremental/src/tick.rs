//! Weighted batches, and the ticks that operators take and give.

use crate::error::{Problem, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use std::sync::Arc;

/// Rows, each with a weight: n > 0 inserts the row n times, n < 0 retracts it -n times, 0 does nothing.
///
/// An update is two rows: the old one with weight -1 and the new one with weight 1.
#[derive(Clone, Debug)]
pub struct Batch {
    rows: RecordBatch,
    weights: ScalarBuffer<i64>,
}

impl Batch {
    /// Pairs rows with their weights.
    ///
    /// # Errors
    /// [`Problem::Input`] if there are more or fewer weights than rows.
    pub fn new(rows: RecordBatch, weights: impl Into<ScalarBuffer<i64>>) -> Result<Self> {
        let weights = weights.into();
        if rows.num_rows() != weights.len() {
            return Err(Problem::input(format!("{} weights for {} rows", weights.len(), rows.num_rows())));
        }
        Ok(Self { rows, weights })
    }

    /// Inserts each row once.
    pub fn inserts(rows: RecordBatch) -> Self {
        let weights = vec![1; rows.num_rows()].into();
        Self { rows, weights }
    }

    /// Takes the weights from the column at `index`, which the rows then no longer have.
    ///
    /// # Errors
    /// [`Problem::Input`] if there is no such column of type `Int64` without nulls.
    pub fn from_weight_column(mut rows: RecordBatch, index: usize) -> Result<Self> {
        if index >= rows.num_columns() {
            return Err(Problem::input(format!("there is no column {index} with weights")));
        }
        let column = rows.remove_column(index);
        match column.as_primitive_opt::<Int64Type>() {
            Some(weights) if weights.null_count() == 0 => Self::new(rows, weights.values().clone()),
            _ => Err(Problem::input("weights are a column of type Int64 without nulls")),
        }
    }

    /// The rows.
    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The weight of each row.
    pub fn weights(&self) -> &[i64] {
        &self.weights
    }

    /// The weights as a column.
    pub fn weight_column(&self) -> Int64Array {
        Int64Array::new(self.weights.clone(), None)
    }

    /// The same weights on other rows.
    pub(crate) fn with_rows(&self, rows: RecordBatch) -> Result<Self> {
        Self::new(rows, self.weights.clone())
    }

    /// The rows at `indices` with weights of their own.
    pub(crate) fn take(&self, indices: Vec<u32>, weights: Vec<i64>) -> Result<Self> {
        if self.rows.num_columns() == 0 {
            let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
            let rows = RecordBatch::try_new_with_options(self.rows.schema(), Vec::new(), &options)?;
            return Self::new(rows, weights);
        }
        Self::new(take_record_batch(&self.rows, &UInt32Array::from(indices))?, weights)
    }

    /// Whether a row is retracted.
    pub(crate) fn has_retractions(&self) -> bool {
        self.weights.iter().any(|weight| *weight < 0)
    }
}

/// What happened between two consistent cuts of the inputs: changes in order, and how far event time has
/// come.
///
/// The order of changes within a tick has no meaning except where an operator says so (arrival order).
#[derive(Clone, Debug, Default)]
pub struct Tick {
    /// The changes.
    pub batches: Vec<Batch>,
    /// The watermark in milliseconds since 1970: every row with an event time at or before it is in this tick
    /// or an earlier one; later ones are late. None as long as nothing is known. It never decreases.
    pub watermark: Option<i64>,
}

impl Tick {
    /// A tick without a watermark.
    pub fn of(batches: impl IntoIterator<Item = Batch>) -> Self {
        Self { batches: batches.into_iter().collect(), watermark: None }
    }

    /// A tick with the batch, unless it has no rows.
    pub(crate) fn of_rows(batch: Option<Batch>, watermark: Option<i64>) -> Self {
        let batches = batch.into_iter().filter(|batch| !batch.weights.is_empty()).collect();
        Self { batches, watermark }
    }

    /// The same tick with a watermark in milliseconds since 1970.
    pub fn with_watermark(mut self, watermark: i64) -> Self {
        self.watermark = Some(watermark);
        self
    }

    /// The number of rows of all batches.
    pub fn row_count(&self) -> usize {
        self.batches.iter().map(|batch| batch.weights.len()).sum()
    }

    /// All batches as one, or None if there are no rows.
    pub(crate) fn concat(&self, schema: &SchemaRef) -> Result<Option<Batch>> {
        match self.batches.as_slice() {
            [] => Ok(None),
            [batch] => Ok(Some(batch.clone()).filter(|batch| !batch.weights.is_empty())),
            batches => {
                let weights: Vec<i64> =
                    batches.iter().flat_map(|batch| batch.weights.iter().copied()).collect();
                let rows = match schema.fields().is_empty() {
                    false => concat_batches(schema, batches.iter().map(|batch| &batch.rows))?,
                    // rows without columns are only a number
                    true => {
                        let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
                        RecordBatch::try_new_with_options(Arc::clone(schema), Vec::new(), &options)?
                    }
                };
                Ok(Some(Batch::new(rows, weights)?).filter(|batch| !batch.weights.is_empty()))
            }
        }
    }
}

/// The watermark of an operator with the inputs: the smallest, and none as long as one has none.
pub(crate) fn lowest_watermark(inputs: &[Tick]) -> Option<i64> {
    inputs.iter().map(|input| input.watermark).min().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_without_a_watermark_holds_the_others_back() {
        let tick = |watermark| Tick { batches: Vec::new(), watermark };
        assert_eq!(lowest_watermark(&[tick(Some(7)), tick(Some(3))]), Some(3));
        assert_eq!(lowest_watermark(&[tick(Some(7)), tick(None)]), None);
        assert_eq!(lowest_watermark(&[]), None);
    }

    #[test]
    fn batches_without_columns_are_put_together() {
        let rows = |count| {
            let options = RecordBatchOptions::new().with_row_count(Some(count));
            let schema = Arc::new(arrow_schema::Schema::empty());
            Batch::inserts(RecordBatch::try_new_with_options(schema, Vec::new(), &options).unwrap())
        };
        let tick = Tick::of([rows(2), rows(1)]);
        let batch = tick.concat(&Arc::new(arrow_schema::Schema::empty())).unwrap().unwrap();
        assert_eq!((batch.rows().num_rows(), batch.weights()), (3, &[1, 1, 1][..]));
    }
}
