//! What a statement gives, and how it is written.

use crate::{SqlError, SqlResult};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::pretty::pretty_format_batches_with_schema;
use std::sync::Arc;

/// What a statement gives.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Rows.
    Rows {
        /// Their columns.
        schema: SchemaRef,
        /// The rows.
        batches: Vec<RecordBatch>,
    },
    /// A word that it is done.
    Done(String),
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Columns with lines around them.
    Table,
    /// A header line, then values with commas between them (RFC 4180).
    Csv,
    /// One JSON object a line.
    Json,
}

impl Outcome {
    /// Rows of text columns.
    pub(crate) fn texts(columns: &[&str], rows: &[Vec<String>]) -> SqlResult<Self> {
        let fields: Vec<_> = columns.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
        let schema = Arc::new(Schema::new(fields));
        let column = |number: usize| {
            let cells = rows.iter().map(|row| row.get(number).map(String::as_str).unwrap_or_default());
            Arc::new(cells.map(Some).collect::<StringArray>()) as ArrayRef
        };
        let arrays = (0..columns.len()).map(column).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(|e| unwritable(&e))?;
        Ok(Self::Rows { schema, batches: vec![batch] })
    }

    /// How many rows there are.
    pub fn row_count(&self) -> usize {
        match self {
            Self::Rows { batches, .. } => batches.iter().map(RecordBatch::num_rows).sum(),
            Self::Done(_) => 0,
        }
    }

    /// The outcome as text, with a line end behind the last line. `Done` says nothing in CSV and JSON.
    pub fn write(&self, shape: Shape) -> SqlResult<String> {
        let (schema, batches) = match (self, shape) {
            (Self::Done(word), Shape::Table) => return Ok(format!("{word}\n")),
            (Self::Done(_), _) => return Ok(String::new()),
            (Self::Rows { schema, batches }, _) => (schema, batches),
        };
        let mut out = Vec::new();
        match shape {
            Shape::Table => {
                let table = pretty_format_batches_with_schema(Arc::clone(schema), batches)
                    .map_err(|e| unwritable(&e))?;
                return Ok(format!("{table}\n"));
            }
            Shape::Csv => {
                let mut writer = arrow::csv::WriterBuilder::new().with_header(true).build(&mut out);
                // the header comes with the first batch, so there is always one
                let empty = RecordBatch::new_empty(Arc::clone(schema));
                for batch in std::iter::once(&empty).chain(batches) {
                    writer.write(batch).map_err(|e| unwritable(&e))?;
                }
            }
            Shape::Json => {
                let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
                let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(&mut out);
                for batch in batches {
                    writer.write(batch).map_err(|e| unwritable(&e))?;
                }
                writer.finish().map_err(|e| unwritable(&e))?;
            }
        }
        String::from_utf8(out).map_err(|e| unwritable(&e))
    }
}

fn unwritable(error: &dyn std::fmt::Display) -> SqlError {
    SqlError::new(format!("the rows cannot be written: {error}"))
}
