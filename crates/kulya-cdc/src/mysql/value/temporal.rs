//! Dates and times in the units of the modes.

use crate::debezium::json;
use crate::debezium::written::{Written, done};
use crate::mysql::binlog::value::{Date, DateTime, Time};
use crate::mysql::column::{Temporal, Unit};

const SECOND_MICROS: i64 = 1_000_000;
const DAY_SECONDS: i64 = 86_400;

/// Writes a date.
pub(super) fn write_date(temporal: Temporal, date: Date, out: &mut Vec<u8>) -> Written {
    let date = match adjusted(temporal, date) {
        Some(date) => date,
        None if temporal.required => EPOCH,
        None => return Written::Null,
    };
    if temporal.unit == Unit::Iso {
        out.push(b'"');
        push_date(date, out);
        out.extend_from_slice(b"Z\"");
        return Written::Value;
    }
    done(json::write(out, &days(date)))
}

/// Writes a date and time of day.
pub(super) fn write_date_time(temporal: Temporal, time: &DateTime, out: &mut Vec<u8>) -> Written {
    let time = match adjusted(temporal, time.date) {
        Some(date) => DateTime { date, ..*time },
        None if temporal.required => DateTime { date: EPOCH, hour: 0, minute: 0, second: 0, micros: 0 },
        None => return Written::Null,
    };
    let seconds = date_time_seconds(&time);
    let micros = i64::from(time.micros);
    let number = match temporal.unit {
        Unit::Iso => {
            out.push(b'"');
            push_date(time.date, out);
            push_clock([time.hour, time.minute, time.second], out);
            push_shortest_fraction(time.micros, out);
            out.extend_from_slice(b"Z\"");
            return Written::Value;
        }
        Unit::Millis | Unit::ConnectMillis => seconds * 1000 + micros / 1000,
        Unit::Micros => seconds * SECOND_MICROS + micros,
        Unit::Nanos => match (seconds * SECOND_MICROS + micros).checked_mul(1000) {
            Some(nanos) => nanos,
            None if temporal.is_debezium => return Written::NotAValue,
            None if seconds < 0 => i64::MIN,
            None => i64::MAX,
        },
    };
    done(json::write(out, &number))
}

/// Writes a time span. Kafka Connect's type and text in ISO 8601 are times of day, which cannot be negative
/// or longer than a day.
pub(super) fn write_time(temporal: Temporal, time: Time, out: &mut Vec<u8>) -> Written {
    const DAY_MICROS: i64 = DAY_SECONDS * SECOND_MICROS;
    let micros = time.micros;
    let is_time_of_day = (0..=DAY_MICROS).contains(&micros);
    match temporal.unit {
        Unit::Micros => done(json::write(out, &micros)),
        Unit::Nanos => done(json::write(out, &micros.saturating_mul(1000))),
        Unit::Millis => match i32::try_from(micros / 1000) {
            Ok(millis) => done(json::write(out, &millis)),
            Err(_) if temporal.is_debezium => done(json::write(out, &((micros / 1000) as i32))),
            Err(_) => Written::NotAValue,
        },
        Unit::ConnectMillis | Unit::Iso if !is_time_of_day => Written::NotAValue,
        Unit::ConnectMillis => done(json::write(out, &(micros / 1000))),
        Unit::Iso => {
            let seconds = micros / SECOND_MICROS % DAY_SECONDS;
            out.push(b'"');
            push_clock_digits(clock(seconds), out);
            push_shortest_fraction((micros % SECOND_MICROS) as u32, out);
            out.extend_from_slice(b"Z\"");
            Written::Value
        }
    }
}

/// Writes an instant, with as many digits of the fraction as the column has, or, with `None`, as are needed.
/// Second 0 stands for the zero value.
pub(super) fn write_timestamp(
    digits: Option<u8>,
    required: bool,
    seconds: i64,
    micros: u32,
    out: &mut Vec<u8>,
) -> Written {
    if seconds <= 0 && !required {
        return Written::Null;
    }
    if seconds <= 0 {
        out.extend_from_slice(b"\"1970-01-01T00:00:00Z\"");
        return Written::Value;
    }
    let (days, rest) = (seconds / DAY_SECONDS, seconds % DAY_SECONDS);
    out.push(b'"');
    push_date(date(days), out);
    push_clock(clock(rest), out);
    match digits {
        None => push_shortest_fraction(micros, out),
        Some(digits @ 1..=6) => {
            out.push(b'.');
            push_padded(micros / 10u32.pow(u32::from(6 - digits)), digits.into(), out);
        }
        Some(_) => {}
    }
    out.extend_from_slice(b"Z\"");
    Written::Value
}

const EPOCH: Date = Date { year: 1970, month: 1, day: 1 };

/// Returns a date that the calendar has. Debezium reads years below 100 as having two digits.
fn adjusted(temporal: Temporal, date: Date) -> Option<Date> {
    let Date { year, month, day } = date;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) {
        return None;
    }
    let year = match year {
        0..=69 if temporal.is_debezium => year + 2000,
        70..=99 if temporal.is_debezium => year + 1900,
        _ => year,
    };
    Some(Date { year, month, day })
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar.
fn days(date: Date) -> i64 {
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    // years start in March, so that the leap day is the last one
    let year = if month <= 2 { year - 1 } else { year };
    let (era, month) = (year.div_euclid(400), (month + 9) % 12);
    let year = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

/// Returns the date of a day, counted from 1970-01-01 on.
fn date(days: i64) -> Date {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    Date { year: year as u16, month: month as u8, day: day as u8 }
}

fn date_time_seconds(time: &DateTime) -> i64 {
    let clock = (i64::from(time.hour) * 60 + i64::from(time.minute)) * 60 + i64::from(time.second);
    days(time.date) * DAY_SECONDS + clock
}

/// Returns the seconds since 1970; `None` for a date that no calendar has.
pub(super) fn seconds(time: &DateTime) -> Option<i64> {
    let is_date = time.date.month > 0 && time.date.day > 0;
    is_date.then(|| date_time_seconds(time))
}

/// Splits seconds of a day into hour, minute and second.
fn clock(seconds: i64) -> [u8; 3] {
    [seconds / 3600, seconds / 60 % 60, seconds % 60].map(|part| part as u8)
}

fn push_date(date: Date, out: &mut Vec<u8>) {
    push_padded(date.year.into(), 4, out);
    out.push(b'-');
    push_padded(date.month.into(), 2, out);
    out.push(b'-');
    push_padded(date.day.into(), 2, out);
}

fn push_clock(clock: [u8; 3], out: &mut Vec<u8>) {
    out.push(b'T');
    push_clock_digits(clock, out);
}

fn push_clock_digits([hour, minute, second]: [u8; 3], out: &mut Vec<u8>) {
    push_padded(hour.into(), 2, out);
    out.push(b':');
    push_padded(minute.into(), 2, out);
    out.push(b':');
    push_padded(second.into(), 2, out);
}

/// Appends a fraction without zeros at its end.
fn push_shortest_fraction(micros: u32, out: &mut Vec<u8>) {
    if micros == 0 {
        return;
    }
    out.push(b'.');
    push_padded(micros, 6, out);
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

/// Appends a number with zeros before it.
fn push_padded(number: u32, digits: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + digits, b'0');
    let mut rest = number;
    for digit in out.iter_mut().skip(start).rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}
