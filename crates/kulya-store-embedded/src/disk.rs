//! Where the log's bytes go: the real disk, or, in tests, one that fails when told to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Opens log files for appending.
pub(crate) trait Disk: Send + Sync {
    /// Opens `path` for appending behind its first `length` bytes (everything later is cut off), making it if it
    /// is not there.
    fn open(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>>;
}

/// A log file under construction.
pub(crate) trait LogFile: Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// The machine's file system.
pub(crate) struct FileSystem;

impl Disk for FileSystem {
    fn open(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>> {
        let is_new = !path.exists();
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        if file.metadata()?.len() > length {
            file.set_len(length)?;
            file.sync_all()?;
        }
        if is_new {
            file.sync_all()?;
            sync_folder(path.parent().unwrap_or(path))?;
        }
        Ok(Box::new(file))
    }
}

impl LogFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
