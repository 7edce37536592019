//! Rows of lines.

use super::{CsvOptions, text};
use crate::arrow::column_buffer::ColumnBuffer;
use crate::arrow::payload::{PayloadDecoder, PayloadRows};
use crate::arrow::{BATCH_BYTES, BATCH_ROWS};
use crate::{CodecError, CodecResult};
use arrow::datatypes::SchemaRef;
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use kulya_schema::EncodingInfo;

/// Decodes payloads of one line. Flink ignores further lines; here they are an error.
pub struct CsvPayloads {
    schema: SchemaRef,
    options: CsvOptions,
    reader: Reader,
    columns: Vec<ColumnBuffer>,
    /// The positions of the columns among the values of a line, and the number of values.
    positions: Vec<usize>,
    arity: usize,
    rows: usize,
    bytes: usize,
    /// The values of a line, one after the other, and the end of each.
    line: Vec<u8>,
    ends: Vec<usize>,
}

impl CsvPayloads {
    /// Creates a decoder of lines with a value for each column of `table`; with `projection`, of the columns
    /// at these positions.
    ///
    /// # Errors
    /// `Schema` for a column whose type lines cannot have; the text names it.
    pub fn new(table: SchemaRef, projection: Option<Vec<usize>>, options: CsvOptions) -> CodecResult<Self> {
        let refused = |e: String| CodecError::Schema(format!("the table cannot be read as CSV: {e}"));
        let positions = projection.unwrap_or_else(|| (0..table.fields().len()).collect());
        let schema = table.project(&positions).map_err(|e| refused(e.to_string()))?;
        let mut reader = ReaderBuilder::new();
        reader.delimiter(options.field_delimiter).escape(options.escape);
        match options.quote {
            Some(quote) => reader.quote(quote),
            None => reader.quoting(false),
        };
        Ok(Self {
            columns: ColumnBuffer::all(schema.fields()).map_err(refused)?,
            arity: table.fields().len(),
            schema: schema.into(),
            reader: reader.build(),
            options,
            positions,
            rows: 0,
            bytes: 0,
            line: Vec::new(),
            ends: Vec::new(),
        })
    }

    /// Reads a line. Returns whether there is one: a comment is none.
    fn read(&mut self, mut input: &[u8]) -> Result<bool, String> {
        self.reader.reset();
        // a value is never longer than its text
        self.line.resize(input.len() + 1, 0);
        self.ends.resize(input.len() + 2, 0);
        let (mut written, mut count) = (0, 0);
        loop {
            let (line, ends) = (self.line.get_mut(written..), self.ends.get_mut(count..));
            let (Some(line), Some(ends)) = (line, ends) else { return Err("it is too long".to_owned()) };
            let (result, read, output, values) = self.reader.read_record(input, line, ends);
            input = input.get(read..).unwrap_or_default();
            written += output;
            count += values;
            match result {
                // the input is empty now, which is its end
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(false),
                ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                    return Err("it is too long".to_owned());
                }
            }
        }
        self.ends.truncate(count);
        if input.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            return Err("it has several lines".to_owned());
        }
        Ok(true)
    }

    fn decode_line(&mut self, payload: &[u8]) -> Result<usize, String> {
        let line = if self.options.allow_comments { without_comments(payload) } else { payload };
        if line.is_empty() && !payload.is_empty() {
            return Ok(0);
        }
        let payload = line;
        if payload.is_empty() && self.arity == 1 {
            self.line.clear();
            self.ends = vec![0];
        } else if !self.read(payload)? {
            return if self.options.allow_comments { Ok(0) } else { Err("it is empty".to_owned()) };
        }
        let count = self.ends.len();
        if count != self.arity && !self.options.ignore_parse_errors {
            return Err(format!("it has {count} values, but the table has {} columns", self.arity));
        }
        let fields = self.schema.fields().iter();
        for ((column, field), position) in self.columns.iter_mut().zip(fields).zip(&self.positions) {
            let start = position.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
            let value = match (start, self.ends.get(*position)) {
                (Some(start), Some(end)) => self.line.get(start..*end),
                _ => None,
            };
            let Some(value) = value else {
                column.push_null();
                continue;
            };
            let pushed = std::str::from_utf8(value)
                .map_err(|_| "it is not UTF-8".to_owned())
                .and_then(|value| text::push(column, field.data_type(), value, &self.options));
            if let Err(reason) = pushed {
                if !self.options.ignore_parse_errors {
                    return Err(format!("column {}: {reason}", field.name()));
                }
                column.truncate(self.rows);
                column.push_null();
            }
        }
        let is_missing = |(column, field): (&ColumnBuffer, &std::sync::Arc<arrow::datatypes::Field>)| {
            !field.is_nullable() && column.is_last_null()
        };
        match self.columns.iter().zip(self.schema.fields()).find(|pair| is_missing(*pair)) {
            Some((_, field)) => Err(format!("column {} must not be null", field.name())),
            None => Ok(1),
        }
    }
}

/// Returns the lines from the first one that is no comment: the library takes a comment without the end of
/// its line for a record.
fn without_comments(mut lines: &[u8]) -> &[u8] {
    while lines.first() == Some(&b'#') {
        let end = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1);
        lines = lines.get(end..).unwrap_or_default();
    }
    lines
}

impl PayloadDecoder for CsvPayloads {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn decode(&mut self, payload: &[u8], _: &EncodingInfo) -> CodecResult<usize> {
        match self.decode_line(payload) {
            Ok(rows) => {
                self.rows += rows;
                self.bytes += payload.len();
                Ok(rows)
            }
            Err(reason) => {
                self.columns.iter_mut().for_each(|column| column.truncate(self.rows));
                if self.options.ignore_parse_errors {
                    return Ok(0);
                }
                Err(CodecError::Payload { type_name: "CSV row".to_owned(), reason })
            }
        }
    }

    fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn flush(&mut self) -> CodecResult<Option<PayloadRows>> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        if rows == 0 {
            return Ok(None);
        }
        let batch = ColumnBuffer::finish_all(&mut self.columns, &self.schema, rows)?;
        Ok(Some(PayloadRows { rows: batch, kinds: None, clears: false }))
    }
}
