//! The header of every object: encoding, decoding and checksum verification, without I/O.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 4 | `KULO` |
//! | 4 | 2 | format, 2 |
//! | 6 | 2 | kind: 1 log object, 2 checkpoint, 4 data object (merged events) |
//! | 8 | 4 | length of the head, in bytes |
//! | 12 | 4 | CRC-32C of the number in the object's name, the 12 bytes before, and the head |
//! | 16 | | the head, a message of [`record`](crate::record); then the events |
//!
//! Format 1 can be read, too: an 8-byte number precedes the length of the head and an 8-byte length of the
//! events follows it, the checksum covers these 28 bytes and the head, and kind 3 is the tombstone of a
//! reclaimed log object.
//!
//! Numbers are big-endian. Events have checksums of their own, stored in the head, since they are read in
//! parts.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

/// The length of the header in bytes, which is the minimum size of an object.
pub(crate) const HEADER_BYTES: usize = 16;
const FORMAT_1_HEADER_BYTES: usize = 32;
const MAGIC: &[u8; 4] = b"KULO";
/// The format version that is written.
pub(crate) const FORMAT: u16 = 2;
const CHECKSUM_OFFSET: usize = 12;
const FORMAT_1_CHECKSUM_OFFSET: usize = 28;

/// The kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Log = 1,
    Checkpoint = 2,
    Tombstone = 3,
    Data = 4,
}

/// The parsed header of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) format: u16,
    pub(crate) kind: Kind,
    head: u32,
    /// Number and length of events in bytes, in format 1 only.
    old: Option<(u64, u64)>,
    /// The CRC-32C of header and head: the next log object repeats it as its `previous`.
    pub(crate) checksum: u32,
}

/// Encodes header and head of the object with this number.
///
/// # Errors
/// When the head is longer than 4 GiB.
pub(crate) fn encode_header(kind: Kind, number: u64, head: &impl Message) -> Result<Bytes, String> {
    let length = u32::try_from(head.encoded_len()).map_err(|_| "head longer than 4 GiB".to_owned())?;
    let mut out = BytesMut::with_capacity(HEADER_BYTES + length as usize);
    out.put_slice(MAGIC);
    out.put_u16(FORMAT);
    out.put_u16(kind as u16);
    out.put_u32(length);
    out.put_u32(0);
    head.encode(&mut out).map_err(|error| error.to_string())?;
    let checksum = checksum(number, &out);
    if let Some(field) = out.get_mut(CHECKSUM_OFFSET..HEADER_BYTES) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
    Ok(out.freeze())
}

/// Returns the checksum of an object, from bytes that hold its header and whole head.
fn checksum(number: u64, bytes: &[u8]) -> u32 {
    let before = crc32c::crc32c(&number.to_be_bytes());
    let before = crc32c::crc32c_append(before, bytes.get(..CHECKSUM_OFFSET).unwrap_or_default());
    crc32c::crc32c_append(before, bytes.get(HEADER_BYTES..).unwrap_or_default())
}

