//! The order of key values as the database has it, on their texts: of the types whose order does not depend
//! on a collation.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// How the values of a key column are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyOrder {
    /// Integers of any size.
    Integer,
    /// Decimal numbers, `Infinity`, and `NaN`, which is the greatest.
    Decimal,
    /// By bytes: texts without a collation, UUIDs, hexadecimal bytes.
    Bytes,
    /// Dates and timestamps of one time zone in ISO 8601 form, with `BC`, `infinity` and `-infinity`.
    Date,
}

impl KeyOrder {
    /// Compares two values; `None` for texts that are no values of the type.
    pub(crate) fn compare(self, a: &[u8], b: &[u8]) -> Option<Ordering> {
        match self {
            Self::Integer => Some(integer(a)?.cmp(&integer(b)?)),
            Self::Decimal => Some(compare_decimals(&Decimal::parse(a)?, &Decimal::parse(b)?)),
            Self::Bytes => Some(a.cmp(b)),
            Self::Date => Some(date(a)?.cmp(&date(b)?)),
        }
    }
}

fn integer(text: &[u8]) -> Option<i128> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A decimal number: its class, and the digits of finite ones without zeros at the ends.
#[derive(Debug, PartialEq, Eq)]
struct Decimal<'a> {
    class: Class,
    whole: &'a [u8],
    fraction: &'a [u8],
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    NegativeInfinity,
    Negative,
    Positive,
    Infinity,
    NotANumber,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let special = |class| Some(Self { class, whole: b"", fraction: b"" });
        match text {
            b"NaN" => return special(Class::NotANumber),
            b"Infinity" => return special(Class::Infinity),
            b"-Infinity" => return special(Class::NegativeInfinity),
            _ => {}
        }
        let (digits, is_negative) = match text.strip_prefix(b"-") {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let mut parts = digits.splitn(2, |byte| *byte == b'.');
        let (mut whole, mut fraction) = (parts.next()?, parts.next().unwrap_or_default());
        let is_number = whole.iter().chain(fraction).all(u8::is_ascii_digit);
        if !is_number || whole.is_empty() && fraction.is_empty() {
            return None;
        }
        while let [b'0', rest @ ..] = whole {
            whole = rest;
        }
        while let [rest @ .., b'0'] = fraction {
            fraction = rest;
        }
        let is_zero = whole.is_empty() && fraction.is_empty();
        let class = if is_negative && !is_zero { Class::Negative } else { Class::Positive };
        Some(Self { class, whole, fraction })
    }
}

fn compare_decimals(a: &Decimal<'_>, b: &Decimal<'_>) -> Ordering {
    let by_digits = || {
        let by_length = a.whole.len().cmp(&b.whole.len());
        by_length.then_with(|| a.whole.cmp(b.whole)).then_with(|| a.fraction.cmp(b.fraction))
    };
    a.class.cmp(&b.class).then_with(|| match a.class {
        Class::Negative => by_digits().reverse(),
        _ => by_digits(),
    })
}

/// Returns the year, negative before Christ, and the rest of a date, which is ordered by its bytes.
fn date(text: &[u8]) -> Option<(i64, &[u8])> {
    match text {
        b"infinity" => return Some((i64::MAX, b"")),
        b"-infinity" => return Some((i64::MIN, b"")),
        _ => {}
    }
    let (text, is_before_christ) = match text.strip_suffix(b" BC") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let end = text.iter().position(|byte| *byte == b'-')?;
    let (year, rest) = text.split_at(end);
    let year: i64 = std::str::from_utf8(year).ok()?.parse().ok()?;
    Some((if is_before_christ { -year } else { year }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_in_the_databases_order() {
        let (integer, decimal, bytes, date) =
            (KeyOrder::Integer, KeyOrder::Decimal, KeyOrder::Bytes, KeyOrder::Date);
        for (order, ascending) in [
            (integer, &["-9223372036854775808", "-10", "-9", "0", "9", "10", "18446744073709551615"][..]),
            (
                decimal,
                &[
                    "-Infinity",
                    "-10.5",
                    "-10",
                    "-9.99",
                    "-0.5",
                    "-0.05",
                    "0",
                    "0.05",
                    "0.5",
                    "1.5",
                    "1.51",
                    "9",
                    "10.0001",
                    "1000",
                    "Infinity",
                    "NaN",
                ],
            ),
            (bytes, &["", "A", "a", "aa", "b", "ä"]),
            (bytes, &["00000000-0000-0000-0000-000000000009", "00000000-0000-0000-0000-00000000000a"]),
            (bytes, &["\\x", "\\x00", "\\x0001", "\\x01", "\\xff"]),
            (
                date,
                &[
                    "-infinity",
                    "0044-03-15 BC",
                    "0043-01-01 BC",
                    "0001-01-01",
                    "2024-02-29 23:59:59",
                    "2024-02-29 23:59:59.5",
                    "2024-03-01 00:00:00",
                    "10000-01-01",
                    "infinity",
                ],
            ),
            (date, &["2024-01-01 00:00:00+00", "2024-01-01 00:00:00.000001+00"]),
        ] {
            for (left, a) in ascending.iter().enumerate() {
                for (right, b) in ascending.iter().enumerate() {
                    let found = order.compare(a.as_bytes(), b.as_bytes());
                    assert_eq!(found, Some(left.cmp(&right)), "{order:?} {a} {b}");
                }
            }
        }
    }

    #[test]
    fn equal_numbers_have_several_texts() {
        for (a, b) in [("1.50", "1.5"), ("0", "-0.00"), ("007", "7")] {
            let found = KeyOrder::Decimal.compare(a.as_bytes(), b.as_bytes());
            assert_eq!(found, Some(Ordering::Equal), "{a} {b}");
        }
    }

    #[test]
    fn other_texts_have_no_order() {
        for (order, text) in [
            (KeyOrder::Integer, "x"),
            (KeyOrder::Integer, "1.5"),
            (KeyOrder::Decimal, "1e5"),
            (KeyOrder::Decimal, "."),
            (KeyOrder::Date, "today"),
        ] {
            assert_eq!(order.compare(text.as_bytes(), b"1"), None, "{order:?} {text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_compared_or_rejected(a: Vec<u8>, b: Vec<u8>) {
            for order in [KeyOrder::Integer, KeyOrder::Decimal, KeyOrder::Bytes, KeyOrder::Date] {
                let reverse = order.compare(&b, &a).map(Ordering::reverse);
                prop_assert_eq!(order.compare(&a, &b), reverse);
            }
        }

        #[test]
        fn integers_are_ordered_as_numbers(a: i64, b: i64) {
            let (left, right) = (a.to_string(), b.to_string());
            for order in [KeyOrder::Integer, KeyOrder::Decimal] {
                prop_assert_eq!(order.compare(left.as_bytes(), right.as_bytes()), Some(a.cmp(&b)));
            }
        }
    }
}
