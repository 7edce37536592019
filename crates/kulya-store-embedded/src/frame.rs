//! The frame, which one group commit appends to the log atomically, and the header of a log file.
//!
//! A frame is `magic u32 | body length u32 | sequence u64 | synced u64 | events u64 | previous u32 |
//! checksum u32 | tag u64 | body`, big-endian. The checksum is the CRC-32C of the body. The tag is
//! SipHash-2-4 of the other fields, of the name of the log file and of the offset of the frame in it, under
//! the store's key, which is random and never in an event. So neither bytes that look like a frame (an
//! event can contain any) nor a frame that was copied elsewhere is accepted, and a header is verified
//! before the body is read. `previous` is the lower half of the tag of the previous frame, over all files,
//! which detects a file that was exchanged for another one of the same name and length. Sequences increase
//! by one from frame to frame over all files. `synced` is the sequence up to which the log was synced when
//! the frame was written: damage before it is not a torn write. `events` is the number of events that were
//! ever written, including those of this frame, and counting those of a committed transaction a second
//! time: if frames are lost, it bounds the number of lost events.

use crate::log_name::LogName;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher24;
use std::fmt;

/// `KLG3`.
pub(crate) const MAGIC: [u8; 4] = *b"KLG3";
/// The size of a frame header, in bytes.
pub(crate) const HEADER_BYTES: usize = 48;
/// The maximum size of a frame body, in bytes; a greater length is damage.
pub(crate) const MAX_BODY_BYTES: usize = 256 << 20;
/// `KLGF`.
const FILE_MAGIC: [u8; 4] = *b"KLGF";
const FILE_VERSION: u32 = 3;
/// The size of a file header, in bytes.
pub(crate) const FILE_HEADER_BYTES: usize = 64;

/// The secret key of a store, which authenticates its frames. Never displayed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct StoreKey(pub(crate) [u8; 16]);

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(..)")
    }
}

/// The end of the log at some frame, which the next frame must continue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogEnd {
    /// The sequence of the last frame.
    pub(crate) sequence: u64,
    /// The lower half of the last frame's tag.
    pub(crate) chain: u32,
    /// The number of events that were ever written up to here.
    pub(crate) events: u64,
}

impl LogEnd {
    /// Keeps the event count of `previous` if this one is lower, since format 2 does not record it.
    pub(crate) fn after(self, previous: Self) -> Self {
        Self { events: self.events.max(previous.events), ..self }
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: u32,
    pub(crate) sequence: u64,
    pub(crate) synced: u64,
    pub(crate) events: u64,
    pub(crate) previous: u32,
    pub(crate) checksum: u32,
    /// The lower half of the tag.
    pub(crate) chain: u32,
}

impl Header {
    /// Returns the log end after this frame.
    pub(crate) fn end(&self) -> LogEnd {
        LogEnd { sequence: self.sequence, chain: self.chain, events: self.events }
    }

    /// Returns the size of the whole frame, in bytes.
    pub(crate) fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.length)
    }
}

/// Creates and verifies the frame headers of one log file.
#[derive(Clone, Copy)]
pub(crate) struct FrameKey {
    hasher: SipHasher24,
    file: LogName,
}

impl fmt::Debug for FrameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FrameKey({})", self.file)
    }
}

impl FrameKey {
    pub(crate) fn new(key: StoreKey, file: LogName) -> Self {
        Self { hasher: SipHasher24::new_with_key(&key.0), file }
    }

    /// Computes the tag; `fields` is the header between the magic and the tag.
    fn tag(&self, offset: u64, fields: &[u8]) -> u64 {
        let mut input = [0u8; 20 + HEADER_BYTES - 12];
        let (location, rest) = input.split_at_mut(20);
        location[0..4].copy_from_slice(&self.file.first.to_be_bytes());
        location[4..8].copy_from_slice(&self.file.last.to_be_bytes());
        location[8..12].copy_from_slice(&self.file.generation.to_be_bytes());
        location[12..20].copy_from_slice(&offset.to_be_bytes());
        rest.copy_from_slice(fields);
        self.hasher.hash(&input)
    }

    /// Fills in the header of a frame at this offset, whose ops are complete. Returns the log end after it.
    pub(crate) fn seal(
        &self,
        frame: &mut [u8],
        offset: u64,
        before: LogEnd,
        synced: u64,
        events: u64,
    ) -> LogEnd {
        let (header, body) = frame.split_at_mut(HEADER_BYTES);
        let (sequence, events) = (before.sequence + 1, before.events + events);
        header[0..4].copy_from_slice(&MAGIC);
        header[4..8].copy_from_slice(&(body.len() as u32).to_be_bytes());
        header[8..16].copy_from_slice(&sequence.to_be_bytes());
        header[16..24].copy_from_slice(&synced.to_be_bytes());
        header[24..32].copy_from_slice(&events.to_be_bytes());
        header[32..36].copy_from_slice(&before.chain.to_be_bytes());
        header[36..40].copy_from_slice(&crc32c::crc32c(body).to_be_bytes());
        let tag = self.tag(offset, &header[4..40]);
        header[40..48].copy_from_slice(&tag.to_be_bytes());
        LogEnd { sequence, chain: tag as u32, events }
    }

