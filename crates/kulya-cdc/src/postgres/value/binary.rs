//! Writing of `bytea`, bits, and the bytes of other types: hexadecimal digits become base64 without a copy.

use crate::debezium::BinaryMode;
use crate::debezium::Written;
use crate::debezium::json::write_base64;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;

const STANDARD_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";
/// The mark of a byte that is no hexadecimal digit.
const NO_DIGIT: u8 = 0xff;
/// The values of hexadecimal digits.
const HEX_VALUES: [u8; 256] = hex_values();

const fn hex_values() -> [u8; 256] {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        let digit = HEX_DIGITS[value];
        values[digit as usize] = value as u8;
        values[digit.to_ascii_uppercase() as usize] = value as u8;
        value += 1;
    }
    values
}

/// Writes `\x00ff`.
pub(super) fn write_bytea(text: &[u8], mode: BinaryMode, out: &mut Vec<u8>) -> Written {
    let Some(hex) = text.strip_prefix(b"\\x") else { return Written::NotAValue };
    Written::from_option(match mode {
        BinaryMode::Bytes | BinaryMode::Base64 => write_hex_as_base64(hex, STANDARD_ALPHABET, out),
        BinaryMode::Base64UrlSafe => write_hex_as_base64(hex, URL_SAFE_ALPHABET, out),
        BinaryMode::Hex => write_hex(hex, out),
    })
}

fn write_hex(hex: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let is_valid = hex.len().is_multiple_of(2) && hex.iter().all(u8::is_ascii_hexdigit);
    is_valid.then(|| {
        out.push(b'"');
        out.extend(hex.iter().map(u8::to_ascii_lowercase));
        out.push(b'"');
    })
}

fn write_hex_as_base64(hex: &[u8], alphabet: &[u8; 64], out: &mut Vec<u8>) -> Option<()> {
    if !hex.len().is_multiple_of(2) {
        return None;
    }
    let start = out.len();
    out.push(b'"');
    out.resize(start + 1 + (hex.len() / 2).div_ceil(3) * 4, b'=');
    let (groups, last) = hex.as_chunks::<6>();
    let (targets, _) = out.get_mut(start + 1..)?.as_chunks_mut::<4>();
    let mut seen = 0;
    for (group, target) in groups.iter().zip(targets.iter_mut()) {
        *target = encode_group(*group, alphabet, &mut seen);
    }
    if let (Some(target), [_, _, ..]) = (targets.last_mut(), last) {
        let mut group = [b'0'; 6];
        group.iter_mut().zip(last).for_each(|(digit, last)| *digit = *last);
        let count = last.len() / 2 + 1;
        let encoded = encode_group(group, alphabet, &mut seen);
        target.iter_mut().zip(encoded).take(count).for_each(|(target, byte)| *target = byte);
    }
    out.push(b'"');
    if seen > 0xf {
        out.truncate(start);
        return None;
    }
    Some(())
}

/// Converts six hexadecimal digits to four of base64. `seen` collects the bits of all digits.
fn encode_group(group: [u8; 6], alphabet: &[u8; 64], seen: &mut u8) -> [u8; 4] {
    let mut bits = 0u32;
    for digit in group {
        let value = HEX_VALUES[usize::from(digit)];
        *seen |= value;
        bits = bits << 4 | u32::from(value & 0xf);
    }
    [18, 12, 6, 0].map(|shift| alphabet[(bits >> shift & 0x3f) as usize])
}

/// Writes bytes in a mode.
pub(crate) fn write_bytes(bytes: &[u8], mode: BinaryMode, out: &mut Vec<u8>) {
    match mode {
        BinaryMode::Bytes | BinaryMode::Base64 => {
            write_base64(out, bytes);
        }
        BinaryMode::Base64UrlSafe => {
            out.push(b'"');
            out.extend_from_slice(URL_SAFE.encode(bytes).as_bytes());
            out.push(b'"');
        }
        BinaryMode::Hex => {
            out.push(b'"');
            for byte in bytes {
                let digit = |nibble: u8| HEX_DIGITS[usize::from(nibble & 0xf)];
                out.extend_from_slice(&[digit(byte >> 4), digit(*byte)]);
            }
            out.push(b'"');
        }
    }
}

/// Writes bits as bytes, least significant first, without trailing zero bytes.
pub(super) fn write_bits(text: &[u8], out: &mut Vec<u8>) -> Written {
    let mut bytes = vec![0u8; text.len().div_ceil(8)];
    for (byte, bits) in bytes.iter_mut().zip(text.rchunks(8)) {
        for bit in bits {
            let value = match bit {
                b'0' => 0,
                b'1' => 1,
                _ => return Written::NotAValue,
            };
            *byte = *byte << 1 | value;
        }
    }
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    write_base64(out, &bytes);
    Written::Value
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = b"before".to_vec();
        write(&mut out);
        String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
    }

    proptest! {
        #[test]
        fn bytes_are_encoded_in_every_mode(bytes: Vec<u8>) {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            for (mode, expected) in [
                (BinaryMode::Bytes, STANDARD.encode(&bytes)),
                (BinaryMode::Base64, STANDARD.encode(&bytes)),
                (BinaryMode::Base64UrlSafe, URL_SAFE.encode(&bytes)),
                (BinaryMode::Hex, hex.clone()),
            ] {
                let expected = format!("\"{expected}\"");
                prop_assert_eq!(&written(|out| write_bytes(&bytes, mode, out)), &expected);
                for hex in [&hex, &hex.to_uppercase()] {
                    let text = format!("\\x{hex}");
                    let encoded = written(|out| {
                        write_bytea(text.as_bytes(), mode, out);
                    });
                    prop_assert_eq!(&encoded, &expected);
                }
            }
        }

        #[test]
        fn any_text_is_bytes_or_rejected(text in "(\\\\x)?[0-9a-fA-Fgä]{0,20}") {
            let is_hex = text.strip_prefix("\\x").is_some_and(|hex| {
                hex.len().is_multiple_of(2) && hex.bytes().all(|digit| digit.is_ascii_hexdigit())
            });
            for mode in [BinaryMode::Bytes, BinaryMode::Base64UrlSafe, BinaryMode::Hex] {
                let mut out = Vec::new();
                let written = write_bytea(text.as_bytes(), mode, &mut out);
                prop_assert_eq!(written == Written::Value, is_hex);
                prop_assert_eq!(out.is_empty(), !is_hex);
            }
        }
    }
}
