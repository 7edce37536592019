//! Backup: copies a store that may be in use, by this process or another, without a lock. The log is
//! append-only, so any prefix of it is a store: the log files are copied in order, each up to its current
//! length, and a torn write at the end is truncated when the copy is opened. The index is not copied but
//! rebuilt.
//!
//! Log files may be compacted meanwhile. Two consecutive listings must be equal: then these files were the
//! log at that moment, including everything acknowledged before, and the later changes because of which a
//! compaction dropped something. If a file is removed before it is copied, the listing is repeated; files
//! that were copied and still exist are kept, so that this ends.

use crate::disk::{Disk, FOLDER_MODE, FileSystem, Sequential, create_file, sync_folder};
use crate::error::disk_error;
use crate::folder::{FORMAT, current_files};
use crate::log_name::LogName;
use crate::manifest::{Manifest, SyncedFile};
use kulya_store::{Error, ErrorKind, Result};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// The maximum number of listings; each repetition means that a compaction ended meanwhile.
const MAX_LISTINGS: usize = 1000;

/// Copies the store in a folder to a new or empty folder, and returns the number of bytes. The file
/// `FORMAT` is written last: without it the copy is incomplete, and not a store.
///
/// # Errors
/// `InvalidInput` if `from` is not a store or `to` is not empty, `Corrupt` if a log file is missing,
/// `Full`.
pub(crate) fn copy(disk: &dyn Disk, from: &Path, to: &Path) -> Result<u64> {
    let failed = |e: io::Error| disk_error(&format!("cannot write to {}", to.display()), e);
    let format = disk.read_file(&from.join("FORMAT")).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::invalid(format!(
            "folder {} contains no Kulya store: it has no file FORMAT",
            from.display()
        )),
        _ => disk_error(&format!("cannot read {}", from.join("FORMAT").display()), error),
    })?;
    create_empty_folder(to)?;
    let log = to.join("log");
    let mut copied = HashMap::new();
    for _ in 0..MAX_LISTINGS {
        let Some(names) = stable_listing(disk, from)? else { continue };
        let Some(manifest) = manifest_of(disk, from, &format, &names)? else { continue };
        let current: HashSet<LogName> = names.iter().copied().collect();
        for removed in copied.extract_if(|name, _| !current.contains(name)) {
            fs::remove_file(log.join(removed.0.to_string())).map_err(failed)?;
        }
        let mut is_complete = true;
        for name in &names {
            match copy_log(disk, from, &log, *name, copied.get(name).copied())? {
                Some(bytes) => drop(copied.insert(*name, bytes)),
                None => {
                    is_complete = false;
                    break;
                }
            }
        }
        if is_complete {
            sync_folder(&log).map_err(failed)?;
            if !manifest.is_empty() {
                // read before the files were copied: they have that content and may have more
                FileSystem.write_file(&to.join("MANIFEST"), &manifest).map_err(failed)?;
            }
            FileSystem.write_file(&to.join("FORMAT"), &format).map_err(failed)?;
            return Ok(copied.values().sum());
        }
    }
    let message = format!("the log files of {} kept changing: retry", from.display());
    Err(Error::new(ErrorKind::Failed, message))
}

/// Reads the file `MANIFEST`, which does not exist in the previous format; `None` if it lists other files
/// than these.
fn manifest_of(disk: &dyn Disk, from: &Path, format: &[u8], names: &[LogName]) -> Result<Option<Vec<u8>>> {
    if format.trim_ascii() != FORMAT.as_bytes() {
        return Ok(Some(Vec::new()));
    }
    let path = from.join("MANIFEST");
    let read_failed = |e: io::Error| disk_error(&format!("cannot read {}", path.display()), e);
    let damaged = || {
        let message = format!("file {} is missing or damaged: see kulya store check", path.display());
        Error::new(ErrorKind::Corrupt, message)
    };
    let bytes = match disk.read_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged()),
        bytes => bytes.map_err(read_failed)?,
    };
    let manifest = Manifest::decode(&bytes).ok_or_else(damaged)?;
    let exists =
        |listed: &SyncedFile| names.iter().any(|name| *name == listed.name || name.replaces(listed.name));
    match manifest.files.iter().find(|listed| !exists(listed)) {
        None => Ok(Some(bytes)),
        // created or compacted since the listing
        Some(listed) if disk.open_read(&from.join("log").join(listed.name.to_string())).is_ok() => Ok(None),
        Some(listed) => {
            let message = format!("log file {} is missing: see kulya store check", listed.name);
            Err(Error::new(ErrorKind::Corrupt, message))
        }
    }
}

fn create_empty_folder(to: &Path) -> Result<()> {
    let failed = |e: io::Error| disk_error(&format!("cannot write to {}", to.display()), e);
    let log = to.join("log");
    fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&log).map_err(failed)?;
    let mut found = fs::read_dir(to).map_err(failed)?.flatten().map(|entry| entry.file_name());
    let logs = fs::read_dir(&log).map_err(failed)?.count();
    if logs > 0 || found.any(|name| name != "log") {
        let message = format!("folder {} is not empty: choose a new or empty folder", to.display());
        return Err(Error::invalid(message));
    }
    fs::set_permissions(to, fs::Permissions::from_mode(FOLDER_MODE)).map_err(failed)
}

/// Lists the current log files in log order; `None` if they changed meanwhile.
fn stable_listing(disk: &dyn Disk, from: &Path) -> Result<Option<Vec<LogName>>> {
    let list = || -> Result<Vec<LogName>> {
        let log = from.join("log");
        let names = disk.list(&log).map_err(|e| disk_error(&format!("cannot list {}", log.display()), e))?;
        let mut names: Vec<_> = names.iter().filter_map(|name| LogName::parse(name)).collect();
        names.sort_unstable();
        Ok(names)
    };
    let names = list()?;
    if names != list()? {
        return Ok(None);
    }
    current_files(&names).map(Some).map_err(|missing| {
        let missing = from.join("log").join(missing.to_string());
        let message = format!("log file {} is missing: see kulya store check", missing.display());
        Error::new(ErrorKind::Corrupt, message)
    })
}

/// Copies a log file, unless a copy of the same length exists, and returns its size; `None` if it does not
/// exist any more.
fn copy_log(
    disk: &dyn Disk,
    from: &Path,
    log: &Path,
    name: LogName,
    copied_bytes: Option<u64>,
) -> Result<Option<u64>> {
    let source = from.join("log").join(name.to_string());
    let target = log.join(name.to_string());
    let read_failed = |e: io::Error| disk_error(&format!("cannot copy {}", source.display()), e);
    let failed = |e: io::Error| disk_error(&format!("cannot write to {}", target.display()), e);
    let file = match disk.open_read(&source) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read_failed(error)),
    };
    loop {
        let length = file.length().map_err(read_failed)?;
        if copied_bytes == Some(length) {
            return Ok(copied_bytes);
        }
        let mut copy = create_file(&target).map_err(failed)?;
        let reader = Sequential { file: std::sync::Arc::clone(&file), offset: 0 };
        // what is appended from here on is acknowledged after the backup started
        let mut reader = BufReader::with_capacity(1 << 20, reader).take(length);
        let bytes = io::copy(&mut reader, &mut copy).map_err(read_failed)?;
        copy.sync_all().map_err(failed)?;
        // shorter than before: a failed write was truncated, and must not stay in the copy
        if file.length().map_err(read_failed)? >= length {
            return Ok(Some(bytes));
        }
    }
}
