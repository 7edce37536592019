//! The directory: whose it is, which format it has, which log files it holds.
//!
//! ```text
//! FORMAT               "kulya-store 3"
//! MANIFEST             the store's key, and the log files that there must be: see `manifest`
//! SYNCED               how far the log was synced
//! LOCK                 held by the owner, as the folder itself is; its text is the owner's process id
//! log/{number:016x}.log                              as it was written
//! log/{first:016x}-{last:016x}-{generation:08x}.log   several of them, compacted
//! damaged/                                           what a repair has put aside
//! index/                                             made from the log, and made again when it is lost
//! ```

use crate::file_kind::FileKind;
use crate::disk::{Disk, InPlaceFile, Lock, LockOutcome, LogFile, ReadFile};
use crate::frame::{FILE_HEADER_BYTES, FileHeader, LogEnd, StoreKey};
use crate::file_kind::{self, FileKind};
use crate::manifest::{SyncedFile, Manifest, SyncMark};
use kulya_store::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What a folder of ours says of itself.
pub(crate) const FORMAT: &str = "kulya-store 3";
/// What it said before. Such a folder is read, and becomes one of this format when it is opened.
pub(crate) const FORMAT_BEFORE: &str = "kulya-store 2";

/// A folder that is ours for as long as this value lives.
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    key: StoreKey,
    manifest: Mutex<Manifest>,
    /// Whether its `FORMAT` is that of before.
    is_legacy: AtomicBool,
    is_read_only: bool,
    lock: Option<Box<dyn Lock>>,
    /// Why the folder is not ours any more.
    lost: OnceLock<String>,
}

/// What is wrong with the files beside the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) file: &'static str,
    pub(crate) what: &'static str,
}

impl Folder {
    /// Takes the folder, making it when it is not there or empty. `secret` becomes the key of a store that is made, which is
    /// drawn from the system's chance without it.
    pub(crate) fn take(path: &Path, disk: Arc<dyn Disk>, secret: Option<[u8; 16]>) -> Result<Self> {
        let failed = |e: io::Error| disk_error(&format!("cannot use folder {}", path.display()), e);
        disk.create_dir_all(path).map_err(failed)?;
        let names = disk.list(path).map_err(failed)?;
        let is_ours = names.iter().any(|name| name == "FORMAT");
        // what an owner leaves that was cut off before it wrote FORMAT
        let is_begun = |name: &String| {
            matches!(name.as_str(), "LOCK" | "log" | "FORMAT.new" | "MANIFEST" | "MANIFEST.new" | "SYNCED")
        };
        let began =
            names.iter().all(is_begun) && disk.list(&path.join("log")).is_ok_and(|logs| logs.is_empty());
        if !is_ours && !began && names.iter().any(|name| name != "LOCK") {
            return Err(Error::invalid(format!(
                "folder {} is not empty and holds no Kulya store: choose a new or empty folder",
                path.display()
            )));
        }
        let lock = lock(path, &*disk)?;
        if is_ours {
            return Self::open(path, disk, Some(lock), false).and_then(|(folder, flaws)| {
                match flaws.first() {
                    Some(flaw) => Err(folder.flawed(flaw)),
                    None => Ok(folder),
                }
            });
        }
        disk.create_dir_all(&path.join("log")).map_err(failed)?;
        let manifest = Manifest::new(new_key(secret)?);
        disk.write_file(&path.join("MANIFEST"), &manifest.to_bytes()).map_err(failed)?;
        disk.write_file(&path.join("FORMAT"), format!("{FORMAT}\n").as_bytes()).map_err(failed)?;
        Ok(Self::of(path, disk, manifest, Some(lock)))
    }

    /// Takes a folder that may be damaged, to repair it; gives what is wrong beside its log.
    pub(crate) fn take_damaged(path: &Path, disk: Arc<dyn Disk>) -> Result<(Self, Vec<Flaw>)> {
        let lock = lock(path, &*disk)?;
        Self::open(path, disk, Some(lock), false)
    }

    /// Looks at a folder and changes nothing in it. A lock is respected; where there is none, none is made. Gives what is wrong
    /// beside its log.
    pub(crate) fn look_at(path: &Path, disk: Arc<dyn Disk>) -> Result<(Self, Vec<Flaw>)> {
        let lock = match disk.lock_existing(&path.join("LOCK")) {
            Ok(Some(LockOutcome::Held { owner })) => return Err(in_use(path, &owner)),
            Ok(Some(LockOutcome::Acquired(lock))) => Some(lock),
            // whoever may not even open it cannot be kept out by it
            Ok(None) | Err(_) => None,
        };
        Self::open(path, disk, lock, true)
    }

