//! Files of JSON objects, one after the other, by Arrow's reader.
//!
//! Columns are the members of the objects of the sample, in the order in which they first occur.

use super::BATCH_ROWS;
use super::source::{FileSource, SAMPLE, cannot_read, invalid};
use crate::{SqlError, SqlResult};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::json::reader::{Decoder, infer_json_schema_from_iterator};
use serde_json::Value;
use std::io::{BufRead, Read};
use std::sync::Arc;

/// Returns the columns of a file.
///
/// # Errors
/// `InvalidValue` for what is not JSON, or not an object.
pub(super) fn schema(source: &FileSource, sample_bytes: usize) -> SqlResult<Schema> {
    let (sample, _) = source.sample(sample_bytes)?;
    if sample.trim_ascii_start().starts_with(b"[") {
        let what =
            "an array is not read yet: write its objects one after the other, such as with jq -c '.[]'";
        return Err(invalid(source, Some(1), what));
    }
    let (mut values, mut starts) = (Vec::new(), Vec::new());
    let mut objects = serde_json::Deserializer::from_slice(&sample).into_iter::<Value>();
    loop {
        let offset = objects.byte_offset();
        let line = || {
            Some(1 + lines(sample.get(..offset).unwrap_or_default()) + leading_lines(sample.get(offset..)))
        };
        match objects.next() {
            None => break,
            Some(Ok(value @ Value::Object(_))) => {
                values.push(value);
                starts.push(offset);
            }
            Some(Ok(_)) => return Err(invalid(source, line(), "the value is not an object")),
            // half an object at the end of the sample
            Some(Err(error)) if error.is_eof() && !values.is_empty() => break,
            Some(Err(error)) => {
                // serde counts lines from the beginning
                return Err(invalid(source, Some(error.line() as u64), without_position(&error)));
            }
        }
    }
    if values.is_empty() {
        return Err(invalid(source, Some(1), "there is no JSON object"));
    }
    let Ok(inferred) = infer(values.iter()) else {
        // a member has several kinds of values
        let count = first_conflict(&values);
        let line = count.checked_sub(1).and_then(|index| starts.get(index)).map(|start| {
            1 + lines(sample.get(..*start).unwrap_or_default()) + leading_lines(sample.get(*start..))
        });
        return Err(invalid(source, line, conflict(values.get(..count).unwrap_or_default())));
    };
    let order = Order::of(values.iter());
    let fields = inferred.fields().iter().map(Arc::clone).collect();
    Ok(Schema::new(order.sorted(fields)))
}

fn infer<'a>(values: impl Iterator<Item = &'a Value>) -> Result<Schema, ArrowError> {
    infer_json_schema_from_iterator(values.map(Ok::<_, ArrowError>))
}

/// Returns how many values there are up to the first with which no columns fit.
fn first_conflict(values: &[Value]) -> usize {
    let (mut fitting, mut conflicting) = (0, values.len());
    while conflicting - fitting > 1 {
        let middle = fitting.midpoint(conflicting);
        match infer(values.iter().take(middle)) {
            Ok(_) => fitting = middle,
            Err(_) => conflicting = middle,
        }
    }
    conflicting
}

/// Describes the member of the last value that does not fit those before it.
fn conflict(values: &[Value]) -> String {
    let names = values.last().and_then(Value::as_object).into_iter().flat_map(|members| members.keys());
    let is_conflicting = |name: &&String| {
        let alone = values.iter().filter_map(|value| {
            let member = value.get(name.as_str())?.clone();
            Some(Value::Object([((*name).clone(), member)].into_iter().collect()))
        });
        infer(alone.collect::<Vec<_>>().iter()).is_err()
    };
    match names.into_iter().find(is_conflicting) {
        Some(name) => {
            format!("member {name} is of another kind than before: object, array and plain value do not mix")
        }
        None => "the object does not fit those before it".to_owned(),
    }
}

/// The order in which members first occur, with those of the members' objects.
#[derive(Default)]
struct Order(Vec<(String, Order)>);

