//! Writing of dates, times, timestamps and intervals in all modes.

use super::super::column::{ClockForm, DateForm, IntervalForm};
use super::super::time::interval::Interval;
use super::super::time::parse::{Bounded, Clock, Date};
use super::super::time::{epoch, format, parse};
use crate::debezium::Compatibility;
use crate::debezium::Written;
use crate::debezium::json::write;

/// The day of Java's first millisecond that stands for `-infinity`, without its era.
const FIRST_JAVA_DAY: Date = Date { year: 292_269_055, month: 12, day: 2 };

/// Writes a date.
pub(super) fn write_date(text: &[u8], form: DateForm, out: &mut Vec<u8>) -> Option<()> {
    let date = parse::date(text)?;
    match form {
        DateForm::Days | DateForm::ConnectDays => write(out, &epoch::days(date)?),
        DateForm::Iso => quoted(out, |out| format::write_date(date, out)),
    };
    Some(())
}

/// Writes a date in an array as Debezium does: years before Christ are after Christ, and the infinities are
/// the last and the first day of Java's milliseconds. Days that do not fit wrap around.
pub(super) fn write_array_date(text: &[u8], form: DateForm, out: &mut Vec<u8>) -> Option<()> {
    let date = match parse::date(without_era(text))? {
        Bounded::Infinity => Date { year: 292_278_994, month: 8, day: 16 },
        Bounded::MinusInfinity => FIRST_JAVA_DAY,
        Bounded::Finite(date) => date,
    };
    match form {
        DateForm::Days | DateForm::ConnectDays => write(out, &epoch::wrapped_days(date)),
        DateForm::Iso => quoted(out, |out| format::write_date(Bounded::Finite(date), out)),
    };
    Some(())
}

/// Removes the era, as Debezium does in arrays.
pub(super) fn without_era(text: &[u8]) -> &[u8] {
    text.strip_suffix(b" BC").unwrap_or(text)
}

/// Writes a time of day without time zone.
pub(super) fn write_time(text: &[u8], form: ClockForm, out: &mut Vec<u8>) -> Option<()> {
    write_clock(parse::time(text)?, form, out);
    Some(())
}

/// Writes a time of day in an array as Debezium does: in whole milliseconds, 24:00 as 00:00.
pub(super) fn write_array_time(text: &[u8], form: ClockForm, out: &mut Vec<u8>) -> Option<()> {
    let clock = parse::time(text)?;
    let clock = Clock { hours: clock.hours % 24, micros: clock.micros / 1000 * 1000, ..clock };
    write_clock(clock, form, out);
    Some(())
}

fn write_clock(clock: Clock, form: ClockForm, out: &mut Vec<u8>) {
    let micros = clock.micros_of_day();
    match form {
        ClockForm::Millis | ClockForm::ConnectMillis => write(out, &(micros / 1000)),
        ClockForm::Micros => write(out, &micros),
        ClockForm::Nanos => write(out, &(micros * 1000)),
        ClockForm::Iso => quoted(out, |out| format::write_time(clock, out)),
    };
}

/// Writes a time of day with time zone in UTC.
pub(super) fn write_time_tz(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let clock = parse::time_tz(text)?;
    quoted(out, |out| format::write_time(clock, out));
    Some(())
}

/// Writes a time of day with time zone in an array as Debezium does: in whole seconds.
pub(super) fn write_array_time_tz(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let clock = Clock { micros: 0, ..parse::time_tz(text)? };
    quoted(out, |out| format::write_time(clock, out));
    Some(())
}

/// Writes a timestamp without time zone.
pub(super) fn write_timestamp(
    text: &[u8],
    form: ClockForm,
    compat: Compatibility,
    out: &mut Vec<u8>,
) -> Written {
    let Some(timestamp) = parse::timestamp(text) else { return Written::NotAValue };
    let number = match form {
        ClockForm::Millis | ClockForm::ConnectMillis => epoch::millis(timestamp),
        ClockForm::Micros => Some(epoch::micros(timestamp, compat)),
        ClockForm::Nanos => epoch::nanos(timestamp, compat),
        ClockForm::Iso => {
            quoted(out, |out| format::write_timestamp(timestamp, out));
            return Written::Value;
        }
    };
    Written::from_option(number.map(|number| {
        write(out, &number);
    }))
}

/// Writes a timestamp with time zone.
pub(super) fn write_timestamp_tz(text: &[u8], digits: usize, out: &mut Vec<u8>) -> Option<()> {
    let timestamp = parse::timestamp_tz(text)?;
    quoted(out, |out| format::write_timestamp_tz(timestamp, digits, out));
    Some(())
}

/// Writes a timestamp with time zone in an array as Debezium does: years before Christ are after Christ.
pub(super) fn write_array_timestamp_tz(text: &[u8], digits: usize, out: &mut Vec<u8>) -> Option<()> {
    let timestamp = match parse::timestamp_tz(without_era(text))? {
        Bounded::MinusInfinity => {
            Bounded::Finite((FIRST_JAVA_DAY, Clock { hours: 23, minutes: 0, seconds: 0, micros: 0 }))
        }
        timestamp => timestamp,
    };
    quoted(out, |out| format::write_timestamp_tz(timestamp, digits, out));
    Some(())
}

/// Writes an interval.
pub(super) fn write_interval(text: &[u8], form: IntervalForm, out: &mut Vec<u8>) -> Option<()> {
    let interval = Interval::parse(text)?;
    match form {
        IntervalForm::Micros => write(out, &interval.saturated_micros()),
        IntervalForm::FloatingMicros => write(out, &interval.debezium_micros()),
        IntervalForm::Iso => quoted(out, |out| interval.write_iso(out)),
    };
    Some(())
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> bool {
    out.push(b'"');
    write(out);
    out.push(b'"');
    true
}
