//! Avro's integers: zigzag varints of up to 64 bits.

/// Why bytes are no integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VarintError {
    /// The bytes end within it.
    Truncated,
    /// It has more than 64 bits.
    TooLong,
}

/// Reads an integer from the beginning of `rest`.
///
/// # Errors
/// The bytes do not begin with one; `rest` may then be anywhere in them.
#[inline]
pub fn read_long(rest: &mut &[u8]) -> Result<i64, VarintError> {
    let (first, after) = rest.split_first().ok_or(VarintError::Truncated)?;
    let number = if *first < 0x80 {
        *rest = after;
        u64::from(*first)
    } else {
        several(rest)?
    };
    Ok((number >> 1) as i64 ^ -((number & 1) as i64))
}

/// Reads a varint of several bytes.
#[inline]
fn several(rest: &mut &[u8]) -> Result<u64, VarintError> {
    const LAST_BYTE: u64 = 0x8080_8080_8080_8080;
    let Some((word, _)) = rest.split_first_chunk::<8>() else { return one_by_one(rest) };
    let word = u64::from_le_bytes(*word);
    let ends = !word & LAST_BYTE;
    if ends == 0 {
        return one_by_one(rest);
    }
    // all bytes at once: those after the last one are removed, and the gaps between the groups of seven bits
    let bits = ends.trailing_zeros() + 1;
    let word = word & (u64::MAX >> (64 - bits)) & !LAST_BYTE;
    let pairs = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let quads = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
    *rest = rest.get(bits as usize / 8..).unwrap_or_default();
    Ok((quads & 0x0fff_ffff) | (quads >> 32 << 28))
}

/// Reads a varint byte by byte: one of more than eight bytes, or near the end of the bytes.
fn one_by_one(rest: &mut &[u8]) -> Result<u64, VarintError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(VarintError::Truncated)?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(VarintError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_up_to_64_bits() {
        for (bytes, expected) in [
            (&[0][..], Ok(0)),
            (&[1], Ok(-1)),
            (&[0xac, 0x02], Ok(150)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Ok(i64::MIN)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], Err(VarintError::TooLong)),
            (&[0x80], Err(VarintError::Truncated)),
            (&[], Err(VarintError::Truncated)),
        ] {
            let mut rest = bytes;
            assert_eq!(read_long(&mut rest), expected, "{bytes:?}");
        }
    }

    #[test]
    fn varints_of_all_lengths_are_read_the_same_in_both_ways() {
        let numbers = (0..64).flat_map(|bits| [(1u64 << bits) - 1, 1 << bits, (1 << bits) | 1]);
        for number in numbers.chain([u64::MAX]) {
            let (mut bytes, mut left) = (Vec::new(), number);
            while left >= 0x80 {
                bytes.push(left as u8 | 0x80);
                left >>= 7;
            }
            bytes.push(left as u8);
            for following in [0, 1, 7, 8, 20] {
                let mut whole = bytes.clone();
                whole.extend(std::iter::repeat_n(0xff, following));
                let (mut at_once, mut slow) = (whole.as_slice(), whole.as_slice());
                assert_eq!((several(&mut at_once), one_by_one(&mut slow)), (Ok(number), Ok(number)));
                assert_eq!((at_once.len(), slow.len()), (following, following));
            }
            let (mut cut, _) = bytes.split_at(bytes.len() - 1);
            assert_eq!(several(&mut cut), Err(VarintError::Truncated), "{number} without its last byte");
        }
        let too_long = [0xff; 11];
        assert_eq!(several(&mut too_long.as_slice()), Err(VarintError::TooLong));
    }
}
