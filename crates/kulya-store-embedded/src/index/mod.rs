//! The index: an ordered map on the disk that finds things in the log. Whatever it holds was read from the log and can be
//! read from it again, so an index that is lost, damaged, or older than the log costs time and nothing else.
//!
//! Keys begin with a letter:
//!
//! | key | value |
//! |---|---|
//! | `d` | the [checkpoint](crate::checkpoint): the small things, as they were after some frame |
//! | `g` | the log files that the rest speaks of |
//! | `x` stream u32, segment u32, start u64 | a block of extents: where the segment's events from there on lie |
//! | `k` table u32, key | a table entry: version u64, log file u32, value |
//! | `t` log file u32, transaction u64, stream u32, segment u32 | where the events of a committed transaction begin in the segment, for the part that was staged in that file |
//!
//! `c` and `f` were those of format 2: an index that has them alone is made again. Numbers are big-endian, so that keys are in the order of what they name.

mod blocks;
mod lsm;
mod observed;
mod temporary;

pub(crate) use blocks::{BLOCK_EXTENTS, pack, unpack};
pub(crate) use lsm::LsmIndex;
pub(crate) use observed::ObservedIndex;
pub(crate) use temporary::TemporaryIndex;

use crate::op::SegmentKey;
use bytes::{BufMut, Bytes};
use std::io;

/// One change of an index: a key, and its new value or none.
pub type IndexChange = (Vec<u8>, Option<Vec<u8>>);

/// Keys and values as an index gives them.
pub type IndexEntry = (Bytes, Bytes);

/// An ordered map from bytes to bytes that outlives the process. The machine's own is an LSM tree beside the log. A reader
/// sees each write whole or not at all.
pub trait Index: Send + Sync + 'static {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>>;

    /// The entries from `from` (with it) to `to` (without it), in key order.
    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = io::Result<IndexEntry>> + 'a>;

    /// The last entry from `from` to `to`, both with it.
    fn last(&self, from: &[u8], to: &[u8]) -> io::Result<Option<IndexEntry>>;

    /// Makes all the changes or none; on return they survive a power cut. A key stands among them once.
    fn write(&self, changes: Vec<IndexChange>) -> io::Result<()>;

    /// Puts what was written where the next opening finds it without going through it again. Nothing is asked of it
    /// afterwards.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Forgets everything.
    fn clear(&self) -> io::Result<()>;
}

pub(crate) const CHECKPOINT: &[u8] = b"d";
pub(crate) const FILES: &[u8] = b"g";

/// The key of the block that begins at `start`.
pub(crate) fn block_key(segment: SegmentKey, start: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    key.put_u8(b'x');
    key.put_u32(segment.stream);
    key.put_u32(segment.number);
    key.put_u64(start);
    key
}

/// Behind the last block of a segment.
pub(crate) fn blocks_end(segment: SegmentKey) -> Vec<u8> {
    let mut key = block_key(segment, u64::MAX);
    key.push(0);
    key
}

/// The segment of a block, by its key.
pub(crate) fn segment_of(key: &[u8]) -> Option<SegmentKey> {
    let (stream, rest) = key.strip_prefix(b"x")?.split_first_chunk::<4>()?;
    let (number, _) = rest.split_first_chunk::<4>()?;
    Some(SegmentKey { stream: u32::from_be_bytes(*stream), number: u32::from_be_bytes(*number) })
}

/// From where and up to where the blocks of a whole stream lie.
pub(crate) fn stream_range(stream: u32) -> (Vec<u8>, Vec<u8>) {
    let from = block_key(SegmentKey { stream, number: 0 }, 0);
    (from, blocks_end(SegmentKey { stream, number: u32::MAX }))
}

/// The key of a table entry.
pub(crate) fn entry_key(table: u32, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(5 + key.len());
    out.put_u8(b'k');
    out.put_u32(table);
    out.put_slice(key);
    out
}

/// From where and up to where a table's entries lie.
pub(crate) fn table_range(table: u32) -> (Vec<u8>, Vec<u8>) {
    let mut end = entry_key(table, b"");
    // the next number; behind the last table comes the next letter
    match table.checked_add(1) {
        Some(next) => end = entry_key(next, b""),
        None => end = vec![end.first().map_or(b'l', |letter| letter + 1)],
    }
    (entry_key(table, b""), end)
}

/// A table entry's value in the index.
pub(crate) struct Stored {
    pub(crate) version: u64,
    pub(crate) file: u32,
    pub(crate) value: Bytes,
}

impl Stored {
    pub(crate) fn encode(version: u64, file: u32, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(12 + value.len());
        out.put_u64(version);
        out.put_u32(file);
        out.put_slice(value);
        out
    }

    pub(crate) fn decode(bytes: &Bytes) -> Option<Self> {
        let (version, rest) = bytes.split_first_chunk::<8>()?;
        let (file, _) = rest.split_first_chunk::<4>()?;
        let (version, file) = (u64::from_be_bytes(*version), u32::from_be_bytes(*file));
        Some(Self { version, file, value: bytes.slice(12..) })
    }
}

/// The key under which a transaction's place in a segment is found from the log file that its events were staged in.
pub(crate) fn staged_key(file: u32, transaction: u64, segment: SegmentKey) -> Vec<u8> {
    let mut key = Vec::with_capacity(21);
    key.put_u8(b't');
    key.put_u32(file);
    key.put_u64(transaction);
    key.put_u32(segment.stream);
    key.put_u32(segment.number);
    key
}

/// From where and up to where the transactions' places of a log file lie.
pub(crate) fn staged_range(file: u32) -> (Vec<u8>, Vec<u8>) {
    let first = SegmentKey { stream: 0, number: 0 };
    let last = SegmentKey { stream: u32::MAX, number: u32::MAX };
    let mut end = staged_key(file, u64::MAX, last);
    end.push(0);
    (staged_key(file, 0, first), end)
}

/// The error for an index whose content is not what was written into it.
pub(crate) fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the index is damaged: remove it, it is made again from the log",
    )
}
