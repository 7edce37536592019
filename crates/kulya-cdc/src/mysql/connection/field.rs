//! Fields of the protocol's messages: integers, texts and byte strings. Each function takes a field from the
//! front of the input, or returns `None` and leaves the rest undefined; none allocates.

use bytes::Buf;

pub(super) fn u8(input: &mut &[u8]) -> Option<u8> {
    input.try_get_u8().ok()
}

pub(super) fn u16(input: &mut &[u8]) -> Option<u16> {
    input.try_get_u16_le().ok()
}

pub(super) fn u32(input: &mut &[u8]) -> Option<u32> {
    input.try_get_u32_le().ok()
}

pub(super) fn bytes<'a>(input: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    input.split_off(..length)
}

/// Takes the bytes up to a zero byte, and that byte.
pub(super) fn until_zero<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = input.iter().position(|byte| *byte == 0)?;
    let found = bytes(input, length)?;
    input.advance(1);
    Some(found)
}

/// Takes an integer of 1, 3, 4 or 9 bytes; the first byte gives the width.
pub(super) fn length(input: &mut &[u8]) -> Option<u64> {
    match u8(input)? {
        short @ 0..=0xfa => Some(short.into()),
        0xfc => Some(u16(input)?.into()),
        0xfd => input.try_get_uint_le(3).ok(),
        0xfe => input.try_get_u64_le().ok(),
        0xfb | 0xff => None,
    }
}

/// Takes a length and as many bytes.
pub(super) fn counted<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(length(input)?).ok()?;
    bytes(input, length)
}

/// Appends a length as [`length`] reads it.
pub(super) fn put_length(output: &mut Vec<u8>, length: usize) {
    match length {
        0..=0xfa => output.push(length as u8),
        0xfb..=0xffff => {
            output.push(0xfc);
            output.extend_from_slice(&(length as u16).to_le_bytes());
        }
        _ => {
            output.push(0xfe);
            output.extend_from_slice(&(length as u64).to_le_bytes());
        }
    }
}

/// Returns a text for messages: one line of at most 512 characters.
pub(super) fn display_text(bytes: &[u8]) -> String {
    const MAX_CHARS: usize = 512;
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(MAX_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_four_widths() {
        for (encoded, expected) in [
            (&[0xfa][..], Some(0xfa)),
            (&[0xfc, 0xfb, 0], Some(0xfb)),
            (&[0xfd, 1, 2, 3], Some(0x03_02_01)),
            (&[0xfe, 1, 0, 0, 0, 0, 0, 0, 0x80], Some(0x8000_0000_0000_0001)),
            (&[0xfb], None),
            (&[0xff], None),
            (&[0xfc, 1], None),
            (&[], None),
        ] {
            assert_eq!(length(&mut &*encoded), expected, "{encoded:?}");
        }
    }

    #[test]
    fn a_written_length_is_read() {
        for value in [0, 0xfa, 0xfb, 0xffff, 0x1_0000, 0xff_ffff, 0x100_0000] {
            let mut encoded = Vec::new();
            put_length(&mut encoded, value);
            let mut input = &encoded[..];
            assert_eq!((length(&mut input), input.len()), (Some(value as u64), 0));
        }
    }

    #[test]
    fn a_length_beyond_the_input_is_refused() {
        assert_eq!(counted(&mut &[3, 1, 2][..]), None);
        assert_eq!(counted(&mut &[0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1][..]), None);
        assert_eq!(counted(&mut &[2, 1, 2, 3][..]), Some(&[1, 2][..]));
        assert_eq!(until_zero(&mut &b"ab\0c"[..]), Some(&b"ab"[..]));
        assert_eq!(until_zero(&mut &b"ab"[..]), None);
    }
}
