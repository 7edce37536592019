//! Decimals: groups of nine digits in four bytes, with fewer bytes for the incomplete groups at both ends.
//! The highest bit is set, and all bits are inverted in negative numbers.

use crate::mysql::binlog::error::BinlogError;
use crate::mysql::binlog::reader::Reader;

type Result<T> = std::result::Result<T, BinlogError>;

const PART: &str = "a DECIMAL";

/// Bytes of a group of 0 to 9 digits.
const GROUP_BYTES: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
/// Digits of a whole group.
const GROUP_DIGITS: usize = 9;
const POWERS: [u32; 10] =
    [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

/// Most digits, leading zeros included: a column has up to 65, and decimals within JSON fill up groups.
const MAX_DIGITS: usize = 81;

/// Greatest length of a decimal's text in bytes: a sign, 81 digits, a point, and a zero before it.
pub const MAX_DECIMAL_TEXT: usize = MAX_DIGITS + 3;

/// Returns the length of a number in bytes; `None` for digits that no column can have.
pub(in crate::mysql::binlog) fn encoded_length(precision: u8, scale: u8) -> Option<usize> {
    let integer = precision.checked_sub(scale).filter(|_| usize::from(precision) <= MAX_DIGITS)?;
    Some(group_bytes(integer.into()) + group_bytes(scale.into()))
}

/// A decimal number with all digits of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal<'a> {
    bytes: &'a [u8],
    precision: u8,
    scale: u8,
}

impl<'a> Decimal<'a> {
    /// Reads the bytes of a number, and checks that they are digits.
    pub(super) fn read(precision: u8, scale: u8, reader: &mut Reader<'a>) -> Result<Self> {
        let length = encoded_length(precision, scale).ok_or(BinlogError::malformed(PART))?;
        let decimal = Self { bytes: reader.take(length, PART)?, precision, scale };
        let is_valid = decimal.groups().all(|(digits, group)| group < POWERS[digits]);
        is_valid.then_some(decimal).ok_or(BinlogError::malformed(PART))
    }

    /// Returns the number of digits after the point.
    pub fn scale(&self) -> u8 {
        self.scale
    }

    /// Whether the number is below zero.
    pub fn is_negative(&self) -> bool {
        self.bytes.first().is_some_and(|first| first & 0x80 == 0)
            && self.groups().any(|(_, group)| group != 0)
    }

    /// Returns the number times 10 to the power of the scale; `None` if it does not fit.
    pub fn unscaled(&self) -> Option<i128> {
        let mut unscaled: i128 = 0;
        for (digits, group) in self.groups() {
            unscaled = unscaled.checked_mul(POWERS[digits].into())?.checked_add(group.into())?;
        }
        Some(if self.is_negative() { -unscaled } else { unscaled })
    }

    /// Writes the number as the server prints it, with all digits after the point.
    pub fn write_text(&self, text: &mut String) {
        let scale = usize::from(self.scale);
        let mut digits = [b'0'; MAX_DIGITS];
        let mut count = 0;
        for (length, group) in self.groups() {
            let mut group = group;
            for digit in digits[count..count + length].iter_mut().rev() {
                *digit = b'0' + (group % 10) as u8;
                group /= 10;
            }
            count += length;
        }
        let (integer, fraction) = digits[..count].split_at(count - scale);
        let first = integer.iter().position(|digit| *digit != b'0').unwrap_or(integer.len());
        if self.is_negative() {
            text.push('-');
        }
        if first == integer.len() {
            text.push('0');
        }
        text.extend(integer[first..].iter().map(|digit| char::from(*digit)));
        if scale > 0 {
            text.push('.');
            text.extend(fraction.iter().map(|digit| char::from(*digit)));
        }
    }

    /// Returns the groups of digits from the highest on: the number of digits and their value.
    fn groups(&self) -> impl Iterator<Item = (usize, u32)> {
        let integer = usize::from(self.precision - self.scale);
        let scale = usize::from(self.scale);
        let lengths = [integer % GROUP_DIGITS]
            .into_iter()
            .chain(std::iter::repeat_n(GROUP_DIGITS, integer / GROUP_DIGITS + scale / GROUP_DIGITS))
            .chain([scale % GROUP_DIGITS]);
        let is_inverted = self.bytes.first().is_some_and(|first| first & 0x80 == 0);
        let mut bytes = self.bytes;
        let mut is_first = true;
        lengths.filter(|digits| *digits > 0).map(move |digits| {
            let (group, rest) = bytes.split_at(GROUP_BYTES[digits].min(bytes.len()));
            bytes = rest;
            let mut value = 0u32;
            for byte in group {
                let byte = if is_first { byte ^ 0x80 } else { *byte };
                is_first = false;
                value = value << 8 | u32::from(if is_inverted { !byte } else { byte });
            }
            (digits, value)
        })
    }
}

fn group_bytes(digits: usize) -> usize {
    digits / GROUP_DIGITS * GROUP_BYTES[GROUP_DIGITS] + GROUP_BYTES[digits % GROUP_DIGITS]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(precision: u8, scale: u8, bytes: &[u8]) -> Option<(String, Option<i128>)> {
        let decimal = Decimal::read(precision, scale, &mut Reader::new(bytes)).ok()?;
        let mut text = String::new();
        decimal.write_text(&mut text);
        Some((text, decimal.unscaled()))
    }

    #[test]
    fn decimals() {
        for (precision, scale, bytes, expected, unscaled) in [
            (
                14,
                4,
                &[0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2][..],
                "1234567890.1234",
                12_345_678_901_234i128,
            ),
            (14, 4, &[0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d], "-1234567890.1234", -12_345_678_901_234),
            (1, 0, &[0x80], "0", 0),
            (1, 1, &[0x85], "0.5", 5),
            (1, 1, &[0x7a], "-0.5", -5),
            (2, 1, &[0x7f, 0xff], "0.0", 0),
            (5, 2, &[0x83, 0xe7, 0x63], "999.99", 99_999),
        ] {
            assert_eq!(text(precision, scale, bytes), Some((expected.to_owned(), Some(unscaled))));
        }
        for (precision, scale, bytes) in
            [(1, 0, &[0x8a][..]), (5, 2, &[0x83, 0xe8, 0]), (9, 0, &[0x80, 0, 0])]
        {
            assert_eq!(text(precision, scale, bytes), None, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_rejected(
            precision in 1u8..=90, scale in 0u8..=65, bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Some((text, unscaled)) = text(precision, scale, &bytes) {
                prop_assert!(text.len() <= MAX_DECIMAL_TEXT);
                if let Some(unscaled) = unscaled {
                    prop_assert_eq!(text.replace('.', "").parse(), Ok(unscaled));
                }
            }
        }
    }
}
