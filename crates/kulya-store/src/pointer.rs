//! A durable reference to one event: [`EventPointer`], serialized as in Pravega.
//!
//! Bytes: `00` format version · `00` version · `01` revision count · `00` revision · i32 length of the rest
//! · u16 length and text of the segment's scoped name · compact long offset · compact int length (of the
//! frame, header included). Big-endian; the leading bits of a compact number encode its size.

use crate::{Error, Result, SegmentId};
use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;

/// The location of an event: its segment, the offset of its frame and the length of the frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventPointer {
    /// The segment.
    pub segment: SegmentId,
    /// The offset of the event's header within the segment, in bytes.
    pub offset: u64,
    /// The length of header and payload, in bytes.
    pub length: u32,
}

const PREFIX: [u8; 4] = [0, 0, 1, 0];

impl EventPointer {
    /// Serializes the pointer as Pravega does.
    pub fn to_bytes(&self) -> Bytes {
        let name = self.segment.to_string();
        let mut body = BytesMut::with_capacity(name.len() + 14);
        // names are ASCII, where Java's modified UTF-8 and UTF-8 agree
        body.put_u16(name.len() as u16);
        body.put_slice(name.as_bytes());
        put_compact_long(&mut body, self.offset);
        put_compact_int(&mut body, self.length);
        let mut out = BytesMut::with_capacity(8 + body.len());
        out.put_slice(&PREFIX);
        out.put_i32(body.len() as i32);
        out.extend_from_slice(&body);
        out.freeze()
    }

    /// Deserializes a pointer from Pravega's format. Never panics.
    ///
    /// # Errors
    /// `InvalidInput` if the bytes are not a pointer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::parse(bytes).ok_or_else(|| {
            let hex: String = bytes.iter().take(24).map(|b| format!("{b:02x}")).collect();
            Error::invalid(format!("these bytes are not an event pointer: {hex}"))
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&PREFIX)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        if usize::try_from(i32::from_be_bytes(*length)).ok()? != rest.len() {
            return None;
        }
        let (name_len, rest) = rest.split_first_chunk::<2>()?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*name_len)))?;
        let segment = std::str::from_utf8(name).ok()?.parse().ok()?;
        let (offset, rest) = decode_compact(rest, &[1, 2, 4, 8])?;
        let (length, rest) = match rest.first()? {
            b if b & 0x80 == 0 => decode_bits(rest, 1, 7)?,
            b if b & 0x40 == 0 => decode_bits(rest, 2, 14)?,
            _ => decode_bits(rest, 4, 30)?,
        };
        rest.is_empty().then_some(Self { segment, offset, length: length as u32 })
    }
}

/// Displayed as `scope/stream/0.#epoch.0@offset+length`.
impl fmt::Display for EventPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}+{}", self.segment, self.offset, self.length)
    }
}

fn put_compact_long(out: &mut BytesMut, value: u64) {
    match value {
        0..0x40 => out.put_u8(value as u8),
        0x40..0x4000 => out.put_u16(value as u16 | 0x4000),
        0x4000..0x4000_0000 => out.put_u32(value as u32 | 0x8000_0000),
        _ => out.put_u64(value & 0x3fff_ffff_ffff_ffff | 0xc000_0000_0000_0000),
    }
}

fn put_compact_int(out: &mut BytesMut, value: u32) {
    match value {
        0..0x80 => out.put_u8(value as u8),
        0x80..0x4000 => out.put_u16(value as u16 | 0x8000),
        _ => out.put_u32(value & 0x3fff_ffff | 0xc000_0000),
    }
}

/// Decodes a compact long: the two leading bits select one of four sizes.
fn decode_compact<'a>(bytes: &'a [u8], sizes: &[usize; 4]) -> Option<(u64, &'a [u8])> {
    let size = *sizes.get(usize::from(bytes.first()? >> 6))?;
    decode_bits(bytes, size, size as u32 * 8 - 2)
}

fn decode_bits(bytes: &[u8], size: usize, bits: u32) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_at_checked(size)?;
    let value = number.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    Some((value & ((1 << bits) - 1), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pointer(segment: &str, offset: u64, length: u32) -> EventPointer {
        EventPointer { segment: segment.parse().unwrap(), offset, length }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Bytes written by the Java client 0.13.
    #[test]
    fn bytes_match_the_java_client() {
        for (pointer, bytes) in [
            (pointer("s/t/0.#epoch.0", 0, 108), "0000010000000012000e732f742f302e2365706f63682e30006c"),
            (
                pointer("s/t/3.#epoch.2", 70000, 20000),
                "0000010000000018000e732f742f332e2365706f63682e3280011170c0004e20",
            ),
            (
                pointer("scope/stream/1.#epoch.0", 5_000_000_000, 200),
                "0000010000000023001773636f70652f73747265616d2f312e2365706f63682e30c00000012a05f20080c8",
            ),
        ] {
            assert_eq!(hex(&pointer.to_bytes()), bytes);
            assert_eq!(EventPointer::from_bytes(&pointer.to_bytes()).unwrap(), pointer);
        }
    }

    proptest! {
        #[test]
        fn any_pointer_round_trips(offset in 0u64..1 << 62, length in 0u32..1 << 30, number: u32) {
            let pointer = EventPointer { segment: crate::StreamId::new("s", "t").unwrap().segment(number), offset, length };
            prop_assert_eq!(EventPointer::from_bytes(&pointer.to_bytes()).unwrap(), pointer);
        }

        #[test]
        fn any_bytes_are_decoded_or_rejected(bytes: Vec<u8>) {
            let mut framed = PREFIX.to_vec();
            framed.extend((bytes.len() as i32).to_be_bytes());
            framed.extend(&bytes);
            let _ = EventPointer::from_bytes(&framed);
            let _ = EventPointer::from_bytes(&bytes);
        }
    }
}
