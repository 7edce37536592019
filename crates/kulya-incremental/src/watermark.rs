//! Watermarks from the rows themselves.

use crate::error::Result;
use crate::event_time::{self, milliseconds};
use crate::expression::{ExpressionRef, data_type, evaluate};
use crate::operator::Operator;
use crate::tick::Tick;
use arrow_array::{Array, BooleanArray};
use arrow_schema::SchemaRef;
use arrow_select::filter::filter;

/// Passes rows on, with the largest value of an expression so far as their watermark (WATERMARK FOR); or that
/// of the input, if it is larger.
#[derive(Debug)]
pub struct Watermark {
    schema: SchemaRef,
    time: ExpressionRef,
    watermark: Option<i64>,
}

impl Watermark {
    /// Watermarks by the expression; rows for which it is null say nothing about time.
    ///
    /// # Errors
    /// [`Problem::Input`](crate::Problem::Input) if the expression is no timestamp.
    pub fn new(schema: SchemaRef, time: ExpressionRef) -> Result<Self> {
        event_time::check_type(&data_type(&time, &schema)?)?;
        Ok(Self { schema, time, watermark: None })
    }
}

impl Operator for Watermark {
    fn kind(&self) -> &'static str {
        "watermark"
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.schema)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        for batch in &inputs[0].batches {
            let times = evaluate(&self.time, batch.rows())?;
            let times = match times.nulls() {
                Some(nulls) => filter(&times, &BooleanArray::new(nulls.inner().clone(), None))?,
                None => times,
            };
            self.watermark = self.watermark.max(milliseconds(&times)?.into_iter().max());
        }
        self.watermark = self.watermark.max(inputs[0].watermark);
        Ok(Tick { batches: inputs[0].batches.clone(), watermark: self.watermark })
    }

    fn watermark(&self) -> Option<i64> {
        self.watermark
    }

    fn restore_watermark(&mut self, watermark: i64) {
        self.watermark = Some(watermark);
    }
}
