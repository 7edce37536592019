//! The five bytes before a payload: protocol version `01`, then the encoding id as a big-endian i32 (contract
//! §5.1).

use crate::{CodecError, CodecResult};
use kulya_schema::EncodingId;

/// The protocol version, the first byte of every event.
pub const PROTOCOL: u8 = 1;
/// The length of the header, in bytes.
pub const HEADER_BYTES: usize = 5;

/// Encodes the header for an encoding id.
pub fn encode(id: EncodingId) -> [u8; HEADER_BYTES] {
    id.header()
}

/// Splits an event into its encoding id and its payload.
///
/// # Errors
/// `Header` when the event is too short, has another protocol version, or a negative id.
pub fn split(event: &[u8]) -> CodecResult<(EncodingId, &[u8])> {
    let Some(([protocol, a, b, c, d], payload)) = event.split_first_chunk::<HEADER_BYTES>() else {
        return Err(CodecError::Header(format!(
            "an event of {} bytes has no header: {HEADER_BYTES} bytes are expected before the payload",
            event.len()
        )));
    };
    if *protocol != PROTOCOL {
        return Err(CodecError::Header(format!(
            "the event starts with byte {protocol:#04x}, not with protocol version 0x01: it was written without a \
             registry, or is corrupt"
        )));
    }
    match i32::from_be_bytes([*a, *b, *c, *d]) {
        id @ 0.. => Ok((EncodingId(id as u32), payload)),
        id => Err(CodecError::Header(format!("encoding id {id} is negative: the event is corrupt"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_five_bytes() {
        assert_eq!(encode(EncodingId(258)), [1, 0, 0, 1, 2]);
        assert_eq!(split(&[1, 0, 0, 1, 2, 9]).unwrap(), (EncodingId(258), &[9u8][..]));
        assert_eq!(split(&encode(EncodingId(0))).unwrap(), (EncodingId(0), &[][..]));
        for (invalid, message) in [
            (&b""[..], "no header"),
            (b"\x01\0\0\0", "no header"),
            (b"{\"a\":1}", "0x7b"),
            (b"\x01\xff\0\0\0", "negative"),
        ] {
            assert!(split(invalid).unwrap_err().to_string().contains(message), "{invalid:?}");
        }
    }
}
