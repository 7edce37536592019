//! Conversion of one JSON scalar to a column's value: by the representations of schema-derived tables
//! ([`ColumnType`]), or by the rules of Flink's format `json`.

use super::datetime::{self, Instant};
use super::number::decimal;
use super::scanner::Token;
use crate::arrow::TimestampFormat;
use crate::arrow::column::ColumnType;
use crate::arrow::column_buffer::{BytesBuffer, ColumnBuffer, Values};
use crate::arrow::decimal as unscaled;
use arrow::datatypes::{DataType, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::borrow::Cow;

/// Appends a value of a schema-derived column; `None` if it is not one. `json` is the value's whole text.
#[inline]
pub(super) fn append_derived(
    kind: &ColumnType,
    buffer: &mut ColumnBuffer,
    token: &Token<'_>,
    json: &str,
) -> Option<()> {
    match (&mut buffer.values, kind) {
        (Values::Boolean(values), _) => values.append(match token {
            Token::Boolean(value) => *value,
            Token::Text(text) => text.decode().eq_ignore_ascii_case("true"),
            _ => return None,
        }),
        (Values::Int16(values), _) => values.push(integer(token)?.try_into().ok()?),
        (Values::Int32(values), ColumnType::DateText) => values.push(datetime::date(&text(token)?)?),
        (Values::Int32(values), _) => values.push(integer(token)?.try_into().ok()?),
        (Values::Int64(values), ColumnType::TimeText) => values.push(datetime::time(&text(token)?)?),
        (Values::Int64(values), ColumnType::TimestampText) => {
            values.push(datetime::timestamp(&text(token)?)?);
        }
        (Values::Int64(values), ColumnType::InstantText) => values.push(datetime::instant(&text(token)?)?),
        (Values::Int64(values), _) => values.push(integer(token)?),
        (Values::Float32(values), _) => values.push(float(token)? as f32),
        (Values::Float64(values), _) => values.push(float(token)?),
        (Values::Int128(values), _) => values.push(unscaled::unscaled(&text(token)?)?),
        (Values::Bytes(bytes), ColumnType::Bytes) => append_base64(bytes, token)?,
        (Values::Bytes(bytes), ColumnType::DecimalText { scale }) => {
            append_text(bytes, &unscaled::text(&text(token)?, *scale)?)?;
        }
        (Values::Bytes(bytes), ColumnType::VariableDecimal) => {
            append_text(bytes, &unscaled::variable_text(&serde_json::from_str(json).ok()?)?)?;
        }
        (Values::Bytes(bytes), _) => append_text(bytes, &derived_text(token, json)?)?,
        _ => return None,
    }
    buffer.complete();
    Some(())
}

fn text<'a>(token: &Token<'a>) -> Option<Cow<'a, str>> {
    if let Token::Text(text) = token { Some(text.decode()) } else { None }
}

#[must_use]
fn append_text(bytes: &mut BytesBuffer, text: &str) -> Option<()> {
    bytes.data.extend_from_slice(text.as_bytes());
    bytes.complete().then_some(())
}

#[must_use]
fn append_base64(bytes: &mut BytesBuffer, token: &Token<'_>) -> Option<()> {
    STANDARD.decode_vec(text(token)?.as_bytes(), &mut bytes.data).ok()?;
    bytes.complete().then_some(())
}

#[inline]
fn integer(token: &Token<'_>) -> Option<i64> {
    match token {
        Token::Number(number) => number.integer().or_else(|| {
            let float = number.float();
            (float.fract() == 0.0 && float.abs() < 9e15).then_some(float as i64)
        }),
        Token::Text(text) => text.decode().trim().parse().ok(),
        _ => None,
    }
}

#[inline]
fn float(token: &Token<'_>) -> Option<f64> {
    match token {
        Token::Number(number) => Some(number.float()),
        // "NaN" and the infinities among them
        Token::Text(text) => text.decode().trim().parse().ok(),
        _ => None,
    }
}

/// Returns a string as it is, and any other value as JSON in `serde_json`'s form.
fn derived_text<'a>(token: &Token<'a>, json: &'a str) -> Option<Cow<'a, str>> {
    Some(match token {
        Token::Text(text) => text.decode(),
        Token::Boolean(_) => Cow::Borrowed(json),
        Token::Number(number) if number.integer().is_some_and(|integer| integer != 0) => Cow::Borrowed(json),
        _ => Cow::Owned(serde_json::from_str::<Value>(json).ok()?.to_string()),
    })
}

