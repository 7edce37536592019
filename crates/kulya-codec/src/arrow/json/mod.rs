//! JSON payloads to record batches. A payload is scanned once, by the plan of the wanted columns, and its
//! values are appended to the columns' buffers; other values are skipped. A failed event's values are
//! removed again.
//!
//! - `scanner`, `number`, `datetime`: tokens of JSON text, and the texts of numbers and times; `structure`:
//!   the end of what is skipped;
//! - `plan`, `conversion`, `plain`, `shape`: which value becomes which;
//! - [`JsonRows`]: payloads to batches.

mod conversion;
mod datetime;
mod number;
mod payloads;
mod plain;
pub(super) mod plan;
pub(super) mod scanner;
pub(super) mod shape;
mod structure;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod values;

pub use plan::FlinkJsonOptions;

use super::batch_decoder::{BatchDecoder, Decoded, DecodedBatch};
use super::column::{Column, ColumnType, arrow_schema};
use super::column_buffer::ColumnBuffer;
use super::{BATCH_BYTES, BATCH_ROWS};
use crate::deserializer::{MAX_VALUE_BYTES, strip_padding};
use crate::{CodecError, CodecResult};
use arrow::datatypes::{Schema, SchemaRef};
use kulya_schema::json_memory_bytes;
use plan::{EventContext, Failure, RecordPlan};
use scanner::{Grammar, Scanner, Token};
use std::sync::Arc;

/// The number of values after which a batch is complete.
const BATCH_VALUES: usize = 4_000_000;
/// A shorter text cannot have values of more than [`MAX_VALUE_BYTES`].
const SMALL_EVENT_BYTES: usize = MAX_VALUE_BYTES / 150;

/// Returns the columns of a table with Flink's types, which are read by the rules of its format `json`.
pub fn flink_columns(schema: &Schema) -> Vec<Column> {
    schema.fields().iter().map(|field| plan::flink_column(field)).collect()
}

/// Decodes payloads without a header: a JSON object is a row, an array of objects several.
///
/// A column's value is the member of its name, the last one if there are several; other members are ignored.
#[derive(Debug)]
pub struct JsonRows {
    schema: SchemaRef,
    plan: RecordPlan,
    buffers: Vec<ColumnBuffer>,
    /// The options of Flink's format; `None` for a schema-derived table.
    flink: Option<FlinkJsonOptions>,
    rows: usize,
    /// The size of the events of these rows.
    bytes: usize,
    /// The rows' events, if they are wanted.
    numbers: Option<Vec<u64>>,
    /// Whether texts can be much longer than their events.
    has_long_texts: bool,
}

impl JsonRows {
    /// Creates a decoder of the rows of a table whose columns are derived from a schema
    /// ([`columns`](super::columns)).
    ///
    /// # Errors
    /// `Schema` when a column has a type that JSON does not have.
    pub fn new(columns: &[Column]) -> CodecResult<Self> {
        Ok(Self {
            schema: arrow_schema(columns),
            plan: RecordPlan::new(columns)?,
            buffers: RecordPlan::buffers(columns)?,
            flink: None,
            rows: 0,
            bytes: 0,
            numbers: None,
            has_long_texts: columns.iter().any(|column| has_long_texts(&column.kind)),
        })
    }

    /// Creates a decoder of the rows of a table with Flink's types ([`flink_columns`]), by the rules of its
    /// format `json`.
    ///
    /// # Errors
    /// `Schema` when a column has a type that JSON does not have, or the options contradict each other.
    pub fn flink(columns: &[Column], options: FlinkJsonOptions) -> CodecResult<Self> {
        if options.fail_on_missing_field && options.ignore_parse_errors {
            let what = "fail-on-missing-field and ignore-parse-errors cannot both be true: choose one";
            return Err(CodecError::Schema(what.into()));
        }
        Ok(Self { flink: Some(options), ..Self::new(columns)? })
    }

    /// Makes batches have the numbers of their rows' events.
    #[must_use]
    pub fn with_event_numbers(self) -> Self {
        Self { numbers: Some(Vec::new()), ..self }
    }

    /// Decodes one payload.
    ///
    /// # Errors
    /// `Payload` when it is not JSON, or a value does not match its column. Then it leaves no row.
    pub fn push(&mut self, payload: &[u8], number: u64) -> CodecResult<()> {
        let rows = self.rows;
        let ignores_errors = self.flink.is_some_and(|options| options.ignore_parse_errors);
        if let Err(failure) = self.append(payload) {
            self.truncate(rows);
            if !ignores_errors {
                return Err(CodecError::Payload { type_name: "JSON".into(), reason: failure.to_string() });
            }
        }
        self.bytes += payload.len();
        if let Some(numbers) = &mut self.numbers {
            numbers.resize(self.rows, number);
        }
        Ok(())
    }

