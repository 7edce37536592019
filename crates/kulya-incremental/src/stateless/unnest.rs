//! The elements of lists as rows.

use crate::error::{Problem, Result};
use crate::expression::{ExpressionRef, data_type, evaluate};
use crate::operator::Operator;
use crate::tick::{Batch, Tick};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take;
use std::sync::Arc;

/// What [`Unnest`] does besides the elements.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnnestOptions {
    /// A row without elements is passed on once, with null (LEFT JOIN UNNEST).
    pub keep_empty: bool,
    /// A row whose list is null is passed on once, with null, and one with an empty list is not.
    pub keep_null: bool,
    /// A last column has the element's number in its list, from 1 (WITH ORDINALITY).
    pub with_ordinality: bool,
}

/// Passes each row on once per element of a list, with the element as a further column.
#[derive(Debug)]
pub struct Unnest {
    input: SchemaRef,
    schema: SchemaRef,
    list: ExpressionRef,
    options: UnnestOptions,
}

impl Unnest {
    /// The elements of `list` as the column `name`, behind the columns of the row.
    ///
    /// # Errors
    /// [`Problem::Input`] if the expression is no list.
    pub fn new(
        input: SchemaRef,
        list: ExpressionRef,
        name: impl Into<String>,
        options: UnnestOptions,
    ) -> Result<Self> {
        let item = match data_type(&list, &input)? {
            DataType::List(item) | DataType::LargeList(item) => item,
            other => return Err(Problem::input(format!("{other} is no list to unnest"))),
        };
        let mut fields: Vec<_> = input.fields().iter().map(Arc::clone).collect();
        fields.push(Arc::new(Field::new(name, item.data_type().clone(), true)));
        if options.with_ordinality {
            fields.push(Arc::new(Field::new("ordinality", DataType::Int64, true)));
        }
        Ok(Self { input, schema: Arc::new(Schema::new(fields)), list, options })
    }

    fn unnest(&self, batch: &Batch) -> Result<Batch> {
        let lists = evaluate(&self.list, batch.rows())?;
        let (elements, offsets): (ArrayRef, Vec<usize>) = match lists.data_type() {
            DataType::LargeList(_) => {
                let lists = lists.as_list::<i64>();
                (Arc::clone(lists.values()), lists.offsets().iter().map(|offset| *offset as usize).collect())
            }
            _ => {
                let lists = lists.as_list::<i32>();
                (Arc::clone(lists.values()), lists.offsets().iter().map(|offset| *offset as usize).collect())
            }
        };
        let (mut rows, mut weights) = (Vec::new(), Vec::new());
        let (mut positions, mut numbers) = (Vec::new(), Vec::new());
        for (row, weight) in batch.weights().iter().enumerate() {
            let range = offsets[row]..if lists.is_null(row) { offsets[row] } else { offsets[row + 1] };
            let mut add = |position: Option<u64>, number: Option<i64>| {
                rows.push(row as u32);
                weights.push(*weight);
                positions.push(position);
                numbers.push(number);
            };
            if range.is_empty() && (self.options.keep_empty || self.options.keep_null && lists.is_null(row)) {
                add(None, None);
            }
            for (index, position) in range.enumerate() {
                add(Some(position as u64), Some(index as i64 + 1));
            }
        }
        let rows = UInt32Array::from(rows);
        let mut columns = batch
            .rows()
            .columns()
            .iter()
            .map(|column| take(column, &rows, None))
            .collect::<Result<Vec<_>, _>>()?;
        columns.push(take(&elements, &UInt64Array::from(positions), None)?);
        if self.options.with_ordinality {
            columns.push(Arc::new(Int64Array::from(numbers)));
        }
        Batch::new(RecordBatch::try_new(Arc::clone(&self.schema), columns)?, weights)
    }
}

impl Operator for Unnest {
    fn kind(&self) -> &'static str {
        "unnest"
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.input)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let batches = inputs[0].batches.iter().map(|batch| self.unnest(batch)).collect::<Result<Vec<_>>>()?;
        let batches = batches.into_iter().filter(|batch| !batch.weights().is_empty()).collect();
        Ok(Tick { batches, watermark: inputs[0].watermark })
    }
}
