//! Patterns of dates and times in the letters of Java's `DateTimeFormatter`, for writing and reading.
//!
//! Letters: `y u Q M L d D w E e a H h K k m s S n X x Z V`; texts in single quotes and other
//! characters stand
//! for themselves. Names of months and days are English.

mod fields;
mod names;

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use fields::{Fields, is_number};
pub(in crate::functions) use fields::{ReadTime, Reading};
use names::{MAX_COUNT, MONTHS, day_name};
use std::fmt::Write;

/// The maximum number of items of a pattern.
const MAX_ITEMS: usize = 256;
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Literal(String),
    /// A letter, and how often it is repeated.
    Field(char, usize),
}

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::functions) struct TimePattern {
    items: Vec<Item>,
}

impl TimePattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// The text says what is wrong.
    pub(in crate::functions) fn parse(pattern: &str) -> Result<Self, String> {
        let mut items: Vec<Item> = Vec::new();
        let mut characters = pattern.chars().peekable();
        while let Some(character) = characters.next() {
            if items.len() >= MAX_ITEMS {
                return Err(format!("the pattern has more than {MAX_ITEMS} parts"));
            }
            if character.is_ascii_alphabetic() {
                let mut count = 1;
                while characters.next_if_eq(&character).is_some() {
                    count += 1;
                }
                if !"yuQMLdDwEeaHhKkmsSnXxZV".contains(character) || count > MAX_COUNT {
                    return Err(format!(
                        "the pattern letter {character} is not supported yet, or is repeated too often"
                    ));
                }
                items.push(Item::Field(character, count));
                continue;
            }
            let mut literal = String::new();
            if character == '\'' {
                if characters.next_if_eq(&'\'').is_some() {
                    literal.push('\'');
                } else {
                    loop {
                        match characters.next() {
                            Some('\'') if characters.next_if_eq(&'\'').is_some() => literal.push('\''),
                            Some('\'') => break,
                            Some(other) => literal.push(other),
                            None => return Err("a quote of the pattern is not closed".to_owned()),
                        }
                    }
                }
            } else if matches!(character, '[' | ']' | '{' | '}' | '#') {
                return Err(format!("the pattern character {character} is not supported yet"));
            } else {
                literal.push(character);
            }
            match items.last_mut() {
                Some(Item::Literal(before)) => before.push_str(&literal),
                _ => items.push(Item::Literal(literal)),
            }
        }
        Ok(Self { items })
    }

    /// Writes a moment of UTC.
    pub(in crate::functions) fn write(&self, time: NaiveDateTime) -> String {
        let mut text = String::new();
        for item in &self.items {
            match item {
                Item::Literal(literal) => text.push_str(literal),
                Item::Field(letter, count) => write_field(&mut text, time, *letter, *count),
            }
        }
        text
    }

    /// Reads a text; `None` if it does not have this form.
    pub(in crate::functions) fn read(&self, text: &str, reading: Reading) -> Option<ReadTime> {
        let mut fields = Fields::default();
        let mut rest = text;
        for (number, item) in self.items.iter().enumerate() {
            rest = match item {
                Item::Literal(literal) => rest.strip_prefix(literal.as_str())?,
                Item::Field(letter, count) => {
                    let next = self.items.get(number + 1);
                    let is_adjacent =
                        matches!(next, Some(Item::Field(next, count)) if is_number(*next, *count));
                    fields.read(rest, *letter, *count, is_adjacent, reading)?
                }
            };
        }
        (rest.is_empty() || reading == Reading::Lenient).then(|| fields.resolve(reading)).flatten()
    }
}

