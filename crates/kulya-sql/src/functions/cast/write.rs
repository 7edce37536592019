//! Conversion to texts and bytes, and the digits of a second.

use crate::SqlError;
use crate::functions::java_number::{double_text, float_text};
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, ArrowTimestampType, DataType, Float32Type, Float64Type, Int64Type,
    IntervalMonthDayNanoType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use chrono::Timelike;
use datafusion::common::Result;
use std::sync::Arc;

/// The maximum length of values of a fixed length.
const MAX_FIXED: usize = 4096;

/// Returns the texts of values, cut at a length, and filled up with spaces to it if they have a fixed one.
pub(super) fn texts(array: &ArrayRef, length: Option<usize>, is_fixed: bool) -> Result<ArrayRef> {
    check_fixed(length.filter(|_| is_fixed))?;
    let written: StringArray = match array.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            cast(array, &DataType::Utf8)?.as_string::<i32>().clone()
        }
        _ => (0..array.len())
            .map(|row| array.is_valid(row).then(|| text(array, row)).transpose())
            .collect::<Result<_>>()?,
    };
    let Some(length) = length.filter(|length| *length < i32::MAX as usize) else {
        return Ok(Arc::new(written));
    };
    let sized = written.iter().map(|text| {
        let text = text?;
        let end = text.char_indices().nth(length).map_or(text.len(), |(end, _)| end);
        let cut = text.get(..end).unwrap_or(text);
        let missing = if is_fixed { length.saturating_sub(cut.chars().count()) } else { 0 };
        Some(format!("{cut}{}", " ".repeat(missing)))
    });
    Ok(Arc::new(sized.collect::<StringArray>()))
}

/// Returns the bytes of values, cut at a length, and filled up with zeros to it if they have a fixed one.
pub(super) fn bytes(array: &ArrayRef, length: usize, is_fixed: bool) -> Result<ArrayRef> {
    check_fixed(Some(length).filter(|_| is_fixed))?;
    let bytes = cast(array, &DataType::Binary)?;
    if length >= i32::MAX as usize {
        return Ok(bytes);
    }
    let sized = bytes.as_binary::<i32>().iter().map(|bytes| {
        let mut sized = bytes?.iter().copied().take(length).collect::<Vec<u8>>();
        if is_fixed {
            sized.resize(length, 0);
        }
        Some(sized)
    });
    Ok(Arc::new(sized.collect::<BinaryArray>()))
}

/// Refuses a length that every value would be filled up to.
fn check_fixed(length: Option<usize>) -> Result<()> {
    match length.filter(|length| *length > MAX_FIXED) {
        Some(_) => Err(SqlError::not_supported(format!("CHAR or BINARY of more than {MAX_FIXED}")).into()),
        None => Ok(()),
    }
}

/// Returns the text of a value that is not null.
fn text(array: &ArrayRef, row: usize) -> Result<String> {
    Ok(match array.data_type() {
        DataType::Boolean => (if array.as_boolean().value(row) { "TRUE" } else { "FALSE" }).to_owned(),
        DataType::Float32 => float_text(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => double_text(array.as_primitive::<Float64Type>().value(row)),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let bytes = cast(&array.slice(row, 1), &DataType::Binary)?;
            String::from_utf8_lossy(bytes.as_binary::<i32>().value(0)).into_owned()
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => moment::<TimestampMillisecondType>(array, row, 3),
        DataType::Timestamp(TimeUnit::Microsecond, _) => moment::<TimestampMicrosecondType>(array, row, 6),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => moment::<TimestampNanosecondType>(array, row, 9),
        DataType::Interval(_) => {
            let interval = cast(
                &array.slice(row, 1),
                &DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
            )?;
            interval_text(interval.as_primitive::<IntervalMonthDayNanoType>().value(0))
        }
        DataType::List(_) => format!("[{}]", parts(&array.as_list::<i32>().value(row))?.join(", ")),
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter().map(|column| part(column, row));
            format!("({})", columns.collect::<Result<Vec<_>>>()?.join(", "))
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let columns = entries.columns();
            let keys = columns.first().map(parts).transpose()?.unwrap_or_default();
            let values = columns.get(1).map(parts).transpose()?.unwrap_or_default();
            let entries: Vec<_> =
                keys.iter().zip(&values).map(|(key, value)| format!("{key}={value}")).collect();
            format!("{{{}}}", entries.join(", "))
        }
        _ => {
            let text = cast(&array.slice(row, 1), &DataType::Utf8)?;
            text.as_string::<i32>().value(0).to_owned()
        }
    })
}

fn part(array: &ArrayRef, row: usize) -> Result<String> {
    if array.is_valid(row) { text(array, row) } else { Ok("NULL".to_owned()) }
}

fn parts(array: &ArrayRef) -> Result<Vec<String>> {
    (0..array.len()).map(|row| part(array, row)).collect()
}

/// Returns `2024-02-29 12:34:56.789`; without a fraction where it is zero.
fn moment<T: ArrowTimestampType>(array: &ArrayRef, row: usize, digits: usize) -> String
where
    i64: From<<T as ArrowPrimitiveType>::Native>,
{
    let Some(time) = array.as_primitive::<T>().value_as_datetime(row) else { return String::new() };
    let whole = time.format("%Y-%m-%d %H:%M:%S");
    match time.nanosecond() {
        0 => whole.to_string(),
        nanos => {
            let fraction = format!("{nanos:09}");
            format!("{whole}.{}", fraction.get(..digits).unwrap_or(&fraction))
        }
    }
}

/// Returns `+2-10`, or `+1 02:03:04.005`.
fn interval_text(interval: arrow::datatypes::IntervalMonthDayNano) -> String {
    let millis = i128::from(interval.days) * 86_400_000 + i128::from(interval.nanoseconds) / 1_000_000;
    let sign = if interval.months < 0 || millis < 0 { '-' } else { '+' };
    if interval.months != 0 {
        let months = interval.months.unsigned_abs();
        return format!("{sign}{}-{:02}", months / 12, months % 12);
    }
    let millis = millis.unsigned_abs();
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    format!("{sign}{days} {hours:02}:{minutes:02}:{:02}.{:03}", rest / 1000 % 60, rest % 1000)
}

/// Cuts a time or timestamp to so many digits of a second.
pub(super) fn cut(array: &ArrayRef, digits: u8) -> Result<ArrayRef> {
    let has = match array.data_type() {
        DataType::Timestamp(unit, _) | DataType::Time32(unit) | DataType::Time64(unit) => match unit {
            TimeUnit::Second => 0,
            TimeUnit::Millisecond => 3,
            TimeUnit::Microsecond => 6,
            TimeUnit::Nanosecond => 9,
        },
        _ => return Ok(Arc::clone(array)),
    };
    if digits >= has {
        return Ok(Arc::clone(array));
    }
    let unit = 10i64.pow(u32::from(has - digits));
    let cut = |value: i64| value.div_euclid(unit).saturating_mul(unit);
    let raw = match array.data_type() {
        DataType::Time32(_) => cast(&cast(array, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(array, &DataType::Int64)?,
    };
    let raw: ArrayRef = Arc::new(raw.as_primitive::<Int64Type>().unary::<_, Int64Type>(cut));
    let raw =
        if matches!(array.data_type(), DataType::Time32(_)) { cast(&raw, &DataType::Int32)? } else { raw };
    Ok(cast(&raw, array.data_type())?)
}
