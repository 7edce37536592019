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
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder, in no particular order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// The content of a small file.
    fn read_whole(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Makes a small file; on return its name and its content survive a power cut.
    fn write_whole(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Takes the lock of the folder that this file is in, and writes `owner` into the file.
    fn lock(&self, path: &Path, owner: &str) -> io::Result<Locking>;

    /// Takes the lock that this file is, if it is there, and changes nothing; `None` when it is not.
    fn lock_existing(&self, path: &Path) -> io::Result<Option<Locking>> {
        let _ = path;
        Ok(None)
    }

    /// Opens a small file that is overwritten again and again, making it if it is not there. A store does without it on a disk
    /// that has no such files.
    fn in_place(&self, path: &Path) -> io::Result<Box<dyn InPlaceFile>> {
        let _ = path;
        Err(io::ErrorKind::Unsupported.into())
    }

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
    Taken(Box<dyn Lock>),
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

/// Makes a file, or empties it.
pub(crate) fn created(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)
}

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
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
        let mut file = created(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        sync_folder(path.parent().unwrap_or(path))
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<Locking> {
        let taken = lock::take(path, owner)?;
        if matches!(taken, Locking::Taken(_)) {
            close_to_others(path.parent().unwrap_or(path));
        }
        Ok(taken)
    }

    fn lock_existing(&self, path: &Path) -> io::Result<Option<Locking>> {
        lock::look(path)
    }

    fn in_place(&self, path: &Path) -> io::Result<Box<dyn InPlaceFile>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(path)?;
        Ok(Box::new(file))
    }

    fn append_to(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>> {
        let file = OpenOptions::new().create(true).append(true).mode(FILE_MODE).open(path)?;
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

impl InPlaceFile for File {
    fn overwrite(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, 0)
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

/// Folders in a store's folder that an earlier version, or its file mode mask, left open to others. The store's own
/// folder may be somebody's choice.
fn close_to_others(folder: &Path) {
    for name in ["log", "index", "damaged"] {
        let path = folder.join(name);
        let is_open = fs::metadata(&path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
        if is_open && let Err(error) = fs::set_permissions(&path, fs::Permissions::from_mode(FOLDER_MODE)) {
            tracing::warn!("{} can be read by others: {error}", path.display());
        }
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
