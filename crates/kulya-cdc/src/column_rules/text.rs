//! The JSON of a text or of bytes in base64, cut to a length in place.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Returns what stands between the quotation marks of a JSON text that begins at `start`; `None` for other
/// values.
pub(super) fn contents(out: &[u8], start: usize) -> Option<&[u8]> {
    out.get(start..)?.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Cuts the JSON text that begins at `start` to a number of Java's characters. A pair that would be cut in
/// two is left out.
pub(super) fn truncate_text(out: &mut Vec<u8>, start: usize, max: usize) {
    let Some(text) = contents(out, start) else { return };
    if text.len() <= max {
        return;
    }
    let (mut at, mut count) = (0, 0);
    while let Some(byte) = text.get(at) {
        let (length, units) = match byte {
            b'\\' if text.get(at + 1) == Some(&b'u') => (6, 1),
            b'\\' => (2, 1),
            0..0x80 => (1, 1),
            0x80..0xe0 => (2, 1),
            0xe0..0xf0 => (3, 1),
            0xf0.. => (4, 2),
        };
        if count + units > max {
            out.truncate(start + 1 + at);
            out.push(b'"');
            return;
        }
        at += length;
        count += units;
    }
}

/// Cuts the bytes whose base64 is the JSON text that begins at `start`.
pub(super) fn truncate_base64(out: &mut Vec<u8>, start: usize, max: usize) {
    let Some(text) = contents(out, start) else { return };
    let needed = max.div_ceil(3) * 4;
    if text.len() < needed {
        return;
    }
    let beginning = text.get(..needed).unwrap_or_default();
    let Ok(mut bytes) = STANDARD.decode(beginning) else { return };
    bytes.truncate(max);
    let text = STANDARD.encode(bytes);
    out.truncate(start + 1);
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debezium::json::write;
    use proptest::prelude::*;

    fn truncated(text: &str, max: usize) -> String {
        let mut out = b"x".to_vec();
        write(&mut out, text);
        truncate_text(&mut out, 1, max);
        serde_json::from_slice(&out[1..]).unwrap()
    }

    #[test]
    fn values_are_cut_in_place() {
        for (text, max, expected) in [
            ("abcd", 3, "abc"),
            ("abc", 3, "abc"),
            ("äöü", 2, "äö"),
            ("a\"\n\u{1}b", 3, "a\"\n"),
            ("a\"\n\u{1}b", 4, "a\"\n\u{1}"),
            ("a😀b", 2, "a"),
            ("a😀b", 3, "a😀"),
            ("語語", 1, "語"),
            ("abc", 0, ""),
        ] {
            assert_eq!(truncated(text, max), expected, "{text} {max}");
        }
        for other in ["null", "1", "", "\"", "{}", "[\"abc\"]"] {
            let mut out = other.as_bytes().to_vec();
            truncate_text(&mut out, 0, 1);
            truncate_base64(&mut out, 0, 1);
            assert_eq!(out, other.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn text_has_at_most_the_characters(text: String, max in 0usize..20) {
            let found = truncated(&text, max);
            prop_assert!(text.starts_with(&found));
            let count = found.encode_utf16().count();
            prop_assert!(count <= max);
            prop_assert!(found == text || count + 1 >= max);
        }

        #[test]
        fn bytes_are_cut(bytes in prop::collection::vec(any::<u8>(), 0..20), max in 0usize..20) {
            let mut out = format!("\"{}\"", STANDARD.encode(&bytes)).into_bytes();
            truncate_base64(&mut out, 0, max);
            let found = STANDARD.decode(contents(&out, 0).unwrap()).unwrap();
            prop_assert_eq!(&found[..], &bytes[..bytes.len().min(max)]);
        }

        #[test]
        fn any_bytes_are_left_or_cut(bytes: Vec<u8>, max in 0usize..20) {
            let (mut text, mut base64) = (bytes.clone(), bytes);
            truncate_text(&mut text, 0, max);
            truncate_base64(&mut base64, 0, max);
        }
    }
}
