//! What the store asks of a disk, so that a test can hand in one that forgets, tears, fills up or fails. The machine's
//! own is [`FileSystem`].

use crate::lock;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// A disk. Paths are the store's folder and what is below it.
pub trait Disk: Send + Sync + 'static {
    /// Makes a folder, and those above it, unless it is there.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder, in no particular order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// The content of a small file.
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Makes a small file; on return its name and its content survive a power cut.
    fn write_file(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Takes the lock of the folder that this file is in, and writes `owner` into the file.
    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockOutcome>;

    /// Takes the lock that this file is, if it is there, and changes nothing; `None` when it is not.
    fn lock_existing(&self, path: &Path) -> io::Result<Option<LockOutcome>> {
        let _ = path;
        Ok(None)
    }

    /// Opens a small file that is overwritten again and again, making it if it is not there. A store does without it on a disk
    /// that has no such files.
    fn open_in_place(&self, path: &Path) -> io::Result<Box<dyn InPlaceFile>> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Opens a log file for appending behind its first `length` bytes (everything later is cut off), making it if it is
    /// not there. On return the name of a file of length 0 survives a power cut.
    fn open_append(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>>;

    /// Opens a log file for reading.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>>;

    /// Gives a file another name in its folder; on return that survives a power cut.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; a power cut may bring it back. Whoever has it open reads on.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The answer to a wish for a lock.
pub enum LockOutcome {
    /// It is ours for as long as this value lives.
    Acquired(Box<dyn Lock>),
    /// It is another's.
    Held {
        /// What the owner wrote into it.
        owner: String,
    },
}

/// A lock that was taken.
pub trait Lock: Send + Sync {
    /// Whether the folder that it is of is still where it was taken, and still ours: what is written there by path gets to
    /// where it belongs.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A log file under construction.
pub trait LogFile: Send {
    /// Writes behind everything written. An error may leave a part written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// On return everything written survives a power cut.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts off everything behind the first `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// A small file that is overwritten.
pub trait InPlaceFile: Send {
    /// Overwrites all of it, always with as many bytes, and waits for no disk: after a power cut it may hold these bytes,
    /// earlier ones, or rubbish.
    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A log file, read from anywhere by anybody at once.
pub trait ReadFile: Send + Sync {
    /// Its length now.
    fn length(&self) -> io::Result<u64>;
    /// Reads into `buffer` from `offset` on; gives how much, 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// Whatever the process's file mode mask says: what a store holds is nobody else's to read.
pub(crate) const FOLDER_MODE: u32 = 0o700;
/// The same for files.
pub(crate) const FILE_MODE: u32 = 0o600;

/// Fills the whole buffer.
pub(crate) fn read_exact_at(file: &dyn ReadFile, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                offset += read as u64;
                buffer = buffer.split_at_mut(read).1;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A file read from one end to the other.
pub(crate) struct Sequential {
    pub(crate) file: Arc<dyn ReadFile>,
    pub(crate) offset: u64,
}

impl Read for Sequential {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
