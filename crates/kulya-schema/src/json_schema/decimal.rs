//! The numbers of schemas and instances as exact decimals: `0.01` is one hundredth, and `0.3` a multiple of
//! `0.1`.
//!
//! A number that is neither a 64-bit integer nor the shortest decimal of a double does not fit into
//! `serde_json`'s type. Before a document is parsed, [`mark_exact_numbers`] replaces such a number by a text
//! that begins with a mark, and [`number_of`] reads it again.

use crate::{Error, Result};
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// The first character of a text that is a number. It is no character, so no document has it.
const MARK: char = '\u{fdd0}';
/// The largest exponent of ten, by amount: beyond it numbers are refused.
const MAX_EXPONENT: i32 = 400;

/// `mantissa × 10^exponent`; the mantissa does not end in zero, so that equal numbers have equal
/// representations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Decimal {
    mantissa: i128,
    exponent: i32,
}

impl Decimal {
    pub(crate) const ZERO: Self = Self { mantissa: 0, exponent: 0 };
    pub(crate) const ONE: Self = Self { mantissa: 1, exponent: 0 };

    fn new(mut mantissa: i128, mut exponent: i32) -> Self {
        if mantissa == 0 {
            return Self::ZERO;
        }
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        Self { mantissa, exponent }
    }

    pub(crate) fn from_integer(integer: i128) -> Self {
        Self::new(integer, 0)
    }

    /// Converts a JSON number; every one has a decimal.
    pub(crate) fn from_number(number: &Number) -> Self {
        if let Some(integer) = number.as_i64() {
            return Self::new(integer.into(), 0);
        }
        if let Some(integer) = number.as_u64() {
            return Self::new(integer.into(), 0);
        }
        let text = format!("{:e}", number.as_f64().unwrap_or_default());
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let mantissa = digits.replace('.', "").parse().unwrap_or(0);
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Self::new(mantissa, exponent - i32::try_from(fraction).unwrap_or(0))
    }

    pub(crate) fn is_integer(self) -> bool {
        self.exponent >= 0
    }

    pub(crate) fn is_positive(self) -> bool {
        self.mantissa > 0
    }

    /// Returns whether it is between -1000 and 1000.
    pub(crate) fn is_small(self) -> bool {
        let thousand = Self::from_integer(1000);
        self <= thousand && self >= thousand.negated()
    }

    /// Converts to an unsigned 64-bit count, if it is one.
    pub(crate) fn to_count(self) -> Option<u64> {
        let scale = 10i128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        u64::try_from(self.mantissa.checked_mul(scale)?).ok()
    }

