//! The numbers of days, milliseconds, microseconds and nanoseconds since 1970-01-01, with Debezium's
//! replacements for the infinities.

use super::DAY_MICROS;
use super::parse::{Bounded, Clock, Date};
use crate::debezium::Compatibility;

/// Debezium's replacement for the timestamp `infinity`, in microseconds.
const INFINITY: i64 = 9_223_372_036_825_200_000;
/// Debezium's replacement for the timestamp `-infinity`, in microseconds.
const MINUS_INFINITY: i64 = -9_223_372_036_832_400_000;
/// PostgreSQL's epoch, 2000-01-01, in days since 1970-01-01.
const POSTGRES_EPOCH_DAYS: i32 = 10_957;

impl Date {
    /// Returns the days since 1970-01-01. Years start in March here, so that the leap day is the last day of
    /// a year.
    fn epoch_days(self) -> i64 {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let (year, month) = if month > 2 { (self.year, month - 3) } else { (self.year - 1, month + 9) };
        let day_of_year = (153 * month + 2) / 5 + day - 1;
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        year * 365 + leap_days + day_of_year - 719_468
    }
}

/// Converts a date to days.
pub(crate) fn days(date: Bounded<Date>) -> Option<i32> {
    match date {
        // PostgreSQL's largest and smallest day numbers, with the overflow that Debezium has
        Bounded::Infinity => Some(i32::MAX.wrapping_add(POSTGRES_EPOCH_DAYS)),
        Bounded::MinusInfinity => Some(i32::MIN.wrapping_add(POSTGRES_EPOCH_DAYS)),
        Bounded::Finite(date) => i32::try_from(date.epoch_days()).ok(),
    }
}

/// Converts a date to days; those that do not fit wrap around, as in Java.
pub(crate) fn wrapped_days(date: Date) -> i32 {
    date.epoch_days() as i32
}

/// Converts a timestamp to milliseconds.
pub(crate) fn millis(timestamp: Bounded<(Date, Clock)>) -> Option<i64> {
    i64::try_from(exact_micros(timestamp).div_euclid(1000)).ok()
}

/// Converts a timestamp to microseconds. PostgreSQL's last year has more than fit: the number saturates, or
/// wraps around as Debezium's.
pub(crate) fn micros(timestamp: Bounded<(Date, Clock)>, compat: Compatibility) -> i64 {
    let exact = exact_micros(timestamp);
    match (i64::try_from(exact), compat) {
        (Ok(micros), _) => micros,
        (Err(_), Compatibility::Corrected) => saturated(exact),
        (Err(_), Compatibility::Debezium) => {
            let seconds = saturated(exact.div_euclid(1_000_000) * 1_000_000);
            seconds.wrapping_add(exact.rem_euclid(1_000_000) as i64)
        }
    }
}

/// Converts a timestamp to nanoseconds. Numbers that do not fit saturate; with Debezium only the infinities
/// do, and others have no representation.
pub(crate) fn nanos(timestamp: Bounded<(Date, Clock)>, compat: Compatibility) -> Option<i64> {
    match timestamp {
        Bounded::Infinity => Some(i64::MAX),
        Bounded::MinusInfinity => Some(i64::MIN),
        Bounded::Finite(_) => {
            let exact = exact_micros(timestamp) * 1000;
            match compat {
                Compatibility::Corrected => Some(saturated(exact)),
                Compatibility::Debezium => i64::try_from(exact).ok(),
            }
        }
    }
}

fn exact_micros(timestamp: Bounded<(Date, Clock)>) -> i128 {
    match timestamp {
        Bounded::Infinity => INFINITY.into(),
        Bounded::MinusInfinity => MINUS_INFINITY.into(),
        Bounded::Finite((date, clock)) => {
            i128::from(date.epoch_days()) * i128::from(DAY_MICROS) + i128::from(clock.micros_of_day())
        }
    }
}

fn saturated(number: i128) -> i64 {
    number.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use proptest::prelude::*;

    fn days_of(text: &str) -> Option<i32> {
        days(parse::date(text.as_bytes())?)
    }

    fn micros_of(text: &str, compat: Compatibility) -> Option<i64> {
        Some(micros(parse::timestamp(text.as_bytes())?, compat))
    }

    #[test]
    fn dates_are_days() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("2024-02-29", Some(19782)),
            ("1969-12-31", Some(-1)),
            ("9999-12-31", Some(2_932_896)),
            ("5874897-12-31", Some(2_145_042_905)),
            ("infinity", Some(-2_147_472_692)),
            ("-infinity", Some(-2_147_472_691)),
            ("0001-01-01 BC", Some(-719_528)),
            ("2024-13-01", None),
            ("2024-1-1", None),
            ("2024-01-01 AD", None),
        ] {
            assert_eq!(days_of(text), expected, "{text}");
        }
    }

    #[test]
    fn timestamps_are_microseconds() {
        let last = "294276-12-31 23:59:59.999999";
        for (text, expected) in [
            ("1969-12-31 23:59:59.999999", Some(-1)),
            ("0001-01-01 00:00:00", Some(-62_135_596_800_000_000)),
            ("9999-12-31 23:59:59.999999", Some(253_402_300_799_999_999)),
            (last, Some(i64::MAX)),
            ("infinity", Some(INFINITY)),
            ("2024-02-29", None),
            ("2024-02-29 12:00:00+00", None),
        ] {
            assert_eq!(micros_of(text, Compatibility::Corrected), expected, "{text}");
        }
        assert_eq!(micros_of(last, Compatibility::Debezium), Some(i64::MIN + 999_998));
    }

    proptest! {
        #[test]
        fn any_text_is_converted_or_rejected(text in "[-+0-9: .infinityBCmoday]{0,30}") {
            let text = text.as_bytes();
            let _ = (parse::date(text).map(days), parse::time(text), parse::time_tz(text));
            for compat in [Compatibility::Corrected, Compatibility::Debezium] {
                for timestamp in [parse::timestamp(text), parse::timestamp_tz(text)].into_iter().flatten() {
                    let _ = (millis(timestamp), micros(timestamp, compat), nanos(timestamp, compat));
                }
            }
        }

        #[test]
        fn days_count_up(day in -3_000_000i64..3_000_000) {
            let days = |year, month, day| Date { year, month, day }.epoch_days();
            let year = 1970 + day / 365;
            // February has a 29th day in leap years
            let is_leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
            prop_assert_eq!(days(year, 3, 1) - days(year, 2, 28) - 1, i64::from(is_leap));
            prop_assert_eq!(days(year + 400, 1, 1) - days(year, 1, 1), 146_097);
        }
    }
}
