//! Values within a JSON document that have a type of SQL: decimals, dates and times as texts, others as
//! base64.

use super::style::Style;
use crate::mysql::binlog::error::BinlogError;
use crate::mysql::binlog::reader::Reader;
use crate::mysql::binlog::value::decimal::Decimal;
use crate::mysql::binlog::value::temporal::{DateTime, Time};
use base64::Engine;
use std::fmt::Write;

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "a JSON document";
const MALFORMED: BinlogError = BinlogError::Malformed { part: PART };

/// Writes a value of a column type's number.
pub(super) fn write(field_type: u8, value: &[u8], style: Style, text: &mut String) -> Result<()> {
    match field_type {
        246 => write_decimal(value, text),
        10 => write!(text, "\"{}\"", date_time(value)?.date).map_err(|_| MALFORMED),
        7 | 12 => quote(&date_time(value)?.to_string(), style, text),
        11 => quote(&time(value)?.to_string(), style, text),
        _ => {
            text.push('"');
            if style == Style::Server {
                text.push_str(&format!("base64:type{field_type}:"));
            }
            base64::engine::general_purpose::STANDARD.encode_string(value, text);
            text.push('"');
            Ok(())
        }
    }
}

/// Writes a date and time, or a time span, whose text ends with six digits of a fraction.
fn quote(value: &str, style: Style, text: &mut String) -> Result<()> {
    let value = match style {
        Style::Server => value,
        Style::Compact => value.trim_end_matches('0').trim_end_matches('.'),
    };
    text.push('"');
    text.push_str(value);
    text.push('"');
    Ok(())
}

/// Writes a decimal: two bytes precision and scale, then the number as in a column.
fn write_decimal(value: &[u8], text: &mut String) -> Result<()> {
    let mut reader = Reader::new(value);
    let [precision, scale] = reader.array(PART)?;
    Decimal::read(precision, scale, &mut reader)?.write_text(text);
    Ok(())
}

/// Decodes a date and time: microseconds in the lowest three bytes, the other parts above them.
fn date_time(value: &[u8]) -> Result<DateTime> {
    let (bits, micros) = packed(value)?;
    let bits = u64::try_from(bits).map_err(|_| MALFORMED)?;
    DateTime::from_bits(bits, micros).ok_or(MALFORMED)
}

fn time(value: &[u8]) -> Result<Time> {
    let number = i64::from_le_bytes(Reader::new(value).array(PART)?);
    let bits = number.unsigned_abs();
    Time::from_bits(number < 0, bits >> 24, bits & 0xff_ffff).ok_or(MALFORMED)
}

fn packed(value: &[u8]) -> Result<(i64, u32)> {
    let number = i64::from_le_bytes(Reader::new(value).array(PART)?);
    Ok((number >> 24, (number & 0xff_ffff) as u32))
}
