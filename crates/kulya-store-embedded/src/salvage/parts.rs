//! Which file of a folder is which part of the log: by what it says in its header, and by its name where it says nothing.

use crate::error::disk_error;
use crate::file_kind::{FileKind, detect};
use crate::log_name::LogName;
use crate::magic_scan::scan_for_magic;
use crate::disk::{ReadFile, read_exact_at};
use crate::folder::Folder;
use crate::frame::{self, FileHeader, FrameKey, LogEnd};
use crate::frame_reader::{Format, NextFrame, FrameReader};
use crate::manifest::SyncedFile;
use kulya_store::Result;
use std::sync::Arc;

/// A part of the log.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) source: Source,
    name: LogName,
    /// How the log stood before it, as far as that is known.
    pub(crate) before: Option<LogEnd>,
}

#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "there are as many as there are log files")]
pub(crate) enum Source {
    Missing,
    File {
        /// Its name in the folder, which may be another part's.
        there: LogName,
        file: Arc<dyn ReadFile>,
        format: Format,
        /// What is wrong with its first bytes or its name.
        flaw: Option<String>,
    },
}

impl Part {
    /// The name of the file, or the numbers of those that are missing.
    pub(crate) fn name(&self) -> LogName {
        self.name
    }
}

pub(super) struct LogParts {
    /// In the order of the log, without gaps.
    pub(super) parts: Vec<Part>,
    pub(super) foreign: Vec<String>,
}

pub(super) fn find_parts(folder: &Folder, known: &[SyncedFile]) -> Result<LogParts> {
    let (mut files, mut foreign) = (Vec::new(), Vec::new());
    let mut unnamed = Vec::new();
    for there in folder.list_logs()? {
        let Some(file) = folder.read_log(there)? else { continue };
        let failed = |e| disk_error(&format!("cannot read {}", folder.log_path(there).display()), e);
        match detect(&*file).map_err(failed)? {
            FileKind::Header(header) if header.key == folder.key() => files.push((there, file, header)),
            FileKind::Header(_) => foreign.push(there.to_string()),
            begins => unnamed.push((there, file, begins)),
        }
    }
    // under its own name first: another file that says the same is a copy
    files.sort_by_key(|(there, _, header)| (header.name, *there != header.name));
    let mut parts: Vec<Part> = Vec::new();
    let headers: Vec<FileHeader> = files.iter().map(|(.., header)| *header).collect();
    for (there, file, header) in files {
        if parts.iter().any(|part| part.name == header.name)
            || is_exchanged(folder, &*file, &header, known, &headers)?
        {
            foreign.push(there.to_string());
            continue;
        }
        let flaw = (there != header.name).then(|| format!("is log file {} under another name", header.name));
        let format = Format::Keyed(FrameKey::new(header.key, header.name), header);
        let source = Source::File { there, file, format, flaw };
        parts.push(Part { source, name: header.name, before: Some(header.before) });
    }
    for (there, file, begins) in unnamed {
        let failed = |e| disk_error(&format!("cannot read {}", folder.log_path(there).display()), e);
        let part = match begins {
            // an empty file that had something is none of format 2 for certain
            FileKind::Legacy
                if file.length().map_err(failed)? > 0 || !known.iter().any(|k| k.name == there) =>
            {
                legacy(folder, there, file)?
            }
            _ => headless(folder, there, file, &parts, known)?,
        };
        match part {
            Some(part) if !parts.iter().any(|other| other.name == part.name) => parts.push(part),
            _ => foreign.push(there.to_string()),
        }
    }
    Ok(LogParts { parts: without_gaps(parts, known), foreign })
}

fn legacy(folder: &Folder, there: LogName, file: Arc<dyn ReadFile>) -> Result<Option<Part>> {
    let mut frames = FrameReader::of(folder.log_path(there), Arc::clone(&file), Format::Legacy);
    let before = match frames.next()? {
        NextFrame::Frame(frame) if !there.is_compacted() => {
            Some(LogEnd { sequence: frame.end.sequence.saturating_sub(1), ..LogEnd::default() })
        }
        _ => None,
    };
    let source = Source::File { there, file, format: Format::Legacy, flaw: None };
    Ok(Some(Part { source, name: there, before }))
}

