//! The fields of a Protobuf message in raw bytes.

use prost::encoding::decode_varint;

/// The maximum nesting depth of groups, as the decoder has it.
const MAX_GROUP_DEPTH: usize = 100;

/// A field: its number, all its bytes, and its content if it is length-delimited.
pub(super) struct RawField<'a> {
    pub(super) number: u64,
    /// With the key, and of a group to its end.
    pub(super) bytes: &'a [u8],
    pub(super) content: Option<&'a [u8]>,
}

/// Takes the next field. `None` at the end, or where a decoder will fail.
pub(super) fn next<'a>(rest: &mut &'a [u8]) -> Option<RawField<'a>> {
    let start = *rest;
    if start.is_empty() {
        return None;
    }
    let key = decode_varint(rest).ok()?;
    let content = skip(rest, key, 0)?;
    let bytes = start.get(..start.len() - rest.len())?;
    Some(RawField { number: key >> 3, bytes, content })
}

/// Skips a field's value, and returns its content if it is length-delimited.
fn skip<'a>(rest: &mut &'a [u8], key: u64, depth: usize) -> Option<Option<&'a [u8]>> {
    let length = match key & 7 {
        0 => {
            decode_varint(rest).ok()?;
            0
        }
        1 => 8,
        2 => usize::try_from(decode_varint(rest).ok()?).ok()?,
        3 if depth < MAX_GROUP_DEPTH => loop {
            let inner = decode_varint(rest).ok()?;
            if inner & 7 == 4 {
                break 0;
            }
            skip(rest, inner, depth + 1)?;
        },
        5 => 4,
        _ => return None,
    };
    let (content, remaining) = rest.split_at_checked(length)?;
    *rest = remaining;
    Some((key & 7 == 2).then_some(content))
}