fn format_1_checksum(bytes: &[u8]) -> u32 {
    let before = crc32c::crc32c(bytes.get(..FORMAT_1_CHECKSUM_OFFSET).unwrap_or_default());
    crc32c::crc32c_append(before, bytes.get(FORMAT_1_HEADER_BYTES..).unwrap_or_default())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl Header {
    /// Parses the header at the start of `bytes`.
    ///
    /// # Errors
    /// A description of the damage: too few bytes, no magic number, or an unknown kind or format.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Some([m0, m1, m2, m3, f0, f1, k0, k1, ..]) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(format!("it has only {} bytes", bytes.len()));
        };
        if [*m0, *m1, *m2, *m3] != *MAGIC {
            return Err("its magic number is not that of a store's object".into());
        }
        let format = u16::from_be_bytes([*f0, *f1]);
        let kind = match (format, u16::from_be_bytes([*k0, *k1])) {
            (1 | FORMAT, 1) => Kind::Log,
            (1 | FORMAT, 2) => Kind::Checkpoint,
            (1, 3) => Kind::Tombstone,
            (FORMAT, 4) => Kind::Data,
            (1 | FORMAT, other) => return Err(format!("it has the unknown kind {other}")),
            _ => {
                return Err(format!(
                    "it has format {format}, but this version of kulya reads only formats 1 and {FORMAT}: use a newer version of kulya"
                ));
            }
        };
        if format == FORMAT {
            let (head, checksum) = (u32_at(bytes, 8), u32_at(bytes, CHECKSUM_OFFSET));
            return Ok(Self { format, kind, head, old: None, checksum });
        }
        if bytes.len() < FORMAT_1_HEADER_BYTES {
            return Err(format!("it has only {} bytes", bytes.len()));
        }
        let old = Some((u64_at(bytes, 8), u64_at(bytes, 20)));
        Ok(Self {
            format,
            kind,
            head: u32_at(bytes, 16),
            old,
            checksum: u32_at(bytes, FORMAT_1_CHECKSUM_OFFSET),
        })
    }

    fn length(&self) -> usize {
        if self.format == FORMAT { HEADER_BYTES } else { FORMAT_1_HEADER_BYTES }
    }

    /// Returns the offset in bytes at which the events begin.
    pub(crate) fn events_offset(&self) -> u64 {
        self.length() as u64 + u64::from(self.head)
    }

    /// Rejects an object whose kind, number or size in bytes does not match.
    pub(crate) fn check(&self, kind: Kind, number: u64, size: u64) -> Result<(), String> {
        if self.kind != kind {
            return Err(format!("it has kind {:?}, expected {kind:?}", self.kind));
        }
        if let Some((named, events)) = self.old {
            if named != number {
                return Err(format!("it has number {named}, expected {number}"));
            }
            return self.check_events_length(events, size);
        }
        if self.events_offset() > size {
            return Err(format!("its size of {size} bytes does not match its header"));
        }
        Ok(())
    }

    /// Rejects an object whose events do not have this length in bytes.
    pub(crate) fn check_events_length(&self, events: u64, size: u64) -> Result<(), String> {
        if self.events_offset().checked_add(events) != Some(size) {
            return Err(format!("its size of {size} bytes does not match its header"));
        }
        Ok(())
    }

    /// Decodes the head of the object with this number, from bytes that hold its header and whole head, and
    /// verifies the checksum.
    pub(crate) fn decode_head<M: Message + Default>(&self, number: u64, bytes: &Bytes) -> Result<M, String> {
        let whole = self.length() + self.head as usize;
        if bytes.len() < whole {
            return Err("its head is truncated".into());
        }
        let summed = bytes.get(..whole).unwrap_or_default();
        let checksum = if self.old.is_some() { format_1_checksum(summed) } else { checksum(number, summed) };
        if checksum != self.checksum {
            return Err("checksum mismatch: it was changed, or it is an object of another number".into());
        }
        M::decode(bytes.slice(self.length()..whole))
            .map_err(|error| format!("its head cannot be decoded: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Log, Snapshot};
    use proptest::prelude::*;

    #[test]
    fn an_object_round_trips_and_every_flipped_bit_is_detected() {
        let log = Log { time: 77, sequence: 3, instance_high: 1, ..Log::default() };
        let bytes = encode_header(Kind::Log, 12, &log).unwrap();
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.check(Kind::Log, 12, bytes.len() as u64 + 5), Ok(()));
        assert_eq!(header.check_events_length(5, bytes.len() as u64 + 5), Ok(()));
        assert_eq!(header.decode_head::<Log>(12, &bytes).unwrap(), log);
        assert!(header.check(Kind::Checkpoint, 12, bytes.len() as u64 + 5).is_err());
        assert!(header.decode_head::<Log>(13, &bytes).is_err(), "the number is part of the checksum");
        assert!(header.check(Kind::Log, 12, bytes.len() as u64 - 1).is_err());
        assert!(header.check_events_length(5, bytes.len() as u64 + 4).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let damaged = Bytes::from(damaged);
            let read = Header::parse(&damaged).and_then(|header| header.decode_head::<Log>(12, &damaged));
            assert!(read.is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_decoded_or_rejected(bytes: Vec<u8>, number: u64) {
            let bytes = Bytes::from(bytes);
            let _ = Header::parse(&bytes);
            // with a valid header, so that the head is decoded
            let mut framed = encode_header(Kind::Log, number, &Log::default()).unwrap().to_vec();
            framed.truncate(HEADER_BYTES);
            framed[8..12].copy_from_slice(&(bytes.len() as u32).to_be_bytes());
            framed.extend_from_slice(&bytes);
            let checksum = checksum(number, &framed);
            framed[CHECKSUM_OFFSET..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
            let framed = Bytes::from(framed);
            let header = Header::parse(&framed).unwrap();
            let _ = header.check(Kind::Log, number, bytes.len() as u64);
            if let Ok(log) = header.decode_head::<Log>(number, &framed) {
                let _ = crate::state::State::default().apply(0, &header, &log);
            }
            if let Ok(snapshot) = header.decode_head::<Snapshot>(number, &framed) {
                let _ = crate::state::State::restore(number, &snapshot, None);
            }
        }
    }
}
