//! Frames as format 2 has them, for the log files that a store has kept from then. Nothing is written in this format.
//!
//! `magic u32 | body length u32 | crc32c u32 | sequence u64 | synced u64 | body`, big-endian; the checksum covers everything
//! behind it. Nothing tells such a frame from bytes of an event that look like one but where it stands: a frame is looked for
//! anywhere else only behind damage.

use crate::disk::{ReadFile, read_exact_at};
use crate::magic_scan::scan_for_magic;
use std::io;

/// `KLG1`.
pub(crate) const MAGIC: [u8; 4] = *b"KLG1";
/// Bytes before the body.
pub(crate) const HEADER_BYTES: usize = 28;
/// So many bytes have a checksum of their own while frames are looked for.
const BLOCK_BYTES: u64 = 512;

/// What a frame says before its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: u32,
    /// Of sequence, synced and body.
    pub(crate) checksum: u32,
    pub(crate) sequence: u64,
    pub(crate) synced: u64,
}

impl Header {
    /// What may be a header. Whether it is one the checksum says.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
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

    /// Whether this body belongs to it.
    pub(crate) fn fits(&self, body: &[u8]) -> bool {
        let numbers = (u128::from(self.sequence) << 64) | u128::from(self.synced);
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&numbers.to_be_bytes()), body);
        body.len() == self.length as usize && checksum == self.checksum
    }

    /// Bytes of the whole frame.
    pub(crate) fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.length)
    }
}

/// Looks for whole frames anywhere in a file, in time linear in its length whatever it holds: a checksum of any part of it
/// is that of two beginnings.
pub(crate) struct Search<'a> {
    file: &'a dyn ReadFile,
    from: u64,
    /// Where the file ends.
    to: u64,
    /// The checksum of the bytes from `from` to the beginning of each block.
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

    /// The checksum of the bytes from the beginning to `end`.
    fn sum(&self, end: u64) -> io::Result<u32> {
        let number = (end - self.from) / BLOCK_BYTES;
        let begin = self.from + number * BLOCK_BYTES;
        let mut rest = vec![0; (end - begin) as usize];
        read_exact_at(self.file, &mut rest, begin)?;
        Ok(crc32c::crc32c_append(self.sums.get(number as usize).copied().unwrap_or_default(), &rest))
    }

    /// Whether a whole frame stands at a place where something looks like its header.
    fn is_whole(&self, at: u64, header: &Header) -> io::Result<bool> {
        let (begin, end) = (at + 12, at + header.frame_bytes());
        if end > self.to {
            return Ok(false);
        }
        // the checksum of all up to the end is that of all up to the beginning, moved on, and that of the rest
        let moved = crc32c::crc32c_combine(self.sum(begin)?, 0, (end - begin) as usize);
        Ok(self.sum(end)? ^ moved == header.checksum)
    }

    /// The first whole frame from `from` on that `wanted` takes.
    pub(crate) fn next(
        &self,
        from: u64,
        mut wanted: impl FnMut(&Header) -> bool,
    ) -> io::Result<Option<(u64, Header)>> {
        // a frame's sequence is no further from the others' than frames fit between them: `wanted` says so
        let mut found = None;
        scan_for_magic(self.file, from, self.to, MAGIC, HEADER_BYTES, |at, bytes| {
            if let Some(header) = Header::read(bytes).filter(|header| wanted(header))
                && self.is_whole(at, &header)?
            {
                found = Some((at, header));
            }
            Ok(found.is_some())
        })?;
        Ok(found)
    }
}
