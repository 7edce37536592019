//! Numbers: integers, decimals, floating-point numbers and bits.

use crate::debezium::written::{Written, done};
use crate::debezium::{DecimalMode, json};
use crate::mysql::binlog::value::{Decimal, MAX_DECIMAL_TEXT};
use num_bigint::BigInt;
use std::str::FromStr;

/// Parses a number's text.
pub(super) fn parse<T: FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Writes an integer of the log. A negative one of an unsigned column was decoded without knowing that it is
/// unsigned.
pub(super) fn write_integer(bytes: u8, unsigned: bool, number: i64, out: &mut Vec<u8>) -> Written {
    let number = match bytes {
        1..=7 if unsigned => number & ((1 << (8 * bytes)) - 1),
        _ => number,
    };
    done(json::write(out, &number))
}

/// Writes an integer's text, which has leading zeros with ZEROFILL.
pub(super) fn write_integer_text(
    bytes: u8,
    unsigned: bool,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Option<Written> {
    let number = match (bytes, unsigned) {
        (8, true) => parse::<u64>(text)? as i64,
        _ => parse(text)?,
    };
    Some(done(json::write(out, &number)))
}

/// Writes a BIGINT UNSIGNED as a decimal.
pub(super) fn write_unsigned(number: u64, out: &mut Vec<u8>) -> Written {
    done(json::write_unscaled(out, number.into()))
}

/// Writes a FLOAT; one that is widened has the digits of 64 bits.
pub(super) fn write_float(is_widened: bool, number: f32, out: &mut Vec<u8>) -> Written {
    if is_widened {
        return write_double(number.into(), out);
    }
    if !number.is_finite() {
        return Written::NotAValue;
    }
    done(json::write(out, &number))
}

/// Writes a DOUBLE. The servers store finite numbers only.
pub(super) fn write_double(number: f64, out: &mut Vec<u8>) -> Written {
    if !number.is_finite() {
        return Written::NotAValue;
    }
    done(json::write(out, &number))
}

/// Writes a DECIMAL of the log.
pub(super) fn write_decimal(mode: DecimalMode, decimal: &Decimal<'_>, out: &mut Vec<u8>) -> Written {
    match (mode, decimal.unscaled()) {
        (DecimalMode::Precise, Some(unscaled)) => done(json::write_unscaled(out, unscaled)),
        (DecimalMode::String, _) => {
            out.push(b'"');
            push_text(decimal, out);
            out.push(b'"');
            Written::Value
        }
        // more digits than 128 bits hold, or a text to be parsed
        _ => {
            let mut text = String::with_capacity(MAX_DECIMAL_TEXT);
            decimal.write_text(&mut text);
            let scale = decimal.scale().into();
            write_decimal_text(mode, scale, text.as_bytes(), out).unwrap_or(Written::NotAValue)
        }
    }
}

/// Writes the text of a number, without allocation if it has at most 38 digits.
fn push_text(decimal: &Decimal<'_>, out: &mut Vec<u8>) {
    let scale = usize::from(decimal.scale());
    let Some(unscaled) = decimal.unscaled() else {
        let mut text = String::with_capacity(MAX_DECIMAL_TEXT);
        decimal.write_text(&mut text);
        out.extend_from_slice(text.as_bytes());
        return;
    };
    if unscaled < 0 {
        out.push(b'-');
    }
    let start = out.len();
    json::write(out, &unscaled.unsigned_abs());
    let digits = out.len() - start;
    // at least one digit before the point
    let missing = (scale + 1).saturating_sub(digits);
    out.splice(start..start, std::iter::repeat_n(b'0', missing));
    if scale > 0 {
        out.insert(out.len() - scale, b'.');
    }
}

/// Writes a DECIMAL's text, whose number of digits after the point is the column's scale.
pub(super) fn write_decimal_text(
    mode: DecimalMode,
    scale: u32,
    text: &[u8],
    out: &mut Vec<u8>,
) -> Option<Written> {
    let is_number = |c: &u8| c.is_ascii_digit() || matches!(c, b'.' | b'-');
    if text.is_empty() || text.len() > MAX_DECIMAL_TEXT || !text.iter().all(is_number) {
        return None;
    }
    match mode {
        DecimalMode::Double => Some(write_double(parse(text)?, out)),
        DecimalMode::String => {
            out.push(b'"');
            out.extend_from_slice(without_zerofill(text));
            out.push(b'"');
            Some(Written::Value)
        }
        DecimalMode::Precise => write_unscaled(scale, text, out),
    }
}

/// Removes the zeros in front of a number that SELECT shows of a ZEROFILL column, and the log does not have.
fn without_zerofill(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let [b'0', tail @ ..] = rest
        && tail.first().is_some_and(u8::is_ascii_digit)
    {
        rest = tail;
    }
    rest
}

/// Writes the number without its point.
fn write_unscaled(scale: u32, text: &[u8], out: &mut Vec<u8>) -> Option<Written> {
    let mut digits = [0u8; MAX_DECIMAL_TEXT];
    let mut count = 0;
    for (digit, place) in text.iter().filter(|c| **c != b'.').zip(&mut digits) {
        *place = *digit;
        count += 1;
    }
    let fraction = text.iter().rev().take_while(|c| **c != b'.').count();
    let fraction = if text.contains(&b'.') { fraction } else { 0 };
    if u32::try_from(fraction) != Ok(scale) {
        return None;
    }
    let digits = std::str::from_utf8(digits.get(..count)?).ok()?;
    match digits.parse::<i128>() {
        Ok(unscaled) => json::write_unscaled(out, unscaled),
        Err(_) => json::write_base64(out, &digits.parse::<BigInt>().ok()?.to_signed_bytes_be()),
    };
    Some(Written::Value)
}

/// Reads the big-endian bytes of BIT in a SELECT.
pub(super) fn bits(bytes: &[u8]) -> Option<u64> {
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
}

/// Writes bits as bytes, the least significant first.
pub(super) fn write_bits(bits: u8, value: u64, out: &mut Vec<u8>) -> Written {
    let bytes = value.to_le_bytes();
    let length = usize::from(bits).div_ceil(8).min(bytes.len());
    done(json::write_base64(out, bytes.get(..length).unwrap_or_default()))
}

/// Writes the numbers of a VECTOR: four bytes each, the least significant first.
pub(super) fn write_vector(bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let start = out.len();
    out.push(b'[');
    for (index, number) in numbers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if write_float(false, f32::from_le_bytes(*number), out) == Written::NotAValue {
            out.truncate(start);
            return Written::NotAValue;
        }
    }
    if !rest.is_empty() {
        out.truncate(start);
        return Written::NotAValue;
    }
    out.push(b']');
    Written::Value
}
