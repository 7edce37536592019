//! The file system of the machine.

use super::lock;
use super::{Disk, FILE_MODE, FOLDER_MODE, InPlaceFile, LockOutcome, LogFile, ReadFile};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// Creates a file, or truncates it.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)
}

/// The file system of the machine.
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
        // written under a temporary name, then renamed
        let new = path.with_extension("new");
        let mut file = create_file(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        sync_folder(path.parent().unwrap_or(path))
    }

    fn lock(&self, path: &Path, owner: &str) -> io::Result<LockOutcome> {
        let outcome = lock::acquire(path, owner)?;
        if matches!(outcome, LockOutcome::Acquired(_)) {
            restrict_permissions(path.parent().unwrap_or(path));
        }
        Ok(outcome)
    }

    fn lock_existing(&self, path: &Path) -> io::Result<Option<LockOutcome>> {
        lock::acquire_shared(path)
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
            // even if it exists: its creator may have been killed before the name was durable
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

/// Restricts the permissions of the store's subfolders, which an earlier version may have created with the
/// umask. The permissions of the store's folder are the user's choice.
fn restrict_permissions(folder: &Path) {
    for name in ["log", "index", "damaged"] {
        let path = folder.join(name);
        let is_open = fs::metadata(&path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
        if is_open && let Err(error) = fs::set_permissions(&path, fs::Permissions::from_mode(FOLDER_MODE)) {
            tracing::warn!(
                "{} is accessible to other users, and its permissions cannot be changed: {error}",
                path.display()
            );
        }
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