    /// Returns the header at this offset if it was written there.
    pub(crate) fn header(&self, bytes: &[u8], offset: u64) -> Option<Header> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        if header[0..4] != MAGIC {
            return None;
        }
        let tag = u64_at(header, 40);
        if self.tag(offset, &header[4..40]) != tag {
            return None;
        }
        let length = u32_at(header, 4);
        (length as usize <= MAX_BODY_BYTES).then(|| Header {
            length,
            sequence: u64_at(header, 8),
            synced: u64_at(header, 16),
            events: u64_at(header, 24),
            previous: u32_at(header, 32),
            checksum: u32_at(header, 36),
            chain: tag as u32,
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// Creates a frame buffer: space for the header, behind which ops are appended.
pub(crate) fn new_buffer() -> Vec<u8> {
    reset_buffer(Vec::new())
}

/// Turns a used buffer into a frame buffer.
pub(crate) fn reset_buffer(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer.resize(HEADER_BYTES, 0);
    buffer
}

/// The header of a log file: the store, the file, and the log end before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) key: StoreKey,
    pub(crate) name: LogName,
    pub(crate) before: LogEnd,
}

impl FileHeader {
    pub(crate) fn encode(self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = [0; FILE_HEADER_BYTES];
        bytes[0..4].copy_from_slice(&FILE_MAGIC);
        bytes[4..8].copy_from_slice(&FILE_VERSION.to_be_bytes());
        bytes[8..24].copy_from_slice(&self.key.0);
        bytes[24..28].copy_from_slice(&self.name.first.to_be_bytes());
        bytes[28..32].copy_from_slice(&self.name.last.to_be_bytes());
        bytes[32..36].copy_from_slice(&self.name.generation.to_be_bytes());
        bytes[36..44].copy_from_slice(&self.before.sequence.to_be_bytes());
        bytes[44..52].copy_from_slice(&self.before.events.to_be_bytes());
        bytes[52..56].copy_from_slice(&self.before.chain.to_be_bytes());
        let checksum = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// Decodes a header; `None` if it is damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; FILE_HEADER_BYTES] = bytes.first_chunk()?;
        let is_valid = bytes[0..4] == FILE_MAGIC
            && u32_at(bytes, 4) == FILE_VERSION
            && u32_at(bytes, 60) == crc32c::crc32c(&bytes[..60]);
        let key = StoreKey(*bytes[8..].first_chunk()?);
        let name =
            LogName { first: u32_at(bytes, 24), last: u32_at(bytes, 28), generation: u32_at(bytes, 32) };
        let before =
            LogEnd { sequence: u64_at(bytes, 36), events: u64_at(bytes, 44), chain: u32_at(bytes, 52) };
        is_valid.then_some(Self { key, name, before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> FrameKey {
        FrameKey::new(StoreKey([7; 16]), LogName::plain(3))
    }

    #[test]
    fn header_is_valid_only_at_its_own_position() {
        let mut frame = new_buffer();
        frame.extend(b"some ops");
        let before = LogEnd { sequence: 6, chain: 5, events: 4 };
        let end = key().seal(&mut frame, 100, before, 3, 2);
        let found = key().header(&frame, 100).unwrap();
        assert_eq!((found.end(), end.sequence, end.events), (end, 7, 6));
        assert_eq!((found.previous, found.synced, found.length), (5, 3, 8));
        assert_eq!(found.checksum, crc32c::crc32c(b"some ops"));
        for at in 0..HEADER_BYTES {
            let mut damaged = frame.clone();
            damaged[at] ^= 1;
            assert_eq!(key().header(&damaged, 100), None, "byte {at}");
        }
        assert_eq!(key().header(&frame, 101), None, "another offset");
        for other in [
            FrameKey::new(StoreKey([7; 16]), LogName::plain(4)),
            FrameKey::new(StoreKey([7; 16]), LogName { first: 3, last: 3, generation: 1 }),
            FrameKey::new(StoreKey([8; 16]), LogName::plain(3)),
        ] {
            assert_eq!(other.header(&frame, 100), None, "{other:?}");
        }
    }

    #[test]
    fn file_header_round_trips_and_damage_is_detected() {
        let name = LogName { first: 1, last: 2, generation: 3 };
        let header =
            FileHeader { key: StoreKey([9; 16]), name, before: LogEnd { sequence: 4, chain: 5, events: 6 } };
        let bytes = header.encode();
        assert_eq!(FileHeader::decode(&bytes), Some(header));
        for at in 0..bytes.len() {
            let mut damaged = bytes;
            damaged[at] ^= 1;
            assert_eq!(FileHeader::decode(&damaged), None, "byte {at}");
        }
        assert!(!format!("{header:?}").contains('9'), "the key is not displayed");
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_rejected(bytes: Vec<u8>, offset: u64) {
            let _ = (key().header(&bytes, offset), FileHeader::decode(&bytes));
        }
    }
}
