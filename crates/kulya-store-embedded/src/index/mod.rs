//! The index: an ordered map on the disk that locates things in the log. It only holds what was derived
//! from the log, so an index that is lost, damaged or older than the log can be rebuilt.
//!
//! Keys start with a letter:
//!
//! | key | value |
//! |---|---|
//! | `e` | the [checkpoint](crate::checkpoint): the state after some frame, without what the other keys have |
//! | `g` | the log files that the other entries refer to |
//! | `x` stream u32, segment u32, start u64 | a block of extents of the segment, from `start` on |
//! | `k` table u32, key | a table entry: version u64, log file u32, value |
//! | `t` log file u32, transaction u64, stream u32, segment u32 | a committed transaction's start in the segment |
//! | `s` transaction u64, number u32 | CRC-32C u32, and a chunk of the packed runs of an open transaction |
//!
//! A `t` entry covers the events that were staged in that log file. `c` and `f` are of format 2, and `d` had
//! the runs of open transactions in it: an index that only has these is rebuilt. Numbers are big-endian, so
//! that keys sort in the order of the numbers.

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

/// A change of an index: a key, and its new value, or `None` to remove it.
pub type IndexChange = (Vec<u8>, Option<Vec<u8>>);

/// A key and its value.
pub type IndexEntry = (Bytes, Bytes);

/// A durable ordered map from bytes to bytes. The default is an LSM tree in the store's folder. Readers see
/// each write atomically. Errors are those of the disk.
pub trait Index: Send + Sync + 'static {
    /// Returns the value of a key.
    ///
    /// # Errors
    /// I/O errors; `InvalidData` if the index is damaged.
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>>;

    /// Iterates over the entries from `from`, inclusive, to `to`, exclusive, in key order.
    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = io::Result<IndexEntry>> + 'a>;

    /// Returns the last entry from `from` to `to`, both inclusive.
    ///
    /// # Errors
    /// I/O errors; `InvalidData` if the index is damaged.
    fn last(&self, from: &[u8], to: &[u8]) -> io::Result<Option<IndexEntry>>;

    /// Writes the changes atomically; on return they are durable. A key is changed at most once.
    ///
    /// # Errors
    /// `StorageFull` if the disk is full, and other I/O errors.
    fn write(&self, changes: Vec<IndexChange>) -> io::Result<()>;

    /// Flushes written data to where the next opening reads it fast. Called last, before the store closes.
    ///
    /// # Errors
    /// I/O errors, and `TimedOut`.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// I/O errors.
    fn clear(&self) -> io::Result<()>;
}

pub(crate) const CHECKPOINT: &[u8] = b"e";
pub(crate) const FILES: &[u8] = b"g";

/// Returns the key of the block that starts at `start`.
pub(crate) fn block_key(segment: SegmentKey, start: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    key.put_u8(b'x');
    key.put_u32(segment.stream);
    key.put_u32(segment.number);
    key.put_u64(start);
    key
}

/// Returns the upper bound of the blocks of a segment.
pub(crate) fn blocks_end(segment: SegmentKey) -> Vec<u8> {
    let mut key = block_key(segment, u64::MAX);
    key.push(0);
    key
}

/// Returns the segment of a block key.
pub(crate) fn segment_of(key: &[u8]) -> Option<SegmentKey> {
    let (stream, rest) = key.strip_prefix(b"x")?.split_first_chunk::<4>()?;
    let (number, _) = rest.split_first_chunk::<4>()?;
    Some(SegmentKey { stream: u32::from_be_bytes(*stream), number: u32::from_be_bytes(*number) })
}

/// Returns the key range of the blocks of a stream.
pub(crate) fn stream_range(stream: u32) -> (Vec<u8>, Vec<u8>) {
    let from = block_key(SegmentKey { stream, number: 0 }, 0);
    (from, blocks_end(SegmentKey { stream, number: u32::MAX }))
}

/// Returns the key of a table entry.
pub(crate) fn entry_key(table: u32, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(5 + key.len());
    out.put_u8(b'k');
    out.put_u32(table);
    out.put_slice(key);
    out
}

/// Returns the key range of the entries of a table.
pub(crate) fn table_range(table: u32) -> (Vec<u8>, Vec<u8>) {
    let mut end = entry_key(table, b"");
    // the next table id; after the last one, the next letter
    match table.checked_add(1) {
        Some(next) => end = entry_key(next, b""),
        None => end = vec![end.first().map_or(b'l', |letter| letter + 1)],
    }
    (entry_key(table, b""), end)
}

/// The value of a table entry in the index.
pub(crate) struct StoredEntry {
    pub(crate) version: u64,
    pub(crate) file: u32,
    pub(crate) value: Bytes,
}

impl StoredEntry {
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

/// Returns the key of a transaction's start in a segment, for events staged in a log file.
pub(crate) fn staged_key(file: u32, transaction: u64, segment: SegmentKey) -> Vec<u8> {
    let mut key = Vec::with_capacity(21);
    key.put_u8(b't');
    key.put_u32(file);
    key.put_u64(transaction);
    key.put_u32(segment.stream);
    key.put_u32(segment.number);
    key
}

/// Returns the key range of the transaction starts of a log file.
pub(crate) fn staged_range(file: u32) -> (Vec<u8>, Vec<u8>) {
    let first = SegmentKey { stream: 0, number: 0 };
    let last = SegmentKey { stream: u32::MAX, number: u32::MAX };
    let mut end = staged_key(file, u64::MAX, last);
    end.push(0);
    (staged_key(file, 0, first), end)
}

/// Returns the key of a chunk of an open transaction's runs.
pub(crate) fn staged_chunk_key(transaction: u64, number: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(13);
    key.put_u8(b's');
    key.put_u64(transaction);
    key.put_u32(number);
    key
}

/// Returns the error for an index with invalid content.
pub(crate) fn corrupt() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the index is corrupt: remove it, it is rebuilt from the log")
}
