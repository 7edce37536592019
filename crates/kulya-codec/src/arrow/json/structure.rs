//! The end of an array or object, found by its brackets and quotes alone, 64 bytes at a time: what is between
//! them is not checked. Skipping the parts of an event that a query does not need is most of the work of
//! reading change events.

/// The number of bytes that are looked at together.
const BLOCK: usize = 64;

/// Where the characters of a block are that end strings and containers: a bit for each byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    quotes: u64,
    backslashes: u64,
    opening: u64,
    closing: u64,
}

/// Returns the length of the rest of a container up to and with its last bracket, of which `rest` is what
/// follows the first one; `None` if it does not end.
pub(super) fn container_end(rest: &[u8]) -> Option<usize> {
    let mut depth = 1_u64;
    // whether the block starts within a string: all bits, or none
    let mut in_string = 0_u64;
    let mut is_escaped = false;
    let mut blocks = rest.chunks_exact(BLOCK);
    let mut start = 0;
    let mut last = [b' '; BLOCK];
    loop {
        let block: &[u8; BLOCK] = match blocks.next() {
            Some(block) => block.first_chunk()?,
            None => {
                let rest = blocks.remainder();
                last.get_mut(..rest.len())?.copy_from_slice(rest);
                &last
            }
        };
        let marks = Marks::of(block);
        let escaped = escaped(marks.backslashes, &mut is_escaped);
        let strings = prefix_xor(marks.quotes & !escaped) ^ in_string;
        in_string = ((strings as i64) >> 63) as u64;
        let others = !(strings | escaped);
        let (opening, mut closing) = (marks.opening & others, marks.closing & others);
        if u64::from(closing.count_ones()) < depth {
            depth += u64::from(opening.count_ones());
            depth -= u64::from(closing.count_ones());
        } else {
            let outer = depth;
            let mut closed = 0;
            while closing != 0 {
                let bit = closing.trailing_zeros();
                closed += 1;
                let opened = opening & ((1_u64 << bit) - 1);
                if outer + u64::from(opened.count_ones()) == closed {
                    return Some(start + bit as usize + 1).filter(|end| *end <= rest.len());
                }
                closing &= closing - 1;
            }
            depth = outer + u64::from(opening.count_ones()) - closed;
        }
        start += BLOCK;
        if start >= rest.len() {
            return None;
        }
    }
}

/// Returns the bytes that follow an odd number of backslashes. `is_escaped` says it of the first byte, and is
/// set for the next block.
fn escaped(backslashes: u64, is_escaped: &mut bool) -> u64 {
    if backslashes == 0 {
        return u64::from(std::mem::take(is_escaped));
    }
    let mut escaped = 0;
    for bit in 0..BLOCK {
        if std::mem::take(is_escaped) {
            escaped |= 1 << bit;
        } else {
            *is_escaped = backslashes >> bit & 1 == 1;
        }
    }
    escaped
}

/// Returns the number in which each bit says whether an odd number of bits up to it are set.
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

const ONES: u64 = 0x0101_0101_0101_0101;
const LOWS: u64 = ONES * 0x7f;

/// Returns a word with the highest bit of each byte that is zero.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    !((word & LOWS).wrapping_add(LOWS) | word | LOWS)
}

/// Returns a bit for each byte of which the highest bit is set, and no other.
#[inline]
fn packed(word: u64) -> u64 {
    (word >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

impl Marks {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut marks = Self { quotes: 0, backslashes: 0, opening: 0, closing: 0 };
        for (number, bytes) in block.as_chunks::<8>().0.iter().enumerate() {
            let (word, shift) = (u64::from_le_bytes(*bytes), number * 8);
            let equal = |word: u64, character: u8| zero_bytes(word ^ (ONES * u64::from(character)));
            marks.quotes |= packed(equal(word, b'"')) << shift;
            // brackets and backslashes, and a few others: most words have none of them
            if equal(word | (ONES * 0x27), 0x7f) != 0 {
                // in lower case, [ and ] are { and }
                let lower = word | (ONES * 0x20);
                marks.backslashes |= packed(equal(word, b'\\')) << shift;
                marks.opening |= packed(equal(lower, b'{')) << shift;
                marks.closing |= packed(equal(lower, b'}')) << shift;
            }
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Looks at one byte at a time.
    fn reference(rest: &[u8]) -> Option<usize> {
        let (mut depth, mut in_string, mut is_escaped) = (1, false, false);
        for (at, byte) in rest.iter().enumerate() {
            if std::mem::take(&mut is_escaped) {
                continue;
            }
            match byte {
                b'\\' => is_escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    #[test]
    fn containers_end_at_their_last_bracket() {
        for (rest, expected) in [
            ("", None),
            ("}", Some(1)),
            (r#""a}":[{"\"}":1}]}, "#, Some(17)),
            (r#""a\\"}"#, Some(6)),
            (r#""a\"}"#, None),
            ("[[]", None),
        ] {
            assert_eq!(container_end(rest.as_bytes()), expected, "{rest}");
            assert_eq!(reference(rest.as_bytes()), expected, "{rest}");
            let spaced = format!("{}{rest}", " ".repeat(60));
            assert_eq!(container_end(spaced.as_bytes()), expected.map(|end| end + 60), "{rest}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn all_blocks_are_found_as_byte_by_byte(
            bytes in prop::collection::vec(prop::sample::select(b"\"\"\\{}[]abc  ".to_vec()), 0..300),
            any in prop::collection::vec(any::<u8>(), BLOCK),
        ) {
            prop_assert_eq!(container_end(&bytes), reference(&bytes));
            prop_assert_eq!(container_end(&any), reference(&any));
            let marks = Marks::of(any.first_chunk().unwrap());
            for (place, byte) in any.iter().enumerate() {
                let found = [marks.quotes, marks.backslashes, marks.opening, marks.closing]
                    .map(|marks| marks >> place & 1 == 1);
                let is = [*byte == b'"', *byte == b'\\', matches!(byte, b'{' | b'['), matches!(byte, b'}' | b']')];
                prop_assert_eq!(found, is, "byte {} at {}", byte, place);
            }
        }
    }
}