    fn append(&mut self, payload: &[u8]) -> Result<(), Failure> {
        let text = text(payload)?;
        if text.is_empty() && self.flink.is_some() {
            return Ok(());
        }
        let grammar = if self.flink.is_some() { Grammar::Lenient } else { Grammar::Strict };
        let mut scanner = Scanner::new(text, grammar);
        let options = self.flink.unwrap_or_default();
        let mut cx = EventContext::new(options);
        match scanner.value()? {
            Token::Array => {
                let mut is_first = true;
                while scanner.item(is_first)? {
                    is_first = false;
                    self.append_item(&mut scanner, &mut cx)?;
                }
            }
            token => self.append_row(token, &mut scanner, &mut cx, "it is not an object")?,
        }
        Ok(scanner.end()?)
    }

    /// Appends an item of the array at the top.
    fn append_item(&mut self, scanner: &mut Scanner<'_>, cx: &mut EventContext) -> Result<(), Failure> {
        cx.take_values(1)?;
        let mark = scanner.mark();
        let token = scanner.value()?;
        match self.append_row(token, scanner, cx, "an item of the array is not an object") {
            Err(Failure::Value(_)) if cx.options.ignore_parse_errors => {
                self.truncate(self.rows);
                scanner.rewind(mark);
                Ok(scanner.skip()?)
            }
            other => other,
        }
    }

    fn append_row(
        &mut self,
        token: Token<'_>,
        scanner: &mut Scanner<'_>,
        cx: &mut EventContext,
        otherwise: &str,
    ) -> Result<(), Failure> {
        match token {
            Token::Object => {
                self.plan.append_members(&mut self.buffers, scanner, cx)?;
                self.rows += 1;
                Ok(())
            }
            // as Flink does
            Token::Null if self.flink.is_some() => Ok(()),
            token => {
                scanner.skip_rest(&token)?;
                if cx.options.ignore_parse_errors { Ok(()) } else { Err(Failure::Event(otherwise.into())) }
            }
        }
    }

    fn truncate(&mut self, rows: usize) {
        self.rows = rows;
        self.buffers.iter_mut().for_each(|buffer| buffer.truncate(rows));
    }

    /// Returns whether the rows are to be taken before more are decoded.
    pub fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS
            || self.bytes >= BATCH_BYTES
            || self.rows.saturating_mul(self.buffers.len()) >= BATCH_VALUES
            || self.has_long_texts
                && self.buffers.iter().map(ColumnBuffer::text_bytes).sum::<usize>() >= BATCH_BYTES
    }
}

/// Whether a value's text can be much longer than its JSON.
fn has_long_texts(kind: &ColumnType) -> bool {
    match kind {
        ColumnType::DecimalText { .. } | ColumnType::VariableDecimal => true,
        ColumnType::List(items) => has_long_texts(items),
        _ => false,
    }
}

/// Returns the text of a payload without a Java writer's padding, if its values are of a bounded size.
pub(super) fn text(payload: &[u8]) -> Result<&str, Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::Event(e.to_string());
    let payload = strip_padding(payload);
    let text = match simdutf8::basic::from_utf8(payload) {
        Ok(text) => text,
        // says where it is not UTF-8
        Err(_) => std::str::from_utf8(payload).map_err(|e| failed(&e))?,
    };
    if text.len() > SMALL_EVENT_BYTES {
        json_memory_bytes(text, MAX_VALUE_BYTES).map_err(|e| failed(&e))?;
    }
    Ok(text)
}

impl BatchDecoder for JsonRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decode(&mut self, events: &[&[u8]], number: u64) -> Decoded {
        Decoded::one_by_one(self, (events, number), Self::is_full, |rows, event, number| {
            rows.push(event, number)
        })
    }

    fn flush(&mut self) -> CodecResult<Option<DecodedBatch>> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if rows == 0 {
            return Ok(None);
        }
        let events = self.numbers.as_mut().map(std::mem::take);
        Ok(Some(DecodedBatch {
            rows: ColumnBuffer::finish_all(&mut self.buffers, &self.schema, rows)?,
            kinds: None,
            events,
            clears: false,
        }))
    }
}
