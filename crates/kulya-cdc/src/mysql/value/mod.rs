//! Values to JSON: a cell of the binary log, or the text that a SELECT gives of it, to the bytes that an
//! event has, written straight into a buffer. Both give the same bytes for the same value, unless the modes
//! ask for Debezium's defects: there JSON, labels with commas, the year 0000 and fractions of TIMESTAMP
//! differ between log and snapshot.
//!
//! The text is that of a session with `character_set_results=utf8mb4` and `time_zone='+00:00'`, in the text
//! protocol. FLOAT must be selected as `column + 0e0`: the servers print it with six digits otherwise.
//!
//! Dates that no calendar has, such as `0000-00-00`, `2023-05-00` and `2024-02-31`, are null, or the start of
//! 1970 in a column that is NOT NULL.

mod address;
mod bytes;
mod date_text;
mod geometry;
mod number;
mod temporal;

use super::binlog::value::{CompressedBytes, JsonDocument, Value};
use super::column::{Kind, Labels};
use super::json_text;
use crate::debezium::json;
use crate::debezium::written::{Written, done};
use kulya_store::framing::MAX_EVENT_BYTES;

/// Greatest size of an unpacked value of a COMPRESSED column, in bytes. An event that is larger than a stream
/// takes has less, even if each character takes four bytes in the column.
pub(crate) const MAX_UNPACKED_BYTES: u64 = 4 * (MAX_EVENT_BYTES as u64) + 1;

/// Writes a cell of the binary log.
pub fn write_binlog_value(kind: &Kind, value: &Value<'_>, out: &mut Vec<u8>) -> Written {
    let start = out.len();
    let written = write_cell(kind, value, out);
    if written == Written::NotAValue {
        out.truncate(start);
    }
    written
}

fn write_cell(kind: &Kind, value: &Value<'_>, out: &mut Vec<u8>) -> Written {
    match (kind, value) {
        (_, Value::Null) => Written::Null,
        (Kind::Integer { bytes, unsigned }, Value::Int(number)) => {
            number::write_integer(*bytes, *unsigned, *number, out)
        }
        (Kind::Integer { bytes, unsigned }, Value::UInt(number)) => {
            number::write_integer(*bytes, *unsigned, *number as i64, out)
        }
        (Kind::UnsignedDecimal, Value::Int(number)) => number::write_unsigned(*number as u64, out),
        (Kind::UnsignedDecimal, Value::UInt(number)) => number::write_unsigned(*number, out),
        (Kind::Text(charset), Value::Bytes(bytes)) => text(charset.write_json(bytes, out)),
        (Kind::Bytes { mode, length }, Value::Bytes(bytes)) => bytes::write(*mode, *length, bytes, out),
        (Kind::Decimal { mode, .. }, Value::Decimal(decimal)) => number::write_decimal(*mode, decimal, out),
        (Kind::Float { is_widened }, Value::Float(number)) => number::write_float(*is_widened, *number, out),
        (Kind::Double, Value::Double(number)) => number::write_double(*number, out),
        (Kind::Date(temporal), Value::Date(date)) => temporal::write_date(*temporal, *date, out),
        (Kind::Time(temporal), Value::Time(time)) => temporal::write_time(*temporal, *time, out),
        (Kind::DateTime(temporal), Value::DateTime(time)) => temporal::write_date_time(*temporal, time, out),
        (Kind::Timestamp { digits, required, .. }, Value::Timestamp(time)) => {
            temporal::write_timestamp(Some(*digits), *required, time.seconds.into(), time.micros, out)
        }
        (Kind::Year { is_debezium }, Value::Year(year)) => {
            write_year(*year, if *is_debezium { 1900 } else { 0 }, out)
        }
        (Kind::Boolean, Value::Bit(bits)) => done(json::write(out, &(*bits != 0))),
        (Kind::Bits { bits }, Value::Bit(value)) => number::write_bits(*bits, *value, out),
        (Kind::Enum(labels), Value::Enum(index)) => write_label(labels, *index, out),
        (Kind::Set(labels), Value::Set(bits)) => write_labels(labels, *bits, out),
        (Kind::Json { is_compact, required }, Value::Json(document)) => {
            write_document(*is_compact, *required, document, out)
        }
        (Kind::Geometry { is_point }, Value::Geometry { srid, wkb }) => {
            geometry::write(*is_point, *srid, wkb, out)
        }
        (Kind::Vector, Value::Vector(numbers) | Value::Bytes(numbers)) => number::write_vector(numbers, out),
        (Kind::Uuid, Value::Bytes(bytes)) => address::write_uuid(bytes, out),
        (Kind::Inet4, Value::Bytes(bytes)) => address::write_inet4(bytes, out),
        (Kind::Inet6, Value::Bytes(bytes)) => address::write_inet6(bytes, out),
        (_, Value::Compressed(compressed)) => write_compressed(kind, *compressed, out),
        _ => Written::NotAValue,
    }
}