    fn open(
        path: &Path,
        disk: Arc<dyn Disk>,
        lock: Option<Box<dyn Lock>>,
        is_read_only: bool,
    ) -> Result<(Self, Vec<Flaw>)> {
        let small = |name: &str| match disk.read_file(&path.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk_error(&format!("cannot read {}", path.join(name).display()), error)),
        };
        let mut flaws = Vec::new();
        let (format, manifest) = (small("FORMAT")?, small("MANIFEST")?);
        let is_there = manifest.is_some();
        let manifest = manifest.and_then(|bytes| Manifest::read(&bytes));
        let text = format.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        let is_legacy = match format_of(path, text.as_deref()) {
            // an upgrade writes FORMAT before it makes the first log file of this format
            Ok(true) if key_of_logs(path, &*disk)?.is_some() => {
                flaws.push(Flaw { file: "FORMAT", what: "says another format than the log files have" });
                false
            }
            Ok(is_legacy) => is_legacy,
            // what is there beside it says that it is one
            Err(_)
                if !text.as_deref().is_some_and(is_of_a_store)
                    && (manifest.is_some() || key_of_logs(path, &*disk)?.is_some()) =>
            {
                flaws.push(Flaw { file: "FORMAT", what: "is missing or not what was written" });
                false
            }
            Err(refused) => return Err(refused),
        };
        let manifest = match manifest {
            // left behind by an upgrade that was cut off
            Some(manifest) if is_legacy => Manifest::new(manifest.key),
            Some(manifest) => manifest,
            None if is_legacy => Manifest::new(new_key(None)?),
            None => {
                let what = if is_there { "is not what was written" } else { "is missing" };
                flaws.push(Flaw { file: "MANIFEST", what });
                Manifest::new(key_of_logs(path, &*disk)?.map_or_else(|| new_key(None), Ok)?)
            }
        };
        let mut folder = Self::of(path, disk, manifest, lock);
        folder.is_read_only = is_read_only;
        *folder.is_legacy.get_mut() = is_legacy;
        Ok((folder, flaws))
    }

    fn of(path: &Path, disk: Arc<dyn Disk>, manifest: Manifest, lock: Option<Box<dyn Lock>>) -> Self {
        Self {
            path: path.to_owned(),
            disk,
            key: manifest.key,
            manifest: Mutex::new(manifest),
            is_legacy: AtomicBool::new(false),
            is_read_only: false,
            lock,
            lost: OnceLock::new(),
        }
    }

    /// Whether the folder is still ours; once it is not, it never is again.
    pub(crate) fn check_lock(&self) -> Result<()> {
        if self.lost.get().is_none()
            && let Some(Err(error)) = self.lock.as_ref().map(|lock| lock.check())
        {
            let _ = self.lost.set(error.to_string());
        }
        match self.lost.get() {
            None => Ok(()),
            Some(why) => Err(Error::new(ErrorKind::Failed, format!("{why}: open the store again"))),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn flawed(&self, flaw: &Flaw) -> Error {
        let path = self.path.join(flaw.file);
        let what = format!(
            "file {} {}: restore the folder from a copy, or make it again with kulya store repair",
            path.display(),
            flaw.what
        );
        Error::new(ErrorKind::Corrupt, what)
    }

    pub(crate) fn key(&self) -> StoreKey {
        self.key
    }

    /// Whether it is of the format before this one.
    pub(crate) fn is_legacy(&self) -> bool {
        self.is_legacy.load(Ordering::Acquire)
    }

    /// What was known of the log when the manifest was last written.
    pub(crate) fn manifest(&self) -> Manifest {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes down what is known of the log from now on; on return that survives a power cut, and a folder of the format before
    /// is one of this format. `change` sees what was known before, and nobody else changes it meanwhile.
    pub(crate) fn write_manifest(&self, change: impl FnOnce(&Manifest) -> Manifest) -> Result<()> {
        let failed = |e: io::Error| disk_error(&format!("cannot write to {}", self.path.display()), e);
        // another folder may stand under this one's name
        self.check_lock()?;
        let mut known = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let manifest = change(&known);
        self.disk.write_file(&self.path.join("MANIFEST"), &manifest.to_bytes()).map_err(failed)?;
        *known = manifest;
        if self.is_legacy() {
            self.write_format()?;
        }
        Ok(())
    }

    pub(crate) fn write_format(&self) -> Result<()> {
        let failed = |e: io::Error| disk_error(&format!("cannot write to {}", self.path.display()), e);
        self.disk.write_file(&self.path.join("FORMAT"), format!("{FORMAT}\n").as_bytes()).map_err(failed)?;
        self.is_legacy.store(false, Ordering::Release);
        Ok(())
    }

    /// How far the log was certainly synced, by the last mark that can be read.
    pub(crate) fn mark(&self) -> Option<SyncMark> {
        let bytes = self.disk.read_file(&self.path.join("SYNCED")).ok()?;
        SyncMark::read(&bytes, self.key)
    }

    /// The mark says nothing any more.
    pub(crate) fn forget_mark(&self) -> Result<()> {
        let path = self.path.join("SYNCED");
        match self.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(disk_error(&format!("cannot remove {}", path.display()), error))
            }
            _ => Ok(()),
        }
    }

    /// Where the mark is written. Without it the store works, and less can be told from a write that was cut off.
    pub(crate) fn mark_file(&self) -> Option<Box<dyn InPlaceFile>> {
        let file = self.disk.open_in_place(&self.path.join("SYNCED"));
        file.inspect_err(|error| tracing::warn!("cannot write to the file SYNCED: {error}")).ok()
    }

    /// What is known of the end of a log file: so many bytes of it were synced, with this at their end.
    pub(crate) fn known(&self, name: LogName) -> Option<SyncedFile> {
        let manifest = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = manifest.file(name).copied();
        let marked = self.mark().map(|SyncMark(known)| known).filter(|known| known.name == name);
        listed.into_iter().chain(marked).max_by_key(|known| known.bytes)
    }

    /// Makes a log file that has nothing but its header, and opens it; on return it is there for good.
    pub(crate) fn make_log(&self, name: LogName, before: LogEnd) -> Result<Box<dyn LogFile>> {
        let path = self.log(name);
        let failed = |e| disk_error(&format!("cannot make {}", path.display()), e);
        let unfinished = path.with_extension("log.new");
        let header = FileHeader { key: self.key, name, before }.to_bytes();
        let mut file = self.disk.open_append(&unfinished, 0).map_err(failed)?;
        file.append(&header).map_err(failed)?;
        file.sync().map_err(failed)?;
        drop(file);
        self.disk.rename(&unfinished, &path).map_err(failed)?;
        self.disk.open_append(&path, FILE_HEADER_BYTES as u64).map_err(failed)
    }

    /// Opens a log file for reading; `None` when it is not there (any more).
    pub(crate) fn read_log(&self, name: LogName) -> Result<Option<Arc<dyn ReadFile>>> {
        let path = self.log(name);
        match self.disk.open_read(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk_error(&format!("cannot read {}", path.display()), error)),
        }
    }

    /// Opens a log file that must be there.
    pub(crate) fn open_log(&self, name: LogName) -> Result<Arc<dyn ReadFile>> {
        self.read_log(name)?.ok_or_else(|| self.missing(name))
    }

    /// The error for a log file that is not there.
    pub(crate) fn missing(&self, name: LogName) -> Error {
        let what = format!(
            "log file {} is missing: restore the folder from a copy, or give up what is lost with kulya store repair",
            self.log(name).display()
        );
        Error::new(ErrorKind::Corrupt, what)
    }

    /// Removes a log file.
    pub(crate) fn remove_log(&self, name: LogName) -> Result<()> {
        let path = self.log(name);
        self.disk.remove(&path).map_err(|e| disk_error(&format!("cannot remove {}", path.display()), e))
    }

    /// The path of a log file.
    pub(crate) fn log(&self, name: LogName) -> PathBuf {
        self.path.join("log").join(name.to_string())
    }

    /// The path of what has this name beside the log files.
    pub(crate) fn log_named(&self, name: &str) -> PathBuf {
        self.path.join("log").join(name)
    }

    /// Where a repair puts what was damaged.
    pub(crate) fn damaged(&self) -> PathBuf {
        self.path.join("damaged")
    }

    /// Where the index is.
    pub(crate) fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    /// The log files, in the order of the log. What an unfinished compaction left is removed, unless the folder is only looked at.
    pub(crate) fn logs(&self) -> Result<Vec<LogName>> {
        let folder = self.path.join("log");
        let names =
            self.disk.list(&folder).map_err(|e| disk_error(&format!("cannot list {}", folder.display()), e))?;
        for unfinished in names.iter().filter(|name| !self.is_read_only && name.ends_with(".new")) {
            let path = folder.join(unfinished);
            self.disk.remove(&path).map_err(|e| disk_error(&format!("cannot remove {}", path.display()), e))?;
        }
        let mut names: Vec<LogName> = names.iter().filter_map(|name| LogName::read(name)).collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// Of all files that are there, those that are the log: the ones that no other replaces, from number 0 on without a gap.
/// The others are what a compaction has left behind it.
pub(crate) fn current(folder: &Folder, names: &[LogName]) -> Result<Vec<LogName>> {
    whole(names).map_err(|missing| folder.missing_log(missing))
}

/// The same; the error is the first file that is missing.
pub(crate) fn whole(names: &[LogName]) -> std::result::Result<Vec<LogName>, LogName> {
    let stays = |name: &&LogName| !names.iter().any(|other| other.replaces(**name));
    let current: Vec<LogName> = names.iter().filter(stays).copied().collect();
    let mut next = Some(0);
    for name in &current {
        if next != Some(name.first) {
            return Err(LogName::plain(next.unwrap_or_default()));
        }
        next = name.last.checked_add(1);
    }
    Ok(current)
}

/// Refuses a folder in which a log file is missing that there was: it, or one that stands for it, must be there.
pub(crate) fn check_complete(folder: &Folder, names: &[LogName]) -> Result<()> {
    let is_there = |known: &LogName| names.iter().any(|name| name == known || name.replaces(*known));
    let marked = folder.sync_mark().map(|SyncMark(known)| known.name);
    let mut known = folder.manifest().files.into_iter().map(|file| file.name).chain(marked);
    match known.find(|name| !is_there(name)) {
        Some(name) => Err(folder.missing_log(name)),
        None => Ok(()),
    }
}

fn is_of_a_store(text: &str) -> bool {
    text.strip_prefix("kulya-store ").is_some_and(|version| version.parse::<u32>().is_ok())
}

/// Whether a folder is of the format before this one; refuses what is of neither.
fn format_of(path: &Path, text: Option<&str>) -> Result<bool> {
    let refused =
        |what: String| Err(Error::new(ErrorKind::Corrupt, format!("folder {} {what}", path.display())));
    match text {
        Some(FORMAT) => Ok(false),
        Some(FORMAT_BEFORE) => Ok(true),
        Some("kulya-store 1") => refused(
            "has format \"kulya-store 1\", of before the first release, which is read no more: choose a new folder".into(),
        ),
        Some(other) if is_of_a_store(other) => {
            refused(format!("has format {other:?}; this program reads {FORMAT:?}: use a newer kulya"))
        }
        Some(_) => refused("holds no Kulya store: its file FORMAT is not ours".into()),
        None => refused("holds no Kulya store: it has no file FORMAT".into()),
    }
}

/// The key for a store that is made.
fn new_key(secret: Option<[u8; 16]>) -> Result<StoreKey> {
    if let Some(secret) = secret {
        return Ok(StoreKey(secret));
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::new(ErrorKind::Failed, "the system gives no random numbers").because(e))?;
    Ok(StoreKey(bytes))
}

/// The key that most log files have in their headers.
fn key_of_logs(path: &Path, disk: &dyn Disk) -> Result<Option<StoreKey>> {
    let folder = path.join("log");
    let failed = |e| disk_error(&format!("cannot read {}", folder.display()), e);
    let mut keys: HashMap<StoreKey, usize> = HashMap::new();
    let names = match disk.list(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        names => names.map_err(failed)?,
    };
    for name in names.iter().filter(|name| LogName::read(name).is_some()) {
        let file = disk.open_read(&folder.join(name)).map_err(failed)?;
        if let FileKind::Header(header) = file_kind::detect(&*file).map_err(failed)? {
            *keys.entry(header.key).or_default() += 1;
        }
    }
    Ok(keys.into_iter().max_by_key(|(_, files)| *files).map(|(key, _)| key))
}

fn lock(path: &Path, disk: &dyn Disk) -> Result<Box<dyn Lock>> {
    let name = path.join("LOCK");
    let locking = disk.lock(&name, &std::process::id().to_string());
    match locking.map_err(|e| disk_error(&format!("cannot lock {}", name.display()), e))? {
        LockOutcome::Acquired(lock) => Ok(lock),
        LockOutcome::Held { owner } => Err(in_use(path, &owner)),
    }
}

fn in_use(path: &Path, owner: &str) -> Error {
    Error::new(
        ErrorKind::Locked,
        format!(
            "folder {} is in use by process {owner}: stop it first, or choose another folder",
            path.display()
        ),
    )
}
