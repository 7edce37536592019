//! Decimals as events have them: an unscaled number, in base64 of big-endian two's complement, and a scale.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::{BigInt, Sign};
use serde_json::Value;

/// Largest unscaled number that becomes a text, in bytes: more than databases have.
const MAX_BYTES: usize = 64 << 10;
/// Largest scale, also below zero.
pub(super) const MAX_SCALE: i32 = 20_000;

/// Decodes an unscaled number of at most 128 bits.
pub(super) fn unscaled(base64: &str) -> Option<i128> {
    let mut short = [0; 24];
    let bytes = match STANDARD.decode_slice(base64, &mut short) {
        Ok(length) => short.get(..length)?,
        // more bytes, which may all be those of the sign, or none at all
        Err(_) => &STANDARD.decode(base64).ok()?,
    };
    let sign = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let extra = bytes.len().saturating_sub(16);
    let (head, tail) = bytes.split_at_checked(extra)?;
    if head.iter().any(|byte| *byte != sign) {
        return None;
    }
    let mut whole = [sign; 16];
    whole.get_mut(16 - tail.len()..)?.copy_from_slice(tail);
    Some(i128::from_be_bytes(whole))
}

/// Decodes an unscaled number of any size and writes the decimal with all digits of its scale.
pub(super) fn text(base64: &str, scale: i32) -> Option<String> {
    let bytes = STANDARD.decode(base64).ok().filter(|bytes| (1..=MAX_BYTES).contains(&bytes.len()))?;
    let number = BigInt::from_signed_bytes_be(&bytes);
    let zeros = usize::try_from(scale.clamp(-MAX_SCALE, 0).unsigned_abs()).ok()?;
    let fraction = usize::try_from(scale.clamp(0, MAX_SCALE)).ok()?;
    if number.sign() == Sign::NoSign && fraction == 0 {
        return Some("0".to_owned());
    }
    let digits =
        format!("{:0>width$}{}", number.magnitude().to_string(), "0".repeat(zeros), width = fraction + 1);
    let (whole, fraction) = digits.split_at_checked(digits.len() - fraction)?;
    let sign = if number.sign() == Sign::Minus { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
}

/// Returns the text of a decimal with a scale of its own.
pub(super) fn variable_text(value: &Value) -> Option<String> {
    let scale = i32::try_from(value.get("scale")?.as_i64()?).ok()?;
    (-MAX_SCALE..=MAX_SCALE).contains(&scale).then(|| text(value.get("value")?.as_str()?, scale))?
}
