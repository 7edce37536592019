//! Results of statements, and their output formats.

mod cell;
mod csv;
mod extreme_times;
mod lines;
mod parquet;
mod table;
#[cfg(test)]
mod tests;

pub use cell::visible;

use self::parquet::ParquetFile;
use crate::SqlResult;
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use cell::{NULL_SHOWN, format_error};
use std::sync::Arc;
use table::TextTable;

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
    /// One value a line, for rows with many or long values.
    Vertical,
    /// Comma-separated values with a header line (RFC 4180); null is empty, an empty text is `""`.
    Csv,
    /// One JSON object per line.
    Json,
    /// A Markdown table.
    Markdown,
    /// A Parquet file, with Snappy.
    Parquet,
}

impl OutputFormat {
    /// Returns whether the format is text.
    pub fn is_text(self) -> bool {
        self != Self::Parquet
    }
}

impl StatementResult {
    /// Returns rows of text columns; an empty text is null, which people see as nothing, as in Flink.
    pub(crate) fn text_rows(columns: &[&str], rows: &[Vec<String>]) -> SqlResult<Self> {
        let fields: Vec<_> = columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
        let metadata = [(NULL_SHOWN.to_owned(), String::new())].into();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let column = |number: usize| {
            let cells =
                rows.iter().map(|row| row.get(number).map(String::as_str).filter(|text| !text.is_empty()));
            Arc::new(cells.collect::<StringArray>()) as ArrayRef
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

    /// Formats the result as text, with a line end after the last line. `Completed` is a line in tables, and
    /// empty in other formats.
    ///
    /// # Errors
    /// When a value cannot be formatted, and for Parquet, which [`RowWriter`] writes.
    pub fn write(&self, format: OutputFormat) -> SqlResult<String> {
        let (schema, batches) = match self {
            Self::Completed(message) if format == OutputFormat::Table => return Ok(format!("{message}\n")),
            Self::Completed(_) => return Ok(String::new()),
            Self::Rows { schema, batches, .. } => (schema, batches),
        };
        let mut writer = RowWriter::new(schema, format)?;
        let mut bytes = Vec::new();
        for batch in batches {
            bytes.extend(writer.write(batch)?);
        }
        bytes.extend(writer.finish()?);
        String::from_utf8(bytes).map_err(|_| format_error(&"the format is not text"))
    }
}

/// Formats rows incrementally, in memory that does not depend on their number.
pub struct RowWriter {
    schema: SchemaRef,
    state: WriterState,
}

enum WriterState {
    Table(TextTable),
    /// With the number of rows so far.
    Vertical(usize),
    /// With whether the header is written.
    Csv(bool),
    Json,
    Markdown(bool),
    Parquet(Box<ParquetFile>),
}

impl RowWriter {
    /// Creates a writer of rows with this schema.
    ///
    /// # Errors
    /// When the format does not have a column's type.
    pub fn new(schema: &SchemaRef, format: OutputFormat) -> SqlResult<Self> {
        let state = match format {
            OutputFormat::Table => WriterState::Table(TextTable::new(schema)),
            OutputFormat::Vertical => WriterState::Vertical(0),
            OutputFormat::Csv => WriterState::Csv(false),
            OutputFormat::Json => WriterState::Json,
            OutputFormat::Markdown => WriterState::Markdown(false),
            OutputFormat::Parquet => WriterState::Parquet(Box::new(ParquetFile::new(schema)?)),
        };
        Ok(Self { schema: Arc::clone(schema), state })
    }

    /// Formats a batch. Returns nothing while the widths of a text table are not known.
    ///
    /// # Errors
    /// When a value cannot be formatted.
    pub fn write(&mut self, batch: &RecordBatch) -> SqlResult<Vec<u8>> {
        if let WriterState::Parquet(file) = &mut self.state {
            return file.write(batch);
        }
        let printable = extreme_times::printable(batch);
        let batch = printable.as_ref().unwrap_or(batch);
        let mut out = String::new();
        match &mut self.state {
            WriterState::Table(table) => table.write(batch, &mut out)?,
            WriterState::Vertical(rows) => {
                lines::vertical_rows(batch, *rows + 1, &mut out)?;
                *rows += batch.num_rows();
            }
            WriterState::Csv(has_header) => {
                if !std::mem::replace(has_header, true) {
                    csv::header(&self.schema, &mut out);
                }
                csv::rows(batch, &mut out)?;
            }
            WriterState::Json => return json(batch),
            WriterState::Markdown(has_header) => {
                if !std::mem::replace(has_header, true) {
                    lines::markdown_header(&self.schema, &mut out);
                }
                lines::markdown_rows(batch, &mut out)?;
            }
            WriterState::Parquet(_) => {}
        }
        Ok(out.into_bytes())
    }

    /// Returns what follows the last batch; the header if there were no rows.
    ///
    /// # Errors
    /// When a value cannot be formatted.
    pub fn finish(self) -> SqlResult<Vec<u8>> {
        let mut out = String::new();
        match self.state {
            WriterState::Table(table) => table.finish(&mut out),
            WriterState::Csv(false) => csv::header(&self.schema, &mut out),
            WriterState::Markdown(false) => lines::markdown_header(&self.schema, &mut out),
            WriterState::Parquet(file) => return file.finish(),
            WriterState::Vertical(_)
            | WriterState::Csv(true)
            | WriterState::Json
            | WriterState::Markdown(true) => {}
        }
        Ok(out.into_bytes())
    }
}

fn json(batch: &RecordBatch) -> SqlResult<Vec<u8>> {
    let mut out = Vec::new();
    let builder = arrow::json::WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_timestamp_format(cell::TIMESTAMP.to_owned())
        .with_timestamp_tz_format(cell::MOMENT.to_owned());
    let mut writer = builder.build::<_, arrow::json::writer::LineDelimited>(&mut out);
    writer.write(batch).and_then(|()| writer.finish()).map_err(|e| format_error(&e))?;
    Ok(out)
}

/// Returns the size of a batch's rows, in bytes; of buffers shared with other batches only the batch's slice
/// counts.
pub(crate) fn batch_bytes(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or_default()).sum()
}
