//! Values of columns from texts.

use crate::arrow::column_buffer::{ColumnBuffer, Scalar, in_unit};
use crate::arrow::csv::CsvOptions;
use arrow::datatypes::{DataType, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// Appends the value of a text to a column.
///
/// # Errors
/// The reason why the text is no value of the type. Items of it may have been appended.
pub(super) fn push(
    column: &mut ColumnBuffer,
    data_type: &DataType,
    text: &str,
    options: &CsvOptions,
) -> Result<(), String> {
    let is_null = match &options.null_literal {
        Some(literal) => text == literal,
        None => {
            text.is_empty() && !matches!(data_type, DataType::Utf8 | DataType::List(_) | DataType::Struct(_))
        }
    };
    if is_null {
        column.push_null();
        return Ok(());
    }
    let invalid = || format!("{text:.40?} is not a valid {data_type}");
    let trimmed = text.trim();
    let scalar = match data_type {
        DataType::Utf8 => Scalar::Text(text),
        // as Java: any other text is false
        DataType::Boolean => Scalar::Boolean(trimmed.eq_ignore_ascii_case("true")),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            Scalar::Integer(trimmed.parse().map_err(|_| invalid())?)
        }
        DataType::UInt64 => Scalar::Unsigned(trimmed.parse().map_err(|_| invalid())?),
        DataType::Float32 => Scalar::Float(f64::from(trimmed.parse::<f32>().map_err(|_| invalid())?)),
        DataType::Float64 => Scalar::Float(trimmed.parse().map_err(|_| invalid())?),
        DataType::Decimal128(precision, scale) => {
            match decimal(trimmed, *scale).ok_or_else(invalid)? {
                // Flink's rule for numbers with too many digits
                number if number.unsigned_abs() >= 10_u128.saturating_pow(u32::from(*precision)) => {
                    column.push_null();
                    return Ok(());
                }
                number => Scalar::Decimal(number),
            }
        }
        DataType::Binary => {
            let bytes = STANDARD.decode(text).map_err(|_| invalid())?;
            return column.push(Scalar::Bytes(&bytes));
        }
        DataType::Date32 => Scalar::Integer(date(trimmed).ok_or_else(invalid)?),
        DataType::Time32(unit) | DataType::Time64(unit) => {
            Scalar::Integer(time(trimmed, *unit).ok_or_else(invalid)?)
        }
        DataType::Timestamp(unit, zone) => {
            Scalar::Integer(timestamp(trimmed, *unit, zone.is_some()).ok_or_else(invalid)?)
        }
        DataType::List(field) => {
            let delimiter = options.array_element_delimiter.as_str();
            let items = column.items().ok_or_else(invalid)?;
            for item in elements(text, delimiter) {
                push(items, field.data_type(), item, options)?;
            }
            column.complete_list();
            return Ok(());
        }
        DataType::Struct(fields) => {
            let delimiter = options.array_element_delimiter.as_str();
            let texts: Vec<&str> = elements(text, delimiter).collect();
            if texts.len() != fields.len() {
                return Err(format!("it has {} values, but {} are expected", texts.len(), fields.len()));
            }
            let members = column.members().ok_or_else(invalid)?;
            for ((member, field), text) in members.iter_mut().zip(fields).zip(texts) {
                push(member, field.data_type(), text, options)
                    .map_err(|e| format!("{}: {e}", field.name()))?;
            }
            column.complete_list();
            return Ok(());
        }
        other => return Err(format!("values of type {other} cannot be read")),
    };
    column.push(scalar)
}

/// Returns the elements of a text; none of an empty one.
fn elements<'a>(text: &'a str, delimiter: &'a str) -> impl Iterator<Item = &'a str> {
    let parts = if delimiter.is_empty() { None } else { Some(text.split(delimiter)) };
    let whole = parts.is_none().then_some(text);
    parts.into_iter().flatten().chain(whole).filter(move |_| !text.is_empty())
}

/// Parses a decimal, also with an exponent, to its unscaled number, rounded half up.
fn decimal(text: &str, scale: i8) -> Option<i128> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (is_negative, number) = match number.as_bytes().first()? {
        b'-' => (true, number.get(1..)?),
        b'+' => (false, number.get(1..)?),
        _ => (false, number),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty())
        || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit())
    {
        return None;
    }
    // the number of digits before the point of the unscaled number
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let mut unscaled: i128 = 0;
    let mut digits = whole.bytes().chain(fraction.bytes()).map(|digit| i128::from(digit - b'0'));
    let mut position = 0;
    while position < point {
        let digit = digits.next();
        if digit.is_none() && unscaled == 0 {
            break;
        }
        // numbers beyond 38 digits are too large for any column, whatever follows
        unscaled = unscaled.saturating_mul(10).saturating_add(digit.unwrap_or(0));
        if unscaled == i128::MAX {
            break;
        }
        position += 1;
    }
    if point >= 0 && unscaled < i128::MAX && digits.next().is_some_and(|digit| digit >= 5) {
        unscaled += 1;
    }
    Some(if is_negative { -unscaled } else { unscaled })
}

fn date(text: &str) -> Option<i64> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    Some((date - NaiveDate::default()).num_days())
}

fn time(text: &str, unit: TimeUnit) -> Option<i64> {
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()?;
    in_unit(
        i128::from(time.num_seconds_from_midnight()) * 1_000_000_000 + i128::from(time.nanosecond()),
        unit,
    )
}

/// Parses a timestamp in Flink's SQL format. One with a time zone must end with `Z`.
fn timestamp(text: &str, unit: TimeUnit, is_instant: bool) -> Option<i64> {
    let text = if is_instant { text.strip_suffix('Z')? } else { text };
    let timestamp = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?.and_utc();
    let nanoseconds = i128::from(timestamp.timestamp()) * 1_000_000_000;
    in_unit(nanoseconds + i128::from(timestamp.timestamp_subsec_nanos()), unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_to_their_scale() {
        for (text, scale, expected) in [
            ("12.345", 2, Some(1235)),
            ("-12.344", 2, Some(-1234)),
            ("1", 3, Some(1000)),
            (".5", 0, Some(1)),
            ("0.05", 0, Some(0)),
            ("0.05", 1, Some(1)),
            ("0.005", 1, Some(0)),
            ("2.7E-8", 9, Some(27)),
            ("2.7e+3", 0, Some(2700)),
            ("1e2147483647", 0, Some(i128::MAX)),
            ("0e2147483647", 0, Some(0)),
            ("1e-2147483648", 0, Some(0)),
            ("", 0, None),
            (".", 0, None),
            ("1.2.3", 0, None),
            ("--1", 0, None),
            ("1e", 0, None),
            ("0x1", 0, None),
        ] {
            assert_eq!(decimal(text, scale), expected, "{text}");
        }
    }

    #[test]
    fn times_have_flinks_sql_format() {
        assert_eq!(timestamp("1970-01-01 00:00:01.5", TimeUnit::Millisecond, false), Some(1500));
        assert_eq!(timestamp("1970-01-01 00:00:01.5Z", TimeUnit::Millisecond, true), Some(1500));
        assert_eq!(timestamp("1970-01-01 00:00:01", TimeUnit::Millisecond, true), None);
        assert_eq!(timestamp("1970-01-01T00:00:01", TimeUnit::Millisecond, false), None);
        assert_eq!(timestamp("9999-12-31 23:59:59", TimeUnit::Nanosecond, false), None);
        assert_eq!(time("00:00:01.25", TimeUnit::Microsecond), Some(1_250_000));
        assert_eq!((date("1970-01-02"), date("1970-02-30")), (Some(1), None));
    }
}
