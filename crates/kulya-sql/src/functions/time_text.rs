//! Functions between texts and dates or times, and parts of dates. The session's time zone is UTC.

use super::java_time::{Reading, TimePattern};
use super::rows::{Cell, Out, Parameter, Returns, Row, RowFunction, Scope};
use super::time_forms::{read_date, read_timestamp};
use super::time_unit::calendar;
use Parameter::{Any, Integer, Moment, Text, TextOrInteger, TextOrMoment};
use arrow::array::timezone::Tz;
use chrono::{Datelike, NaiveDateTime, TimeZone, Timelike};
use datafusion::common::Result;

/// The pattern where none is given.
const DEFAULT: &str = "yyyy-MM-dd HH:mm:ss";

pub(super) const FUNCTIONS: &[RowFunction] = &[
    RowFunction::new("DATE_FORMAT", &[TextOrMoment, Text], Returns::Text, date_format),
    RowFunction::new("TO_TIMESTAMP", &[Text, Text], Returns::Timestamp, |row, scope| {
        Ok(read(row.text(0), row.some_text(1), scope)?.and_then(millis).map(Out::Moment).into())
    })
    .optional(1),
    RowFunction::new("TO_DATE", &[Text, Text], Returns::Date, |row, scope| {
        let date = match row.some_text(1) {
            None => read_date(row.text(0), false),
            Some(pattern) => self::pattern(pattern, scope)?
                .read(row.text(0), Reading::Lenient)
                .map(|read| read.time.date()),
        };
        Ok(date.map(|date| Out::Date(date.to_epoch_days())).into())
    })
    .optional(1),
    RowFunction::new("TO_TIMESTAMP_LTZ", &[Any, TextOrInteger, Text], Returns::Moment, to_moment).optional(2),
    RowFunction::new("UNIX_TIMESTAMP", &[Text, Text], Returns::BigInt, |row, scope| {
        let pattern = pattern(row.some_text(1).unwrap_or(DEFAULT), scope)?;
        let read = pattern.read(row.text(0), Reading::Lenient);
        Ok(Out::BigInt(
            read.map_or(i64::MIN, |read| {
                read.time.and_utc().timestamp() - i64::from(read.offset.unwrap_or(0))
            }),
        ))
    })
    .optional(1),
    RowFunction::new("FROM_UNIXTIME", &[Integer, Text], Returns::Text, |row, scope| {
        let pattern = pattern(row.some_text(1).unwrap_or(DEFAULT), scope)?;
        let moment = row.integer(0).and_then(|seconds| calendar(i128::from(seconds) * 1_000_000_000));
        Ok(moment.map(|moment| Out::text(pattern.write(moment))).into())
    })
    .optional(1),
    RowFunction::new("CONVERT_TZ", &[Text, Text, Text], Returns::Text, convert_tz),
    // extract_of(unit, moment)
    RowFunction::new("EXTRACT_OF", &[Text, Moment], Returns::BigInt, |row, scope| {
        part(row, row.text(0), 1, scope)
    }),
    RowFunction::new("YEAR", &[Moment], Returns::BigInt, |row, scope| part(row, "YEAR", 0, scope)),
    RowFunction::new("QUARTER", &[Moment], Returns::BigInt, |row, scope| part(row, "QUARTER", 0, scope)),
    RowFunction::new("MONTH", &[Moment], Returns::BigInt, |row, scope| part(row, "MONTH", 0, scope)),
    RowFunction::new("WEEK", &[Moment], Returns::BigInt, |row, scope| part(row, "WEEK", 0, scope)),
    RowFunction::new("DAYOFYEAR", &[Moment], Returns::BigInt, |row, scope| part(row, "DOY", 0, scope)),
    RowFunction::new("DAYOFMONTH", &[Moment], Returns::BigInt, |row, scope| part(row, "DAY", 0, scope)),
    RowFunction::new("DAYOFWEEK", &[Moment], Returns::BigInt, |row, scope| part(row, "DOW", 0, scope)),
    RowFunction::new("HOUR", &[Moment], Returns::BigInt, |row, scope| part(row, "HOUR", 0, scope)),
    RowFunction::new("MINUTE", &[Moment], Returns::BigInt, |row, scope| part(row, "MINUTE", 0, scope)),
    RowFunction::new("SECOND", &[Moment], Returns::BigInt, |row, scope| part(row, "SECOND", 0, scope)),
];

fn pattern(text: &str, scope: &Scope) -> Result<TimePattern> {
    TimePattern::parse(text).or_else(|reason| scope.invalid(format!("{text:.40?}: {reason}")))
}

/// Reads a timestamp by a pattern, or in the form of SQL; `None` if it has another form.
fn read(text: &str, pattern: Option<&str>, scope: &Scope) -> Result<Option<NaiveDateTime>> {
    Ok(match pattern {
        None => read_timestamp(text),
        Some(pattern) => self::pattern(pattern, scope)?.read(text, Reading::Exact).map(|read| read.time),
    })
}