    /// Parses a JSON number; `None` if it has more than 38 digits or too large an exponent.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let fraction = fraction.trim_end_matches('0');
        let number = format!("{whole}{fraction}");
        let trimmed = number.trim_end_matches('0');
        let zeros = i32::try_from(number.len() - trimmed.len()).ok()?;
        if trimmed.is_empty() || trimmed == "-" {
            return Some(Self::ZERO);
        }
        let mantissa = trimmed.parse().ok()?;
        let exponent = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?.checked_add(zeros)?;
        (exponent.abs() <= MAX_EXPONENT).then(|| Self::new(mantissa, exponent))
    }

    /// Converts to a value: a JSON number if that is exact, else a marked text.
    pub(crate) fn to_value(self) -> Value {
        let number = self.to_nearest_value();
        if number_of(&number) == Some(self) { number } else { Value::from(format!("{MARK}{self}")) }
    }

    /// Converts to a JSON number: the nearest double if it is not a 64-bit integer.
    fn to_nearest_value(self) -> Value {
        let scale = u32::try_from(self.exponent).ok().and_then(|exponent| 10i128.checked_pow(exponent));
        let integer = scale.and_then(|scale| self.mantissa.checked_mul(scale));
        if let Some(integer) = integer.and_then(|integer| i64::try_from(integer).ok()) {
            return Value::from(integer);
        }
        if let Some(integer) = integer.and_then(|integer| u64::try_from(integer).ok()) {
            return Value::from(integer);
        }
        let double = format!("{}e{}", self.mantissa, self.exponent).parse::<f64>().unwrap_or(0.0);
        Number::from_f64(double).map_or(Value::from(0), Value::Number)
    }

    /// Returns whether it is an integer multiple of `unit`; `None` if the numbers are too large to decide.
    pub(crate) fn is_multiple_of(self, unit: Self) -> Option<bool> {
        if self.mantissa == 0 {
            return Some(true);
        }
        if unit.mantissa == 0 {
            return Some(false);
        }
        if self.exponent < unit.exponent {
            // the mantissa does not end in zero, so no power of ten divides it
            return Some(false);
        }
        let unit = unit_parts(unit);
        let mut rest = self.mantissa % unit.0;
        for _ in 0..(self.exponent - unit.1) {
            rest = rest.checked_mul(10)? % unit.0;
            if rest == 0 {
                break;
            }
        }
        Some(rest == 0)
    }

    /// Returns the least integer that is not less; `None` if it is too large.
    pub(crate) fn ceiling(self) -> Option<Self> {
        if self.is_integer() {
            return Some(self);
        }
        let scale = 10i128.checked_pow(self.exponent.unsigned_abs());
        Some(match scale {
            Some(scale) => Self::from_integer(-(-self.mantissa).div_euclid(scale)),
            None if self.mantissa > 0 => Self::ONE,
            None => Self::ZERO,
        })
    }

    pub(crate) fn negated(self) -> Self {
        Self { mantissa: -self.mantissa, exponent: self.exponent }
    }

    pub(crate) fn tenth(self) -> Self {
        Self::new(self.mantissa, self.exponent - 1)
    }

    /// Adds two numbers; `None` if the sum has too many digits.
    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let scaled = |number: Self| {
            let scale = 10i128.checked_pow((number.exponent - exponent).unsigned_abs())?;
            number.mantissa.checked_mul(scale)
        };
        Some(Self::new(scaled(self)?.checked_add(scaled(other)?)?, exponent))
    }

    /// Returns the least positive number that is a multiple of both; `None` if it is too large.
    pub(crate) fn least_common_multiple(self, other: Self) -> Option<Self> {
        let exponent = self.exponent.min(other.exponent);
        let scaled = |number: Self| {
            let scale = 10i128.checked_pow((number.exponent - exponent).unsigned_abs())?;
            number.mantissa.checked_mul(scale)?.checked_abs()
        };
        let (one, other) = (scaled(self)?, scaled(other)?);
        let (mut divisor, mut rest) = (one, other);
        while rest != 0 {
            (divisor, rest) = (rest, divisor.checked_rem(rest)?);
        }
        Some(Self::new(one.checked_div(divisor)?.checked_mul(other)?, exponent))
    }

    /// Returns the least multiple of `unit` that is not less; `None` if the numbers are too large.
    pub(crate) fn next_multiple(self, unit: Self) -> Option<Self> {
        let exponent = self.exponent.min(unit.exponent);
        let scaled = |number: Self| {
            let scale = 10i128.checked_pow((number.exponent - exponent).unsigned_abs())?;
            number.mantissa.checked_mul(scale)
        };
        let (number, unit) = (scaled(self)?, scaled(unit)?);
        let rest = number.checked_rem_euclid(unit)?;
        let next = if rest == 0 { number } else { number.checked_add(unit.checked_sub(rest)?)? };
        Some(Self::new(next, exponent))
    }
}

impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.mantissa.to_string();
        match usize::try_from(self.exponent) {
            Ok(zeros) if zeros <= 40 => write!(f, "{digits}{}", "0".repeat(zeros)),
            _ => write!(f, "{digits}e{}", self.exponent),
        }
    }
}

/// Returns the number that a value is, or that a marked text stands for.
pub(crate) fn number_of(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Some(Decimal::from_number(number)),
        Value::String(text) => Decimal::from_text(text.strip_prefix(MARK)?),
        _ => None,
    }
}

/// Returns whether the value, or a value in it, is a number that is marked: it cannot be shown as JSON.
pub(crate) fn has_marked_number(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with(MARK),
        Value::Array(items) => items.iter().any(has_marked_number),
        Value::Object(members) => members.values().any(has_marked_number),
        _ => false,
    }
}

