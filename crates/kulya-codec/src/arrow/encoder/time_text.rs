//! Dates, times and timestamps as texts of Flink's formats.

use crate::arrow::TimestampFormat;
use arrow::datatypes::TimeUnit;
use chrono::{DateTime, NaiveDate, NaiveTime, Timelike};
use std::fmt::Write;

/// Writes a date; `None` beyond the calendar's years.
pub(in crate::arrow) fn date_text(days: i32) -> Option<String> {
    const EPOCH: i32 = 719_163;
    let date = NaiveDate::from_num_days_from_ce_opt(days.checked_add(EPOCH)?)?;
    Some(date.format("%Y-%m-%d").to_string())
}

/// Writes a time with the digits of its fraction that are not zero.
pub(in crate::arrow) fn time_text(nanoseconds: i64) -> Option<String> {
    let seconds = u32::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?;
    let fraction = u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()?;
    let mut text = String::with_capacity(18);
    write_time(NaiveTime::from_num_seconds_from_midnight_opt(seconds, fraction)?, &mut text);
    Some(text)
}

/// Writes a timestamp; `None` beyond the calendar's years.
pub(in crate::arrow) fn timestamp_text(
    value: i64,
    unit: TimeUnit,
    is_instant: bool,
    format: TimestampFormat,
) -> Option<String> {
    let per_second = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let fraction = u32::try_from(value.rem_euclid(per_second) * (1_000_000_000 / per_second)).ok()?;
    let timestamp = DateTime::from_timestamp(value.div_euclid(per_second), fraction)?.naive_utc();
    let mut text = String::with_capacity(30);
    let separator = if format == TimestampFormat::Sql { ' ' } else { 'T' };
    write!(text, "{}{separator}", timestamp.date().format("%Y-%m-%d")).ok()?;
    write_time(timestamp.time(), &mut text);
    if is_instant {
        text.push('Z');
    }
    Some(text)
}

fn write_time(time: NaiveTime, text: &mut String) {
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    // a string accepts everything
    let _ = write!(text, "{hour:02}:{minute:02}:{second:02}");
    if time.nanosecond() != 0 {
        let fraction = format!(".{:09}", time.nanosecond());
        text.push_str(fraction.trim_end_matches('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_have_the_digits_they_need() {
        let text = |value, unit, is_instant, format| timestamp_text(value, unit, is_instant, format).unwrap();
        let millis = TimeUnit::Millisecond;
        assert_eq!(text(1_709_210_096_700, millis, false, TimestampFormat::Sql), "2024-02-29 12:34:56.7");
        assert_eq!(
            text(-1, TimeUnit::Nanosecond, true, TimestampFormat::Iso8601),
            "1969-12-31T23:59:59.999999999Z"
        );
        assert_eq!(text(0, TimeUnit::Second, true, TimestampFormat::Sql), "1970-01-01 00:00:00Z");
        assert_eq!(timestamp_text(i64::MAX, TimeUnit::Second, false, TimestampFormat::Sql), None);
        assert_eq!(date_text(-719_529).unwrap(), "-0001-12-31");
        assert_eq!((date_text(i32::MAX), date_text(i32::MIN)), (None, None));
        assert_eq!(time_text(86_399_000_000_000).unwrap(), "23:59:59");
        assert_eq!((time_text(86_400_000_000_000), time_text(-1)), (None, None));
    }
}
