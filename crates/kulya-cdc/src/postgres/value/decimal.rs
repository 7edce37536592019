//! Writing of `numeric` and `money` in all modes.

use super::super::column::{ArrayKind, Kind};
use super::text::write_str;
use crate::debezium::Written;
use crate::debezium::json::{write, write_base64, write_unscaled};
use crate::debezium::{Compatibility, DecimalMode};
use num_bigint::BigInt;
use std::io::Write;

/// The largest number of digits that 128 bits take.
const MAX_SMALL_DIGITS: usize = 38;

/// A decimal as PostgreSQL prints it: sign, digits before the point, digits after it.
#[derive(Debug, Clone, Copy)]
struct Decimal<'a> {
    is_negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a [u8]) -> Option<Self> {
        let digits = text.strip_prefix(b"-");
        let (is_negative, digits) = (digits.is_some(), digits.unwrap_or(text));
        let point = digits.iter().position(|byte| *byte == b'.');
        let (whole, fraction) = match point {
            Some(point) => (digits.get(..point)?, digits.get(point + 1..)?),
            None => (digits, &b""[..]),
        };
        let is_valid = !whole.is_empty()
            && (point.is_none() || !fraction.is_empty())
            && whole.iter().chain(fraction).all(u8::is_ascii_digit);
        is_valid.then_some(Self { is_negative, whole, fraction })
    }

    /// Returns the digits of the unscaled number, and the number of zeros that follow them; `None` if it has
    /// more digits than the scale.
    fn rescale(&self, scale: i32) -> Option<(&'a [u8], &'a [u8], usize)> {
        if let Ok(scale) = usize::try_from(scale) {
            return Some((self.whole, self.fraction, scale.checked_sub(self.fraction.len())?));
        }
        let are_zeros = |digits: &[u8]| digits.iter().all(|digit| *digit == b'0');
        if !are_zeros(self.fraction) {
            return None;
        }
        if self.whole == b"0" {
            return Some((self.whole, b"", 0));
        }
        let length = self.whole.len().checked_sub(scale.unsigned_abs() as usize)?;
        let (digits, zeros) = self.whole.split_at_checked(length)?;
        are_zeros(zeros).then_some((digits, b"", 0))
    }

    /// Writes the unscaled number's bytes in base64.
    fn write_unscaled(&self, scale: i32, out: &mut Vec<u8>) -> Option<()> {
        let (whole, fraction, zeros) = self.rescale(scale)?;
        if whole.len() + fraction.len() + zeros <= MAX_SMALL_DIGITS {
            let mut number = append_digits(append_digits(0, whole), fraction);
            for _ in 0..zeros {
                number *= 10;
            }
            write_unscaled(out, if self.is_negative { -number } else { number });
            return Some(());
        }
        let mut digits = Vec::with_capacity(whole.len() + fraction.len() + zeros);
        digits.extend_from_slice(whole);
        digits.extend_from_slice(fraction);
        digits.resize(digits.len() + zeros, b'0');
        let number = BigInt::parse_bytes(&digits, 10)?;
        write_base64(out, &if self.is_negative { -number } else { number }.to_signed_bytes_be());
        Some(())
    }
}

/// Appends digits to a number, eighteen at a time; together there are at most 38.
fn append_digits(number: i128, digits: &[u8]) -> i128 {
    digits.chunks(18).fold(number, |number, chunk| {
        let part = chunk.iter().fold(0u64, |part, digit| part * 10 + u64::from(digit - b'0'));
        number * i128::from(10u64.pow(chunk.len() as u32)) + i128::from(part)
    })
}

/// Returns whether Debezium has null for an array, because it is one of decimals with NaN or an infinity.
pub(super) fn is_null_array(array: &ArrayKind, text: &[u8]) -> bool {
    let is_decimal = matches!(
        array.items,
        Kind::Decimal { .. } | Kind::VariableDecimal | Kind::DecimalText { .. } | Kind::DecimalFloat
    );
    let has_special = || text.windows(3).any(|part| part == b"NaN" || part == b"Inf");
    array.compat == Compatibility::Debezium && is_decimal && has_special()
}

/// Writes `numeric(p,s)` as its unscaled number's bytes.
pub(super) fn write_scaled(text: &[u8], scale: i32, out: &mut Vec<u8>) -> Written {
    match Decimal::parse(text) {
        Some(decimal) => Written::from_option(decimal.write_unscaled(scale, out)),
        None => special_is_null(text),
    }
}

