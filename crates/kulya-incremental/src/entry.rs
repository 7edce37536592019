//! Keys and values of state entries: numbers of variable length, and byte strings behind their length.
//!
//! Reading is total: damaged bytes are an error, and no length is trusted.

use crate::error::{Problem, Result};

pub(crate) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes small numbers of either sign in few bytes.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// The key of an entry that has a row begins so, then the row's key.
pub(crate) const ROW: u8 = 1;

/// The key of the entry that has a row.
pub(crate) fn row_entry_key(key: &[u8]) -> Vec<u8> {
    [&[ROW], key].concat()
}

/// An entry's value that is one number.
pub(crate) fn signed(value: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(2);
    put_signed(&mut out, value);
    out
}

/// A million million rows, more than memory holds.
const MAX_WEIGHT: i64 = 1 << 40;

/// Reads what the functions above wrote.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn byte(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk().ok_or_else(truncated)?;
        self.rest = rest;
        Ok(*array)
    }

    pub(crate) fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Problem::state("a number is too long"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number of rows, which is never negative at the end of a tick. That it is small keeps damaged entries
    /// from overflowing sums.
    pub(crate) fn weight(&mut self) -> Result<i64> {
        match self.signed()? {
            weight @ 0..=MAX_WEIGHT => Ok(weight),
            other => Err(Problem::state(format!("{other} is no number of rows"))),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| truncated())?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Checks that nothing is left.
    pub(crate) fn end(&self) -> Result<()> {
        match self.rest {
            [] => Ok(()),
            rest => Err(Problem::state(format!("an entry has {} bytes too many", rest.len()))),
        }
    }
}

/// A value that is a number of rows.
pub(crate) fn read_weight(value: &[u8]) -> Result<i64> {
    let mut reader = Reader::new(value);
    let weight = reader.weight()?;
    reader.end()?;
    Ok(weight)
}

/// A value that is one number.
pub(crate) fn read_signed(value: &[u8]) -> Result<i64> {
    let mut reader = Reader::new(value);
    let number = reader.signed()?;
    reader.end()?;
    Ok(number)
}

fn truncated() -> Problem {
    Problem::state("an entry is truncated")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_and_bytes_are_read_back(
            signed in any::<i64>(), unsigned in any::<u64>(), bytes in any::<Vec<u8>>()
        ) {
            let mut out = Vec::new();
            put_signed(&mut out, signed);
            put_bytes(&mut out, &bytes);
            put_unsigned(&mut out, unsigned);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.signed().unwrap(), signed);
            prop_assert_eq!(reader.bytes().unwrap(), bytes.as_slice());
            prop_assert_eq!(reader.unsigned().unwrap(), unsigned);
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
            let mut reader = Reader::new(&bytes);
            while reader.unsigned().is_ok() && reader.bytes().is_ok() {}
        }
    }
}