/// Replaces marked texts in a JSON text by the numbers that they stand for.
pub(crate) fn unmark_numbers(text: &str) -> String {
    let mut numbers = String::with_capacity(text.len());
    let mut rest = text;
    let start = format!("\"{MARK}");
    while let Some((before, marked)) = rest.split_once(&start) {
        let (number, after) = marked.split_once('"').unwrap_or((marked, ""));
        numbers.push_str(before);
        numbers.push_str(number);
        rest = after;
    }
    numbers.push_str(rest);
    numbers
}

/// Replaces each number of a JSON document that `serde_json` would round by a marked text.
///
/// # Errors
/// A number has more than 38 digits or an exponent of more than 400, or the document contains the mark.
pub(crate) fn mark_exact_numbers(text: &str) -> Result<Cow<'_, str>> {
    if text.contains(MARK) || text.contains("\\ufdd0") || text.contains("\\uFDD0") {
        return Err(Error::new("the document contains U+FDD0, which is no character: leave it out"));
    }
    let bytes = text.as_bytes();
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let mut marked = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while let Some(byte) = bytes.get(at)
                    && *byte != b'"'
                {
                    at += if *byte == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let length = bytes.iter().skip(at).take_while(|byte| is_part(byte)).count();
                let number = text.get(at..at + length).unwrap_or_default();
                if !is_read_exactly(number)? {
                    marked.push_str(text.get(copied..at).unwrap_or_default());
                    let exact = Decimal::from_text(number).unwrap_or(Decimal::ZERO);
                    marked.push_str(&format!("\"{MARK}{exact}\""));
                    copied = at + length;
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Ok(Cow::Borrowed(text));
    }
    marked.push_str(text.get(copied..).unwrap_or_default());
    Ok(Cow::Owned(marked))
}

/// Returns whether `serde_json` reads the number without rounding, or refuses it with a message of its own.
fn is_read_exactly(number: &str) -> Result<bool> {
    let digits = number.trim_start_matches('-');
    let is_short = digits.len() <= 15 && !digits.contains(['e', 'E']);
    if is_short
        || (digits.bytes().all(|byte| byte.is_ascii_digit()) && number.parse::<i128>().is_ok_and(fits))
    {
        return Ok(true);
    }
    let Ok(double) = number.parse::<f64>() else { return Ok(true) };
    let Some(exact) = Decimal::from_text(number) else {
        return Err(Error::new(format!(
            "the number {} has more than 38 digits, or an exponent of more than {MAX_EXPONENT}: round it",
            crate::text::truncated(number)
        )));
    };
    // leading zeros and the like are for serde_json to refuse
    let is_json = !(digits.len() > 1
        && digits.starts_with('0')
        && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit));
    let read = Number::from_f64(double).map(|number| Decimal::from_number(&number));
    Ok(!is_json || read == Some(exact))
}

fn fits(number: i128) -> bool {
    i64::try_from(number).is_ok() || u64::try_from(number).is_ok()
}

fn unit_parts(unit: Decimal) -> (i128, i32) {
    (unit.mantissa.abs(), unit.exponent)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.mantissa.signum().cmp(&other.mantissa.signum());
        if signs != Ordering::Equal {
            return signs;
        }
        if self.exponent < other.exponent {
            return other.cmp(self).reverse();
        }
        // a scaled mantissa that overflows is larger than any mantissa
        let difference = self.exponent.abs_diff(other.exponent);
        let scaled = 10i128.checked_pow(difference).and_then(|scale| self.mantissa.checked_mul(scale));
        match scaled {
            Some(scaled) => scaled.cmp(&other.mantissa),
            None => self.mantissa.cmp(&0),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares JSON values as JSON Schema does: `1` equals `1.0`, and the order of members does not matter.
pub(crate) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        // marked texts are equal if their numbers are: each number has one decimal form
        (Value::Number(one), Value::Number(other)) => {
            Decimal::from_number(one) == Decimal::from_number(other)
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| equal(value, other)))
        }
        _ => one == other,
    }
}
