//! A log file, read frame by frame, of this format and of the one before; and looked through for frames behind damage, in
//! time linear in its length and in bounded memory, whatever stands in it.

use crate::error::{corrupt_log, disk_error};
use crate::log_name::LogName;
use crate::disk::{ReadFile, Sequential, read_exact_at};
use crate::folder::Folder;
use crate::frame::{self, FILE_HEADER_BYTES, FileHeader, FrameKey, LogEnd, StoreKey};
use crate::legacy;
use kulya_store::{Error, Result};
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// Room that is made for a body before it is there.
const BODY_ROOM: usize = 2 << 20;
/// A file is looked through in such parts.
const WINDOW_BYTES: usize = 1 << 20;

/// A whole frame.
pub(crate) struct Frame {
    /// How the log goes on behind it. Of a frame of format 2 the number of events is not known, and is 0.
    pub(crate) end: LogEnd,
    /// What it says of the frame before it; `None` in format 2.
    pub(crate) previous: Option<u32>,
    /// Where in the file its body begins.
    pub(crate) body_at: u64,
    pub(crate) body: Vec<u8>,
    pub(crate) header_bytes: u64,
}

/// What stands at one place of a log file.
pub(crate) enum NextFrame {
    Frame(Frame),
    /// The end of the file, exactly behind a frame.
    End,
    /// Bytes that are no whole frame.
    Invalid(InvalidFrame),
}

/// A frame of which not everything is what was written.
#[derive(Default)]
pub(crate) struct InvalidFrame {
    /// What its header says, when that is true. It never is for format 2.
    pub(crate) header: Option<frame::Header>,
    /// What is there of its body then.
    pub(crate) body: Vec<u8>,
}

/// How a log file's frames are told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    /// Of format 2, without a header.
    Legacy,
    /// Of this format, with the header's fields.
    Keyed(FrameKey, FileHeader),
}

/// A log file read frame by frame.
pub(crate) struct FrameReader {
    path: PathBuf,
    pub(crate) file: Arc<dyn ReadFile>,
    input: BufReader<Sequential>,
    pub(crate) format: Format,
    /// Behind the last frame.
    pub(crate) position: u64,
}

impl FrameReader {
    /// Opens a log file of this store for reading from its first frame on.
    pub(crate) fn open(folder: &Folder, name: LogName) -> Result<Self> {
        let file = folder.open_log(name)?;
        let path = folder.log_path(name);
        let beginning =
            detect(&*file).map_err(|e| disk_error(&format!("cannot read {}", path.display()), e))?;
        let format = match beginning {
            FileKind::Legacy => Format::Legacy,
            FileKind::Header(header) if header.key != folder.key() => {
                return Err(corrupt_log(&path, 0, "it is a log file of another store"));
            }
            FileKind::Header(header) if header.name != name => {
                return Err(corrupt_log(&path, 0, &format!("it is log file {} under another name", header.name)));
            }
            FileKind::Header(header) => Format::Keyed(FrameKey::new(header.key, name), header),
            FileKind::Unknown => return Err(corrupt_log(&path, 0, "its header is not what was written")),
        };
        Ok(Self::of(path, file, format))
    }

    /// The same of a file that is known already.
    pub(crate) fn of(path: PathBuf, file: Arc<dyn ReadFile>, format: Format) -> Self {
        let position = match format {
            Format::Legacy => 0,
            Format::Keyed(..) => FILE_HEADER_BYTES as u64,
        };
        let input = BufReader::new(Sequential { file: Arc::clone(&file), offset: 0 });
        let mut frames = Self { path, file, input, format, position };
        frames.seek(position);
        frames
    }

    /// How a file of this name and of this key is read whatever its header says.
    pub(crate) fn keyed(key: StoreKey, name: LogName, before: LogEnd) -> Format {
        Format::Keyed(FrameKey::new(key, name), FileHeader { key, name, before })
    }

    /// Goes on at another place.
    pub(crate) fn seek(&mut self, position: u64) {
        let input = Sequential { file: Arc::clone(&self.file), offset: position };
        self.input = BufReader::with_capacity(WINDOW_BYTES, input);
        self.position = position;
    }

    /// How the log stood before this file; `None` in format 2, which does not say it.
    pub(crate) fn before(&self) -> Option<LogEnd> {
        match &self.format {
            Format::Legacy => None,
            Format::Keyed(_, header) => Some(header.before),
        }
    }

    pub(crate) fn failed(&self, error: io::Error) -> Error {
        disk_error(&format!("cannot read {}", self.path.display()), error)
    }

    /// The length of the file now.
    pub(crate) fn length(&self) -> Result<u64> {
        self.file.length().map_err(|e| self.failed(e))
    }

    /// What stands at the position, which moves behind it when it is a frame. Only an error of the disk is an error here.
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
        let Some(header) = legacy::Header::read(bytes.get(..read).unwrap_or_default()) else {
            return Ok(NextFrame::Invalid(InvalidFrame::default()));
        };
        let body = self.body(header.length)?;
        if !header.fits(&body) {
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

    /// A wrong length costs no more memory than `BODY_ROOM`, or than the file has bytes.
    fn body(&mut self, length: u32) -> io::Result<Vec<u8>> {
        let mut body = Vec::with_capacity((length as usize).min(BODY_ROOM));
        (&mut self.input).take(u64::from(length)).read_to_end(&mut body)?;
        Ok(body)
    }

    /// The first true frame header from a place on that is `wanted`; in format 2, the first whole frame.
    fn search(&self, from: u64, mut wanted: impl FnMut(u64, u64) -> bool) -> Result<Option<u64>> {
        let to = self.length()?;
        let found = match self.format {
            Format::Keyed(key, _) => {
                let mut found = None;
                scan_for_magic(&*self.file, from, to, frame::MAGIC, frame::HEADER_BYTES, |at, bytes| {
                    let header = key.header(bytes, at);
                    found = header.filter(|header| wanted(header.sequence, header.synced)).map(|_| at);
                    Ok(found.is_some())
                })
                .map(|()| found)
            }
            Format::Legacy => legacy::Search::new(&*self.file, from)
                .and_then(|search| search.next(from, |header| wanted(header.sequence, header.synced)))
                .map(|found| found.map(|(at, _)| at)),
        };
        found.map_err(|e| self.failed(e))
    }

    /// What is not a whole frame at the position is the end of a write that was never synced, unless a frame follows it that
    /// was written when more than `sequence` was synced already: gives where that begins. A true header is enough: what it
    /// says of what was synced before it is so whatever became of its body.
    pub(crate) fn later(&self, sequence: u64) -> Result<Option<u64>> {
        let is_plausible = self.plausible(self.position, sequence)?;
        self.search(self.position, |found, synced| is_plausible(found, synced) && sequence < synced)
    }

    /// The next place from `from` on at which a frame begins, behind one of this sequence.
    pub(crate) fn next_frame(&self, from: u64, sequence: u64) -> Result<Option<u64>> {
        self.search(from, self.plausible(from, sequence)?)
    }

    /// Whether a frame of this sequence may stand somewhere behind a place: in format 2 anything else may seem to be one.
    fn plausible(&self, from: u64, before: u64) -> Result<impl Fn(u64, u64) -> bool + use<>> {
        let most = before.saturating_add(self.length()?.saturating_sub(from)).saturating_add(1);
        let is_legacy = matches!(self.format, Format::Legacy);
        Ok(move |found, synced| !is_legacy || before < found && found <= most && synced < found)
    }

    pub(crate) fn corrupt(&self, position: u64, what: &str) -> Error {
        corrupt_log(&self.path, position, what)
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
