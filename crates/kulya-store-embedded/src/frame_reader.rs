//! Reads log files frame by frame, in the current format and in format 2, and searches them for frames
//! after damage, in linear time and bounded memory whatever they contain.

use crate::disk::{ReadFile, Sequential};
use crate::error::{corrupt_log, disk_error};
use crate::file_kind::{FileKind, detect};
use crate::folder::Folder;
use crate::frame::{self, FILE_HEADER_BYTES, FileHeader, FrameKey, LogEnd, StoreKey};
use crate::legacy;
use crate::log_name::LogName;
use crate::magic_scan::{WINDOW_BYTES, scan_for_magic};
use kulya_store::{Error, Result};
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// The initial capacity of a body buffer, in bytes.
const INITIAL_BODY_CAPACITY: usize = 2 << 20;

/// A complete frame.
pub(crate) struct Frame {
    /// The log end after it. The number of events is 0 in format 2, which does not record it.
    pub(crate) end: LogEnd,
    /// The chain of the previous frame, as recorded; `None` in format 2.
    pub(crate) previous: Option<u32>,
    /// The position of its body in the file.
    pub(crate) body_at: u64,
    pub(crate) body: Vec<u8>,
    pub(crate) header_bytes: u64,
}

/// What is at a position of a log file.
pub(crate) enum NextFrame {
    /// A complete frame.
    Frame(Frame),
    /// The end of the file, directly after a frame.
    End,
    /// Bytes that are not a complete frame.
    Invalid(InvalidFrame),
}

/// An incomplete or damaged frame.
#[derive(Default)]
pub(crate) struct InvalidFrame {
    /// Its header, if that is valid; never known in format 2.
    pub(crate) header: Option<frame::Header>,
    /// What exists of its body, if the header is valid.
    pub(crate) body: Vec<u8>,
}

/// How the frames of a log file are verified.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    /// Format 2, by checksum only.
    Legacy,
    /// The current format, with the key and the file header.
    Keyed(FrameKey, FileHeader),
}

/// Reads a log file frame by frame.
pub(crate) struct FrameReader {
    path: PathBuf,
    pub(crate) file: Arc<dyn ReadFile>,
    input: BufReader<Sequential>,
    pub(crate) format: Format,
    /// The position after the last frame.
    pub(crate) position: u64,
}

impl FrameReader {
    /// Opens a log file of this store at its first frame.
    ///
    /// # Errors
    /// `Corrupt` if the header is not that of this file.
    pub(crate) fn open(folder: &Folder, name: LogName) -> Result<Self> {
        let file = folder.open_log(name)?;
        let path = folder.log_path(name);
        let beginning =
            detect(&*file).map_err(|e| disk_error(&format!("cannot read {}", path.display()), e))?;
        let format = match beginning {
            FileKind::Legacy => Format::Legacy,
            FileKind::Header(header) if header.key != folder.key() => {
                return Err(corrupt_log(&path, 0, "the file belongs to another store"));
            }
            FileKind::Header(header) if header.name != name => {
                return Err(corrupt_log(
                    &path,
                    0,
                    &format!("the file is log file {} under another name", header.name),
                ));
            }
            FileKind::Header(header) => Format::Keyed(FrameKey::new(header.key, name), header),
            FileKind::Unknown => return Err(corrupt_log(&path, 0, "its header is damaged")),
        };
        Ok(Self::new(path, file, format))
    }

    /// Creates a reader of an open file whose format is known.
    pub(crate) fn new(path: PathBuf, file: Arc<dyn ReadFile>, format: Format) -> Self {
        let position = match format {
            Format::Legacy => 0,
            Format::Keyed(..) => FILE_HEADER_BYTES as u64,
        };
        let input = BufReader::new(Sequential { file: Arc::clone(&file), offset: 0 });
        let mut frames = Self { path, file, input, format, position };
        frames.seek(position);
        frames
    }

    /// Returns the format for a file of this name and key, whatever its header says.
    pub(crate) fn keyed(key: StoreKey, name: LogName, before: LogEnd) -> Format {
        Format::Keyed(FrameKey::new(key, name), FileHeader { key, name, before })
    }

    /// Seeks to a position.
    pub(crate) fn seek(&mut self, position: u64) {
        let input = Sequential { file: Arc::clone(&self.file), offset: position };
        self.input = BufReader::with_capacity(WINDOW_BYTES, input);
        self.position = position;
    }

    /// Returns the log end before this file; `None` in format 2, which does not record it.
    pub(crate) fn before(&self) -> Option<LogEnd> {
        match &self.format {
            Format::Legacy => None,
            Format::Keyed(_, header) => Some(header.before),
        }
    }

    pub(crate) fn failed(&self, error: io::Error) -> Error {
        disk_error(&format!("cannot read {}", self.path.display()), error)
    }

    /// Returns the current length of the file, in bytes.
    pub(crate) fn length(&self) -> Result<u64> {
        self.file.length().map_err(|e| self.failed(e))
    }

