//! Rows as JSON, with the options of Flink's format `json`.

use super::values::range;
use super::{Member, Values, date_text, decimal_text, time_text, timestamp_text, unwritable};
use crate::CodecResult;
use crate::arrow::TimestampFormat;
use crate::arrow::{BatchEncoder, RowKind};
use arrow::array::RecordBatch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// The options of writing JSON. The default is Flink's. Its options for null keys of maps are missing:
/// Arrow's maps have none.
#[derive(Debug, Clone, Default)]
pub struct JsonOptions {
    /// `timestamp-format.standard`.
    pub timestamp_format: TimestampFormat,
    /// `encode.decimal-as-plain-number`: no exponents.
    pub plain_decimals: bool,
    /// `encode.ignore-null-fields`: members that are null are left out.
    pub ignore_null_fields: bool,
}

/// Encodes rows as JSON objects. A fraction of a second in a time is written, though Flink ignores it.
pub struct JsonEncoder {
    options: JsonOptions,
}

impl JsonEncoder {
    /// Creates an encoder.
    pub fn new(options: JsonOptions) -> Self {
        Self { options }
    }
}

impl BatchEncoder for JsonEncoder {
    fn encode(&mut self, rows: &RecordBatch, kinds: Option<&[RowKind]>) -> CodecResult<Vec<Bytes>> {
        only_inserted("JSON", kinds)?;
        let members = members(rows)?;
        let mut length = 0;
        let event = |row| {
            let mut event = Vec::with_capacity(length);
            write_row(&members, row, &self.options, &mut event).map_err(|e| unwritable("JSON", e))?;
            length = event.len();
            Ok(event.into())
        };
        (0..rows.num_rows()).map(event).collect()
    }
}

/// Rejects changes in a format that has only rows.
pub(in crate::arrow) fn only_inserted(format: &str, kinds: Option<&[RowKind]>) -> CodecResult<()> {
    match kinds.into_iter().flatten().find(|kind| **kind != RowKind::Insert) {
        Some(kind) => Err(unwritable(
            format,
            format_args!("the format has no changes, but a row is {}", kind.short_name()),
        )),
        None => Ok(()),
    }
}

/// Returns the columns of rows.
pub(super) fn members(rows: &RecordBatch) -> CodecResult<Vec<Member>> {
    let schema = rows.schema_ref();
    let columns = schema.fields().iter().map(|field| field.name()).zip(rows.columns());
    Member::all(columns).map_err(|e| unwritable("JSON", e))
}

/// Writes a row as an object. The error names the column.
pub(super) fn write_row(
    members: &[Member],
    row: usize,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    out.push(b'{');
    let mut is_first = true;
    for member in members {
        if options.ignore_null_fields && member.values.is_null(row) {
            continue;
        }
        if !std::mem::take(&mut is_first) {
            out.push(b',');
        }
        out.extend_from_slice(member.json_key.as_bytes());
        write(&member.values, row, options, out).map_err(|e| format!("column {}: {e}", member.name))?;
    }
    out.push(b'}');
    Ok(())
}

fn write(values: &Values, row: usize, options: &JsonOptions, out: &mut Vec<u8>) -> Result<(), String> {
    if values.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match values {
        Values::Null => out.extend_from_slice(b"null"),
        Values::Boolean(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
        Values::Integer(values) => write_json(&values.value(row), out),
        Values::Unsigned(values) => write_json(&values.value(row), out),
        Values::Float(values) => write_float(values.value(row), values.value(row).is_finite(), out),
        Values::Double(values) => write_float(values.value(row), values.value(row).is_finite(), out),
        Values::Decimal(values) => {
            let unscaled = values.value(row).to_string();
            out.extend_from_slice(decimal_text(&unscaled, values.scale(), options.plain_decimals).as_bytes());
        }
        Values::WideDecimal(values) => {
            let unscaled = values.value(row).to_string();
            out.extend_from_slice(decimal_text(&unscaled, values.scale(), options.plain_decimals).as_bytes());
        }
        Values::Text(values) => write_json(values.value(row), out),
        Values::Bytes(values) => quote(&STANDARD.encode(values.value(row)), out),
        Values::Date(values) => quote(&in_calendar(date_text(values.value(row)))?, out),
        Values::Time(values) => quote(&in_calendar(time_text(values.value(row)))?, out),
        Values::Timestamp { values, unit, is_instant } => {
            let text = timestamp_text(values.value(row), *unit, *is_instant, options.timestamp_format);
            quote(&in_calendar(text)?, out);
        }
        Values::List { offsets, items, .. } => {
            out.push(b'[');
            for (position, item) in range(offsets, row).enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write(items, item, options, out)?;
            }
            out.push(b']');
        }
        Values::Map { offsets, keys, values, .. } => {
            let Values::Text(keys) = &**keys else {
                return Err("the keys of a map must be strings in JSON".to_owned());
            };
            out.push(b'{');
            for (position, entry) in range(offsets, row).enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_json(keys.value(entry), out);
                out.push(b':');
                write(values, entry, options, out)?;
            }
            out.push(b'}');
        }
        Values::Row { members, .. } => write_row(members, row, options, out)?,
    }
    Ok(())
}

fn in_calendar(text: Option<String>) -> Result<String, String> {
    text.ok_or_else(|| "the time is beyond the years that can be written".to_owned())
}

/// Writes a number; those that JSON lacks as a string, as Flink does.
fn write_float(number: impl serde::Serialize + std::fmt::Debug, is_finite: bool, out: &mut Vec<u8>) {
    if is_finite {
        return write_json(&number, out);
    }
    let text = match format!("{number:?}").as_str() {
        "inf" => "Infinity",
        "-inf" => "-Infinity",
        _ => "NaN",
    };
    quote(text, out);
}

/// Writes a text that needs no escapes.
fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn write_json(value: &(impl serde::Serialize + ?Sized), out: &mut Vec<u8>) {
    // numbers and strings are valid JSON, and memory accepts everything
    let _ = serde_json::to_writer(out, value);
}
