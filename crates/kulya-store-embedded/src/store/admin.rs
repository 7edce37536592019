//! Operations on a whole store: backup, verification, maintenance on demand, disk usage.

use super::core::EmbeddedStore;
use super::maintenance;
use crate::disk::FileSystem;
use crate::error::{disk_error, read_only};
use crate::log_name::LogName;
use crate::verify::{self, VerifyReport};
use kulya_store::Result;
use std::path::Path;
use std::sync::PoisonError;

impl EmbeddedStore {
    /// The format that this version writes.
    pub const FORMAT: &str = crate::folder::FORMAT;

    /// Copies the store to a new or empty folder while it is in use; returns the number of bytes. The copy
    /// includes everything that was acknowledged before the call.
    ///
    /// # Errors
    /// `InvalidInput` (the folder is not empty), `Corrupt` (a log file is missing), `Full`, `Closed`.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<u64> {
        drop(self.state()?);
        let to = to.as_ref().to_owned();
        self.spawn_blocking(move |store| {
            let folder = &store.inner.folder;
            crate::backup::copy(&*folder.disk, folder.path(), &to)
        })
        .await
    }

    /// Copies the store in a folder, whichever process has it open. The copy includes everything that was
    /// acknowledged before the call. The source is only read.
    ///
    /// # Errors
    /// `InvalidInput` (the source is not a store, or the target is not empty), `Corrupt` (a log file is
    /// missing), `Full`.
    pub fn backup_folder(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64> {
        crate::backup::copy(&FileSystem, from.as_ref(), to.as_ref())
    }

    /// Verifies the checksum of every frame of the log. Does not check the index.
    ///
    /// # Errors
    /// `Corrupt` (anything is damaged), `Closed`.
    pub async fn verify(&self) -> Result<VerifyReport> {
        drop(self.state()?);
        self.spawn_blocking(|store| {
            let _upkeep = store.inner.maintenance.lock().unwrap_or_else(PoisonError::into_inner);
            verify::verify(&store.inner.folder, &store.log_names()?)
        })
        .await
    }

    /// Runs maintenance now: applies retention, takes a checkpoint, and reclaims disk space. It runs on the
    /// maintenance thread, as it does otherwise.
    ///
    /// # Errors
    /// `Full`, `Failed`, `Closed`, `InvalidInput` (the store is read-only). The data is as it was before.
    pub async fn maintain(&self) -> Result<()> {
        drop(self.state()?);
        if self.inner.is_read_only {
            return Err(read_only());
        }
        maintenance::request(self).await
    }

    /// Returns the number of log files, and their total size in bytes.
    ///
    /// # Errors
    /// `Closed`, `Failed` (I/O).
    pub fn disk_usage(&self) -> Result<(usize, u64)> {
        let names = self.log_names()?;
        let mut bytes = 0;
        for name in &names {
            // a file that was compacted meanwhile is counted the next time
            let Some(file) = self.inner.folder.read_log(*name)? else { continue };
            let path = self.inner.folder.log_path(*name);
            bytes += file.length().map_err(|e| disk_error(&format!("cannot read {}", path.display()), e))?;
        }
        Ok((names.len(), bytes))
    }

    /// Returns the log files in log order.
    fn log_names(&self) -> Result<Vec<LogName>> {
        Ok(self.state()?.files.in_order().into_iter().map(|(_, info)| info.name).collect())
    }
}
