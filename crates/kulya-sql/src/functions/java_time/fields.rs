//! The fields of a date or time that are read by the letters of a pattern.

use super::names::{MAX_COUNT, MONTHS, day_name};
use crate::functions::time_forms::last_valid_date;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Weekday};

/// How exactly a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::functions) enum Reading {
    /// The whole text, with as many digits as the pattern has letters.
    Exact,
    /// Any number of digits; what follows is ignored.
    Lenient,
}

/// What was read: fields that the pattern does not have are those of 1970-01-01 00:00:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::functions) struct ReadTime {
    pub(in crate::functions) time: NaiveDateTime,
    /// The offset from UTC in seconds, if the pattern has one.
    pub(in crate::functions) offset: Option<i32>,
}

/// Returns whether a field is read as digits.
pub(super) fn is_number(letter: char, count: usize) -> bool {
    match letter {
        'M' | 'L' => count < 3,
        'E' | 'a' | 'X' | 'x' | 'Z' | 'V' => false,
        _ => true,
    }
}

/// The fields that were read.
#[derive(Debug, Default)]
pub(super) struct Fields {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    hour: Option<u32>,
    hour12: Option<u32>,
    is_afternoon: Option<bool>,
    minute: u32,
    second: u32,
    nanos: u32,
    offset: Option<i32>,
}

impl Fields {
    /// Reads a field from the start of a text, and returns the rest.
    pub(super) fn read<'a>(
        &mut self,
        text: &'a str,
        letter: char,
        count: usize,
        is_adjacent: bool,
        reading: Reading,
    ) -> Option<&'a str> {
        match letter {
            'M' | 'L' if count >= 3 => return self.month_name(text, count),
            'E' => {
                let days = [
                    Weekday::Mon,
                    Weekday::Tue,
                    Weekday::Wed,
                    Weekday::Thu,
                    Weekday::Fri,
                    Weekday::Sat,
                    Weekday::Sun,
                ];
                let names = days.map(day_name);
                let name = |name: &'static str| if count <= 3 { name.get(..3).unwrap_or(name) } else { name };
                return names.into_iter().find_map(|day| strip_ignoring_case(text, name(day)));
            }
            'a' => {
                let (rest, is_afternoon) = strip_ignoring_case(text, "AM")
                    .map(|rest| (rest, false))
                    .or_else(|| strip_ignoring_case(text, "PM").map(|rest| (rest, true)))?;
                self.is_afternoon = Some(is_afternoon);
                return Some(rest);
            }
            'X' | 'x' | 'Z' | 'V' => return self.offset(text),
            _ => {}
        }
        let available = text.bytes().take_while(u8::is_ascii_digit).count();
        let (least, most) = match (letter, reading) {
            _ if is_adjacent => (count, count),
            ('S', Reading::Exact) => (count, count),
            ('y' | 'u', _) if count == 2 => (2, 2),
            (_, Reading::Exact) if count > 1 && !matches!(letter, 'y' | 'u') => (count, count),
            (_, Reading::Exact) => (count, MAX_COUNT),
            (_, Reading::Lenient) => (1, MAX_COUNT),
        };
        if available < least {
            return None;
        }
        let (digits, rest) = text.split_at_checked(available.min(most))?;
        if letter == 'S' {
            let nine: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
            self.nanos = nine.parse().ok()?;
            return Some(rest);
        }
        let number: u32 = digits.parse().ok()?;
        match letter {
            'y' | 'u' if count == 2 => self.year = Some(2000 + i32::try_from(number).ok()?),
            'y' | 'u' => self.year = Some(i32::try_from(number).ok()?),
            'M' | 'L' => self.month = Some(number),
            'd' => self.day = Some(number),
            'D' => self.day_of_year = Some(number),
            'H' => self.hour = Some(number),
            'k' => self.hour = Some(number % 24),
            'h' => self.hour12 = Some(number % 12),
            'K' => self.hour12 = Some(number),
            'm' => self.minute = number,
            's' => self.second = number,
            'n' => self.nanos = number,
            // quarters and weeks do not determine a day
            _ => return None,
        }
        Some(rest)
    }

    fn month_name<'a>(&mut self, text: &'a str, count: usize) -> Option<&'a str> {
        let name = |name: &'static str| if count == 3 { name.get(..3).unwrap_or(name) } else { name };
        let found = MONTHS
            .iter()
            .zip(1u32..)
            .find_map(|(month, number)| strip_ignoring_case(text, name(month)).map(|rest| (rest, number)));
        let (rest, number) = found?;
        self.month = Some(number);
        Some(rest)
    }

    /// Reads `Z`, `+08`, `+0800` or `+08:00`.
    fn offset<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if let Some(rest) = text.strip_prefix('Z') {
            self.offset = Some(0);
            return Some(rest);
        }
        let (sign, rest) = match text.strip_prefix('+') {
            Some(rest) => (1, rest),
            None => (-1, text.strip_prefix('-')?),
        };
        let two = |text: &'a str| -> Option<(i32, &'a str)> {
            let (digits, rest) = text.split_at_checked(2)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
            Some((digits.parse().ok()?, rest))
        };
        let (hours, rest) = two(rest)?;
        let (minutes, rest) = two(rest.strip_prefix(':').unwrap_or(rest)).unwrap_or((0, rest));
        self.offset = Some(sign * (hours * 3600 + minutes * 60));
        Some(rest)
    }

    /// Days beyond the end of a month, up to 31, become its last one; lenient reading counts on instead.
    pub(super) fn resolve(self, reading: Reading) -> Option<ReadTime> {
        let year = self.year.unwrap_or(1970);
        let hour = match (self.hour, self.hour12) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour + if self.is_afternoon == Some(true) { 12 } else { 0 },
            (None, None) => 0,
        };
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if reading == Reading::Lenient {
            let months = i64::from(year) * 12 + i64::from(month) - 1;
            let (year, month0) = (i32::try_from(months.div_euclid(12)).ok()?, months.rem_euclid(12));
            let first = NaiveDate::from_ymd_opt(year, u32::try_from(month0).ok()? + 1, 1)?;
            let days = TimeDelta::try_days(i64::from(day) - 1)?;
            let seconds = i64::from(hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
            let time = first.and_time(NaiveTime::MIN).checked_add_signed(days)?;
            let time = time.checked_add_signed(TimeDelta::try_seconds(seconds)?)?;
            let time = time.checked_add_signed(TimeDelta::nanoseconds(i64::from(self.nanos)))?;
            return Some(ReadTime { time, offset: self.offset });
        }
        let date = match self.day_of_year {
            Some(day) => NaiveDate::from_yo_opt(year, day)?,
            None => last_valid_date(year, month, day)?,
        };
        let time = NaiveTime::from_hms_nano_opt(hour, self.minute, self.second, self.nanos)?;
        Some(ReadTime { time: date.and_time(time), offset: self.offset })
    }
}

fn strip_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
