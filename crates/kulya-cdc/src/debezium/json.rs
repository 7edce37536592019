//! Writing of JSON values into a buffer: texts, numbers, bytes in base64, and numbers of any size as their
//! bytes in two's complement.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Writes a serialisable value; `true`, because a buffer takes everything.
pub(crate) fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> bool {
    serde_json::to_writer(out, value).expect("values serialise without errors");
    true
}

/// Writes a further member of an object; `name` needs no escapes.
pub(crate) fn member<T: Serialize + ?Sized>(out: &mut Vec<u8>, name: &str, value: &T) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    write(out, value);
}

/// Writes `null`.
pub(crate) fn write_null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

/// Writes bytes as a text in base64.
pub(crate) fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let start = out.len() + 1;
    out.push(b'"');
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = out.get_mut(start..).and_then(|rest| STANDARD.encode_slice(bytes, rest).ok());
    out.truncate(start + written.unwrap_or_default());
    out.push(b'"');
    true
}

/// Writes a number as its bytes in two's complement, big-endian and as few as possible, in base64.
pub(crate) fn write_unscaled(out: &mut Vec<u8>, number: i128) -> bool {
    write_base64(out, minimal_bytes(&number.to_be_bytes()))
}

/// Drops the leading bytes of a big-endian number in two's complement that only repeat its sign.
fn minimal_bytes(bytes: &[u8; 16]) -> &[u8] {
    let mut rest = &bytes[..];
    while let [first @ (0 | 0xff), tail @ ..] = rest
        && let [second, ..] = tail
        && (second & 0x80 != 0) == (*first == 0xff)
    {
        rest = tail;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_few_bytes_as_possible() {
        for (number, expected) in [
            (0i128, r#""AA==""#),
            (-1, r#""/w==""#),
            (127, r#""fw==""#),
            (128, r#""AIA=""#),
            (-128, r#""gA==""#),
            (-129, r#""/38=""#),
            (-99999, r#""/nlh""#),
            (i128::MAX, r#""f////////////////////w==""#),
        ] {
            let mut out = Vec::new();
            write_unscaled(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{number}");
        }
    }
}
