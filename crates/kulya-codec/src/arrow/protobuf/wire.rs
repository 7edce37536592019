//! The wire format of messages: fields as numbers and raw values.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The value of a field before its type is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Raw<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// Reads the next field of a message. Its value is `None` for a group.
///
/// # Errors
/// The reason why the bytes do not start with a field.
pub(super) fn next_field<'a>(rest: &mut &'a [u8]) -> Result<(u32, Option<Raw<'a>>), String> {
    let (number, wire_type) = decode_key(rest).map_err(|e| e.to_string())?;
    let raw = match wire_type {
        WireType::Varint => Raw::Varint(varint(rest)?),
        WireType::SixtyFourBit => Raw::Fixed64(fixed64(rest)?),
        WireType::ThirtyTwoBit => Raw::Fixed32(fixed32(rest)?),
        WireType::LengthDelimited => {
            let length = usize::try_from(varint(rest)?).map_err(|_| truncated())?;
            let (value, after) = rest.split_at_checked(length).ok_or_else(truncated)?;
            *rest = after;
            Raw::Bytes(value)
        }
        WireType::StartGroup | WireType::EndGroup => {
            skip_field(wire_type, number, rest, DecodeContext::default()).map_err(|e| e.to_string())?;
            return Ok((number, None));
        }
    };
    Ok((number, Some(raw)))
}

pub(super) fn varint(rest: &mut &[u8]) -> Result<u64, String> {
    decode_varint(rest).map_err(|e| e.to_string())
}

pub(super) fn fixed64(rest: &mut &[u8]) -> Result<u64, String> {
    let (bytes, after) = rest.split_first_chunk().ok_or_else(truncated)?;
    *rest = after;
    Ok(u64::from_le_bytes(*bytes))
}

pub(super) fn fixed32(rest: &mut &[u8]) -> Result<u32, String> {
    let (bytes, after) = rest.split_first_chunk().ok_or_else(truncated)?;
    *rest = after;
    Ok(u32::from_le_bytes(*bytes))
}

fn truncated() -> String {
    "it is truncated: its bytes end within a field".to_owned()
}