fn write_field(text: &mut String, time: NaiveDateTime, letter: char, count: usize) {
    let hour12 = |hour: u32| if hour.is_multiple_of(12) { 12 } else { hour % 12 };
    let (date, of_day) = (time.date(), time.time());
    let number: i64 = match letter {
        'y' | 'u' if count == 2 => i64::from(date.year().rem_euclid(100)),
        'y' | 'u' => i64::from(date.year()),
        'M' | 'L' if count >= 3 => {
            let name = MONTHS.get(date.month0() as usize).copied().unwrap_or_default();
            return text.push_str(if count == 3 { name.get(..3).unwrap_or(name) } else { name });
        }
        'M' | 'L' => i64::from(date.month()),
        'Q' => i64::from(date.month0() / 3 + 1),
        'd' => i64::from(date.day()),
        'D' => i64::from(date.ordinal()),
        // weeks begin on Sunday; the first one has 1 January
        'w' => {
            let first = NaiveDate::from_ymd_opt(date.year(), 1, 1).unwrap_or(date);
            i64::from((date.ordinal0() + first.weekday().num_days_from_sunday()) / 7 + 1)
        }
        'e' if count < 3 => i64::from(date.weekday().number_from_sunday()),
        'E' | 'e' => {
            let name = day_name(date.weekday());
            return text.push_str(if count <= 3 { name.get(..3).unwrap_or(name) } else { name });
        }
        'a' => return text.push_str(if of_day.hour() < 12 { "AM" } else { "PM" }),
        'H' => i64::from(of_day.hour()),
        'k' => i64::from(if of_day.hour() == 0 { 24 } else { of_day.hour() }),
        'h' => i64::from(hour12(of_day.hour())),
        'K' => i64::from(of_day.hour() % 12),
        'm' => i64::from(of_day.minute()),
        's' => i64::from(of_day.second()),
        'S' => {
            let digits = format!("{:09}", of_day.nanosecond() % 1_000_000_000);
            let shown: String = digits.chars().chain(std::iter::repeat('0')).take(count).collect();
            return text.push_str(&shown);
        }
        'n' => i64::from(of_day.nanosecond() % 1_000_000_000),
        'X' => return text.push('Z'),
        'x' | 'Z' => return text.push_str(if count == 3 || count == 5 { "+00:00" } else { "+0000" }),
        _ => return text.push_str("UTC"),
    };
    // writing to a String does not fail
    let _ = write!(text, "{number:0count$}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_are_refused_with_a_reason() {
        for (pattern, reason) in [
            ("yyyy-GG", "letter G"),
            ("'x", "not closed"),
            ("[yyyy]", "character ["),
            (&"y".repeat(20), "repeated too often"),
            (&"y-".repeat(200), "more than 256 parts"),
        ] {
            assert!(TimePattern::parse(pattern).unwrap_err().contains(reason), "{pattern}");
        }
    }

    #[test]
    fn texts_are_read_by_patterns() {
        for (pattern, text, expected) in [
            ("yyyyMMddHHmmss", "20240229123456", Some("2024-02-29 12:34:56")),
            ("d MMM yyyy", "9 Feb 2024", Some("2024-02-09 00:00:00")),
            ("yyyy-MM-dd", "2024-2-9", None),
            ("yyyy-MM-dd", "2024-02-29x", None),
            ("hh:mm a", "12:05 AM", Some("1970-01-01 00:05:00")),
            ("yyyy-MM-dd HH:mm:ss.SSS", "2024-02-29 12:34:56.789", Some("2024-02-29 12:34:56.789")),
            ("yyyy-MM-dd", "2024-02-31", Some("2024-02-29 00:00:00")),
            ("yyyy-MM-dd", "2024-02-32", None),
        ] {
            let found = TimePattern::parse(pattern).unwrap().read(text, Reading::Exact);
            assert_eq!(found.map(|it| it.time.to_string()).as_deref(), expected, "{pattern} {text}");
        }
        let lenient = TimePattern::parse("yyyy-MM-dd").unwrap().read("2023-02-30 12:00", Reading::Lenient);
        assert_eq!(lenient.unwrap().time.to_string(), "2023-03-02 00:00:00");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in -60_000_000_000i64..250_000_000_000) {
            let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap().naive_utc();
            let pattern = TimePattern::parse("yyyy-MM-dd HH:mm:ss").unwrap();
            prop_assert_eq!(pattern.read(&pattern.write(time), Reading::Exact).unwrap().time, time);
        }

        #[test]
        fn any_text_is_read_or_not(pattern in "[yMdHhmsSaXE' :-]{0,12}", text in ".{0,20}") {
            if let Ok(pattern) = TimePattern::parse(&pattern) {
                let _ = (pattern.read(&text, Reading::Exact), pattern.read(&text, Reading::Lenient));
            }
        }
    }
}