/// Appends a value of a Flink table's column; `None` if it is not one. `json` is the value's whole text.
pub(super) fn append_flink(
    buffer: &mut ColumnBuffer,
    token: &Token<'_>,
    json: &str,
    format: TimestampFormat,
) -> Option<()> {
    // a text, or the text of another scalar
    let scalar = || match token {
        Token::Text(text) => Some(text.decode()),
        Token::Number(_) | Token::Boolean(_) => Some(Cow::Borrowed(json)),
        Token::Null | Token::Array | Token::Object => None,
    };
    let integer = || match token {
        Token::Number(number) => number.integer(),
        _ => java_trim(&scalar()?).parse().ok(),
    };
    let mut is_null = false;
    match (&mut buffer.values, &buffer.data_type) {
        (Values::Boolean(values), _) => {
            values.append(java_trim(&scalar()?).eq_ignore_ascii_case("true"));
        }
        (Values::Int8(values), _) => values.push(integer()?.try_into().ok()?),
        (Values::Int16(values), _) => values.push(integer()?.try_into().ok()?),
        (Values::Int32(values), DataType::Date32) => values.push(datetime::flink_date(&text(token)?)?),
        (Values::Int32(values), DataType::Time32(unit)) => {
            let seconds = datetime::flink_time(&text(token)?)?;
            let scale = if *unit == TimeUnit::Second { 1 } else { 1000 };
            values.push(i32::try_from(seconds).ok()? * scale);
        }
        (Values::Int32(values), _) => values.push(integer()?.try_into().ok()?),
        (Values::Int64(values), DataType::Time64(unit)) => {
            let seconds = datetime::flink_time(&text(token)?)?;
            values.push(in_unit(Instant { seconds: seconds.into(), nanos: 0 }, *unit)?);
        }
        (Values::Int64(values), DataType::Timestamp(unit, zone)) => {
            let instant = datetime::flink_timestamp(text(token)?.as_bytes(), format, zone.is_some())?;
            values.push(in_unit(instant, *unit)?);
        }
        (Values::Int64(values), _) => values.push(integer()?),
        (Values::Float32(values), _) => values.push(java_float(&scalar()?)?.parse().ok()?),
        (Values::Float64(values), _) => values.push(match token {
            Token::Number(number) => number.float(),
            _ => java_float(&scalar()?)?.parse().ok()?,
        }),
        (Values::Int128(values), DataType::Decimal128(precision, scale)) => {
            match decimal(java_trim(&scalar()?), *precision, *scale).ok()? {
                Some(unscaled) => values.push(unscaled),
                None => is_null = true,
            }
        }
        (Values::Bytes(bytes), DataType::Binary) => append_base64(bytes, token)?,
        (Values::Bytes(bytes), _) => match scalar() {
            Some(text) => append_text(bytes, &text)?,
            None => append_text(bytes, &compact(json))?,
        },
        _ => return None,
    }
    if is_null {
        buffer.push_null();
    } else {
        buffer.complete();
    }
    Some(())
}

/// Removes what Java's `trim` removes.
fn java_trim(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

/// Returns the text of a float without what only Java accepts; `None` for what only Rust accepts.
fn java_float(text: &str) -> Option<&str> {
    let text = java_trim(text);
    let text = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let unsigned = text.trim_start_matches(['+', '-']);
    (unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        || matches!(unsigned, "NaN" | "Infinity"))
    .then_some(text)
}

#[inline]
pub(super) fn in_unit(instant: Instant, unit: TimeUnit) -> Option<i64> {
    let (per_second, nanos) = match unit {
        TimeUnit::Second => (1, 1_000_000_000),
        TimeUnit::Millisecond => (1_000, 1_000_000),
        TimeUnit::Microsecond => (1_000_000, 1_000),
        TimeUnit::Nanosecond => (1_000_000_000, 1),
    };
    instant.seconds.checked_mul(per_second)?.checked_add(i64::from(instant.nanos / nanos))
}

/// Returns the JSON of a container without whitespace between its tokens, its strings with as few escapes as
/// they need. Numbers stay as they are, so that none loses digits.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((structure, string)) = rest.split_once('"') {
        out.extend(structure.chars().filter(|character| !character.is_ascii_whitespace()));
        let mut is_escaped = false;
        let end = string.find(|character| {
            let is_end = character == '"' && !is_escaped;
            is_escaped = character == '\\' && !is_escaped;
            is_end
        });
        let (raw, after) = string.split_at(end.unwrap_or(string.len()));
        let text = super::scanner::Text { raw, has_escapes: raw.contains('\\') };
        out.push_str(&Value::String(text.decode().into_owned()).to_string());
        rest = after.strip_prefix('"').unwrap_or_default();
    }
    out.extend(rest.chars().filter(|character| !character.is_ascii_whitespace()));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_as_texts_are_compact() {
        for (json, expected) in [
            ("{ \"a b\" : [ 1.50 , \"\\u00e9\\\" \\\\\" ] }", "{\"a b\":[1.50,\"é\\\" \\\\\"]}"),
            ("[]", "[]"),
            ("[\n\"\\/\",\t12345678901234567890123 ]", "[\"/\",12345678901234567890123]"),
        ] {
            assert_eq!(compact(json), expected);
        }
    }
}
