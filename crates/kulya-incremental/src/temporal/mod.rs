//! Joins of a stream with a table as of a time (FOR SYSTEM_TIME AS OF): each row of the stream is joined
//! once, and what it was joined with is never taken back.

mod lookup;
mod versioned;

pub use lookup::LookupJoin;
pub use versioned::VersionedJoin;

use crate::error::Result;
use crate::tick::Batch;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{Field, Schema, SchemaRef};
use arrow_select::take::take;
use std::sync::Arc;

fn joined_schema(left: &SchemaRef, right: &SchemaRef) -> SchemaRef {
    let right = right.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    let fields: Vec<Field> = left.fields().iter().map(|field| field.as_ref().clone()).chain(right).collect();
    Arc::new(Schema::new(fields))
}

/// Left columns with the right columns at indices, null where there is none.
fn joined_batch(
    schema: &SchemaRef,
    mut columns: Vec<ArrayRef>,
    right: &[ArrayRef],
    indices: Vec<Option<u32>>,
    weights: Vec<i64>,
) -> Result<Batch> {
    let indices = UInt32Array::from(indices);
    for column in right {
        columns.push(take(column, &indices, None)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
    Batch::new(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?, weights)
}
