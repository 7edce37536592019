//! The rows of a join, from the columns of its sides.

use super::options::JoinKind;
use crate::error::Result;
use crate::tick::Batch;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{Field, Schema, SchemaRef};
use std::sync::Arc;

/// The columns of pairs and of rows by themselves.
pub(super) struct Output {
    pub(super) inputs: [SchemaRef; 2],
    /// The columns of both sides, all of which may be null.
    pub(super) pair_schema: SchemaRef,
    pub(super) schema: SchemaRef,
    /// Whether pairs are rows of the output.
    pub(super) has_pairs: bool,
}

impl Output {
    pub(super) fn new(left: SchemaRef, right: SchemaRef, kind: JoinKind) -> Self {
        let fields = left.fields().iter().chain(right.fields());
        let fields: Vec<Field> = fields.map(|field| field.as_ref().clone().with_nullable(true)).collect();
        let pair_schema = Arc::new(Schema::new(fields));
        let has_pairs = !matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti);
        let schema = if has_pairs { Arc::clone(&pair_schema) } else { Arc::clone(&left) };
        Self { inputs: [left, right], pair_schema, schema, has_pairs }
    }

    /// Rows of side 0 or 1 with rows of the other.
    pub(super) fn pairs(
        &self,
        side: usize,
        own: Vec<ArrayRef>,
        other: Vec<ArrayRef>,
        weights: Vec<i64>,
    ) -> Result<Batch> {
        let columns = if side == 0 { [own, other] } else { [other, own] };
        batch(&self.pair_schema, columns.concat(), weights)
    }

    /// Rows of a side by themselves, the other side's columns null.
    pub(super) fn side(&self, side: usize, own: Vec<ArrayRef>, weights: Vec<i64>) -> Result<Batch> {
        if !self.has_pairs {
            return batch(&self.schema, own, weights);
        }
        let other = self.inputs[1 - side].fields().iter();
        let nulls = other.map(|field| new_null_array(field.data_type(), weights.len())).collect();
        self.pairs(side, own, nulls, weights)
    }
}

fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, weights: Vec<i64>) -> Result<Batch> {
    let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
    Batch::new(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?, weights)
}
