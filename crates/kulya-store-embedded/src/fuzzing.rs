//! Entry points of the decoders, for tests and fuzzers that feed them arbitrary bytes.

use crate::disk::FileSystem;
use crate::folder::Folder;
use crate::frame::{self, FileHeader, FrameKey, LogEnd, StoreKey};
use crate::frame_reader::{FrameReader, NextFrame};
use crate::index;
use crate::legacy;
use crate::log_name::LogName;
use crate::manifest::Manifest;
use crate::op::OpReader;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The key of the encoded files.
const KEY: StoreKey = StoreKey([7; 16]);

/// Encodes the first log file of a store, with a frame for each of these bodies.
pub fn encode_log_file<'a>(bodies: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (name, mut end) = (LogName::plain(0), LogEnd::default());
    let mut log = FileHeader { key: KEY, name, before: end }.encode().to_vec();
    for body in bodies {
        let mut bytes = frame::new_buffer();
        bytes.extend(body);
        let before = end;
        end = FrameKey::new(KEY, name).seal(&mut bytes, log.len() as u64, before, before.sequence, 0);
        log.extend(bytes);
    }
    log
}

/// Encodes the file `MANIFEST` of a store with such a log file.
pub fn encode_manifest() -> Vec<u8> {
    Manifest::new(KEY).encode()
}

/// Decodes frames, of the current and the previous format, and searches for later ones after invalid bytes.
/// Returns the number of complete frames of the current format.
pub fn decode_frames(bytes: &[u8]) -> usize {
    struct Bytes(Vec<u8>);
    impl crate::disk::ReadFile for Bytes {
        fn length(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            let mut rest = self.0.get(offset as usize..).unwrap_or_default();
            io::Read::read(&mut rest, buffer)
        }
    }
    let file: Arc<dyn crate::disk::ReadFile> = Arc::new(Bytes(bytes.to_vec()));
    let mut counts = [0; 2];
    let keyed = FrameReader::keyed(KEY, LogName::plain(0), LogEnd::default());
    for (format, count) in [crate::frame_reader::Format::Legacy, keyed].into_iter().zip(&mut counts) {
        let mut frames = FrameReader::new(PathBuf::new(), Arc::clone(&file), format);
        loop {
            match frames.next() {
                Ok(NextFrame::Frame(_)) => *count += 1,
                Ok(NextFrame::Invalid(_)) => {
                    let later =
                        frames.find_synced_after(*count as u64).expect("reading memory does not fail");
                    let next = frames.find_next(frames.position, 0).expect("reading memory does not fail");
                    assert!(later.is_none() || next.is_some(), "a later frame is a frame");
                    break;
                }
                Ok(NextFrame::End) => break,
                Err(error) => panic!("reading memory does not fail: {error}"),
            }
        }
    }
    let _ = legacy::Header::decode(bytes);
    counts[1]
}

/// Decodes the ops of a frame body. Returns their number up to the end or the first invalid bytes.
pub fn decode_ops(body: &[u8]) -> usize {
    let mut reader = OpReader::new(body);
    let mut ops = 0;
    while let Ok(Some(_)) = reader.next() {
        ops += 1;
    }
    ops
}

/// Decodes an index entry.
pub fn decode_index_entry(key: &[u8], value: &[u8]) {
    let _ = index::segment_of(key);
    let _ = index::StoredEntry::decode(&bytes::Bytes::copy_from_slice(value));
    let start = key.last_chunk::<8>().map_or(0, |start| u64::from_be_bytes(*start));
    if let Some(extents) = index::unpack(start, value) {
        assert_eq!(index::unpack(start, &index::pack(&extents)).as_deref(), Some(extents.as_slice()));
    }
}

/// Encodes a frame of format 2 with a valid checksum, as an event may contain.
pub fn encode_legacy_frame(sequence: u64, synced: u64, body: &[u8]) -> Vec<u8> {
    let numbers = [sequence.to_be_bytes(), synced.to_be_bytes()].concat();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&numbers), body);
    let length = body.len() as u32;
    [&legacy::MAGIC[..], &length.to_be_bytes(), &checksum.to_be_bytes(), &numbers, body].concat()
}

/// The range of a frame in a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRange {
    /// The position of the first byte.
    pub from: u64,
    /// The position after the last byte.
    pub to: u64,
}

/// Returns the ranges of the frames of a log file in an intact store.
pub fn frame_ranges(folder: &Path, file: &str) -> Vec<FrameRange> {
    let (folder, _) = Folder::open_read_only(folder, Arc::new(FileSystem)).expect("the store is intact");
    let name = LogName::parse(file).expect("valid log file name");
    let mut frames = FrameReader::open(&folder, name).expect("the log file is intact");
    let mut ranges = Vec::new();
    loop {
        let from = frames.position;
        match frames.next().expect("the log file is readable") {
            NextFrame::Frame(_) => ranges.push(FrameRange { from, to: frames.position }),
            NextFrame::End | NextFrame::Invalid(_) => return ranges,
        }
    }
}
