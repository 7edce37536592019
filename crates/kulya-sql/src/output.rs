//! What a statement gives, and how it is written.

use crate::{SqlError, SqlResult};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::pretty::pretty_format_batches_with_schema;
use std::sync::Arc;

/// Rows of one table: its columns' widths are known when all of them are. What has more rows is written as several tables.
const TABLE_ROWS: usize = 10_000;
/// Bytes of rows of one table.
const TABLE_BYTES: usize = 16 << 20;

/// What a statement gives.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Rows.
    Rows {
        /// Their columns.
        schema: SchemaRef,
        /// The rows.
        batches: Vec<RecordBatch>,
        /// What else is to be told of them, as events that were skipped.
        notes: Vec<String>,
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
        Ok(Self::Rows { schema, batches: vec![batch], notes: Vec::new() })
    }

    /// What else is to be told of the rows, beside them: no part of what [`Self::write`] gives.
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Rows { notes, .. } => notes,
            Self::Done(_) => &[],
        }
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
            (Self::Rows { schema, batches, .. }, _) => (schema, batches),
        };
        let mut writer = RowWriter::new(schema, shape);
        let mut text = String::new();
        for batch in batches {
            text += &writer.write(batch)?;
        }
        Ok(text + &writer.finish()?)
    }
}

/// Writes rows as they come.
pub struct RowWriter {
    schema: SchemaRef,
    shape: Shape,
    /// Of a table: what is not written yet.
    waiting: Vec<RecordBatch>,
    has_begun: bool,
}

impl RowWriter {
    /// A writer of rows with these columns.
    pub fn new(schema: &SchemaRef, shape: Shape) -> Self {
        Self { schema: Arc::clone(schema), shape, waiting: Vec::new(), has_begun: false }
    }

    /// The text of these rows, or nothing as long as a table's end is not known.
    pub fn write(&mut self, batch: &RecordBatch) -> SqlResult<String> {
        match self.shape {
            Shape::Table => {
                self.waiting.push(batch.clone());
                let rows: usize = self.waiting.iter().map(RecordBatch::num_rows).sum();
                let bytes: usize = self.waiting.iter().map(batch_bytes).sum();
                if rows < TABLE_ROWS && bytes < TABLE_BYTES { Ok(String::new()) } else { self.table() }
            }
            Shape::Csv => self.csv(batch),
            Shape::Json => {
                let mut out = Vec::new();
                let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
                let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(&mut out);
                writer.write(batch).and_then(|()| writer.finish()).map_err(|e| unwritable(&e))?;
                text(out)
            }
        }
    }

    /// The text behind the last rows; a header alone when there were none.
    pub fn finish(mut self) -> SqlResult<String> {
        match self.shape {
            Shape::Table if !self.has_begun || !self.waiting.is_empty() => self.table(),
            Shape::Csv if !self.has_begun => {
                let none = RecordBatch::new_empty(Arc::clone(&self.schema));
                self.csv(&none)
            }
            _ => Ok(String::new()),
        }
    }

    fn table(&mut self) -> SqlResult<String> {
        self.has_begun = true;
        let batches = std::mem::take(&mut self.waiting);
        let table = pretty_format_batches_with_schema(Arc::clone(&self.schema), &batches)
            .map_err(|e| unwritable(&e))?;
        Ok(format!("{table}\n"))
    }

    fn csv(&mut self, batch: &RecordBatch) -> SqlResult<String> {
        let mut out = Vec::new();
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let mut writer = arrow::csv::WriterBuilder::new().with_header(is_first).build(&mut out);
        writer.write(batch).map_err(|e| unwritable(&e))?;
        drop(writer);
        text(out)
    }
}

/// The bytes of a batch's own rows: what several batches share counts with each by its part.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or_default()).sum()
}

fn text(bytes: Vec<u8>) -> SqlResult<String> {
    String::from_utf8(bytes).map_err(|e| unwritable(&e))
}

fn unwritable(error: &dyn std::fmt::Display) -> SqlError {
    SqlError::new(format!("the rows cannot be written: {error}"))
}