/// A file whose header is damaged: the name under which a frame of it is true is its name.
fn headless(
    folder: &Folder,
    there: LogName,
    file: Arc<dyn ReadFile>,
    parts: &[Part],
    known: &[SyncedFile],
) -> Result<Option<Part>> {
    let failed = |e| disk_error(&format!("cannot read {}", folder.log_path(there).display()), e);
    let is_free = |name: &LogName| !parts.iter().any(|part| part.name == *name);
    let mut names = vec![there];
    names.extend(known.iter().map(|known| known.name).filter(|name| *name != there));
    names.retain(is_free);
    let keys: Vec<_> = names.iter().map(|name| (*name, FrameKey::new(folder.key(), *name))).collect();
    let mut found = None;
    let length = file.length().map_err(failed)?;
    scan_for_magic(&*file, 0, length, frame::MAGIC, frame::HEADER_BYTES, |at, bytes| {
        found = keys.iter().find(|(_, key)| key.header(bytes, at).is_some()).map(|(name, _)| *name);
        Ok(found.is_some())
    })
    .map_err(failed)?;
    let Some(name) = found.or_else(|| is_free(&there).then_some(there)) else { return Ok(None) };
    let format = FrameReader::keyed(folder.key(), name, LogEnd::default());
    let flaw = Some("has a header that is not what was written".to_owned());
    Ok(Some(Part { source: Source::File { there, file, format, flaw }, name, before: None }))
}

/// Whether a file is another than the one that was there: of a copy of this store that went its own way. Its frames are true,
/// but nothing that is known of it fits: neither what its own end was, nor what the next file goes on behind.
fn is_exchanged(
    folder: &Folder,
    file: &dyn ReadFile,
    header: &FileHeader,
    known: &[SyncedFile],
    headers: &[FileHeader],
) -> Result<bool> {
    let failed = |e| disk_error(&format!("cannot read {}", folder.log_path(header.name).display()), e);
    let mut known: Vec<_> = known.iter().filter(|known| known.name == header.name).collect();
    known.sort_by_key(|known| known.bytes);
    let (Some(last), false) = (known.last(), header.name.is_compacted()) else { return Ok(false) };
    let key = FrameKey::new(header.key, header.name);
    let mut at = frame::FILE_HEADER_BYTES as u64;
    let mut bytes = [0; frame::HEADER_BYTES];
    let mut end = header.before;
    let mut fitting = 0;
    let length = file.length().map_err(failed)?;
    loop {
        fitting += known.iter().filter(|known| known.bytes == at && known.end.chain == end.chain).count();
        let next = headers.iter().any(|next| next.name.first == header.name.last + 1 && next.before == end);
        if fitting > 0 || next {
            return Ok(false);
        }
        // what is shorter is cut, and what is damaged is no exchange
        if at >= last.bytes {
            return Ok(true);
        }
        if at + bytes.len() as u64 > length {
            return Ok(false);
        }
        read_exact_at(file, &mut bytes, at).map_err(failed)?;
        let Some(found) = key.header(&bytes, at) else { return Ok(false) };
        at += found.frame_bytes();
        end = found.end();
    }
}

/// The parts that no other stands for, and what is missing between and behind them.
fn without_gaps(mut parts: Vec<Part>, known: &[SyncedFile]) -> Vec<Part> {
    let names: Vec<LogName> = parts.iter().map(Part::name).collect();
    parts.retain(|part| !names.iter().any(|other| other.replaces(part.name)));
    parts.sort_by_key(Part::name);
    let mut whole: Vec<Part> = Vec::new();
    let mut next = 0;
    let missing = |first: u32, last: u32| Part {
        source: Source::Missing,
        name: LogName { first, last, generation: 1 },
        before: None,
    };
    for part in parts {
        if part.name.first > next {
            whole.push(missing(next, part.name.first - 1));
        }
        next = part.name.last.saturating_add(1);
        whole.push(part);
    }
    if let Some(last) = known.iter().map(|known| known.name.last).max().filter(|last| *last >= next) {
        whole.push(missing(next, last));
    }
    whole
}
