//! Event times of rows, in milliseconds as watermarks are.

use crate::error::{Problem, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use std::sync::Arc;

/// Refuses types that are no time.
pub(crate) fn check_type(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Timestamp(..) => Ok(()),
        other => Err(Problem::input(format!("an event time is a Timestamp, not {other}"))),
    }
}

/// The times of a column in milliseconds, rounded down.
pub(crate) fn milliseconds(column: &ArrayRef) -> Result<Vec<i64>> {
    if column.null_count() > 0 {
        return Err(Problem::input("an event time is null; filter such rows before"));
    }
    let out_of_range = || Problem::input("an event time is out of range");
    Ok(match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => column
            .as_primitive::<TimestampSecondType>()
            .values()
            .iter()
            .map(|time| time.checked_mul(1000).ok_or_else(out_of_range))
            .collect::<Result<_>>()?,
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            column.as_primitive::<TimestampMillisecondType>().values().to_vec()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let times = column.as_primitive::<TimestampMicrosecondType>().values();
            times.iter().map(|time| time.div_euclid(1000)).collect()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            let times = column.as_primitive::<TimestampNanosecondType>().values();
            times.iter().map(|time| time.div_euclid(1_000_000)).collect()
        }
        other => return Err(Problem::input(format!("an event time is a Timestamp, not {other}"))),
    })
}

/// A column of the timestamp type from milliseconds.
pub(crate) fn timestamps(times: Vec<i64>, data_type: &DataType) -> Result<ArrayRef> {
    let DataType::Timestamp(unit, zone) = data_type else {
        return Err(Problem::input(format!("an event time is a Timestamp, not {data_type}")));
    };
    let out_of_range = || Problem::Overflow { what: "a window's bound", data_type: data_type.clone() };
    let scaled = |factor: i64| {
        times
            .iter()
            .map(|time| time.checked_mul(factor).ok_or_else(out_of_range))
            .collect::<Result<Vec<i64>>>()
    };
    let zone = zone.clone();
    Ok(match unit {
        TimeUnit::Second => {
            let seconds: Vec<i64> = times.iter().map(|time| time.div_euclid(1000)).collect();
            Arc::new(PrimitiveArray::<TimestampSecondType>::from(seconds).with_timezone_opt(zone))
        }
        TimeUnit::Millisecond => {
            Arc::new(PrimitiveArray::<TimestampMillisecondType>::from(times).with_timezone_opt(zone))
        }
        TimeUnit::Microsecond => {
            Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from(scaled(1000)?).with_timezone_opt(zone))
        }
        TimeUnit::Nanosecond => Arc::new(
            PrimitiveArray::<TimestampNanosecondType>::from(scaled(1_000_000)?).with_timezone_opt(zone),
        ),
    })
}

/// The bytes that a row begins with whose first column is the number, which is not null.
pub(crate) fn time_prefix(time: i64) -> [u8; 9] {
    let mut prefix = [1; 9];
    prefix[1..].copy_from_slice(&(time ^ i64::MIN).to_be_bytes());
    prefix
}

/// The number that is the first column of a row.
pub(crate) fn first_time(row: &[u8]) -> Option<i64> {
    let (&[1], rest) = row.split_first_chunk::<1>()? else { return None };
    Some(i64::from_be_bytes(*rest.first_chunk()?) ^ i64::MIN)
}
