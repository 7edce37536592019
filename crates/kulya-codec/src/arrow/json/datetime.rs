//! Dates and times in texts. The usual forms are read digit by digit; what else a schema-derived table
//! accepts is left to `chrono`. Flink's two standards accept their own forms only.

use crate::arrow::TimestampFormat;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike};

/// A point in time, or on a calendar without time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant {
    /// Seconds since 1970.
    pub(super) seconds: i64,
    pub(super) nanos: u32,
}

impl Instant {
    fn micros(self) -> Option<i64> {
        self.seconds.checked_mul(1_000_000)?.checked_add(i64::from(self.nanos / 1000))
    }
}

/// Reads digits, a given number of them.
fn number(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number.wrapping_mul(10).wrapping_add(digit.into()))
    })
}

/// Returns the days since 1970 of a date that exists, in the proleptic Gregorian calendar.
fn days(year: i64, month: u32, day: u32) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(is_leap),
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // years begin in March here, so that the leap day is the last one
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * i64::from((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Splits a date `yyyy-MM-dd` from a text, as days since 1970.
fn split_date(text: &[u8]) -> Option<(i64, &[u8])> {
    let ([y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2], rest) = text.split_first_chunk::<10>()? else {
        return None;
    };
    let year = number(&[*y1, *y2, *y3, *y4])?;
    Some((days(year.into(), number(&[*m1, *m2])?, number(&[*d1, *d2])?)?, rest))
}

/// Splits a date whose year may have a sign, as years of more than four digits have in ISO 8601.
fn split_iso_date(text: &[u8]) -> Option<(i64, &[u8])> {
    let (is_negative, unsigned) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => return split_date(text),
    };
    let length = unsigned.iter().position(|byte| !byte.is_ascii_digit())?;
    if !(if is_negative { 4..=9 } else { 5..=9 }).contains(&length) {
        return None;
    }
    let (year, rest) = unsigned.split_at_checked(length)?;
    let ([b'-', m1, m2, b'-', d1, d2], rest) = rest.split_first_chunk::<6>()? else { return None };
    let year = i64::from(number(year)?);
    let year = if is_negative { -year } else { year };
    Some((days(year, number(&[*m1, *m2])?, number(&[*d1, *d2])?)?, rest))
}

/// Splits a time `HH:mm:ss` with up to nine digits of a fraction from a text: seconds of the day and
/// nanoseconds.
fn split_time(text: &[u8]) -> Option<(u32, u32, &[u8])> {
    let ([h1, h2, b':', m1, m2, b':', s1, s2], rest) = text.split_first_chunk::<8>()? else { return None };
    let (hour, minute, second) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?, number(&[*s1, *s2])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = hour * 3600 + minute * 60 + second;
    let Some(([b'.'], fraction)) = rest.split_first_chunk::<1>() else { return Some((seconds, 0, rest)) };
    let length = fraction.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = fraction.split_at_checked(length)?;
    Some((seconds, number(digits)? * 10_u32.pow(9 - length as u32), rest))
}

/// Reads a date of a schema-derived table, as days since 1970.
pub(super) fn date(text: &str) -> Option<i32> {
    if let Some((days, [])) = split_date(text.as_bytes()) {
        return i32::try_from(days).ok();
    }
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Reads a time of a schema-derived table, in microseconds since midnight.
pub(super) fn time(text: &str) -> Option<i64> {
    let text = text.trim_end_matches('Z');
    if let Some((seconds, nanos, [])) = split_time(text.as_bytes()) {
        return Some(i64::from(seconds) * 1_000_000 + i64::from(nanos / 1000));
    }
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f").ok()?;
    Some(i64::from(time.num_seconds_from_midnight()) * 1_000_000 + i64::from(time.nanosecond() / 1000))
}

fn split_timestamp(text: &[u8]) -> Option<(Instant, &[u8])> {
    let (days, rest) = split_date(text)?;
    let (b' ' | b'T', rest) = rest.split_first()? else { return None };
    let (seconds, nanos, rest) = split_time(rest)?;
    Some((Instant { seconds: days * 86_400 + i64::from(seconds), nanos }, rest))
}

/// Reads a timestamp of a schema-derived table without time zone, in microseconds since 1970.
pub(super) fn timestamp(text: &str) -> Option<i64> {
    if let Some((instant, [] | [b'Z'])) = split_timestamp(text.as_bytes()) {
        return instant.micros();
    }
    let text = text.trim_end_matches('Z').replacen('T', " ", 1);
    Some(NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()?.and_utc().timestamp_micros())
}

/// Reads a timestamp of a schema-derived table with time zone, in microseconds since 1970.
pub(super) fn instant(text: &str) -> Option<i64> {
    if let Some((instant, [b'Z'])) = split_timestamp(text.as_bytes()) {
        return instant.micros();
    }
    match text {
        // beyond Arrow's range: its limits
        "infinity" => Some(i64::MAX),
        "-infinity" => Some(i64::MIN),
        // years beyond four digits, and before the year 0, have a sign
        text if text.starts_with(['+', '-']) => {
            Some(DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z").ok()?.timestamp_micros())
        }
        text => Some(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros()),
    }
}

/// Reads a DATE of a Flink table, as days since 1970.
pub(super) fn flink_date(text: &str) -> Option<i32> {
    let (days, []) = split_iso_date(text.as_bytes())? else { return None };
    i32::try_from(days).ok()
}

/// Reads a TIME of a Flink table, in seconds since midnight: its fraction is ignored.
pub(super) fn flink_time(text: &str) -> Option<u32> {
    let (seconds, _, []) = split_time(text.as_bytes())? else { return None };
    Some(seconds)
}

/// Reads a timestamp of a Flink table; one with a local time zone must end in `Z`, another must not.
pub(super) fn flink_timestamp(text: &[u8], format: TimestampFormat, has_zone: bool) -> Option<Instant> {
    let (days, rest) = split_iso_date(text)?;
    let rest = match format {
        TimestampFormat::Sql => rest.strip_prefix(b" ")?,
        TimestampFormat::Iso8601 => rest.strip_prefix(b"T")?,
    };
    let (seconds, nanos, rest) = match (split_time(rest), format) {
        (Some(time), _) => time,
        // seconds may be left out in ISO 8601
        (None, TimestampFormat::Iso8601) => {
            let ([h1, h2, b':', m1, m2], rest) = rest.split_first_chunk::<5>()? else { return None };
            let (hour, minute) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            (hour < 24 && minute < 60).then_some((hour * 3600 + minute * 60, 0, rest))?
        }
        (None, TimestampFormat::Sql) => return None,
    };
    let is_complete = if has_zone { rest == b"Z" } else { rest.is_empty() };
    is_complete.then_some(Instant { seconds: days * 86_400 + i64::from(seconds), nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_read_digit_by_digit_are_read_as_by_chrono() {
        let dates = ["1970-01-01", "2000-02-29", "1900-02-28", "0000-03-01", "9999-12-31", "0001-01-01"];
        let times = ["00:00:00", "23:59:59.999999999", "12:34:56.7", "01:02:03.000001"];
        for date_text in dates {
            let chrono = NaiveDate::parse_from_str(date_text, "%Y-%m-%d").unwrap();
            let expected = chrono.signed_duration_since(NaiveDate::default()).num_days();
            assert_eq!(date(date_text), i32::try_from(expected).ok(), "{date_text}");
            for time_text in times {
                let text = format!("{date_text} {time_text}");
                let chrono = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").unwrap();
                let expected = chrono.and_utc().timestamp_micros();
                assert_eq!(timestamp(&text), Some(expected), "{text}");
                assert_eq!(timestamp(&format!("{date_text}T{time_text}Z")), Some(expected));
                assert_eq!(instant(&format!("{date_text}T{time_text}Z")), Some(expected));
            }
        }
        for wrong in ["2023-02-29", "2024-13-01", "2024-00-01", "2024-01-32", "2024-1-1x", ""] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
        assert_eq!(time("23:59:60"), Some(86_400_000_000), "a leap second, as chrono reads it");
    }

    #[test]
    fn flink_timestamps_are_strict() {
        let seconds = |text: &str, format, has_zone| {
            flink_timestamp(text.as_bytes(), format, has_zone).map(|instant| (instant.seconds, instant.nanos))
        };
        let (sql, iso) = (TimestampFormat::Sql, TimestampFormat::Iso8601);
        assert_eq!(seconds("1970-01-02 00:00:01.5", sql, false), Some((86_401, 500_000_000)));
        assert_eq!(seconds("1970-01-02T00:00:01.5", iso, false), Some((86_401, 500_000_000)));
        assert_eq!(seconds("1970-01-02T00:01", iso, false), Some((86_460, 0)));
        assert_eq!(seconds("1970-01-02 00:00:01Z", sql, true), Some((86_401, 0)));
        assert_eq!(seconds("+10000-01-01 00:00:00", sql, false), Some((253_402_300_800, 0)));
        assert_eq!(seconds("-0001-01-01 00:00:00", sql, false), Some((-62_198_755_200, 0)));
        for (text, format, has_zone) in [
            ("1970-01-02T00:00:01", sql, false),
            ("1970-01-02 00:00:01", iso, false),
            ("1970-01-02 00:00:01Z", sql, false),
            ("1970-01-02 00:00:01", sql, true),
            ("1970-01-02 00:01", sql, false),
            ("1970-01-02 24:00:00", sql, false),
            ("1970-01-02 00:00:01+00:00", sql, true),
        ] {
            assert_eq!(seconds(text, format, has_zone), None, "{text}");
        }
    }
}
