//! Frames of format 2, for log files from earlier versions. This format is no longer written.
//!
//! `magic u32 | body length u32 | crc32c u32 | sequence u64 | synced u64 | body`, big-endian; the checksum
//! covers everything after it. Only its position distinguishes a frame from bytes in an event that look
//! like one, so frames are searched for only after damage.

use crate::disk::{ReadFile, read_exact_at};
use crate::magic_scan::scan_for_magic;
use std::io;

/// `KLG1`.
pub(crate) const MAGIC: [u8; 4] = *b"KLG1";
/// The size of a frame header, in bytes.
pub(crate) const HEADER_BYTES: usize = 28;
/// The size of the blocks whose checksums are precomputed for a search, in bytes.
const BLOCK_BYTES: u64 = 512;

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: u32,
    /// The checksum of sequence, synced and body.
    pub(crate) checksum: u32,
    pub(crate) sequence: u64,
    pub(crate) synced: u64,
}

impl Header {
    /// Decodes a possible header; only the checksum tells whether it is one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let [m0, m1, m2, m3, l0, l1, l2, l3, c0, c1, c2, c3, numbers @ ..] = *header;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let numbers = u128::from_be_bytes(numbers);
        ([m0, m1, m2, m3] == MAGIC && length as usize <= crate::frame::MAX_BODY_BYTES).then_some(Self {
            length,
            checksum: u32::from_be_bytes([c0, c1, c2, c3]),
            sequence: (numbers >> 64) as u64,
            synced: numbers as u64,
        })
    }

    /// Returns whether this body matches the header.
    pub(crate) fn matches(&self, body: &[u8]) -> bool {
        let numbers = (u128::from(self.sequence) << 64) | u128::from(self.synced);
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&numbers.to_be_bytes()), body);
        body.len() == self.length as usize && checksum == self.checksum
    }

    /// Returns the size of the whole frame, in bytes.
    pub(crate) fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.length)
    }
}

/// Searches a file for complete frames, in time linear in its length whatever it contains: the checksum of
/// any range follows from those of two prefixes.
pub(crate) struct Search<'a> {
    file: &'a dyn ReadFile,
    from: u64,
    /// The end of the file.
    to: u64,
    /// The checksum of the bytes from `from` to the start of each block.
    sums: Vec<u32>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(file: &'a dyn ReadFile, from: u64) -> io::Result<Self> {
        let to = file.length()?.max(from);
        let mut sums = vec![0];
        let mut sum = 0;
        let mut block = vec![0; BLOCK_BYTES as usize];
        let mut at = from;
        while at + BLOCK_BYTES <= to {
            read_exact_at(file, &mut block, at)?;
            sum = crc32c::crc32c_append(sum, &block);
            sums.push(sum);
            at += BLOCK_BYTES;
        }
        Ok(Self { file, from, to, sums })
    }

    /// Returns the checksum of the bytes from `from` to `end`.
    fn sum(&self, end: u64) -> io::Result<u32> {
        let number = (end - self.from) / BLOCK_BYTES;
        let start = self.from + number * BLOCK_BYTES;
        let mut rest = vec![0; (end - start) as usize];
        read_exact_at(self.file, &mut rest, start)?;
        Ok(crc32c::crc32c_append(self.sums.get(number as usize).copied().unwrap_or_default(), &rest))
    }

    /// Returns whether a complete frame is at a possible header.
    fn is_complete(&self, at: u64, header: &Header) -> io::Result<bool> {
        let (start, end) = (at + 12, at + header.frame_bytes());
        if end > self.to {
            return Ok(false);
        }
        // the checksum of the prefix up to the end is that of the prefix up to the start, shifted, xor that
        // of the rest
        let shifted = crc32c::crc32c_combine(self.sum(start)?, 0, (end - start) as usize);
        Ok(self.sum(end)? ^ shifted == header.checksum)
    }

    /// Returns the first complete frame from `from` on that `is_wanted` accepts.
    pub(crate) fn next(
        &self,
        from: u64,
        mut is_wanted: impl FnMut(&Header) -> bool,
    ) -> io::Result<Option<(u64, Header)>> {
        // `is_wanted` bounds the sequence, since format 2 cannot verify it otherwise
        let mut found = None;
        scan_for_magic(self.file, from, self.to, MAGIC, HEADER_BYTES, |at, bytes| {
            if let Some(header) = Header::decode(bytes).filter(|header| is_wanted(header))
                && self.is_complete(at, &header)?
            {
                found = Some((at, header));
            }
            Ok(found.is_some())
        })?;
        Ok(found)
    }
}
