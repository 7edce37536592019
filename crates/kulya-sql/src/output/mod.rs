//! Results of statements, and their output formats.

mod extreme_times;
mod nested;

use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::pretty::pretty_format_batches_with_schema;
use std::sync::Arc;

/// The maximum number of rows of one text table. The column widths depend on all rows of a table, so a larger
/// result is written as several tables.
const MAX_TABLE_ROWS: usize = 10_000;
/// The maximum size of the rows of one text table, in bytes.
const MAX_TABLE_BYTES: usize = 16 << 20;

/// The result of a statement.
#[derive(Debug, Clone)]
pub enum StatementResult {
    /// Rows.
    Rows {
        /// The schema of the rows.
        schema: SchemaRef,
        /// The rows.
        batches: Vec<RecordBatch>,
        /// Warnings, such as skipped events.
        warnings: Vec<String>,
    },
    /// A message that the statement is completed.
    Completed(String),
}

/// The output format of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// A text table with borders.
    Table,
    /// Comma-separated values with a header line (RFC 4180).
    Csv,
    /// One JSON object per line.
    Json,
}

impl StatementResult {
    /// Returns rows of text columns.
    pub(crate) fn text_rows(columns: &[&str], rows: &[Vec<String>]) -> SqlResult<Self> {
        let fields: Vec<_> = columns.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
        let schema = Arc::new(Schema::new(fields));
        let column = |number: usize| {
            let cells = rows.iter().map(|row| row.get(number).map(String::as_str).unwrap_or_default());
            Arc::new(cells.map(Some).collect::<StringArray>()) as ArrayRef
        };
        let arrays = (0..columns.len()).map(column).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(|e| format_error(&e))?;
        Ok(Self::Rows { schema, batches: vec![batch], warnings: Vec::new() })
    }

    /// Returns the warnings, which are not part of [`Self::write`].
    pub fn warnings(&self) -> &[String] {
        match self {
            Self::Rows { warnings, .. } => warnings,
            Self::Completed(_) => &[],
        }
    }

    /// Returns the number of rows.
    pub fn row_count(&self) -> usize {
        match self {
            Self::Rows { batches, .. } => batches.iter().map(RecordBatch::num_rows).sum(),
            Self::Completed(_) => 0,
        }
    }

    /// Formats the result, with a line end after the last line. `Completed` is empty in CSV and JSON.
    ///
    /// # Errors
    /// When a value cannot be formatted.
    pub fn write(&self, format: OutputFormat) -> SqlResult<String> {
        let (schema, batches) = match (self, format) {
            (Self::Completed(message), OutputFormat::Table) => return Ok(format!("{message}\n")),
            (Self::Completed(_), _) => return Ok(String::new()),
            (Self::Rows { schema, batches, .. }, _) => (schema, batches),
        };
        let mut writer = RowWriter::new(schema, format);
        let mut text = String::new();
        for batch in batches {
            text += &writer.write(batch)?;
        }
        Ok(text + &writer.finish()?)
    }
}

/// Formats rows incrementally.
pub struct RowWriter {
    schema: SchemaRef,
    format: OutputFormat,
    /// The batches of a text table that is not complete yet.
    pending: Vec<RecordBatch>,
    /// Whether a table or a header was written.
    has_output: bool,
}

impl RowWriter {
    /// Creates a writer of rows with this schema.
    pub fn new(schema: &SchemaRef, format: OutputFormat) -> Self {
        Self { schema: Arc::clone(schema), format, pending: Vec::new(), has_output: false }
    }

    /// Formats a batch. Returns an empty text while a text table is not complete.
    ///
    /// # Errors
    /// When a value cannot be formatted.
    pub fn write(&mut self, batch: &RecordBatch) -> SqlResult<String> {
        let printable = extreme_times::printable(batch);
        let batch = printable.as_ref().unwrap_or(batch);
        match self.format {
            OutputFormat::Table => {
                self.pending.push(batch.clone());
                let rows: usize = self.pending.iter().map(RecordBatch::num_rows).sum();
                let bytes: usize = self.pending.iter().map(batch_bytes).sum();
                if rows < MAX_TABLE_ROWS && bytes < MAX_TABLE_BYTES {
                    Ok(String::new())
                } else {
                    self.table()
                }
            }
            OutputFormat::Csv => self.csv(batch),
            OutputFormat::Json => {
                let mut out = Vec::new();
                let builder = arrow::json::WriterBuilder::new().with_explicit_nulls(true);
                let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(&mut out);
                writer.write(batch).and_then(|()| writer.finish()).map_err(|e| format_error(&e))?;
                text(out)
            }
        }
    }

    /// Returns the text after the last batch; the header if there were no rows.
    ///
    /// # Errors
    /// When a value cannot be formatted.
    pub fn finish(mut self) -> SqlResult<String> {
        match self.format {
            OutputFormat::Table if !self.has_output || !self.pending.is_empty() => self.table(),
            OutputFormat::Csv if !self.has_output => {
                let empty = RecordBatch::new_empty(Arc::clone(&self.schema));
                self.csv(&empty)
            }
            _ => Ok(String::new()),
        }
    }

    fn table(&mut self) -> SqlResult<String> {
        self.has_output = true;
        let batches = std::mem::take(&mut self.pending);
        let table = pretty_format_batches_with_schema(Arc::clone(&self.schema), &batches)
            .map_err(|e| format_error(&e))?;
        Ok(format!("{table}\n"))
    }

    fn csv(&mut self, batch: &RecordBatch) -> SqlResult<String> {
        let batch = &nested::as_texts(batch).map_err(|e| format_error(&e))?;
        let mut out = Vec::new();
        let is_first = !std::mem::replace(&mut self.has_output, true);
        let mut writer = arrow::csv::WriterBuilder::new().with_header(is_first).build(&mut out);
        writer.write(batch).map_err(|e| format_error(&e))?;
        drop(writer);
        text(out)
    }
}

/// Returns the size of a batch's rows, in bytes; of buffers shared with other batches only the batch's slice
/// counts.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or_default()).sum()
}

fn text(bytes: Vec<u8>) -> SqlResult<String> {
    String::from_utf8(bytes).map_err(|e| format_error(&e))
}

fn format_error(error: &dyn std::fmt::Display) -> SqlError {
    SqlError::new(SqlErrorKind::Failed, format!("the rows cannot be formatted: {error}"))
}
