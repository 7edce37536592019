//! Writing of texts as JSON strings, as `serde_json` does: runs without characters that need escapes are
//! found eight bytes at a time and copied.

use crate::debezium::Written;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Writes a text; bytes that are not UTF-8 become replacement characters.
pub(super) fn write_text(bytes: &[u8], out: &mut Vec<u8>) -> Written {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            write_str(text, out);
            Written::Value
        }
        Err(_) => {
            write_str(&String::from_utf8_lossy(bytes), out);
            Written::Lossy
        }
    }
}

/// Writes a text.
pub(super) fn write_str(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let mut bytes = text.as_bytes();
    while let Some((run, special, rest)) = split_at_special(bytes) {
        out.extend_from_slice(run);
        write_escape(special, out);
        bytes = rest;
    }
    out.extend_from_slice(bytes);
    out.push(b'"');
}

/// Splits before and after the first byte that needs an escape; `None` without one.
fn split_at_special(bytes: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let (words, _) = bytes.as_chunks::<8>();
    let marks = words.iter().map(|word| special_marks(u64::from_le_bytes(*word)));
    let start = match marks.enumerate().find(|(_, marks)| *marks != 0) {
        Some((index, marks)) => index * 8 + marks.trailing_zeros() as usize / 8,
        None => {
            let length = words.len() * 8;
            length + bytes.get(length..)?.iter().position(|byte| is_special(*byte))?
        }
    };
    let (run, rest) = bytes.split_at_checked(start)?;
    let (special, rest) = rest.split_first()?;
    Some((run, *special, rest))
}

/// Marks the bytes that need an escape by their highest bit. The lowest mark is exact; above it a borrow may
/// mark other bytes.
fn special_marks(word: u64) -> u64 {
    let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = zero_bytes(word ^ (ONES * b'"' as u64));
    let backslash = zero_bytes(word ^ (ONES * b'\\' as u64));
    (control | quote | backslash) & HIGH_BITS
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        b'"' | b'\\' => byte,
        _ => {
            let digits = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digits(byte >> 4), digits(byte & 0xf)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        write_str(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_character_is_escaped_as_by_serde_json() {
        for place in 0..17 {
            for code in 0..0x180 {
                let text = format!("{}{}tail", "x".repeat(place), char::from_u32(code).unwrap());
                assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
            }
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        let mut out = Vec::new();
        assert_eq!(write_text(b"a\xffb\"", &mut out), Written::Lossy);
        assert_eq!(out, "\"a\u{fffd}b\\\"\"".as_bytes());
    }

    proptest! {
        #[test]
        fn texts_are_written_as_by_serde_json(text in "[ -~\\x00-\\x22äöü漢😀\"\\\\]{0,60}") {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }
    }
}
