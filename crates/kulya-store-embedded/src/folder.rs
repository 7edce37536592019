//! The store's folder: its lock, its format, and its log files.
//!
//! ```text
//! FORMAT               "kulya-store 3"
//! MANIFEST             the store's key, and the log files that must exist: see `manifest`
//! SYNCED               the synced end of the log
//! LOCK                 locked by the owner, as the folder itself is; its text is the owner's process id
//! log/{number:016x}.log                              a log file that is not compacted
//! log/{first:016x}-{last:016x}-{generation:08x}.log   a compacted log file
//! damaged/                                           damaged files that a repair has moved here
//! index/                                             built from the log, and rebuilt when it is lost
//! ```

use crate::disk::{Disk, InPlaceFile, Lock, LockOutcome, LogFile, ReadFile};
use crate::error::disk_error;
use crate::file_kind::{self, FileKind};
use crate::frame::{FILE_HEADER_BYTES, FileHeader, LogEnd, StoreKey};
use crate::log_name::LogName;
use crate::manifest::{Manifest, SyncMark, SyncedFile};
use kulya_store::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The content of `FORMAT`.
pub(crate) const FORMAT: &str = "kulya-store 3";
/// The previous format, which is upgraded on opening.
pub(crate) const PREVIOUS_FORMAT: &str = "kulya-store 2";

/// The folder of a store, locked while this value lives.
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    key: StoreKey,
    manifest: Mutex<Manifest>,
    /// Whether it is in the previous format.
    is_legacy: AtomicBool,
    is_read_only: bool,
    lock: Option<Box<dyn Lock>>,
    /// Why the lock was lost.
    lock_lost: OnceLock<String>,
}

/// Damage of a file beside the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetadataDamage {
    pub(crate) file: &'static str,
    pub(crate) description: &'static str,
}

impl Folder {
    /// Locks and opens the folder, and creates a store in it if it is empty or does not exist. `secret`
    /// becomes the key of a new store, which is random without it.
    pub(crate) fn open_or_create(path: &Path, disk: Arc<dyn Disk>, secret: Option<[u8; 16]>) -> Result<Self> {
        let failed = |e: io::Error| disk_error(&format!("cannot use folder {}", path.display()), e);
        disk.create_dir_all(path).map_err(failed)?;
        let names = disk.list(path).map_err(failed)?;
        let has_store = names.iter().any(|name| name == "FORMAT");
        // files of a creation that was interrupted before it wrote FORMAT
        let is_initial_file = |name: &String| {
            matches!(name.as_str(), "LOCK" | "log" | "FORMAT.new" | "MANIFEST" | "MANIFEST.new" | "SYNCED")
        };
        let is_unfinished = names.iter().all(is_initial_file)
            && disk.list(&path.join("log")).is_ok_and(|logs| logs.is_empty());
        if !has_store && !is_unfinished && names.iter().any(|name| name != "LOCK") {
            return Err(Error::invalid(format!(
                "folder {} is not empty and contains no Kulya store: choose a new or empty folder",
                path.display()
            )));
        }
        let lock = lock(path, &*disk)?;
        if has_store {
            return Self::load(path, disk, Some(lock), false).and_then(|(folder, damage)| {
                match damage.first() {
                    Some(damaged) => Err(folder.damage_error(damaged)),
                    None => Ok(folder),
                }
            });
        }
        disk.create_dir_all(&path.join("log")).map_err(failed)?;
        let manifest = Manifest::new(new_key(secret)?);
        disk.write_file(&path.join("MANIFEST"), &manifest.encode()).map_err(failed)?;
        disk.write_file(&path.join("FORMAT"), format!("{FORMAT}\n").as_bytes()).map_err(failed)?;
        Ok(Self::with_manifest(path, disk, manifest, Some(lock)))
    }

    /// Locks and opens a folder that may be damaged, to repair it. Returns the damage beside the log.
    pub(crate) fn open_damaged(path: &Path, disk: Arc<dyn Disk>) -> Result<(Self, Vec<MetadataDamage>)> {
        let lock = lock(path, &*disk)?;
        Self::load(path, disk, Some(lock), false)
    }

