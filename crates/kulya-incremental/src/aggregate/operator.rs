//! GROUP BY, and DISTINCT as a GROUP BY of all columns.

use super::call::AggregateCall;
use super::groups::{Groups, Touched};
use crate::error::Result;
use crate::expression::{ExpressionRef, column, data_type, data_types, evaluate_all};
use crate::operator::{Operator, State};
use crate::row_codec::RowCodec;
use crate::tick::{Batch, Tick};
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::interleave::interleave;
use arrow_select::take::take;
use std::sync::Arc;

/// What is known about the input of an aggregate, and wanted of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct AggregateOptions {
    /// The input has insertions only, so that MIN, MAX, FIRST_VALUE and LAST_VALUE keep one value a group.
    pub insert_only: bool,
    /// Without keys: there is a row from the first tick on, even without input, as SELECT has it.
    pub keep_empty: bool,
}

/// Groups rows by keys and computes aggregates of each group; a tick's output are the groups whose row
/// changed.
pub struct Aggregate {
    kind: &'static str,
    input: SchemaRef,
    schema: SchemaRef,
    keys: Vec<ExpressionRef>,
    groups: Groups,
    results: RowCodec,
    keeps_empty: bool,
}

impl Aggregate {
    /// The groups by the named keys, and then the calls' columns.
    ///
    /// # Errors
    /// [`Problem`](crate::Problem) if a function does not apply to its argument, or a key cannot be held.
    pub fn new<N: Into<String>>(
        input: SchemaRef,
        keys: impl IntoIterator<Item = (N, ExpressionRef)>,
        calls: Vec<AggregateCall>,
        options: AggregateOptions,
    ) -> Result<Self> {
        let (mut fields, mut expressions) = (Vec::new(), Vec::new());
        for (name, key) in keys {
            fields.push(Field::new(name, data_type(&key, &input)?, true));
            expressions.push(key);
        }
        let keeps_empty = options.keep_empty && expressions.is_empty();
        let results = Groups::fields(&input, &calls)?;
        let codec = RowCodec::new(results.iter().map(|field| field.data_type().clone()))?;
        fields.extend(results);
        Ok(Self {
            kind: "aggregate",
            groups: Groups::new(
                &input,
                data_types(&expressions, &input)?,
                calls,
                keeps_empty,
                options.insert_only,
            )?,
            schema: Arc::new(Schema::new(fields)),
            keys: expressions,
            input,
            results: codec,
            keeps_empty,
        })
    }

    /// The different rows of the input (SELECT DISTINCT).
    ///
    /// # Errors
    /// [`Problem::Unsupported`](crate::Problem::Unsupported) if a column's type cannot be held.
    pub fn distinct(input: SchemaRef, options: AggregateOptions) -> Result<Self> {
        let keys: Vec<_> =
            input.fields().iter().map(|field| field.name().clone()).zip((0..).map(column)).collect();
        let schema = Arc::clone(&input);
        Ok(Self { kind: "distinct", schema, ..Self::new(input, keys, Vec::new(), options)? })
    }

    /// The changed rows: of each touched group the old one and then the new one.
    fn changes(
        &self,
        keys: &[ArrayRef],
        touched: &Touched,
        old: &[ArrayRef],
        new: &[ArrayRef],
    ) -> Result<Option<Batch>> {
        let count = touched.slots.len();
        let (old_rows, new_rows) = (self.results.encode(old, count)?, self.results.encode(new, count)?);
        let (mut key_rows, mut picks, mut weights) = (Vec::new(), Vec::new(), Vec::new());
        for (index, slot) in touched.slots.iter().enumerate() {
            let (before, after) = (touched.existed[index], self.groups.exists(*slot));
            if before && after && old_rows.row(index) == new_rows.row(index) {
                continue;
            }
            for (is_there, side, weight) in [(before, 0, -1), (after, 1, 1)] {
                if is_there {
                    key_rows.push(touched.rows[index]);
                    picks.push((side, index));
                    weights.push(weight);
                }
            }
        }
        if weights.is_empty() {
            return Ok(None);
        }
        let key_rows = UInt32Array::from(key_rows);
        let mut columns = keys.iter().map(|key| take(key, &key_rows, None)).collect::<Result<Vec<_>, _>>()?;
        for (old, new) in old.iter().zip(new) {
            columns.push(interleave(&[old.as_ref(), new.as_ref()], &picks)?);
        }
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(weights.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok(Some(Batch::new(rows, weights)?))
    }
}

impl Operator for Aggregate {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn inputs(&self) -> &[SchemaRef] {
        std::slice::from_ref(&self.input)
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn step(&mut self, inputs: &[Tick]) -> Result<Tick> {
        let watermark = inputs[0].watermark;
        let input = inputs[0].concat(&self.input)?;
        let has_row = !self.keeps_empty || self.groups.keys().len() > 0;
        let batch = match input {
            Some(batch) => batch,
            None if has_row => return Ok(Tick { batches: Vec::new(), watermark }),
            None => Batch::inserts(RecordBatch::new_empty(Arc::clone(&self.input))),
        };
        let keys = evaluate_all(&self.keys, batch.rows())?;
        let row_count = batch.weights().len();
        let rows = self.groups.codec.encode(&keys, row_count)?;
        let (slots, mut touched) = self.groups.assign(&rows);
        if row_count == 0 {
            // the row of an aggregate of nothing
            touched = self.groups.assign(&self.groups.codec.encode(&[], 1)?).1;
        }
        let old = self.groups.evaluate(&touched.slots)?;
        self.groups.apply(&slots, &batch)?;
        self.groups.end_tick(&touched.slots)?;
        let new = self.groups.evaluate(&touched.slots)?;
        let output = self.changes(&keys, &touched, &old, &new)?;
        self.groups.remove_empty(&touched.slots);
        Ok(Tick::of_rows(output, watermark))
    }

    fn state(&self) -> Option<&dyn State> {
        Some(&self.groups)
    }

    fn state_mut(&mut self) -> Option<&mut dyn State> {
        Some(&mut self.groups)
    }

    fn finish_restore(&mut self) -> Result<()> {
        self.groups.finish_restore()
    }
}