/// Writes a value of the text protocol, which is not NULL.
pub fn write_text_value(kind: &Kind, value: &[u8], out: &mut Vec<u8>) -> Written {
    let start = out.len();
    let written = write_text(kind, value, out).unwrap_or(Written::NotAValue);
    if written == Written::NotAValue {
        out.truncate(start);
    }
    written
}

fn write_text(kind: &Kind, value: &[u8], out: &mut Vec<u8>) -> Option<Written> {
    match kind {
        Kind::Integer { bytes, unsigned } => number::write_integer_text(*bytes, *unsigned, value, out),
        Kind::UnsignedDecimal => number::parse(value).map(|number| number::write_unsigned(number, out)),
        Kind::Decimal { scale, mode, .. } => number::write_decimal_text(*mode, *scale, value, out),
        Kind::Float { is_widened } => {
            number::parse(value).map(|number| number::write_float(*is_widened, number, out))
        }
        Kind::Double => number::parse(value).map(|number| number::write_double(number, out)),
        Kind::Text(_) | Kind::Json { .. } | Kind::Enum(_) | Kind::Set(_) => {
            Some(text(json_text::write_utf8(value, out)))
        }
        Kind::Uuid | Kind::Inet4 | Kind::Inet6 => Some(text(json_text::write_utf8(value, out))),
        Kind::Bytes { mode, length } => Some(bytes::write(*mode, *length, value, out)),
        Kind::Date(temporal) => date_text::date(value).map(|date| temporal::write_date(*temporal, date, out)),
        Kind::Time(temporal) => date_text::time(value).map(|time| temporal::write_time(*temporal, time, out)),
        Kind::DateTime(temporal) => {
            date_text::date_time(value).map(|time| temporal::write_date_time(*temporal, &time, out))
        }
        Kind::Timestamp { digits, required, is_debezium } => date_text::date_time(value).map(|time| {
            let seconds = temporal::seconds(&time).unwrap_or(0);
            let digits = (!is_debezium).then_some(*digits);
            temporal::write_timestamp(digits, *required, seconds, time.micros, out)
        }),
        Kind::Year { is_debezium } => {
            number::parse(value).map(|year| write_year(year, if *is_debezium { 2000 } else { 0 }, out))
        }
        Kind::Boolean => number::bits(value).map(|bits| done(json::write(out, &(bits != 0)))),
        Kind::Bits { bits } => number::bits(value).map(|value| number::write_bits(*bits, value, out)),
        Kind::Geometry { is_point } => value
            .split_first_chunk()
            .map(|(srid, wkb)| geometry::write(*is_point, u32::from_le_bytes(*srid), wkb, out)),
        Kind::Vector => Some(number::write_vector(value, out)),
    }
}

fn text(is_complete: bool) -> Written {
    if is_complete { Written::Value } else { Written::Lossy }
}

fn write_year(year: u16, zero: u16, out: &mut Vec<u8>) -> Written {
    done(json::write(out, if year == 0 { &zero } else { &year }))
}

fn write_label(labels: &Labels, index: u16, out: &mut Vec<u8>) -> Written {
    let label = match usize::from(index).checked_sub(1) {
        // the invalid value
        None => &b""[..],
        Some(place) => match labels.json(place) {
            Some(label) => label,
            None => return Written::NotAValue,
        },
    };
    out.push(b'"');
    out.extend_from_slice(label);
    out.push(b'"');
    Written::Value
}

fn write_labels(labels: &Labels, bits: u64, out: &mut Vec<u8>) -> Written {
    let start = out.len();
    out.push(b'"');
    let mut rest = bits;
    while rest != 0 {
        let Some(label) = labels.json(rest.trailing_zeros() as usize) else {
            out.truncate(start);
            return Written::NotAValue;
        };
        if out.len() > start + 1 {
            out.push(b',');
        }
        out.extend_from_slice(label);
        rest &= rest - 1;
    }
    out.push(b'"');
    Written::Value
}

fn write_document(
    is_compact: bool,
    required: bool,
    document: &JsonDocument<'_>,
    out: &mut Vec<u8>,
) -> Written {
    if is_compact && document.is_empty() {
        return if required { done(json::write(out, "{}")) } else { Written::Null };
    }
    let mut text = String::new();
    let result = if is_compact { document.write_compact(&mut text) } else { document.write_text(&mut text) };
    match result {
        Ok(()) => done(json::write(out, text.as_str())),
        Err(_) => Written::NotAValue,
    }
}

fn write_compressed(kind: &Kind, compressed: CompressedBytes<'_>, out: &mut Vec<u8>) -> Written {
    match compressed.decompress(MAX_UNPACKED_BYTES) {
        Ok(bytes) => write_binlog_value(kind, &Value::Bytes(&bytes), out),
        Err(_) => Written::NotAValue,
    }
}

#[cfg(test)]
mod tests;
