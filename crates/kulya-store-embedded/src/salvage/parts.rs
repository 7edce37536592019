//! Assigns the files of a folder to the parts of the log, by their headers, and by their names where a
//! header is damaged.

use crate::disk::{ReadFile, read_exact_at};
use crate::error::disk_error;
use crate::file_kind::{FileKind, detect};
use crate::folder::Folder;
use crate::frame::{self, FileHeader, FrameKey, LogEnd};
use crate::frame_reader::{Format, FrameReader, NextFrame};
use crate::log_name::LogName;
use crate::magic_scan::scan_for_magic;
use crate::manifest::SyncedFile;
use kulya_store::Result;
use std::sync::Arc;

/// A part of the log.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) source: Source,
    name: LogName,
    /// The log end before it, if known.
    pub(crate) before: Option<LogEnd>,
}

#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "there are as many as there are log files")]
pub(crate) enum Source {
    /// Missing files.
    Missing,
    File {
        /// Its current name, which may be that of another part.
        current_name: LogName,
        file: Arc<dyn ReadFile>,
        format: Format,
        /// The damage of its header or name.
        damage: Option<String>,
    },
}

impl Part {
    /// Returns the name of the file, or the range of missing numbers.
    pub(crate) fn name(&self) -> LogName {
        self.name
    }
}

/// The parts of a log.
pub(super) struct LogParts {
    /// In log order, without gaps.
    pub(super) parts: Vec<Part>,
    /// The names of files that are not part of the log.
    pub(super) foreign: Vec<String>,
}

/// Finds the parts of the log in a folder.
pub(super) fn find_parts(folder: &Folder, synced_files: &[SyncedFile]) -> Result<LogParts> {
    let (mut files, mut foreign) = (Vec::new(), Vec::new());
    let mut without_header = Vec::new();
    for current_name in folder.list_logs()? {
        let Some(file) = folder.read_log(current_name)? else { continue };
        let failed = |e| disk_error(&format!("cannot read {}", folder.log_path(current_name).display()), e);
        match detect(&*file).map_err(failed)? {
            FileKind::Header(header) if header.key == folder.key() => {
                files.push((current_name, file, header))
            }
            FileKind::Header(_) => foreign.push(current_name.to_string()),
            kind => without_header.push((current_name, file, kind)),
        }
    }
    // a file under its own name comes first: another one with the same header is a copy
    files.sort_by_key(|(current_name, _, header)| (header.name, *current_name != header.name));
    let mut parts: Vec<Part> = Vec::new();
    let headers: Vec<FileHeader> = files.iter().map(|(.., header)| *header).collect();
    for (current_name, file, header) in files {
        if parts.iter().any(|part| part.name == header.name)
            || is_replaced(folder, &*file, &header, synced_files, &headers)?
        {
            foreign.push(current_name.to_string());
            continue;
        }
        let damage =
            (current_name != header.name).then(|| format!("is log file {} under another name", header.name));
        let format = Format::Keyed(FrameKey::new(header.key, header.name), header);
        let source = Source::File { current_name, file, format, damage };
        parts.push(Part { source, name: header.name, before: Some(header.before) });
    }
    for (current_name, file, kind) in without_header {
        let failed = |e| disk_error(&format!("cannot read {}", folder.log_path(current_name).display()), e);
        let part = match kind {
            // an empty file that was not empty is not of format 2
            FileKind::Legacy
                if file.length().map_err(failed)? > 0
                    || !synced_files.iter().any(|file| file.name == current_name) =>
            {
                legacy_part(folder, current_name, file)?
            }
            _ => part_without_header(folder, current_name, file, &parts, synced_files)?,
        };
        match part {
            Some(part) if !parts.iter().any(|other| other.name == part.name) => parts.push(part),
            _ => foreign.push(current_name.to_string()),
        }
    }
    Ok(LogParts { parts: without_gaps(parts, synced_files), foreign })
}

