//! Default values of columns, as events have them.

use super::charset::Charset;
use super::column::Kind;
use super::ddl::{DefaultValue, TypeName};
use super::schema_history::Column;
use super::value::write_text_value;
use crate::debezium::Written;
use std::borrow::Cow;

/// The time that Debezium gives in place of the current one.
const EPOCH: &str = "1970-01-01 00:00:00";

/// Returns the JSON of a column's default value; `None` if it has none, or none that is a constant. With
/// `is_debezium` it is Debezium's: texts keep their escapes, large integers are rounded, BINARY has no zero
/// bytes at its end, and the current time is the start of 1970.
pub(super) fn default_json(column: &Column, kind: &Kind, is_debezium: bool) -> Option<Vec<u8>> {
    let text = match column.default.as_ref()? {
        DefaultValue::Null => return None,
        DefaultValue::Text(text) if is_debezium && has_literal(kind) => Cow::Owned(literal(text)),
        DefaultValue::Text(text) | DefaultValue::Number(text) => Cow::Borrowed(text.as_bytes()),
        DefaultValue::Bytes(bytes) => from_bytes(kind, bytes),
        DefaultValue::Expression(text) if is_debezium => Cow::Borrowed(current_time(column, text)?),
        DefaultValue::Expression(_) => return None,
    };
    let text = match kind {
        Kind::Integer { .. } if is_debezium => Cow::Owned(rounded(&text)?.into_bytes()),
        _ => normalized(kind, text)?,
    };
    let mut json = Vec::new();
    let written = match kind {
        Kind::Bytes { mode, .. } if is_debezium => {
            write_text_value(&Kind::Bytes { mode: *mode, length: 0 }, &text, &mut json)
        }
        _ => write_text_value(kind, &text, &mut json),
    };
    match written {
        Written::Value | Written::Lossy => Some(json),
        Written::Null | Written::NotAValue => None,
    }
}

/// Whether Debezium takes the default from the statement as it is written.
fn has_literal(kind: &Kind) -> bool {
    matches!(kind, Kind::Text(_) | Kind::Enum(_) | Kind::Set(_) | Kind::Bytes { .. })
}

/// A text as it stands in a statement, without the quotation marks around it.
fn literal(text: &str) -> Vec<u8> {
    text.replace('\\', "\\\\").replace('\'', "''").replace('\0', "\\0").replace('\n', "\\n").into_bytes()
}

/// An integer as Debezium reads it: through a floating-point number, and within 64 bits.
fn rounded(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    Some((number.round() as i64).to_string())
}

/// Debezium's constant for the current time. A nullable TIMESTAMP has none.
fn current_time(column: &Column, expression: &str) -> Option<&'static [u8]> {
    let name = expression.split('(').next().unwrap_or_default().trim();
    let is_now = ["current_timestamp", "now", "localtime", "localtimestamp"]
        .iter()
        .any(|function| name.eq_ignore_ascii_case(function));
    let is_optional_timestamp = column.column_type.name == TypeName::Timestamp && column.nullable;
    (is_now && !is_optional_timestamp).then_some(EPOCH.as_bytes())
}

/// The text of a hexadecimal or bit literal: a number, or the characters of a text.
fn from_bytes<'a>(kind: &Kind, bytes: &'a [u8]) -> Cow<'a, [u8]> {
    match kind {
        Kind::Text(charset) => Cow::Owned(charset.decode(bytes).into_bytes()),
        Kind::Enum(_) | Kind::Set(_) => Cow::Owned(Charset::UTF8.decode(bytes).into_bytes()),
        Kind::Bytes { .. } | Kind::Boolean | Kind::Bits { .. } => Cow::Borrowed(bytes),
        _ => {
            let number = bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            Cow::Owned(number.to_string().into_bytes())
        }
    }
}

/// Brings a default into the form that a SELECT gives.
fn normalized<'a>(kind: &Kind, text: Cow<'a, [u8]>) -> Option<Cow<'a, [u8]>> {
    let trimmed = || std::str::from_utf8(&text).ok().map(str::trim);
    let owned = |text: String| Some(Cow::Owned(text.into_bytes()));
    match kind {
        Kind::Integer { .. } | Kind::UnsignedDecimal | Kind::Year { .. } => owned(integer(trimmed()?)?),
        Kind::Decimal { scale, .. } => owned(decimal(trimmed()?, *scale as usize)?),
        Kind::Float { .. } | Kind::Double => owned(trimmed()?.to_owned()),
        // a number or, as bytes, a literal of bits
        Kind::Boolean | Kind::Bits { .. } => match trimmed().and_then(|text| text.parse::<u64>().ok()) {
            Some(bits) => Some(Cow::Owned(bits.to_be_bytes().to_vec())),
            None => Some(text),
        },
        Kind::Date(_) => owned(date(trimmed()?)?.to_owned()),
        Kind::DateTime(_) | Kind::Timestamp { .. } => owned(date_time(trimmed()?)?),
        Kind::Time(_) => owned(time(trimmed()?)?),
        _ => Some(text),
    }
}

/// An integer; fractions are rounded.
fn integer(text: &str) -> Option<String> {
    if text.parse::<i128>().is_ok() {
        return Some(text.to_owned());
    }
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    Some(format!("{:.0}", number.round()))
}

/// A number with exactly `scale` digits after the point; more are rounded.
fn decimal(text: &str, scale: usize) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    if digits.is_empty() || digits.len() > 100 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes().take(scale)).collect();
    let missing = scale.saturating_sub(fraction.len());
    digits.extend(std::iter::repeat_n(b'0', missing));
    let rounds_up = fraction.as_bytes().get(scale).is_some_and(|digit| *digit >= b'5');
    if rounds_up {
        round_up(&mut digits);
    }
    let digits = String::from_utf8(digits).ok()?;
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at_checked(digits.len() - scale)?;
    Some(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// Adds one to the last digit.
fn round_up(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

fn date(text: &str) -> Option<&str> {
    if text == "0" { Some("0000-00-00") } else { text.get(..10) }
}

fn date_time(text: &str) -> Option<String> {
    let date = date(text)?;
    let clock = text.get(11..).unwrap_or_default();
    Some(if clock.is_empty() { format!("{date} 00:00:00") } else { format!("{date} {clock}") })
}

/// A time of day, also that of a date and time.
fn time(text: &str) -> Option<String> {
    if text == "0" {
        return Some("00:00:00".to_owned());
    }
    let text = text.rsplit(' ').next()?;
    Some(if text.matches(':').count() == 1 { format!("{text}:00") } else { text.to_owned() })
}

/// Returns the JSON of a default as a value.
pub(super) fn value(json: &[u8]) -> Option<serde_json::Value> {
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests;
