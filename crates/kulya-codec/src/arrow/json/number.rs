//! Numbers of JSON text: their grammar, and their values as integers, floats and decimals without an
//! intermediate text where they are short.

/// A number in its text, with what reading it has found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::arrow) struct Number<'a> {
    pub(in crate::arrow) text: &'a str,
    pub(super) scan: NumberScan,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NumberScan {
    /// All digits before an exponent as an integer; exact for at most 19 of them.
    mantissa: u64,
    pub(super) length: u32,
    digits: u32,
    /// The number of digits after the point.
    fraction: u32,
    is_negative: bool,
    has_exponent: bool,
}

const POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

impl NumberScan {
    /// Reads the number at the beginning of the text.
    #[inline(always)]
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let digit = |at: usize| text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10);
        let is_negative = text.first() == Some(&b'-');
        let start = usize::from(is_negative);
        let (mut at, mut mantissa) = (start, 0_u64);
        while let Some(digit) = digit(at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
            at += 1;
        }
        let whole = at - start;
        if whole == 0 || whole > 1 && text.get(start) == Some(&b'0') {
            return None;
        }
        let mut fraction = 0;
        if text.get(at) == Some(&b'.') {
            at += 1;
            let first = at;
            while let Some(digit) = digit(at) {
                mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
                at += 1;
            }
            fraction = at - first;
            if fraction == 0 {
                return None;
            }
        }
        let has_exponent = matches!(text.get(at), Some(b'e' | b'E'));
        if has_exponent {
            at += 1;
            at += usize::from(matches!(text.get(at), Some(b'+' | b'-')));
            digit(at)?;
            while digit(at).is_some() {
                at += 1;
            }
        }
        // events are smaller than 4 GiB
        let (length, fraction) = (u32::try_from(at).ok()?, fraction as u32);
        let digits = whole as u32 + fraction;
        Some(Self { mantissa, length, digits, fraction, is_negative, has_exponent })
    }
}

impl NumberScan {
    /// Returns the integer, if it is one of at most 18 digits.
    #[inline]
    pub(super) fn short_integer(&self) -> Option<i64> {
        if self.fraction > 0 || self.has_exponent || self.digits > 18 {
            return None;
        }
        let value = self.mantissa as i64;
        Some(if self.is_negative { -value } else { value })
    }

    /// Returns the nearest float, if it has at most 15 digits and no exponent.
    #[inline]
    pub(super) fn short_float(&self) -> Option<f64> {
        if self.digits > 15 || self.has_exponent {
            return None;
        }
        // both are exact, so that the quotient is rounded once
        let value = self.mantissa as f64 / POWERS.get(self.fraction as usize)?;
        Some(if self.is_negative { -value } else { value })
    }
}

impl Number<'_> {
    /// Returns whether the number has neither a fraction nor an exponent.
    #[inline]
    pub(in crate::arrow) fn is_integer(&self) -> bool {
        self.scan.fraction == 0 && !self.scan.has_exponent
    }

    /// Returns the integer; `None` for other numbers, even `1.0`, and beyond 64 bits.
    #[inline]
    pub(in crate::arrow) fn integer(&self) -> Option<i64> {
        if self.is_integer() && self.scan.digits > 18 {
            return self.text.parse().ok();
        }
        self.scan.short_integer()
    }

    /// Returns the nearest float.
    #[inline]
    pub(in crate::arrow) fn float(&self) -> f64 {
        self.scan.short_float().unwrap_or_else(|| self.text.parse().unwrap_or(f64::NAN))
    }

    pub(super) fn is_in_range(&self) -> bool {
        (!self.scan.has_exponent && self.scan.digits < 300) || self.float().is_finite()
    }
}

/// Returns the unscaled number of a decimal in a text, rounded half up to the scale, as Java's `BigDecimal`
/// reads and rounds it. `Ok(None)` has more digits than `precision`.
pub(in crate::arrow) fn decimal(text: &str, precision: u8, scale: i8) -> Result<Option<i128>, ()> {
    let (is_negative, unsigned) = match text.as_bytes() {
        [b'-', ..] => (true, text.get(1..).unwrap_or_default()),
        [b'+', ..] => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    let (digits, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let exponent: i32 = exponent.parse().map_err(drop)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || whole.len() + fraction.len() == 0 {
        return Err(());
    }
    let significant = whole.bytes().chain(fraction.bytes()).skip_while(|digit| *digit == b'0');
    let count = significant.clone().count() as i64;
    if count == 0 {
        return Ok(Some(0));
    }
    // the number of digits before the point of the unscaled number
    let kept = count + i64::from(exponent) - fraction.len() as i64 + i64::from(scale);
    if kept < 0 {
        return Ok(Some(0));
    }
    if kept > i64::from(precision) {
        return Ok(None);
    }
    let mut digits = significant.map(|digit| i128::from(digit - b'0')).chain(std::iter::repeat(0));
    let mut value = digits.by_ref().take(kept as usize).fold(0_i128, |value, digit| value * 10 + digit);
    if digits.next().is_some_and(|next| next >= 5) {
        value += 1;
    }
    let limit = 10_i128.checked_pow(precision.into()).unwrap_or(i128::MAX);
    Ok((value < limit).then_some(if is_negative { -value } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_length_are_short_or_not() {
        for (text, expected) in [
            ("-999999999999999999", Some(-999_999_999_999_999_999)),
            ("9223372036854775807", None),
            ("-9223372036854775808", None),
            ("-92233720368547758080", None),
        ] {
            assert_eq!(
                NumberScan::of(text.as_bytes()).and_then(|scan| scan.short_integer()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn decimals_are_rounded_half_up() {
        for (text, expected) in [
            ("1.5", Ok(Some(150))),
            ("-1.005", Ok(Some(-101))),
            ("1.00499", Ok(Some(100))),
            ("999.99", Ok(Some(99999))),
            ("999.995", Ok(None)),
            ("1e2", Ok(Some(10000))),
            ("12E-1", Ok(Some(120))),
            ("1e999999999", Ok(None)),
            ("1e-999999999", Ok(Some(0))),
            ("0e999999999", Ok(Some(0))),
            ("0.005", Ok(Some(1))),
            ("0.0005", Ok(Some(0))),
            (".5", Ok(Some(50))),
            ("5.", Ok(Some(500))),
            ("+1", Ok(Some(100))),
            (".", Err(())),
            ("", Err(())),
            ("x", Err(())),
            ("1.2.3", Err(())),
            ("--1", Err(())),
        ] {
            assert_eq!(decimal(text, 5, 2), expected, "{text}");
        }
        assert_eq!(decimal(&"9".repeat(38), 38, 0), Ok(Some(10_i128.pow(38) - 1)));
    }
}
