//! Rows as other rows.

use crate::error::Result;
use crate::expression::{ExpressionRef, data_type, evaluate_all};
use crate::operator::Operator;
use crate::tick::Tick;
use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema, SchemaRef};
use std::sync::Arc;

/// Makes of each row a row of expressions.
#[derive(Debug)]
pub struct Project {
    input: SchemaRef,
    schema: SchemaRef,
    expressions: Vec<ExpressionRef>,
}

impl Project {
    /// The output columns by name, each as an expression over rows of the input.
    ///
    /// # Errors
    /// Those of [`Expression::data_type`](crate::Expression::data_type).
    pub fn new<N: Into<String>>(
        input: SchemaRef,
        columns: impl IntoIterator<Item = (N, ExpressionRef)>,
    ) -> Result<Self> {
        let (mut fields, mut expressions) = (Vec::new(), Vec::new());
        for (name, expression) in columns {
            fields.push(Field::new(name, data_type(&expression, &input)?, true));
            expressions.push(expression);
        }
        Ok(Self { input, schema: Arc::new(Schema::new(fields)), expressions })
    }
}

impl Operator for Project {
    fn kind(&self) -> &'static str {
        "project"
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.input)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let mut batches = Vec::with_capacity(inputs[0].batches.len());
        for batch in &inputs[0].batches {
            let columns = evaluate_all(&self.expressions, batch.rows())?;
            // the number of rows is there even without columns
            let options = RecordBatchOptions::new().with_row_count(Some(batch.weights().len()));
            let schema = Arc::clone(&self.schema);
            batches.push(batch.with_rows(RecordBatch::try_new_with_options(schema, columns, &options)?)?);
        }
        Ok(Tick { batches, watermark: inputs[0].watermark })
    }
}
