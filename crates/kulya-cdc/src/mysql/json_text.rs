//! Texts as JSON strings, written character by character where a text is not UTF-8 already.

use crate::debezium::json;

/// Writes UTF-8 as a JSON string. Returns whether it was valid; invalid bytes are written as U+FFFD.
pub(super) fn write_utf8(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    match std::str::from_utf8(bytes) {
        Ok(text) => json::write(out, text),
        Err(_) => {
            json::write(out, &*String::from_utf8_lossy(bytes));
            false
        }
    }
}

/// Writes a character within a JSON string.
pub(super) fn push(character: char, out: &mut Vec<u8>) {
    let escape = match character {
        '"' | '\\' => character as u8,
        '\u{8}' => b'b',
        '\t' => b't',
        '\n' => b'n',
        '\u{c}' => b'f',
        '\r' => b'r',
        '\0'..='\u{1f}' => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let code = character as usize;
            out.extend_from_slice(b"\\u00");
            out.extend([DIGITS[code >> 4 & 0xf], DIGITS[code & 0xf]]);
            return;
        }
        _ => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return;
        }
    };
    out.extend([b'\\', escape]);
}
