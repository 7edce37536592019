//! The folder of a spool: one file for each transaction, which is opened for each access only, and a lock.
//! Files of a process that was killed are removed by the next one.

use crate::{CdcError, CdcErrorKind, CdcResult};
use bytes::Bytes;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The file that a process locks that uses the folder.
const LOCK: &str = "LOCK";
/// The extension of the transactions' files.
const EXTENSION: &str = "spool";

/// The number of spools of this process. A write that outlives its spool must not touch a file of the next.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// A folder. Dropping it removes its files.
pub(super) struct SpoolFolder {
    path: PathBuf,
    /// The number of the spool.
    run: u64,
    /// The lock, once the folder is used.
    lock: Option<File>,
    /// Set when the folder cannot be used.
    has_failed: Arc<AtomicBool>,
}

impl SpoolFolder {
    /// Takes a folder, which is created when the first file is written. Removes the files that a process has
    /// left that was killed. `has_failed` is set when the folder cannot be used.
    ///
    /// # Errors
    /// `Busy` if another process uses the folder; `Unreachable` if it cannot be read.
    pub(super) fn open(path: PathBuf, has_failed: Arc<AtomicBool>) -> CdcResult<Self> {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let mut folder = Self { path, run, lock: None, has_failed };
        if folder.path.is_dir() {
            folder.lock()?;
            folder.remove_all().map_err(|e| folder.error("clear", e))?;
        }
        Ok(folder)
    }

    fn lock(&mut self) -> CdcResult<()> {
        let opened = private_file().truncate(false).open(self.path.join(LOCK));
        let file = opened.map_err(|e| self.error("lock", e))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let what = format!(
                    "spool folder {} is in use by another process: stop it, or set another spool-folder",
                    self.path.display()
                );
                return Err(CdcError::new(CdcErrorKind::Busy, what));
            }
            // a file system without locks: the replication slot has one reader only
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        self.lock = Some(file);
        Ok(())
    }

    fn remove_all(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn file(&self, xid: u32) -> PathBuf {
        self.path.join(format!("{}-{xid}.{EXTENSION}", self.run))
    }

    fn error(&self, what: &str, cause: io::Error) -> CdcError {
        // the database sends again what is not stored: nothing is lost
        self.has_failed.store(true, Ordering::Relaxed);
        let hint = match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space there",
            _ => "see the cause",
        };
        let path = self.path.display();
        let what = format!(
            "cannot {what} spool folder {path} of large transactions: {hint}, or set another spool-folder; until the \
             next start PostgreSQL keeps them until they are committed"
        );
        CdcError::new(CdcErrorKind::Unreachable, what).because(cause)
    }

    /// Appends parts to a transaction's file of `length` bytes, and returns them.
    ///
    /// # Errors
    /// `Unreachable`, for example when the disk is full.
    pub(super) async fn append(
        &mut self,
        xid: u32,
        length: u64,
        buffer: Vec<u8>,
        rest: Bytes,
    ) -> CdcResult<Vec<u8>> {
        if self.lock.is_none() {
            create_private(&self.path).map_err(|e| self.error("create", e))?;
            self.lock()?;
            self.remove_all().map_err(|e| self.error("clear", e))?;
        }
        let path = self.file(xid);
        let write = move || {
            let mut file = private_file().truncate(length == 0).open(path)?;
            // what a failed write has left is overwritten
            file.seek(SeekFrom::Start(length))?;
            file.write_all(&buffer)?;
            file.write_all(&rest)?;
            Ok(buffer)
        };
        blocking(write).await.map_err(|e| self.error("write to", e))
    }

    /// Reads at most `max` bytes of a transaction's file, and returns them behind those of a buffer.
    ///
    /// # Errors
    /// `Unreachable`.
    pub(super) async fn read(
        &self,
        xid: u32,
        offset: u64,
        max: usize,
        mut buffer: Vec<u8>,
    ) -> CdcResult<Vec<u8>> {
        let path = self.file(xid);
        let read = move || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(offset))?;
            buffer.reserve_exact(max);
            file.take(max as u64).read_to_end(&mut buffer)?;
            Ok(buffer)
        };
        blocking(read).await.map_err(|e| self.error("read", e))
    }

    /// Removes a transaction's file.
    ///
    /// # Errors
    /// `Unreachable`.
    pub(super) async fn remove(&self, xid: u32) -> CdcResult<()> {
        let path = self.file(xid);
        blocking(move || remove(&path)).await.map_err(|e| self.error("remove a file of", e))
    }
}

/// Returns the options of a file that nobody else may read: it has rows of the database.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn create_private(path: &Path) -> io::Result<()> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path)
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Runs what waits for the disk on a thread for that.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(run).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

impl Drop for SpoolFolder {
    fn drop(&mut self) {
        if self.lock.is_some() {
            let removed = self.remove_all().and_then(|()| remove(&self.path.join(LOCK)));
            // a folder that others use stays
            let _ = removed.map(|()| std::fs::remove_dir(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(path).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn files_are_removed_at_the_start_and_at_the_end() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/shop");
        {
            let mut folder = SpoolFolder::open(path.clone(), Arc::default()).unwrap();
            assert!(!path.exists(), "nothing is created before there is something to write");
            let buffer = folder.append(7, 0, b"abc".to_vec(), Bytes::from_static(b"def")).await.unwrap();
            assert_eq!(buffer, b"abc");
            folder.append(7, 2, b"X".to_vec(), Bytes::new()).await.unwrap();
            assert_eq!(folder.read(7, 1, 4, b"_".to_vec()).await.unwrap(), b"_bXde");
            assert!(names(&path)[0].ends_with("-7.spool") && names(&path)[1..] == ["LOCK"]);
            let busy = SpoolFolder::open(path.clone(), Arc::default()).map(drop).unwrap_err();
            assert_eq!(busy.kind(), CdcErrorKind::Busy, "{busy}");
            folder.remove(7).await.unwrap();
            folder.remove(7).await.unwrap();
            folder.append(8, 0, b"abc".to_vec(), Bytes::new()).await.unwrap();
        }
        assert!(!path.exists(), "it ended");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("9.spool"), "left by a process that was killed").unwrap();
        std::fs::write(path.join("other"), "of somebody else").unwrap();
        let folder = SpoolFolder::open(path.clone(), Arc::default()).unwrap();
        assert_eq!(names(&path), ["LOCK", "other"]);
        drop(folder);
        assert_eq!(names(&path), ["other"]);
    }

    #[tokio::test]
    async fn failed_writes_are_reported() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("file"), "").unwrap();
        let has_failed = Arc::new(AtomicBool::new(false));
        let path = root.path().join("file/shop");
        let mut folder = SpoolFolder::open(path, Arc::clone(&has_failed)).unwrap();
        let error = folder.append(7, 0, b"a".to_vec(), Bytes::new()).await.unwrap_err();
        assert_eq!(error.kind(), CdcErrorKind::Unreachable);
        assert!(error.to_string().contains("file/shop") && has_failed.load(Ordering::Relaxed), "{error}");
        let full = folder.error("write to", io::Error::from(io::ErrorKind::StorageFull));
        assert!(full.to_string().contains("free space"), "{full}");
    }
}
