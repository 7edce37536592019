//! What the store asks of a disk, so that a test can hand in one that forgets, tears, fills up or fails. The machine's
//! own is [`FileSystem`].

use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A disk. Paths are the store's folder and what is below it.
pub trait Disk: Send + Sync + 'static {
    /// Makes a folder, and those above it, unless it is there.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder, in no particular order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// The content of a small file.
    fn read_whole(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Makes a small file; on return its name and its content survive a power cut.
    fn write_whole(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Takes the lock that this file is, and writes `owner` into it.
    fn lock(&self, path: &Path, owner: &str) -> io::Result<Locking>;

    /// Opens a log file for appending behind its first `length` bytes (everything later is cut off), making it if it is
    /// not there. On return the name of a file of length 0 survives a power cut.
    fn append_to(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>>;

    /// Opens a log file for reading.
    fn read_from(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>>;

    /// Gives a file another name in its folder; on return that survives a power cut.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; a power cut may bring it back. Whoever has it open reads on.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The answer to a wish for a lock.
pub enum Locking {
    /// It is ours for as long as this value lives.
    Taken(Box<dyn Any + Send + Sync>),
    /// It is another's.
    Held {
        /// What the owner wrote into it.
        owner: String,
    },
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

/// A log file, read from anywhere by anybody at once.
pub trait ReadFile: Send + Sync {
    /// Its length now.
    fn length(&self) -> io::Result<u64>;
    /// Reads into `buffer` from `offset` on; gives how much, 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn read_whole(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn write_whole(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        // under another name until it is whole
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        sync_folder(path.parent().unwrap_or(path))
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<Locking> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                return Ok(Locking::Held { owner: owner.trim().to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{owner}")?;
        Ok(Locking::Taken(Box::new(file)))
    }

    fn append_to(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        if file.metadata()?.len() > length {
            file.set_len(length)?;
            file.sync_all()?;
        }
        if length == 0 {
            // also when it is there: who made it may have been cut off before its name was durable
            file.sync_all()?;
            sync_folder(path.parent().unwrap_or(path))?;
        }
        Ok(Box::new(file))
    }

    fn read_from(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(File::open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        sync_folder(to.parent().unwrap_or(to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
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

impl ReadFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

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

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
