//! The rows of several inputs.

use crate::error::{Problem, Result};
use crate::operator::Operator;
use crate::tick::{Tick, lowest_watermark};
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use std::sync::Arc;

/// Puts the rows of inputs with the same types together (UNION ALL), under the first one's names.
#[derive(Debug)]
pub struct Union {
    inputs: Vec<SchemaRef>,
    schema: SchemaRef,
}

impl Union {
    /// The union of inputs.
    ///
    /// # Errors
    /// [`Problem::Input`] if there is no input, or their types differ.
    pub fn new(inputs: Vec<SchemaRef>) -> Result<Self> {
        let Some(schema) = inputs.first().map(Arc::clone) else {
            return Err(Problem::input("a union has at least one input"));
        };
        for input in &inputs {
            let mut pairs = input.fields().iter().zip(schema.fields());
            let has_same_types = pairs.all(|(one, other)| one.data_type() == other.data_type());
            if input.fields().len() != schema.fields().len() || !has_same_types {
                return Err(Problem::input("the inputs of a union have columns of the same types"));
            }
        }
        Ok(Self { inputs, schema })
    }
}

impl Operator for Union {
    fn kind(&self) -> &'static str {
        "union"
    }

    fn inputs(&self) -> &[SchemaRef] {
        &self.inputs
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let mut batches = Vec::new();
        for batch in inputs.iter().flat_map(|input| &input.batches) {
            let columns = batch.rows().columns().to_vec();
            let options = RecordBatchOptions::new().with_row_count(Some(batch.weights().len()));
            let schema = Arc::clone(&self.schema);
            batches.push(batch.with_rows(RecordBatch::try_new_with_options(schema, columns, &options)?)?);
        }
        Ok(Tick { batches, watermark: lowest_watermark(inputs) })
    }
}
