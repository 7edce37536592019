//! Bytes: in base64 or hexadecimal, with the zero bytes that the log leaves out at the end of BINARY.

use crate::debezium::Written;
use crate::debezium::{BinaryMode, json};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

/// Writes bytes, of which there are at least `length`.
pub(super) fn write(mode: BinaryMode, length: u8, bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let mut padded = [0; u8::MAX as usize];
    let bytes = match padded.get_mut(..usize::from(length)) {
        Some(padded) if bytes.len() < padded.len() => {
            let (start, _) = padded.split_at_mut(bytes.len());
            start.copy_from_slice(bytes);
            padded
        }
        _ => bytes,
    };
    match mode {
        BinaryMode::Bytes | BinaryMode::Base64 => _ = json::write_base64(out, bytes),
        BinaryMode::Base64UrlSafe => write_url_safe(bytes, out),
        BinaryMode::Hex => write_hex(bytes, out),
    }
    Written::Value
}

fn write_url_safe(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len() + 1;
    out.push(b'"');
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = out.get_mut(start..).and_then(|rest| URL_SAFE.encode_slice(bytes, rest).ok());
    out.truncate(start + written.unwrap_or_default());
    out.push(b'"');
}

fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    push_hex(bytes, out);
    out.push(b'"');
}

/// Appends two hexadecimal digits for each byte.
pub(super) fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
    }
}
