//! A copy of a store that may be in use, by this process or by another: no lock is needed for it. The log is only ever
//! appended to, so any prefix of it is a store: the files are copied in their order, each as long as it is then, and the
//! end of a write that was under way is cut off when the copy is opened. The index is not copied: it is made again.
//!
//! Meanwhile log files may be compacted away. What is listed must be the same twice: then there was a moment at which these
//! very files were the log, among them the one with everything acknowledged before, and the later changes for which a
//! compaction has left something out. A file that has gone before it was copied begins the listing anew; what was copied
//! and still stands is kept, so that this ends.

use crate::error::disk_error;
use crate::log_name::LogName;
use crate::disk::{Disk, FOLDER_MODE, FileSystem, Sequential, created, sync_folder};
use crate::folder::{FORMAT, whole};
use crate::manifest::{SyncedFile, Manifest};
use kulya_store::{Error, ErrorKind, Result};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// So often the listing begins anew; each time means that a compaction has ended meanwhile.
const MAX_LISTINGS: usize = 1000;

/// Copies the store in a folder to a folder that is not there, or empty; gives the number of bytes. The file `FORMAT` comes
/// last: without it the copy is not complete, and no store.
pub(crate) fn copy(disk: &dyn Disk, from: &Path, to: &Path) -> Result<u64> {
    let failed = |e: io::Error| disk_error(&format!("cannot write to {}", to.display()), e);
    let format = disk.read_file(&from.join("FORMAT")).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            Error::invalid(format!("folder {} holds no Kulya store: it has no file FORMAT", from.display()))
        }
        _ => disk_error(&format!("cannot read {}", from.join("FORMAT").display()), error),
    })?;
    make_empty(to)?;
    let log = to.join("log");
    let mut copied = HashMap::new();
    for _ in 0..MAX_LISTINGS {
        let Some(names) = stable_listing(disk, from)? else { continue };
        let Some(manifest) = manifest_of(disk, from, &format, &names)? else { continue };
        let current: HashSet<LogName> = names.iter().copied().collect();
        for gone in copied.extract_if(|name, _| !current.contains(name)) {
            fs::remove_file(log.join(gone.0.to_string())).map_err(failed)?;
        }
        let mut is_whole = true;
        for name in &names {
            match copy_log(disk, from, &log, *name, copied.get(name).copied())? {
                Some(bytes) => drop(copied.insert(*name, bytes)),
                None => {
                    is_whole = false;
                    break;
                }
            }
        }
        if is_whole {
            sync_folder(&log).map_err(failed)?;
            if !manifest.is_empty() {
                // what was there before the files were copied: they have that and may have more
                FileSystem.write_file(&to.join("MANIFEST"), &manifest).map_err(failed)?;
            }
            FileSystem.write_file(&to.join("FORMAT"), &format).map_err(failed)?;
            return Ok(copied.values().sum());
        }
    }
    let what = format!("the log files of {} changed all the time: try again", from.display());
    Err(Error::new(ErrorKind::Failed, what))
}

/// The file `MANIFEST`, which a folder of the format before does not have; `None` when it lists other files than these.
fn manifest_of(disk: &dyn Disk, from: &Path, format: &[u8], names: &[LogName]) -> Result<Option<Vec<u8>>> {
    if format.trim_ascii() != FORMAT.as_bytes() {
        return Ok(Some(Vec::new()));
    }
    let path = from.join("MANIFEST");
    let unread = |e: io::Error| disk_error(&format!("cannot read {}", path.display()), e);
    let damaged = || {
        let what =
            format!("file {} is missing or not what was written: see kulya store check", path.display());
        Error::new(ErrorKind::Corrupt, what)
    };
    let bytes = match disk.read_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged()),
        bytes => bytes.map_err(unread)?,
    };
    let manifest = Manifest::read(&bytes).ok_or_else(damaged)?;
    let is_there =
        |known: &SyncedFile| names.iter().any(|name| *name == known.name || name.replaces(known.name));
    match manifest.files.iter().find(|known| !is_there(known)) {
        None => Ok(Some(bytes)),
        // begun, or compacted, since the files were listed
        Some(known) if disk.open_read(&from.join("log").join(known.name.to_string())).is_ok() => Ok(None),
        Some(known) => {
            let what = format!("log file {} is missing: see kulya store check", known.name);
            Err(Error::new(ErrorKind::Corrupt, what))
        }
    }
}

fn make_empty(to: &Path) -> Result<()> {
    let failed = |e: io::Error| disk_error(&format!("cannot write to {}", to.display()), e);
    let log = to.join("log");
    fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&log).map_err(failed)?;
    let mut found = fs::read_dir(to).map_err(failed)?.flatten().map(|entry| entry.file_name());
    let logs = fs::read_dir(&log).map_err(failed)?.count();
    if logs > 0 || found.any(|name| name != "log") {
        let what = format!("folder {} is not empty: choose a new or empty folder", to.display());
        return Err(Error::invalid(what));
    }
    fs::set_permissions(to, fs::Permissions::from_mode(FOLDER_MODE)).map_err(failed)
}

/// The files that are the log, in its order; `None` when they changed while they were listed.
fn stable_listing(disk: &dyn Disk, from: &Path) -> Result<Option<Vec<LogName>>> {
    let list = || -> Result<Vec<LogName>> {
        let log = from.join("log");
        let names = disk.list(&log).map_err(|e| disk_error(&format!("cannot list {}", log.display()), e))?;
        let mut names: Vec<_> = names.iter().filter_map(|name| LogName::read(name)).collect();
        names.sort_unstable();
        Ok(names)
    };
    let names = list()?;
    if names != list()? {
        return Ok(None);
    }
    whole(&names).map(Some).map_err(|missing| {
        let missing = from.join("log").join(missing.to_string());
        let what = format!("log file {} is missing: see kulya store check", missing.display());
        Error::new(ErrorKind::Corrupt, what)
    })
}

/// Copies a log file, unless it was copied and is as long as then; gives its bytes, and `None` when it is not there any more.
fn copy_log(
    disk: &dyn Disk,
    from: &Path,
    log: &Path,
    name: LogName,
    before: Option<u64>,
) -> Result<Option<u64>> {
    let source = from.join("log").join(name.to_string());
    let target = log.join(name.to_string());
    let unread = |e: io::Error| disk_error(&format!("cannot copy {}", source.display()), e);
    let failed = |e: io::Error| disk_error(&format!("cannot write to {}", target.display()), e);
    let file = match disk.open_read(&source) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unread(error)),
    };
    loop {
        let length = file.length().map_err(unread)?;
        if before == Some(length) {
            return Ok(before);
        }
        let mut copy = created(&target).map_err(failed)?;
        let reader = Sequential { file: std::sync::Arc::clone(&file), offset: 0 };
        // what is appended meanwhile was acknowledged later
        let mut reader = BufReader::with_capacity(1 << 20, reader).take(length);
        let bytes = io::copy(&mut reader, &mut copy).map_err(unread)?;
        copy.sync_all().map_err(failed)?;
        // shorter than it was: a write that failed was taken back, and what was copied of it must not stay
        if file.length().map_err(unread)? >= length {
            return Ok(Some(bytes));
        }
    }
}
