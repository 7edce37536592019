//! Parsing of dates and times as SELECT prints them. Values that no calendar has are parsed too.

use crate::mysql::binlog::value::{Date, DateTime, Time};

/// Parses `2024-02-29`.
pub(super) fn date(text: &[u8]) -> Option<Date> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let (year, month, day) = (digits(&[y1, y2, y3, y4])?, digits(&[m1, m2])?, digits(&[d1, d2])?);
    (month <= 12 && day <= 31).then_some(Date { year: year as u16, month: month as u8, day: day as u8 })
}

/// Parses `2024-02-29 12:34:56`, with up to six digits of a fraction.
pub(super) fn date_time(text: &[u8]) -> Option<DateTime> {
    let (date_text, rest) = text.split_at_checked(10)?;
    let date = date(date_text)?;
    let (clock, fraction) = rest.strip_prefix(b" ")?.split_at_checked(8)?;
    let &[h1, h2, b':', m1, m2, b':', s1, s2] = clock else { return None };
    let (hour, minute, second) = (digits(&[h1, h2])?, digits(&[m1, m2])?, digits(&[s1, s2])?);
    let is_valid = hour <= 23 && minute <= 59 && second <= 59;
    let (hour, minute, second) = (hour as u8, minute as u8, second as u8);
    is_valid.then_some(DateTime { date, hour, minute, second, micros: micros(fraction)? })
}

/// Parses `-838:59:59`, with up to six digits of a fraction.
pub(super) fn time(text: &[u8]) -> Option<Time> {
    let (absolute, is_negative) = match text.strip_prefix(b"-") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let colon = absolute.iter().position(|byte| *byte == b':')?;
    let (hours, rest) = absolute.split_at_checked(colon)?;
    let hours = digits(hours).filter(|_| (2..=3).contains(&hours.len()))?;
    let (clock, fraction) = rest.split_at_checked(6)?;
    let &[b':', m1, m2, b':', s1, s2] = clock else { return None };
    let (minutes, seconds) = (digits(&[m1, m2])?, digits(&[s1, s2])?);
    if minutes > 59 || seconds > 59 {
        return None;
    }
    let seconds = i64::from((hours * 60 + minutes) * 60 + seconds);
    let micros = seconds * 1_000_000 + i64::from(micros(fraction)?);
    Some(Time { micros: if is_negative { -micros } else { micros } })
}

/// Parses a fraction with its point, in microseconds; nothing is 0.
fn micros(text: &[u8]) -> Option<u32> {
    let Some((b'.', fraction)) = text.split_first() else { return text.is_empty().then_some(0) };
    let missing = 6usize.checked_sub(fraction.len())?;
    Some(digits(fraction)? * 10u32.pow(missing as u32))
}

/// Parses up to six digits.
fn digits(text: &[u8]) -> Option<u32> {
    let is_number = (1..=6).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}
