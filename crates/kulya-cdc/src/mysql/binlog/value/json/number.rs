//! Text of floating-point numbers as MySQL prints them within JSON: the shortest digits that give the number
//! again, always with a point or an exponent. Whole numbers have an exponent from 1e15 on, others below
//! 1e-15.

use std::fmt::Write;

/// Most digits before the point of a whole number without an exponent.
const MAX_WHOLE_DIGITS: i32 = 15;
/// Most zeros after the point of a number without an exponent.
const MAX_LEADING_ZEROS: i32 = 14;

/// Writes a number; `None` if it is not finite, which JSON does not have.
pub(super) fn write_double(number: f64, text: &mut String) -> Option<()> {
    if !number.is_finite() {
        return None;
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let digit_count = digits.bytes().filter(u8::is_ascii_digit).count();
    let whole_digits = exponent + 1;
    let has_fraction = digit_count as i32 > whole_digits;
    let is_plain = -whole_digits <= MAX_LEADING_ZEROS && (whole_digits <= MAX_WHOLE_DIGITS || has_fraction);
    if number != 0.0 && !is_plain {
        write!(text, "{digits}e{exponent}").ok()?;
        return Some(());
    }
    let start = text.len();
    write!(text, "{number}").ok()?;
    if !text[start..].contains('.') {
        text.push_str(".0");
    }
    Some(())
}

/// Writes a number without an exponent: those that Java prints with one get all their digits. `None` if it
/// is not finite.
pub(super) fn write_plain_double(number: f64, text: &mut String) -> Option<()> {
    if !number.is_finite() {
        return None;
    }
    let absolute = number.abs();
    if absolute == 0.0 || (1e-3..1e7).contains(&absolute) {
        write!(text, "{number:?}").ok()?;
        return Some(());
    }
    // no number has more digits after the point than its 1074 binary ones
    let digits = format!("{number:.1074}");
    text.push_str(digits.trim_end_matches('0').trim_end_matches('.'));
    Some(())
}