fn legacy_part(folder: &Folder, current_name: LogName, file: Arc<dyn ReadFile>) -> Result<Option<Part>> {
    let mut frames = FrameReader::new(folder.log_path(current_name), Arc::clone(&file), Format::Legacy);
    let before = match frames.next()? {
        NextFrame::Frame(frame) if !current_name.is_compacted() => {
            Some(LogEnd { sequence: frame.end.sequence.saturating_sub(1), ..LogEnd::default() })
        }
        _ => None,
    };
    let source = Source::File { current_name, file, format: Format::Legacy, damage: None };
    Ok(Some(Part { source, name: current_name, before }))
}

/// Identifies a file with a damaged header: its name is the one under which a frame of it is valid.
fn part_without_header(
    folder: &Folder,
    current_name: LogName,
    file: Arc<dyn ReadFile>,
    parts: &[Part],
    synced_files: &[SyncedFile],
) -> Result<Option<Part>> {
    let failed = |e| disk_error(&format!("cannot read {}", folder.log_path(current_name).display()), e);
    let is_free = |name: &LogName| !parts.iter().any(|part| part.name == *name);
    let mut names = vec![current_name];
    names.extend(synced_files.iter().map(|file| file.name).filter(|name| *name != current_name));
    names.retain(is_free);
    let keys: Vec<_> = names.iter().map(|name| (*name, FrameKey::new(folder.key(), *name))).collect();
    let mut found = None;
    let length = file.length().map_err(failed)?;
    scan_for_magic(&*file, 0, length, frame::MAGIC, frame::HEADER_BYTES, |at, bytes| {
        found = keys.iter().find(|(_, key)| key.header(bytes, at).is_some()).map(|(name, _)| *name);
        Ok(found.is_some())
    })
    .map_err(failed)?;
    let Some(name) = found.or_else(|| is_free(&current_name).then_some(current_name)) else {
        return Ok(None);
    };
    let format = FrameReader::keyed(folder.key(), name, LogEnd::default());
    let damage = Some("has a damaged header".to_owned());
    Ok(Some(Part { source: Source::File { current_name, file, format, damage }, name, before: None }))
}

/// Returns whether a file was replaced by one from a copy of this store that diverged. Its frames are
/// valid, but it matches neither its recorded end nor the header of the next file.
fn is_replaced(
    folder: &Folder,
    file: &dyn ReadFile,
    header: &FileHeader,
    synced_files: &[SyncedFile],
    headers: &[FileHeader],
) -> Result<bool> {
    let failed = |e| disk_error(&format!("cannot read {}", folder.log_path(header.name).display()), e);
    let mut ends: Vec<_> = synced_files.iter().filter(|file| file.name == header.name).collect();
    ends.sort_by_key(|file| file.bytes);
    let (Some(last), false) = (ends.last(), header.name.is_compacted()) else { return Ok(false) };
    let key = FrameKey::new(header.key, header.name);
    let mut at = frame::FILE_HEADER_BYTES as u64;
    let mut bytes = [0; frame::HEADER_BYTES];
    let mut end = header.before;
    let mut matches = 0;
    let length = file.length().map_err(failed)?;
    loop {
        matches += ends.iter().filter(|file| file.bytes == at && file.end.chain == end.chain).count();
        let next = headers.iter().any(|next| next.name.first == header.name.last + 1 && next.before == end);
        if matches > 0 || next {
            return Ok(false);
        }
        // a shorter file is truncated and a damaged one is damaged; neither is replaced
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

/// Drops parts that others replace, and adds the missing ones.
fn without_gaps(mut parts: Vec<Part>, synced_files: &[SyncedFile]) -> Vec<Part> {
    let names: Vec<LogName> = parts.iter().map(Part::name).collect();
    parts.retain(|part| !names.iter().any(|other| other.replaces(part.name)));
    parts.sort_by_key(Part::name);
    let mut complete: Vec<Part> = Vec::new();
    let mut next = 0;
    let missing = |first: u32, last: u32| Part {
        source: Source::Missing,
        name: LogName { first, last, generation: 1 },
        before: None,
    };
    for part in parts {
        if part.name.first > next {
            complete.push(missing(next, part.name.first - 1));
        }
        next = part.name.last.saturating_add(1);
        complete.push(part);
    }
    if let Some(last) = synced_files.iter().map(|file| file.name.last).max().filter(|last| *last >= next) {
        complete.push(missing(next, last));
    }
    complete
}