fn millis(time: NaiveDateTime) -> Option<i64> {
    Some(time.and_utc().timestamp_millis())
}

fn date_format<'a>(row: &Row<'a>, scope: &Scope) -> Result<Out<'a>> {
    let time = match row.cell(0) {
        Cell::Moment(moment) => calendar(moment),
        Cell::Text(text) => read_timestamp(text),
        _ => None,
    };
    let pattern = pattern(row.text(1), scope)?;
    Ok(time.map(|time| Out::text(pattern.write(time))).into())
}

/// `TO_TIMESTAMP_LTZ(number [, precision])` and `(text [, pattern [, zone]])`.
fn to_moment<'a>(row: &Row<'a>, scope: &Scope) -> Result<Out<'a>> {
    if let Cell::Text(text) = row.cell(0) {
        let time = read(text, row.some_text(1), scope)?;
        let zone = row.some_text(2).unwrap_or("UTC");
        let moment = time.and_then(|time| zone_of(zone)?.from_local_datetime(&time).earliest());
        return Ok(moment.map(|moment| Out::Moment(moment.timestamp_millis())).into());
    }
    let unit = match row.cell(1) {
        Cell::Integer(digits @ 0..=9) => 10i128.pow(9 - u32::try_from(digits).unwrap_or(0)),
        Cell::Null => 1_000_000,
        _ => return scope.invalid("the precision must be 0 to 9"),
    };
    let nanos = match row.cell(0) {
        Cell::Integer(number) => i128::from(number).checked_mul(unit),
        Cell::Number(number) => Some((number * unit as f64) as i128),
        _ => None,
    };
    let in_range = |nanos: &i128| calendar(*nanos).is_some_and(|time| (0..=9999).contains(&time.year()));
    let millis = nanos.filter(in_range).and_then(|nanos| i64::try_from(nanos.div_euclid(1_000_000)).ok());
    Ok(millis.map(Out::Moment).into())
}

/// Returns a zone of the database of time zones, or of a fixed offset.
fn zone_of(name: &str) -> Option<Tz> {
    let offset = name.strip_prefix("GMT").or_else(|| name.strip_prefix("UTC")).unwrap_or(name);
    let parsed = if offset.starts_with(['+', '-']) { offset.parse() } else { name.parse() };
    parsed.ok()
}

fn convert_tz<'a>(row: &Row<'a>, scope: &Scope) -> Result<Out<'a>> {
    let pattern = pattern(DEFAULT, scope)?;
    let Some(read) = pattern.read(row.text(0), Reading::Lenient) else { return Ok(Out::Null) };
    let utc = || zone_of("UTC");
    // an unknown zone is UTC, as in Flink
    let zones = zone_of(row.text(1)).or_else(utc).zip(zone_of(row.text(2)).or_else(utc));
    let converted = zones.and_then(|(from, to)| {
        let moment = from.from_local_datetime(&read.time).earliest()?;
        Some(Out::text(pattern.write(moment.with_timezone(&to).naive_local())))
    });
    Ok(converted.into())
}

/// Returns a part of a date or time.
fn part<'a>(row: &Row<'a>, unit: &str, argument: usize, scope: &Scope) -> Result<Out<'a>> {
    let Cell::Moment(nanos) = row.cell(argument) else { return Ok(Out::Null) };
    let Some(time) = calendar(nanos) else { return Ok(Out::Null) };
    let date = time.date();
    let year = i64::from(date.year());
    let up = |length: i64| (year + length - 1).div_euclid(length);
    Ok(Out::BigInt(match unit {
        "MILLENNIUM" => up(1000),
        "CENTURY" => up(100),
        "DECADE" => year.div_euclid(10),
        "YEAR" => year,
        "ISOYEAR" => i64::from(date.iso_week().year()),
        "QUARTER" => i64::from(date.month0() / 3 + 1),
        "MONTH" => i64::from(date.month()),
        "WEEK" => i64::from(date.iso_week().week()),
        "DAY" => i64::from(date.day()),
        "DOY" => i64::from(date.ordinal()),
        "DOW" => i64::from(date.weekday().number_from_sunday()),
        "ISODOW" => i64::from(date.weekday().number_from_monday()),
        "HOUR" => i64::from(time.hour()),
        "MINUTE" => i64::from(time.minute()),
        "SECOND" => i64::from(time.second()),
        "MILLISECOND" => i64::from(time.nanosecond() % 1_000_000_000 / 1_000_000),
        "MICROSECOND" => i64::from(time.nanosecond() % 1_000_000_000 / 1000),
        "NANOSECOND" => i64::from(time.nanosecond() % 1_000_000_000),
        "EPOCH" => i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MAX),
        _ => return scope.invalid(format!("no unit {unit:.40}")),
    }))
}
