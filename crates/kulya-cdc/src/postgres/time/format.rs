//! Writing of dates and times in ISO 8601, as Java's formatters do.

use super::parse::{Bounded, Clock, Date};

/// The digits of fractional seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fraction {
    /// As many as needed.
    Needed,
    /// This number of digits, six at most.
    Fixed(usize),
}

/// Writes a date in UTC, for example `2024-02-29Z`.
pub(crate) fn write_date(date: Bounded<Date>, out: &mut Vec<u8>) {
    match date {
        // PostgreSQL's largest and smallest day numbers, with the overflow that Debezium has
        Bounded::Infinity => out.extend_from_slice(b"-5877611-06-21"),
        Bounded::MinusInfinity => out.extend_from_slice(b"-5877611-06-22"),
        Bounded::Finite(date) => write_day(date, out),
    }
    out.push(b'Z');
}

/// Writes a time of day in UTC; 24:00 becomes 00:00, as with Debezium.
pub(crate) fn write_time(clock: Clock, out: &mut Vec<u8>) {
    write_clock(Clock { hours: clock.hours % 24, ..clock }, Fraction::Needed, out);
    out.push(b'Z');
}

/// Writes a timestamp without time zone as if it were in UTC.
pub(crate) fn write_timestamp(timestamp: Bounded<(Date, Clock)>, out: &mut Vec<u8>) {
    match timestamp {
        // Debezium's replacements
        Bounded::Infinity => out.extend_from_slice(b"+294247-01-10T04:00:25.2Z"),
        Bounded::MinusInfinity => out.extend_from_slice(b"-290308-12-21T19:59:27.6Z"),
        Bounded::Finite((date, clock)) => write_moment(date, clock, Fraction::Needed, out),
    }
}

/// Writes a timestamp with time zone with the declared number of fractional digits.
pub(crate) fn write_timestamp_tz(timestamp: Bounded<(Date, Clock)>, digits: usize, out: &mut Vec<u8>) {
    let fraction = if digits == 0 { Fraction::Needed } else { Fraction::Fixed(digits) };
    match timestamp {
        Bounded::Infinity => out.extend_from_slice(b"infinity"),
        Bounded::MinusInfinity => out.extend_from_slice(b"-infinity"),
        Bounded::Finite((date, clock)) => write_moment(date, clock, fraction, out),
    }
}

fn write_moment(date: Date, clock: Clock, fraction: Fraction, out: &mut Vec<u8>) {
    write_day(date, out);
    out.push(b'T');
    write_clock(clock, fraction, out);
    out.push(b'Z');
}

fn write_day(date: Date, out: &mut Vec<u8>) {
    match date.year {
        0..=9999 => {}
        10_000.. => out.push(b'+'),
        _ => out.push(b'-'),
    }
    let year = date.year.unsigned_abs() as u32;
    if year > 9999 {
        crate::debezium::json::write(out, &year);
    } else {
        write_two(year / 100, out);
        write_two(year % 100, out);
    }
    out.push(b'-');
    write_two(date.month, out);
    out.push(b'-');
    write_two(date.day, out);
}

fn write_clock(clock: Clock, fraction: Fraction, out: &mut Vec<u8>) {
    write_two(clock.hours, out);
    out.push(b':');
    write_two(clock.minutes, out);
    out.push(b':');
    write_two(clock.seconds, out);
    if fraction == Fraction::Needed && clock.micros == 0 {
        return;
    }
    out.push(b'.');
    for pair in [clock.micros / 10_000, clock.micros / 100 % 100, clock.micros % 100] {
        write_two(pair, out);
    }
    match fraction {
        Fraction::Needed => {
            while out.last() == Some(&b'0') {
                out.pop();
            }
        }
        Fraction::Fixed(digits) => out.truncate(out.len() - 6usize.saturating_sub(digits)),
    }
}

/// Writes a number of at most two digits.
fn write_two(number: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]);
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn timestamps_with_time_zone_have_the_declared_digits() {
        for (text, digits, expected) in [
            ("2024-02-29 10:34:56.789+00", 3, "2024-02-29T10:34:56.789Z"),
            ("2024-02-29 10:34:56.7+00", 2, "2024-02-29T10:34:56.70Z"),
            ("2024-02-29 10:34:56+00", 0, "2024-02-29T10:34:56Z"),
            ("1900-01-01 00:00:00+00", 6, "1900-01-01T00:00:00.000000Z"),
            ("0099-01-01 00:00:00+00 BC", 3, "-0098-01-01T00:00:00.000Z"),
            ("10000-01-01 00:00:00+00", 3, "+10000-01-01T00:00:00.000Z"),
            ("-infinity", 3, "-infinity"),
        ] {
            let timestamp = parse::timestamp_tz(text.as_bytes()).unwrap();
            assert_eq!(written(|out| write_timestamp_tz(timestamp, digits, out)), expected);
        }
        assert_eq!(parse::timestamp_tz(b"2024-02-29 10:34:56+01"), None);
    }

    #[test]
    fn times_with_time_zone_are_in_utc() {
        for (text, expected) in [
            ("12:34:56.789012+02", "10:34:56.789012Z"),
            ("23:59:59.999999-12", "11:59:59.999999Z"),
            ("24:00:00+00", "00:00:00Z"),
            ("00:00:00+05:30", "18:30:00Z"),
            ("00:00:00.5-15:59:59", "15:59:59.5Z"),
        ] {
            let clock = parse::time_tz(text.as_bytes()).unwrap();
            assert_eq!(written(|out| write_time(clock, out)), expected, "{text}");
        }
        for text in ["12:34:56", "12:34:56+", "12:34:56*02", "12:34:56+02x", "25:00:00+00"] {
            assert_eq!(parse::time_tz(text.as_bytes()), None, "{text}");
        }
    }
}
