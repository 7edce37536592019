//! The doors through which bytes from outside come in, for those who try them with any bytes: tests and fuzzers.

use crate::log_name::LogName;
use crate::disk::FileSystem;
use crate::folder::Folder;
use crate::frame::{self, FileHeader, FrameKey, LogEnd, StoreKey};
use crate::index;
use crate::legacy;
use crate::frame_reader::{NextFrame, FrameReader};
use crate::manifest::Manifest;
use crate::op::OpReader;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The key of what is made here.
const KEY: StoreKey = StoreKey([7; 16]);

/// A log file that begins with the first frame, with frames around these bodies.
pub fn framed<'a>(bodies: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (name, mut end) = (LogName::plain(0), LogEnd::default());
    let mut log = FileHeader { key: KEY, name, before: end }.to_bytes().to_vec();
    for body in bodies {
        let mut bytes = frame::begin();
        bytes.extend(body);
        let before = end;
        end = FrameKey::new(KEY, name).seal(&mut bytes, log.len() as u64, before, before.sequence, 0);
        log.extend(bytes);
    }
    log
}

/// The file `MANIFEST` of a folder that has such a log file.
pub fn manifest() -> Vec<u8> {
    Manifest::new(KEY).to_bytes()
}

/// Reads frames, of this format and of the one before, and looks for later ones where one is bad; gives how many of this
/// format were whole.
pub fn frames(bytes: &[u8]) -> usize {
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
    for (format, whole) in [crate::frame_reader::Format::Legacy, keyed].into_iter().zip(&mut counts) {
        let mut frames = FrameReader::of(PathBuf::new(), Arc::clone(&file), format);
        loop {
            match frames.next() {
                Ok(NextFrame::Frame(_)) => *whole += 1,
                Ok(NextFrame::Invalid(_)) => {
                    let later = frames.later(*whole as u64).expect("memory is read");
                    let next = frames.next_frame(frames.position, 0).expect("memory is read");
                    assert!(later.is_none() || next.is_some(), "a later one is one");
                    break;
                }
                Ok(NextFrame::End) => break,
                Err(error) => panic!("memory is read: {error}"),
            }
        }
    }
    let _ = legacy::Header::read(bytes);
    counts[1]
}

/// Reads a frame's body; gives how many ops it has before its end or the first bytes that are none.
pub fn ops(body: &[u8]) -> usize {
    let mut reader = OpReader::new(body);
    let mut ops = 0;
    while let Ok(Some(_)) = reader.next() {
        ops += 1;
    }
    ops
}

/// Reads what the index may hold: keys and values.
pub fn index_entry(key: &[u8], value: &[u8]) {
    let _ = index::segment_of(key);
    let _ = index::Stored::decode(&bytes::Bytes::copy_from_slice(value));
    let start = key.last_chunk::<8>().map_or(0, |start| u64::from_be_bytes(*start));
    if let Some(extents) = index::unpack(start, value) {
        assert_eq!(index::unpack(start, &index::pack(&extents)).as_deref(), Some(extents.as_slice()));
    }
}

/// A frame as format 2 has it, whole by its own checksum: what an event may look like.
pub fn legacy_frame(sequence: u64, synced: u64, body: &[u8]) -> Vec<u8> {
    let numbers = [sequence.to_be_bytes(), synced.to_be_bytes()].concat();
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&numbers), body);
    let length = body.len() as u32;
    [&legacy::MAGIC[..], &length.to_be_bytes(), &checksum.to_be_bytes(), &numbers, body].concat()
}

/// Where a frame stands in a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRange {
    /// Its first byte.
    pub from: u64,
    /// Behind its last one.
    pub to: u64,
}

/// The frames of the log file of this name in a folder that is whole.
pub fn frames_of(folder: &Path, file: &str) -> Vec<FrameRange> {
    let (folder, _) = Folder::open_read_only(folder, Arc::new(FileSystem)).expect("the folder is whole");
    let name = LogName::read(file).expect("it is a log file's name");
    let mut frames = FrameReader::open(&folder, name).expect("the log file is whole");
    let mut ranges = Vec::new();
    loop {
        let from = frames.position;
        match frames.next().expect("the log file can be read") {
            NextFrame::Frame(_) => ranges.push(FrameRange { from, to: frames.position }),
            NextFrame::End | NextFrame::Invalid(_) => return ranges,
        }
    }
}
