//! The file system of the machine.

use super::lock;
use super::{Disk, FILE_MODE, FOLDER_MODE, InPlaceFile, LockOutcome, LogFile, ReadFile};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// Makes a file, or empties it.
pub(crate) fn created(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)
}

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn write_file(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        // under another name until it is whole
        let new = path.with_extension("new");
        let mut file = created(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        sync_folder(path.parent().unwrap_or(path))
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockOutcome> {
        let taken = lock::take(path, owner)?;
        if matches!(taken, LockOutcome::Acquired(_)) {
            close_to_others(path.parent().unwrap_or(path));
        }
        Ok(taken)
    }

    fn lock_existing(&self, path: &Path) -> io::Result<Option<LockOutcome>> {
        lock::look(path)
    }

    fn open_in_place(&self, path: &Path) -> io::Result<Box<dyn InPlaceFile>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(path)?;
        Ok(Box::new(file))
    }

    fn open_append(&self, path: &Path, length: u64) -> io::Result<Box<dyn LogFile>> {
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

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
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