/// Writes `numeric` as `{scale, value}` with the smallest scale that is not negative.
pub(super) fn write_variable(text: &[u8], out: &mut Vec<u8>) -> Written {
    let Some(decimal) = Decimal::parse(text) else { return special_is_null(text) };
    let length = decimal.fraction.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    let fraction = decimal.fraction.get(..length).unwrap_or_default();
    let Ok(scale) = i32::try_from(length) else { return Written::NotAValue };
    out.extend_from_slice(b"{\"scale\":");
    write(out, &scale);
    out.extend_from_slice(b",\"value\":");
    let written = Decimal { fraction, ..decimal }.write_unscaled(scale, out);
    out.push(b'}');
    Written::from_option(written)
}

/// Writes `numeric` as a text.
pub(super) fn write_text(text: &[u8], compat: Compatibility, out: &mut Vec<u8>) -> Written {
    let name = match (special(text), compat) {
        (Some(name), Compatibility::Corrected) => name,
        (Some("NaN"), Compatibility::Debezium) => "NAN",
        (Some("Infinity"), Compatibility::Debezium) => "POSITIVE_INFINITY",
        (Some(_), Compatibility::Debezium) => "NEGATIVE_INFINITY",
        (None, _) => {
            if Decimal::parse(text).is_none() {
                return Written::NotAValue;
            }
            out.push(b'"');
            out.extend_from_slice(text);
            out.push(b'"');
            return Written::Value;
        }
    };
    write_str(name, out);
    Written::Value
}

/// Writes `numeric` as the nearest floating-point number.
pub(super) fn write_float(text: &[u8], out: &mut Vec<u8>) -> Written {
    if let Some(name) = special(text) {
        write_str(name, out);
        return Written::Value;
    }
    let number = Decimal::parse(text).and_then(|_| std::str::from_utf8(text).ok()?.parse::<f64>().ok());
    match number {
        None => return Written::NotAValue,
        Some(f64::INFINITY) => write_str("Infinity", out),
        Some(f64::NEG_INFINITY) => write_str("-Infinity", out),
        Some(number) => {
            write(out, &number);
        }
    }
    Written::Value
}

/// Writes `money`. The session shows two digits after the point, of a number of the currency's smallest unit,
/// of which `digits` are after the point; the amount has at least two.
pub(super) fn write_money(text: &[u8], digits: u32, mode: DecimalMode, out: &mut Vec<u8>) -> Written {
    let mut units: i128 = 0;
    let mut has_digits = false;
    for byte in text {
        match byte {
            // a number of 64 bits
            b'0'..=b'9' if units < i128::from(u64::MAX) => {
                units = units * 10 + i128::from(byte - b'0');
                has_digits = true;
            }
            b'-' | b'(' | b')' | b'$' | b',' | b'.' => {}
            _ => return Written::NotAValue,
        }
    }
    if !has_digits {
        return Written::NotAValue;
    }
    if let [b'-' | b'(', ..] = text {
        units = -units;
    }
    let units = units * 10i128.pow(2u32.saturating_sub(digits));
    let digits = digits.max(2);
    match mode {
        DecimalMode::Precise => {
            write_unscaled(out, units);
        }
        DecimalMode::String => {
            out.push(b'"');
            write_point(units, digits, out);
            out.push(b'"');
        }
        DecimalMode::Double => {
            let mut decimal = Vec::new();
            write_point(units, digits, &mut decimal);
            return write_float(&decimal, out);
        }
    }
    Written::Value
}

/// Writes a number with `digits` digits after the point.
fn write_point(units: i128, digits: u32, out: &mut Vec<u8>) {
    let width = digits as usize;
    let unit = 10u128.saturating_pow(digits);
    let (whole, fraction) = (units.unsigned_abs() / unit, units.unsigned_abs() % unit);
    let sign = if units < 0 { "-" } else { "" };
    // a buffer takes everything
    let _ = write!(out, "{sign}{whole}.{fraction:0width$}");
}

fn special(text: &[u8]) -> Option<&'static str> {
    match text {
        b"NaN" => Some("NaN"),
        b"Infinity" => Some("Infinity"),
        b"-Infinity" => Some("-Infinity"),
        _ => None,
    }
}

/// Returns that NaN and the infinities, which have no decimal representation, are null, as with Debezium.
fn special_is_null(text: &[u8]) -> Written {
    if special(text).is_none() { Written::NotAValue } else { Written::Null }
}