impl Order {
    fn of<'a>(values: impl Iterator<Item = &'a Value>) -> Self {
        let mut order = Self::default();
        values.for_each(|value| order.add(value));
        order
    }

    fn add(&mut self, value: &Value) {
        match value {
            Value::Object(members) => {
                for (place, (name, value)) in members.iter().enumerate() {
                    // objects mostly have the same members at the same places
                    let index = match self.0.get(place) {
                        Some((other, _)) if other == name => Some(place),
                        _ => self.0.iter().position(|(other, _)| other == name),
                    };
                    let index = index.unwrap_or_else(|| {
                        self.0.push((name.clone(), Self::default()));
                        self.0.len() - 1
                    });
                    if let Some((_, order)) = self.0.get_mut(index) {
                        order.add(value);
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.add(item)),
            _ => {}
        }
    }

    /// Returns the fields in this order; a member that is null everywhere is a text.
    fn sorted(&self, mut fields: Vec<FieldRef>) -> Vec<FieldRef> {
        let place = |field: &FieldRef| self.0.iter().position(|(name, _)| name == field.name());
        fields.sort_by_key(|field| place(field).unwrap_or(usize::MAX));
        let sorted = |field: FieldRef| {
            let inner = place(&field).and_then(|place| self.0.get(place));
            match inner {
                Some((_, order)) => {
                    let data_type = order.sorted_type(field.data_type());
                    Arc::new(Field::new(field.name(), data_type, true))
                }
                None => field,
            }
        };
        fields.into_iter().map(sorted).collect()
    }

    fn sorted_type(&self, data_type: &DataType) -> DataType {
        match data_type {
            DataType::Struct(fields) => {
                DataType::Struct(self.sorted(fields.iter().map(Arc::clone).collect()).into())
            }
            DataType::List(item) => {
                let inner = self.sorted_type(item.data_type());
                DataType::List(Arc::new(Field::new(item.name(), inner, true)))
            }
            DataType::Null => DataType::Utf8,
            other => other.clone(),
        }
    }
}

/// The rows of a file.
pub(super) struct JsonRows {
    source: FileSource,
    text: Box<dyn BufRead + Send>,
    /// The columns that are decoded: one if none is returned.
    decoded: SchemaRef,
    decoder: Decoder,
    /// The columns that are returned.
    schema: SchemaRef,
    /// Where the batch begins, in bytes of the text.
    batch_start: u64,
    is_ended: bool,
}

impl JsonRows {
    /// Opens a file; `schema` has all of its columns, `projected` those that are returned.
    ///
    /// # Errors
    /// `Failed` if it cannot be read.
    pub(super) fn open(source: FileSource, schema: &SchemaRef, projected: SchemaRef) -> SqlResult<Self> {
        let text = source.text()?;
        let decoded = match projected.fields().is_empty() {
            // the decoder counts rows by a column
            true => Arc::new(Schema::new(schema.fields().iter().take(1).cloned().collect::<Vec<_>>())),
            false => Arc::clone(&projected),
        };
        // a member that is not among the columns must not get lost where all are read
        let is_strict = projected.fields().len() == schema.fields().len();
        let decoder = decoder(&decoded, BATCH_ROWS, is_strict).map_err(|e| invalid(&source, None, e))?;
        Ok(Self { source, text, decoded, decoder, schema: projected, batch_start: 0, is_ended: false })
    }

    fn batch(&mut self) -> SqlResult<Option<RecordBatch>> {
        let mut consumed = 0;
        loop {
            let bytes = self.text.fill_buf().map_err(|e| cannot_read(&self.source.path, e))?;
            if bytes.is_empty() {
                self.is_ended = true;
                break;
            }
            let available = bytes.len();
            match self.decoder.decode(bytes) {
                Ok(read) => {
                    self.text.consume(read);
                    consumed += read as u64;
                    if read < available {
                        break;
                    }
                }
                Err(error) => return Err(self.located(&error)),
            }
        }
        match self.decoder.flush() {
            Ok(batch) => {
                self.batch_start += consumed;
                Ok(batch)
            }
            Err(error) => Err(self.located(&error)),
        }
    }

    /// Returns the error with the line of the first object that cannot be read: they are decoded again, one
    /// by one.
    fn located(&self, error: &ArrowError) -> SqlError {
        let found = self.find_line().ok().flatten();
        let (line, text) = match &found {
            Some((line, error)) => (Some(*line), described(error)),
            None => (None, described(error)),
        };
        if text.starts_with("member ") {
            let hint =
                format!("columns follow from the file's beginning: SET '{SAMPLE}' to look at more of it");
            return invalid(&self.source, line, format!("{text} ({hint})"));
        }
        invalid(&self.source, line, text)
    }

    fn find_line(&self) -> SqlResult<Option<(u64, ArrowError)>> {
        let failed = |e| cannot_read(&self.source.path, e);
        let internal = |e: ArrowError| invalid(&self.source, None, e);
        let mut text = self.source.text()?;
        let mut line = 1 + lines_of(&mut (&mut text).take(self.batch_start)).map_err(failed)?;
        let is_strict = self.decoded.fields().len() == self.schema.fields().len();
        let mut decoder = decoder(&self.decoded, 1, is_strict).map_err(internal)?;
        loop {
            let bytes = text.fill_buf().map_err(failed)?;
            if bytes.is_empty() {
                return Ok(decoder.flush().err().map(|error| (line, error)));
            }
            if !decoder.has_partial_record() {
                let skipped = bytes.len() - bytes.trim_ascii_start().len();
                line += lines(bytes.get(..skipped).unwrap_or_default());
                text.consume(skipped);
                if skipped > 0 {
                    continue;
                }
            }
            let bytes = text.fill_buf().map_err(failed)?;
            let read = match decoder.decode(bytes) {
                Ok(read) => read,
                Err(error) => return Ok(Some((line, error))),
            };
            let passed = lines(bytes.get(..read).unwrap_or_default());
            text.consume(read);
            if !decoder.has_partial_record()
                && let Err(error) = decoder.flush()
            {
                return Ok(Some((line, error)));
            }
            line += passed;
        }
    }
}

impl Iterator for JsonRows {
    type Item = SqlResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_ended {
            return None;
        }
        let batch = match self.batch() {
            Ok(batch) => batch?,
            Err(error) => {
                self.is_ended = true;
                return Some(Err(error));
            }
        };
        if !self.schema.fields().is_empty() {
            return Some(Ok(batch));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let counted = RecordBatch::try_new_with_options(Arc::clone(&self.schema), Vec::new(), &options);
        Some(counted.map_err(|_| SqlError::internal()))
    }
}

fn decoder(schema: &SchemaRef, rows: usize, is_strict: bool) -> Result<Decoder, ArrowError> {
    ReaderBuilder::new(Arc::clone(schema))
        .with_batch_size(rows)
        // members that are numbers here and texts there are columns of texts
        .with_coerce_primitive(true)
        .with_strict_mode(is_strict)
        .build_decoder()
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Returns the number of line ends before the first value.
fn leading_lines(bytes: Option<&[u8]>) -> u64 {
    let bytes = bytes.unwrap_or_default();
    lines(bytes.get(..bytes.len() - bytes.trim_ascii_start().len()).unwrap_or_default())
}

fn lines_of(text: &mut impl BufRead) -> std::io::Result<u64> {
    let mut count = 0;
    loop {
        let bytes = text.fill_buf()?;
        if bytes.is_empty() {
            return Ok(count);
        }
        count += lines(bytes);
        let read = bytes.len();
        text.consume(read);
    }
}

/// Returns a message of Arrow in our words.
fn described(error: &ArrowError) -> String {
    let text = match error {
        ArrowError::JsonError(text) | ArrowError::ParseError(text) => text.clone(),
        other => other.to_string(),
    };
    if let Some(name) =
        text.strip_prefix("column '").and_then(|rest| rest.strip_suffix("' missing from schema"))
    {
        return format!("member {name} is not among the columns");
    }
    let mut rest = text.as_str();
    let mut path = Vec::new();
    while let Some((name, inner)) =
        rest.strip_prefix("whilst decoding field '").and_then(|rest| rest.split_once("': "))
    {
        path.push(name);
        rest = inner;
    }
    let value = rest.strip_prefix("failed to parse ").and_then(|rest| rest.rsplit_once(" as "));
    let what = match value {
        Some((value, kind)) => {
            let kind = match kind {
                "Int64" => "a BIGINT",
                "Float64" => "a DOUBLE",
                other => other,
            };
            format!("{value:.100} is not {kind}")
        }
        None => rest.to_owned(),
    };
    if path.is_empty() { what } else { format!("member {}: {what}", path.join(".")) }
}

/// Returns a message of serde without its line and column.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(text, _)| text.to_owned())
}