    /// Reads the frame at the position, which advances behind it. Damage is not an error here, only I/O
    /// failures are.
    pub(crate) fn next(&mut self) -> Result<NextFrame> {
        let found = match self.format {
            Format::Legacy => self.next_legacy(),
            Format::Keyed(key, _) => self.next_keyed(&key),
        };
        found.map_err(|e| self.failed(e))
    }

    fn next_keyed(&mut self, key: &FrameKey) -> io::Result<NextFrame> {
        let mut bytes = [0u8; frame::HEADER_BYTES];
        let read = read_up_to(&mut self.input, &mut bytes)?;
        if read == 0 {
            return Ok(NextFrame::End);
        }
        let Some(header) = key.header(bytes.get(..read).unwrap_or_default(), self.position) else {
            return Ok(NextFrame::Invalid(InvalidFrame::default()));
        };
        let body = self.body(header.length)?;
        if body.len() != header.length as usize || crc32c::crc32c(&body) != header.checksum {
            return Ok(NextFrame::Invalid(InvalidFrame { header: Some(header), body }));
        }
        let body_at = self.position + frame::HEADER_BYTES as u64;
        self.position = body_at + body.len() as u64;
        Ok(NextFrame::Frame(Frame {
            end: header.end(),
            previous: Some(header.previous),
            body_at,
            body,
            header_bytes: frame::HEADER_BYTES as u64,
        }))
    }

    fn next_legacy(&mut self) -> io::Result<NextFrame> {
        let mut bytes = [0u8; legacy::HEADER_BYTES];
        let read = read_up_to(&mut self.input, &mut bytes)?;
        if read == 0 {
            return Ok(NextFrame::End);
        }
        let Some(header) = legacy::Header::decode(bytes.get(..read).unwrap_or_default()) else {
            return Ok(NextFrame::Invalid(InvalidFrame::default()));
        };
        let body = self.body(header.length)?;
        if !header.matches(&body) {
            return Ok(NextFrame::Invalid(InvalidFrame::default()));
        }
        let body_at = self.position + legacy::HEADER_BYTES as u64;
        self.position = body_at + body.len() as u64;
        Ok(NextFrame::Frame(Frame {
            end: LogEnd { sequence: header.sequence, chain: header.checksum, events: 0 },
            previous: None,
            body_at,
            body,
            header_bytes: legacy::HEADER_BYTES as u64,
        }))
    }

    /// Reads a body. Memory is bounded by the size of the file, whatever `length` is.
    fn body(&mut self, length: u32) -> io::Result<Vec<u8>> {
        let mut body = Vec::with_capacity((length as usize).min(INITIAL_BODY_CAPACITY));
        (&mut self.input).take(u64::from(length)).read_to_end(&mut body)?;
        Ok(body)
    }

    /// Returns the position of the first valid frame header from `from` on that `is_wanted` accepts; in
    /// format 2, of the first complete frame.
    fn search(&self, from: u64, mut is_wanted: impl FnMut(u64, u64) -> bool) -> Result<Option<u64>> {
        let to = self.length()?;
        let found = match self.format {
            Format::Keyed(key, _) => {
                let mut found = None;
                scan_for_magic(&*self.file, from, to, frame::MAGIC, frame::HEADER_BYTES, |at, bytes| {
                    let header = key.header(bytes, at);
                    found = header.filter(|header| is_wanted(header.sequence, header.synced)).map(|_| at);
                    Ok(found.is_some())
                })
                .map(|()| found)
            }
            Format::Legacy => legacy::Search::new(&*self.file, from)
                .and_then(|search| search.next(from, |header| is_wanted(header.sequence, header.synced)))
                .map(|found| found.map(|(at, _)| at)),
        };
        found.map_err(|e| self.failed(e))
    }

    /// Returns the position of the first frame after the current position that was written when more than
    /// `sequence` was synced. If there is one, the invalid bytes at the position are damage, and otherwise
    /// the end of a write that was never synced. A valid header is sufficient, whatever its body is.
    pub(crate) fn find_synced_after(&self, sequence: u64) -> Result<Option<u64>> {
        let is_plausible = self.plausible(self.position, sequence)?;
        self.search(self.position, |found, synced| is_plausible(found, synced) && sequence < synced)
    }

    /// Returns the position of the next frame from `from` on, after one of this sequence.
    pub(crate) fn find_next(&self, from: u64, sequence: u64) -> Result<Option<u64>> {
        self.search(from, self.plausible(from, sequence)?)
    }

    /// Returns the test whether a frame of a sequence can follow a position; in format 2 arbitrary bytes
    /// can look like a frame.
    fn plausible(&self, from: u64, before: u64) -> Result<impl Fn(u64, u64) -> bool + use<>> {
        let max = before.saturating_add(self.length()?.saturating_sub(from)).saturating_add(1);
        let is_legacy = matches!(self.format, Format::Legacy);
        Ok(move |found, synced| !is_legacy || before < found && found <= max && synced < found)
    }

    pub(crate) fn corrupt(&self, position: u64, message: &str) -> Error {
        corrupt_log(&self.path, position, message)
    }
}

fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
