//! Detects the format of a log file from its first bytes.

use crate::disk::{ReadFile, read_exact_at};
use crate::frame::{FILE_HEADER_BYTES, FileHeader};
use crate::legacy;
use std::io;

/// The format of a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Format 2 (which has no header), or an empty file.
    Legacy,
    /// The current format, with its header.
    Header(FileHeader),
    /// Neither.
    Unknown,
}

/// Detects the format of a log file.
pub(crate) fn detect(file: &dyn ReadFile) -> io::Result<FileKind> {
    let mut bytes = [0; FILE_HEADER_BYTES];
    let length = file.length()?.min(FILE_HEADER_BYTES as u64) as usize;
    let (bytes, _) = bytes.split_at_mut(length);
    read_exact_at(file, bytes, 0)?;
    Ok(match FileHeader::decode(bytes) {
        Some(header) => FileKind::Header(header),
        None if bytes.is_empty() || bytes.starts_with(&legacy::MAGIC) => FileKind::Legacy,
        None => FileKind::Unknown,
    })
}
