//! The forms of dates and times of SQL, as Flink reads them.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// Returns a date; a day up to 31 that the month does not have is its last one.
pub(super) fn last_valid_date(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    if day > 31 {
        return None;
    }
    (day.saturating_sub(3)..=day).rev().find_map(|day| NaiveDate::from_ymd_opt(year, month, day))
}

/// Reads `2024-2-9`, `2024-02` and `2024`; with `clamps`, a day that the month does not have is its last one.
pub(super) fn read_date(text: &str, clamps: bool) -> Option<NaiveDate> {
    let mut parts = text.trim().split('-');
    let number = |part: Option<&str>| match part {
        None => Some(1),
        Some(part)
            if !part.is_empty() && part.len() <= 9 && part.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            part.parse::<u32>().ok()
        }
        Some(_) => None,
    };
    let year = i32::try_from(number(Some(parts.next()?))?).ok()?;
    let (month, day) = (number(parts.next())?, number(parts.next())?);
    if parts.next().is_some() || !(1..=9999).contains(&year) {
        return None;
    }
    if clamps { last_valid_date(year, month, day) } else { NaiveDate::from_ymd_opt(year, month, day) }
}

/// Reads `12:34:56.789`, `12:34` and `12`.
pub(super) fn read_time(text: &str) -> Option<NaiveTime> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.split(':');
    let number = |part: Option<&str>| match part {
        None => Some(0),
        Some(part) if matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit()) => {
            part.parse::<u32>().ok()
        }
        Some(_) => None,
    };
    let (hour, minute, second) = (number(Some(parts.next()?))?, number(parts.next())?, number(parts.next())?);
    if parts.next().is_some() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    NaiveTime::from_hms_nano_opt(hour, minute, second, nanos.parse().ok()?)
}

/// Reads `2024-02-29 12:34:56.789` and `2024-02-29`.
pub(super) fn read_timestamp(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    match text.split_once(' ') {
        Some((date, time)) => Some(read_date(date, true)?.and_time(read_time(time)?)),
        None => Some(read_date(text, true)?.and_time(NaiveTime::MIN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_are_read_or_not() {
        for (text, expected) in [
            ("2024-02-29 12:34:56.789", Some("2024-02-29 12:34:56.789")),
            ("2024-2-9 1:2:3", Some("2024-02-09 01:02:03")),
            (" 2024-02-31 ", Some("2024-02-29 00:00:00")),
            ("2024", Some("2024-01-01 00:00:00")),
            ("2024-02-29T12:34:56", None),
            ("2024-02-29 24:00:00", None),
            ("2024-02-29 23:59:60", None),
            ("0000-01-01", None),
            ("10000-01-01", None),
            ("-1-01-01", None),
            ("", None),
        ] {
            assert_eq!(read_timestamp(text).map(|it| it.to_string()).as_deref(), expected, "{text}");
        }
        assert_eq!(read_date("2023-02-29", false), None);
        assert_eq!(read_time("12:34"), NaiveTime::from_hms_opt(12, 34, 0));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text in "[0-9 :.-]{0,24}|.{0,20}") {
            let _ = (read_date(&text, true), read_time(&text), read_timestamp(&text));
        }
    }
}
