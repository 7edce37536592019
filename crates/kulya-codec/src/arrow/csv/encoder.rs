//! Lines of rows.

use super::CsvOptions;
use crate::CodecResult;
use crate::arrow::TimestampFormat;
use crate::arrow::encoder::{
    Member, Values, date_text, decimal_text, only_inserted, range, time_text, timestamp_text, unwritable,
};
use crate::arrow::{BatchEncoder, RowKind};
use arrow::array::RecordBatch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// Encodes each row as a line without its end.
pub struct CsvEncoder {
    options: CsvOptions,
}

impl CsvEncoder {
    /// Creates an encoder.
    pub fn new(options: CsvOptions) -> Self {
        Self { options }
    }

    fn line(&self, members: &[Member], row: usize) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        for (position, member) in members.iter().enumerate() {
            if position > 0 {
                line.push(self.options.field_delimiter);
            }
            let text =
                self.text(&member.values, row, true).map_err(|e| format!("column {}: {e}", member.name))?;
            let is_text = !member.values.is_null(row);
            self.write(&text, is_text, &mut line).map_err(|e| format!("column {}: {e}", member.name))?;
        }
        Ok(line)
    }

    /// Writes a value, in quotes if it needs them.
    fn write(&self, text: &str, is_value: bool, line: &mut Vec<u8>) -> Result<(), String> {
        let (delimiter, escape) = (self.options.field_delimiter, self.options.escape);
        let is_special = |byte: u8| {
            byte == delimiter
                || matches!(byte, b'\r' | b'\n')
                || Some(byte) == self.options.quote
                || Some(byte) == escape
        };
        let starts_comment = self.options.allow_comments && line.is_empty() && text.starts_with('#');
        // an empty line would be no row
        let is_empty = is_value && text.is_empty() && line.is_empty();
        if !text.bytes().any(is_special) && !starts_comment && !is_empty {
            line.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        let Some(quote) = self.options.quote else {
            if is_empty {
                return Ok(());
            }
            return Err("it has a delimiter or the end of a line, but quotes are disabled".to_owned());
        };
        line.push(quote);
        for byte in text.bytes() {
            match escape {
                Some(escape) if byte == quote || byte == escape => line.push(escape),
                None if byte == quote => line.push(quote),
                _ => {}
            }
            line.push(byte);
        }
        line.push(quote);
        Ok(())
    }

    fn text(&self, values: &Values, row: usize, is_column: bool) -> Result<String, String> {
        if values.is_null(row) {
            return Ok(self.options.null_literal.clone().unwrap_or_default());
        }
        let beyond = || "the time is beyond the years that can be written".to_owned();
        let plain = self.options.plain_decimals;
        Ok(match values {
            Values::Null => String::new(),
            Values::Boolean(values) => values.value(row).to_string(),
            Values::Integer(values) => values.value(row).to_string(),
            Values::Unsigned(values) => values.value(row).to_string(),
            Values::Float(values) => float(format!("{:?}", values.value(row))),
            Values::Double(values) => float(format!("{:?}", values.value(row))),
            Values::Decimal(values) => decimal_text(&values.value(row).to_string(), values.scale(), plain),
            Values::WideDecimal(values) => {
                decimal_text(&values.value(row).to_string(), values.scale(), plain)
            }
            Values::Text(values) => values.value(row).to_owned(),
            Values::Bytes(values) => STANDARD.encode(values.value(row)),
            Values::Date(values) => date_text(values.value(row)).ok_or_else(beyond)?,
            Values::Time(values) => time_text(values.value(row)).ok_or_else(beyond)?,
            Values::Timestamp { values, unit, is_instant } => {
                timestamp_text(values.value(row), *unit, *is_instant, TimestampFormat::Sql)
                    .ok_or_else(beyond)?
            }
            Values::List { offsets, items, .. } if is_column => {
                self.joined(range(offsets, row).map(|item| self.text(items, item, false)))?
            }
            Values::Row { members, .. } if is_column => {
                self.joined(members.iter().map(|member| self.text(&member.values, row, false)))?
            }
            Values::List { .. } | Values::Row { .. } => {
                return Err("an array or row within another cannot be written as CSV".to_owned());
            }
            Values::Map { .. } => return Err("a map cannot be written as CSV".to_owned()),
        })
    }

    fn joined(&self, texts: impl Iterator<Item = Result<String, String>>) -> Result<String, String> {
        Ok(texts.collect::<Result<Vec<_>, _>>()?.join(&self.options.array_element_delimiter))
    }
}

/// Returns a number in Java's words.
fn float(text: String) -> String {
    text.replace("inf", "Infinity")
}

impl BatchEncoder for CsvEncoder {
    fn encode(&mut self, rows: &RecordBatch, kinds: Option<&[RowKind]>) -> CodecResult<Vec<Bytes>> {
        only_inserted("CSV", kinds)?;
        let schema = rows.schema_ref();
        let columns = schema.fields().iter().map(|field| field.name()).zip(rows.columns());
        let members = Member::all(columns).map_err(|e| unwritable("CSV", e))?;
        let line = |row| self.line(&members, row).map(Bytes::from).map_err(|e| unwritable("CSV", e));
        (0..rows.num_rows()).map(line).collect()
    }
}
