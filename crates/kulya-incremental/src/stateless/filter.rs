//! Rows that satisfy a condition.

use crate::error::{Problem, Result};
use crate::expression::{ExpressionRef, data_type, evaluate_condition};
use crate::operator::Operator;
use crate::tick::{Batch, Tick};
use arrow_array::Int64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::{DataType, SchemaRef};
use arrow_select::filter::{filter, filter_record_batch};

/// Passes the rows on for which a condition is true.
#[derive(Debug)]
pub struct Filter {
    schema: SchemaRef,
    condition: ExpressionRef,
}

impl Filter {
    /// A filter of rows of the schema.
    ///
    /// # Errors
    /// [`Problem::Input`] if the condition is not of type Boolean.
    pub fn new(schema: SchemaRef, condition: ExpressionRef) -> Result<Self> {
        match data_type(&condition, &schema)? {
            DataType::Boolean => Ok(Self { schema, condition }),
            other => Err(Problem::input(format!("condition {condition:?} is {other}, not Boolean"))),
        }
    }
}

impl Operator for Filter {
    fn kind(&self) -> &'static str {
        "filter"
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.schema)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let mut batches = Vec::new();
        for batch in &inputs[0].batches {
            let is_kept = evaluate_condition(&self.condition, batch.rows())?;
            match is_kept.true_count() {
                0 => {}
                count if count == batch.weights().len() => batches.push(batch.clone()),
                _ => batches.push(filter_batch(batch, &is_kept)?),
            }
        }
        Ok(Tick { batches, watermark: inputs[0].watermark })
    }
}

/// The rows for which the column is true.
pub(crate) fn filter_batch(batch: &Batch, is_kept: &arrow_array::BooleanArray) -> Result<Batch> {
    let weights = filter(&batch.weight_column(), is_kept)?;
    let weights: &Int64Array = weights.as_primitive::<Int64Type>();
    Batch::new(filter_record_batch(batch.rows(), is_kept)?, weights.values().clone())
}
