//! The interface to the disk, so that tests can supply one that loses writes, tears them, fills up or
//! fails. The default is [`FileSystem`].

mod file_system;
mod lock;

pub use file_system::FileSystem;
pub(crate) use file_system::{create_file, sync_folder};

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// A disk. All paths are the store's folder or below it. Errors are those of the operating system.
pub trait Disk: Send + Sync + 'static {
    /// Creates a folder and its parents, unless they exist.
    ///
    /// # Errors
    /// As [`std::fs::create_dir_all`].
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Lists the names in a folder, in no order.
    ///
    /// # Errors
    /// `NotFound` if the folder does not exist, and other I/O errors.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Reads a small file.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist, and other I/O errors.
    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Writes a small file atomically. On return its name and content are durable.
    ///
    /// # Errors
    /// `StorageFull` if the disk is full, and other I/O errors. The old file is unchanged then.
    fn write_file(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Acquires the lock file at `path` for its folder, and writes `owner` into it.
    ///
    /// # Errors
    /// I/O errors; a lock that another process holds is not an error.
    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockOutcome>;

    /// Acquires an existing lock file in shared mode and changes nothing; `None` if it does not exist.
    ///
    /// # Errors
    /// I/O errors; a lock that another process holds is not an error.
    fn lock_existing(&self, path: &Path) -> io::Result<Option<LockOutcome>> {
        let _ = path;
        Ok(None)
    }

    /// Opens a small file that is overwritten in place, and creates it if it does not exist. The store
    /// works without it on a disk that does not support this.
    ///
    /// # Errors
    /// `Unsupported` by default, and I/O errors.
    fn open_in_place(&self, path: &Path) -> io::Result<Box<dyn InPlaceFile>> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Opens a log file for appending after its first `length` bytes, and creates it if it does not exist.
    /// Later bytes are truncated. On return the name of a file of length 0 is durable.
    ///
    /// # Errors
    /// `StorageFull` if the disk is full, and other I/O errors.
    fn open_append(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>>;

    /// Opens a log file for reading.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist, and other I/O errors.
    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>>;

    /// Renames a file in its folder. On return the new name is durable.
    ///
    /// # Errors
    /// I/O errors.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. A power failure may restore it. Open handles can still read it.
    ///
    /// # Errors
    /// `NotFound` if the file does not exist, and other I/O errors.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The outcome of an attempt to lock.
pub enum LockOutcome {
    /// The lock is held until this value is dropped.
    Acquired(Box<dyn Lock>),
    /// Another process holds the lock.
    Held {
        /// The text that the owner wrote into the file.
        owner: String,
    },
}

/// A lock that is held.
pub trait Lock: Send + Sync {
    /// Checks that the folder is still at its path and still locked by this process, so that writes by path
    /// reach it.
    ///
    /// # Errors
    /// The lock is lost, or the check failed.
    fn check(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A log file that is open for appending.
pub trait LogFile: Send {
    /// Appends bytes. After an error a part may have been written.
    ///
    /// # Errors
    /// `StorageFull` if the disk is full, and other I/O errors.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes everything written durable.
    ///
    /// # Errors
    /// I/O errors, after which the content of the disk is unknown.
    fn sync(&mut self) -> io::Result<()>;
    /// Truncates the file to its first `length` bytes.
    ///
    /// # Errors
    /// I/O errors.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// A small file that is overwritten in place.
pub trait InPlaceFile: Send {
    /// Overwrites the whole file, always with the same number of bytes, without a sync: after a power
    /// failure it may hold these bytes, earlier ones, or garbage.
    ///
    /// # Errors
    /// I/O errors.
    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// A log file that is open for reading, by several threads at once.
pub trait ReadFile: Send + Sync {
    /// Returns the current length in bytes.
    ///
    /// # Errors
    /// I/O errors.
    fn length(&self) -> io::Result<u64>;
    /// Reads into `buffer` from `offset` on; returns the number of bytes, 0 at the end.
    ///
    /// # Errors
    /// I/O errors.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// The mode of folders, whatever the umask: only the owner can read the store.
pub(crate) const FOLDER_MODE: u32 = 0o700;
/// The mode of files.
pub(crate) const FILE_MODE: u32 = 0o600;

/// Reads until the buffer is full.
///
/// # Errors
/// `UnexpectedEof` if the file is too short.
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

/// A sequential reader of a file.
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