    /// Opens a folder without changing it. An existing lock is honoured, and none is created. Returns the
    /// damage beside the log.
    pub(crate) fn open_read_only(path: &Path, disk: Arc<dyn Disk>) -> Result<(Self, Vec<MetadataDamage>)> {
        let lock = match disk.lock_existing(&path.join("LOCK")) {
            Ok(Some(LockOutcome::Held { owner })) => return Err(in_use(path, &owner)),
            Ok(Some(LockOutcome::Acquired(lock))) => Some(lock),
            // a lock file that cannot be opened cannot be held against us
            Ok(None) | Err(_) => None,
        };
        Self::load(path, disk, lock, true)
    }

    fn load(
        path: &Path,
        disk: Arc<dyn Disk>,
        lock: Option<Box<dyn Lock>>,
        is_read_only: bool,
    ) -> Result<(Self, Vec<MetadataDamage>)> {
        let read_optional = |name: &str| match disk.read_file(&path.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk_error(&format!("cannot read {}", path.join(name).display()), error)),
        };
        let mut damage = Vec::new();
        let (format, manifest) = (read_optional("FORMAT")?, read_optional("MANIFEST")?);
        let exists = manifest.is_some();
        let manifest = manifest.and_then(|bytes| Manifest::decode(&bytes));
        let text = format.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        let is_legacy = match format_of(path, text.as_deref()) {
            // an upgrade writes FORMAT before it creates the first log file of this format
            Ok(true) if key_of_logs(path, &*disk)?.is_some() => {
                damage.push(MetadataDamage {
                    file: "FORMAT",
                    description: "has a format other than that of the log files",
                });
                false
            }
            Ok(is_legacy) => is_legacy,
            // the other files show that it is a store
            Err(_)
                if !text.as_deref().is_some_and(is_store_format)
                    && (manifest.is_some() || key_of_logs(path, &*disk)?.is_some()) =>
            {
                damage.push(MetadataDamage { file: "FORMAT", description: "is missing or damaged" });
                false
            }
            Err(error) => return Err(error),
        };
        let manifest = match manifest {
            // left by an interrupted upgrade
            Some(manifest) if is_legacy => Manifest::new(manifest.key),
            Some(manifest) => manifest,
            None if is_legacy => Manifest::new(new_key(None)?),
            None => {
                let description = if exists { "is damaged" } else { "is missing" };
                damage.push(MetadataDamage { file: "MANIFEST", description });
                Manifest::new(key_of_logs(path, &*disk)?.map_or_else(|| new_key(None), Ok)?)
            }
        };
        let mut folder = Self::with_manifest(path, disk, manifest, lock);
        folder.is_read_only = is_read_only;
        *folder.is_legacy.get_mut() = is_legacy;
        Ok((folder, damage))
    }

    fn with_manifest(
        path: &Path,
        disk: Arc<dyn Disk>,
        manifest: Manifest,
        lock: Option<Box<dyn Lock>>,
    ) -> Self {
        Self {
            path: path.to_owned(),
            disk,
            key: manifest.key,
            manifest: Mutex::new(manifest),
            is_legacy: AtomicBool::new(false),
            is_read_only: false,
            lock,
            lock_lost: OnceLock::new(),
        }
    }

    /// Checks that the folder is still locked by this process.
    ///
    /// # Errors
    /// `Failed` from the first failed check on.
    pub(crate) fn check_lock(&self) -> Result<()> {
        if self.lock_lost.get().is_none()
            && let Some(Err(error)) = self.lock.as_ref().map(|lock| lock.check())
        {
            let _ = self.lock_lost.set(error.to_string());
        }
        match self.lock_lost.get() {
            None => Ok(()),
            Some(why) => Err(Error::new(ErrorKind::Failed, format!("{why}: reopen the store"))),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn damage_error(&self, damaged: &MetadataDamage) -> Error {
        let path = self.path.join(damaged.file);
        let message = format!(
            "file {} {}: restore the folder from a backup, or rebuild the file with kulya store repair",
            path.display(),
            damaged.description
        );
        Error::new(ErrorKind::Corrupt, message)
    }

    pub(crate) fn key(&self) -> StoreKey {
        self.key
    }

    /// Returns whether it is in the previous format.
    pub(crate) fn is_legacy(&self) -> bool {
        self.is_legacy.load(Ordering::Acquire)
    }

    /// Returns the manifest as it was last written.
    pub(crate) fn manifest(&self) -> Manifest {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Updates the manifest. On return it is durable, and a folder in the previous format is upgraded.
    /// `change` maps the old manifest to the new one, without concurrent changes.
    pub(crate) fn write_manifest(&self, change: impl FnOnce(&Manifest) -> Manifest) -> Result<()> {
        let failed = |e: io::Error| disk_error(&format!("cannot write to {}", self.path.display()), e);
        // another folder may have taken the path of this one
        self.check_lock()?;
        let mut current = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let manifest = change(&current);
        self.disk.write_file(&self.path.join("MANIFEST"), &manifest.encode()).map_err(failed)?;
        *current = manifest;
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

    /// Returns the last readable sync mark.
    pub(crate) fn sync_mark(&self) -> Option<SyncMark> {
        let bytes = self.disk.read_file(&self.path.join("SYNCED")).ok()?;
        SyncMark::decode(&bytes, self.key)
    }

    /// Removes the sync mark.
    pub(crate) fn remove_sync_mark(&self) -> Result<()> {
        let path = self.path.join("SYNCED");
        match self.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(disk_error(&format!("cannot remove {}", path.display()), error))
            }
            _ => Ok(()),
        }
    }

    /// Opens the file of the sync mark. The store works without it, but recovery can tell less about a torn
    /// write.
    pub(crate) fn open_sync_mark(&self) -> Option<Box<dyn InPlaceFile>> {
        let file = self.disk.open_in_place(&self.path.join("SYNCED"));
        file.inspect_err(|error| tracing::warn!("cannot open the file SYNCED: {error}")).ok()
    }

    /// Returns up to where a log file is known to be synced.
    pub(crate) fn synced_file(&self, name: LogName) -> Option<SyncedFile> {
        let manifest = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = manifest.file(name).copied();
        let synced = self.sync_mark().map(|SyncMark(file)| file).filter(|file| file.name == name);
        listed.into_iter().chain(synced).max_by_key(|file| file.bytes)
    }

    /// Creates a log file with only a header, and opens it. On return it is durable.
    pub(crate) fn create_log(&self, name: LogName, before: LogEnd) -> Result<Box<dyn LogFile>> {
        let path = self.log_path(name);
        let failed = |e| disk_error(&format!("cannot create {}", path.display()), e);
        let unfinished = path.with_extension("log.new");
        let header = FileHeader { key: self.key, name, before }.encode();
        let mut file = self.disk.open_append(&unfinished, 0).map_err(failed)?;
        file.append(&header).map_err(failed)?;
        file.sync().map_err(failed)?;
        drop(file);
        self.disk.rename(&unfinished, &path).map_err(failed)?;
        self.disk.open_append(&path, FILE_HEADER_BYTES as u64).map_err(failed)
    }

    /// Opens a log file for reading; `None` if it does not exist.
    pub(crate) fn read_log(&self, name: LogName) -> Result<Option<Arc<dyn ReadFile>>> {
        let path = self.log_path(name);
        match self.disk.open_read(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(disk_error(&format!("cannot read {}", path.display()), error)),
        }
    }

    /// Opens a log file for reading.
    ///
    /// # Errors
    /// `Corrupt` if it does not exist.
    pub(crate) fn open_log(&self, name: LogName) -> Result<Arc<dyn ReadFile>> {
        self.read_log(name)?.ok_or_else(|| self.missing_log(name))
    }

    /// Returns the error for a log file that does not exist.
    pub(crate) fn missing_log(&self, name: LogName) -> Error {
        let message = format!(
            "log file {} is missing: restore the folder from a backup, or drop what is lost with kulya store repair",
            self.log_path(name).display()
        );
        Error::new(ErrorKind::Corrupt, message)
    }

    /// Removes a log file.
    pub(crate) fn remove_log(&self, name: LogName) -> Result<()> {
        let path = self.log_path(name);
        self.disk.remove(&path).map_err(|e| disk_error(&format!("cannot remove {}", path.display()), e))
    }

    /// Returns the path of a log file.
    pub(crate) fn log_path(&self, name: LogName) -> PathBuf {
        self.path.join("log").join(name.to_string())
    }

    /// Returns the path of a name in the log folder.
    pub(crate) fn log_dir_entry(&self, name: &str) -> PathBuf {
        self.path.join("log").join(name)
    }

    /// Returns the folder for damaged files.
    pub(crate) fn damaged_dir(&self) -> PathBuf {
        self.path.join("damaged")
    }

    /// Returns the folder of the index.
    pub(crate) fn index_path(&self) -> PathBuf {
        self.path.join("index")
    }

    /// Lists the log files in log order. Files of an unfinished compaction are removed, unless the folder
    /// is read-only.
    pub(crate) fn list_logs(&self) -> Result<Vec<LogName>> {
        let folder = self.path.join("log");
        let names = self
            .disk
            .list(&folder)
            .map_err(|e| disk_error(&format!("cannot list {}", folder.display()), e))?;
        for unfinished in names.iter().filter(|name| !self.is_read_only && name.ends_with(".new")) {
            let path = folder.join(unfinished);
            self.disk
                .remove(&path)
                .map_err(|e| disk_error(&format!("cannot remove {}", path.display()), e))?;
        }
        let mut names: Vec<LogName> = names.iter().filter_map(|name| LogName::parse(name)).collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// Returns the files that make up the log: those that no other file replaces, from number 0 on without a
/// gap. The others are left over from compactions.
pub(crate) fn current_logs(folder: &Folder, names: &[LogName]) -> Result<Vec<LogName>> {
    current_files(names).map_err(|missing| folder.missing_log(missing))
}

/// Returns the same; the error is the first missing file.
pub(crate) fn current_files(names: &[LogName]) -> std::result::Result<Vec<LogName>, LogName> {
    let is_current = |name: &&LogName| !names.iter().any(|other| other.replaces(**name));
    let current: Vec<LogName> = names.iter().filter(is_current).copied().collect();
    let mut next = Some(0);
    for name in &current {
        if next != Some(name.first) {
            return Err(LogName::plain(next.unwrap_or_default()));
        }
        next = name.last.checked_add(1);
    }
    Ok(current)
}

/// Checks that every listed log file, or one that replaces it, exists.
pub(crate) fn check_complete(folder: &Folder, names: &[LogName]) -> Result<()> {
    let exists = |listed: &LogName| names.iter().any(|name| name == listed || name.replaces(*listed));
    let synced = folder.sync_mark().map(|SyncMark(listed)| listed.name);
    let mut listed = folder.manifest().files.into_iter().map(|file| file.name).chain(synced);
    match listed.find(|name| !exists(name)) {
        Some(name) => Err(folder.missing_log(name)),
        None => Ok(()),
    }
}

fn is_store_format(text: &str) -> bool {
    text.strip_prefix("kulya-store ").is_some_and(|version| version.parse::<u32>().is_ok())
}

/// Returns whether a folder is in the previous format, or an error if it is in neither.
fn format_of(path: &Path, text: Option<&str>) -> Result<bool> {
    let unsupported =
        |message: String| Err(Error::new(ErrorKind::Corrupt, format!("folder {} {message}", path.display())));
    match text {
        Some(FORMAT) => Ok(false),
        Some(PREVIOUS_FORMAT) => Ok(true),
        Some("kulya-store 1") => unsupported(
            "has format \"kulya-store 1\", from before the first release, which is not supported: choose a new folder".into(),
        ),
        Some(other) if is_store_format(other) => {
            unsupported(format!("has format {other:?}; this version supports {FORMAT:?}: use a newer kulya"))
        }
        Some(_) => unsupported("contains no Kulya store: its file FORMAT is invalid".into()),
        None => unsupported("contains no Kulya store: it has no file FORMAT".into()),
    }
}

/// Returns the key of a new store.
fn new_key(secret: Option<[u8; 16]>) -> Result<StoreKey> {
    if let Some(secret) = secret {
        return Ok(StoreKey(secret));
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| {
        Error::new(ErrorKind::Failed, "cannot get random numbers from the operating system").because(e)
    })?;
    Ok(StoreKey(bytes))
}

/// Returns the key that most log files have in their headers.
fn key_of_logs(path: &Path, disk: &dyn Disk) -> Result<Option<StoreKey>> {
    let folder = path.join("log");
    let failed = |e| disk_error(&format!("cannot read {}", folder.display()), e);
    let mut keys: HashMap<StoreKey, usize> = HashMap::new();
    let names = match disk.list(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        names => names.map_err(failed)?,
    };
    for name in names.iter().filter(|name| LogName::parse(name).is_some()) {
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
