//! The lock of a store's folder on the machine's file system: on the folder itself, which no name leads away from, and on
//! the file `LOCK` in it, which says to people whose it is, and which is all there is where a folder cannot be locked (NFS).
//! Both end with the process, however it ends.

use crate::disk::{FILE_MODE, Lock, LockOutcome};
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Takes the lock whose file this is.
pub(crate) fn take(path: &Path, owner: &str) -> io::Result<LockOutcome> {
    let parent = path.parent().unwrap_or(Path::new("."));
    let folder = File::open(parent)?;
    let is_locked = match folder.try_lock() {
        Ok(()) => true,
        Err(TryLockError::WouldBlock) => return Ok(LockOutcome::Held { owner: owner_of(path) }),
        Err(TryLockError::Error(error)) => {
            tracing::debug!("{} itself cannot be locked ({error}); its file LOCK is", parent.display());
            false
        }
    };
    let Some(file) = take_file(path, owner)? else {
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

/// Takes a part of the lock, beside others who only read, and makes nothing; `None` when there is nothing to lock.
pub(crate) fn look(path: &Path) -> io::Result<Option<LockOutcome>> {
    let mut held = Vec::new();
    for part in [path.parent().unwrap_or(Path::new(".")), path] {
        let file = match File::open(part) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        match file.try_lock_shared() {
            Ok(()) => held.push(file),
            Err(TryLockError::WouldBlock) => return Ok(Some(LockOutcome::Held { owner: owner_of(path) })),
            // a file system without locks
            Err(TryLockError::Error(_)) => {}
        }
    }
    let held: Option<Box<dyn Lock>> = if held.is_empty() { None } else { Some(Box::new(Shared(held))) };
    Ok(held.map(LockOutcome::Acquired))
}

/// What is held by whoever only reads.
struct Shared(Vec<File>);

impl Lock for Shared {}

impl Drop for Shared {
    fn drop(&mut self) {
        self.0.iter().for_each(release);
    }
}

/// Lets a lock go. To close its file would not be enough while a process that is being started has the file, too, until it
/// becomes the program that it starts.
fn release(file: &File) {
    if let Err(error) = file.unlock() {
        tracing::debug!("a lock is let go by closing its file: {error}");
    }
}

/// The file, locked and with the owner in it; `None` when it is another's.
fn take_file(path: &Path, owner: &str) -> io::Result<Option<File>> {
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
        let there = std::fs::metadata(&self.parent).map_err(|e| {
            io::Error::new(e.kind(), format!("the folder {parent} is not there any more: {e}"))
        })?;
        if !is_same(&there, &self.folder.metadata()?) {
            let what =
                format!("the folder {parent} is not the one that was opened: it was moved or replaced");
            return Err(io::Error::other(what));
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = std::fs::metadata(&self.path);
        if is_there.is_ok_and(|there| file.metadata().is_ok_and(|ours| is_same(&there, &ours))) {
            return Ok(());
        }
        // removed, by hand: made again, so that the next one is told who has the folder
        match take_file(&self.path, &self.owner) {
            Ok(Some(new)) => {
                tracing::warn!(
                    "{} was removed and is made again; it is held by this process",
                    self.path.display()
                );
                *file = new;
                Ok(())
            }
            Ok(None) => {
                let what =
                    format!("{} was removed, and another process holds the new one", self.path.display());
                Err(io::Error::other(what))
            }
            // who has the folder has it without the file, too
            Err(error) if self.is_locked => {
                tracing::warn!("{} was removed and cannot be made again: {error}", self.path.display());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}
