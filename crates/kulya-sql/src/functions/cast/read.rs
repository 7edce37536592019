//! Conversion of texts.

use super::failure::Failure;
use super::{numbers, write};
use crate::dialect::TypeKind;
use crate::functions::time_forms::{read_date, read_time, read_timestamp};
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, StringArray, Time32MillisecondArray, Time64NanosecondArray,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{Datelike, NaiveDateTime, Timelike};
use datafusion::common::{Result, not_impl_err};
use std::sync::Arc;

/// Reads the values of a type; spaces around numbers and times are ignored.
pub(super) fn values(texts: &StringArray, wanted: &TypeKind, failure: Failure) -> Result<ArrayRef> {
    macro_rules! read {
        ($array:ty, $read:expr) => {{
            let read = $read;
            let values = texts.iter().map(|text| match text {
                None => Ok(None),
                Some(text) => match read(text) {
                    Some(value) => Ok(Some(value)),
                    None => failure.value(text, wanted),
                },
            });
            values.collect::<Result<$array>>()?
        }};
    }
    let timestamp = |text: &str| read_timestamp(text).or_else(|| read_zoned(text));
    Ok(match wanted {
        TypeKind::Boolean => Arc::new(read!(BooleanArray, boolean)),
        TypeKind::TinyInt => Arc::new(read!(Int8Array, |text: &str| integer(text)?.try_into().ok())),
        TypeKind::SmallInt => Arc::new(read!(Int16Array, |text: &str| integer(text)?.try_into().ok())),
        TypeKind::Int => Arc::new(read!(Int32Array, |text: &str| integer(text)?.try_into().ok())),
        TypeKind::BigInt => Arc::new(read!(Int64Array, integer)),
        TypeKind::Float => {
            Arc::new(read!(Float32Array, |text: &str| float(text).map(|number| number as f32)))
        }
        TypeKind::Double => Arc::new(read!(Float64Array, float)),
        TypeKind::Decimal(precision, scale) => {
            let limit = 10i128.checked_pow(u32::from(*precision)).unwrap_or(i128::MAX);
            let decimals = read!(Decimal128Array, |text: &str| {
                let number = numbers::parse(text.trim(), i64::from(*scale))?;
                (number.unsigned_abs() < limit.unsigned_abs()).then_some(number)
            });
            Arc::new(decimals.with_precision_and_scale(*precision, i8::try_from(*scale).unwrap_or(0))?)
        }
        TypeKind::Date => Arc::new(read!(Date32Array, |text: &str| {
            let date = text.trim().split(' ').next()?;
            Some(read_date(date, false)?.to_epoch_days())
        })),
        TypeKind::Time(digits @ 0..=3) => {
            let times = read!(Time32MillisecondArray, |text: &str| {
                let time = read_time(text)?;
                i32::try_from(time.num_seconds_from_midnight() * 1000 + time.nanosecond() / 1_000_000).ok()
            });
            write::cut(&(Arc::new(times) as ArrayRef), *digits)?
        }
        TypeKind::Time(digits) => {
            let times = read!(Time64NanosecondArray, |text: &str| {
                let time = read_time(text)?;
                Some(
                    i64::from(time.num_seconds_from_midnight()) * 1_000_000_000
                        + i64::from(time.nanosecond()),
                )
            });
            let unit = if *digits <= 6 { TimeUnit::Microsecond } else { TimeUnit::Nanosecond };
            write::cut(&cast(&(Arc::new(times) as ArrayRef), &DataType::Time64(unit))?, *digits)?
        }
        TypeKind::Timestamp(digits) | TypeKind::TimestampLtz(digits) => {
            let in_calendar = |text: &str| timestamp(text).filter(|time| (0..=9999).contains(&time.year()));
            let moment = |text: &str| in_calendar(text).map(|time: NaiveDateTime| time.and_utc());
            let array: ArrayRef = match digits {
                0..=3 => Arc::new(read!(TimestampMillisecondArray, |text: &str| {
                    moment(text).map(|moment| moment.timestamp_millis())
                })),
                4..=6 => Arc::new(read!(TimestampMicrosecondArray, |text: &str| {
                    moment(text).map(|moment| moment.timestamp_micros())
                })),
                _ => Arc::new(read!(TimestampNanosecondArray, |text: &str| {
                    moment(text).and_then(|moment| moment.timestamp_nanos_opt())
                })),
            };
            write::cut(&cast(&array, &crate::data_types::arrow_type(wanted))?, *digits)?
        }
        _ => return not_impl_err!("a cast of a text to {wanted}"),
    })
}

fn boolean(text: &str) -> Option<bool> {
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match () {
        () if is_one_of(&["t", "true", "y", "yes", "1"]) => Some(true),
        () if is_one_of(&["f", "false", "n", "no", "0"]) => Some(false),
        () => None,
    }
}

/// A fraction is cut.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let has_digits = whole.bytes().any(|byte| byte.is_ascii_digit());
    (has_digits && fraction.bytes().all(|byte| byte.is_ascii_digit())).then(|| whole.parse().ok()).flatten()
}

fn float(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_name = matches!(text.trim_start_matches(['+', '-']), "NaN" | "Infinity");
    let has_letters =
        text.chars().any(|character| character.is_alphabetic() && !matches!(character, 'e' | 'E'));
    // Rust knows more names than Java
    (is_name || !has_letters).then(|| text.parse().ok()).flatten()
}

/// Reads a timestamp with Z, which is UTC, the session's time zone.
fn read_zoned(text: &str) -> Option<NaiveDateTime> {
    read_timestamp(text.trim().strip_suffix('Z')?)
}
