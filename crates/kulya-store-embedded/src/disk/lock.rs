//! The lock of a store's folder on the file system: on the folder itself, which cannot be renamed away from
//! its lock, and on the file `LOCK` in it, which names the owner, and is the only lock where folders cannot
//! be locked (NFS). Both are released when the process ends, however it ends.

use super::{FILE_MODE, Lock, LockOutcome};
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Acquires the lock whose file is `path`.
pub(crate) fn acquire(path: &Path, owner: &str) -> io::Result<LockOutcome> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let folder = File::open(parent)?;
    let is_locked = match folder.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => return Ok(LockOutcome::Held { owner: owner_of(path) }),
        Err(TryLockError::Error(error)) => {
            tracing::debug!("{} cannot be locked ({error}): using its file LOCK only", parent.display());
            false
        }
    };
    let Some(file) = lock_file(path, owner)? else {
        release(&folder);
        return Ok(LockOutcome::Held { owner: owner_of(path) });
    };
    let (path, parent, owner) = (path.to_owned(), parent.to_owned(), owner.to_owned());
    Ok(LockOutcome::Acquired(Box::new(FolderLock {
        path,
        parent,
        owner,
        folder,
        is_locked,
        file: Mutex::new(file),
    })))
}

/// Acquires a shared lock for reading, and creates nothing; `None` if there is nothing to lock.
pub(crate) fn acquire_shared(path: &Path) -> io::Result<Option<LockOutcome>> {
    let mut held = Vec::new();
    for part in [path.parent().unwrap_or(Path::new(".")), path] {
        let file = match File::open(part) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        match file.try_lock_shared() {
            Ok(()) => held.push(file),
            Err(TryLockError::WouldBlock) => return Ok(Some(LockOutcome::Held { owner: owner_of(path) })),
            // the file system has no locks
            Err(TryLockError::Error(_)) => {}
        }
    }
    let held: Option<Box<dyn Lock>> = if held.is_empty() { None } else { Some(Box::new(SharedLock(held))) };
    Ok(held.map(LockOutcome::Acquired))
}

/// The locks of a reader.
struct SharedLock(Vec<File>);

impl Lock for SharedLock {}

impl Drop for SharedLock {
    fn drop(&mut self) {
        self.0.iter().for_each(release);
    }
}

/// Releases a lock. Closing its file is not enough while a child process that is being started still has
/// the file, until it executes its program.
fn release(file: &File) {
    if let Err(error) = file.unlock() {
        tracing::debug!("cannot unlock explicitly, closing the file instead: {error}");
    }
}

/// Opens and locks the file and writes the owner into it; `None` if another process holds it.
fn lock_file(path: &Path, owner: &str) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(FILE_MODE);
    let mut file = options.open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{owner}")?;
    Ok(Some(file))
}

fn owner_of(path: &Path) -> String {
    let mut owner = String::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_string(&mut owner));
    if read.is_ok() && !owner.trim().is_empty() { owner.trim().to_owned() } else { "unknown".to_owned() }
}

struct FolderLock {
    path: PathBuf,
    parent: PathBuf,
    owner: String,
    folder: File,
    /// Whether the folder itself is locked.
    is_locked: bool,
    file: Mutex<File>,
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        release(self.file.get_mut().unwrap_or_else(PoisonError::into_inner));
        release(&self.folder);
    }
}

impl Lock for FolderLock {
    fn check(&self) -> io::Result<()> {
        let parent = self.parent.display();
        let current = std::fs::metadata(&self.parent)
            .map_err(|e| io::Error::new(e.kind(), format!("folder {parent} no longer exists: {e}")))?;
        if !is_same(&current, &self.folder.metadata()?) {
            let message = format!("folder {parent} is not the one that was opened: it was moved or replaced");
            return Err(io::Error::other(message));
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let on_disk = std::fs::metadata(&self.path);
        if on_disk.is_ok_and(|found| file.metadata().is_ok_and(|held| is_same(&found, &held))) {
            return Ok(());
        }
        // removed by hand: recreate it, so that another process finds out who owns the folder
        match lock_file(&self.path, &self.owner) {
            Ok(Some(new)) => {
                tracing::warn!(
                    "{} was removed; recreated it, still locked by this process",
                    self.path.display()
                );
                *file = new;
                Ok(())
            }
            Ok(None) => {
                let message =
                    format!("{} was removed, and another process holds the new lock", self.path.display());
                Err(io::Error::other(message))
            }
            // the lock of the folder itself is still held
            Err(error) if self.is_locked => {
                tracing::warn!("{} was removed and cannot be recreated: {error}", self.path.display());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
