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
    /// The format that this program writes.
    pub const FORMAT: &str = crate::folder::FORMAT;

    /// Copies the store, as it is now, to a new or empty folder, while it is in use; gives the number of bytes. What was
    /// acknowledged before the call is in the copy.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<u64> {
        drop(self.state()?);
        let to = to.as_ref().to_owned();
        self.spawn_blocking(move |store| {
            let folder = &store.inner.folder;
            crate::backup::copy(&*folder.disk, folder.path(), &to)
        })
        .await
    }

    /// The same of the store in a folder, whoever has it open: this process, another on this machine, or nobody. What was
    /// acknowledged before the call is in the copy. The folder is only read.
    ///
    /// # Errors
    /// `InvalidInput` (a folder of something else, or the copy's is not empty), `Corrupt` (a log file is missing), `Full`.
    pub fn backup_folder(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64> {
        crate::backup::copy(&FileSystem, from.as_ref(), to.as_ref())
    }

    /// Reads every frame of the log and compares it with its checksum. The index is not asked.
    pub async fn verify(&self) -> Result<VerifyReport> {
        drop(self.state()?);
        self.spawn_blocking(|store| {
            let _upkeep = store.inner.maintenance.lock().unwrap_or_else(PoisonError::into_inner);
            verify::verify(&store.inner.folder, &store.log_names()?)
        })
        .await
    }

    /// Does now what the store does from time to time: applies the streams' retention, takes a checkpoint, and gives back
    /// the room of what cannot be read any more. It is done by the thread that does it otherwise. Errors leave the store as
    /// it was.
    pub async fn maintain(&self) -> Result<()> {
        drop(self.state()?);
        if self.inner.is_read_only {
            return Err(read_only());
        }
        maintenance_handle::ask(self).await
    }

    /// How many log files there are, and their bytes together.
    pub fn disk_usage(&self) -> Result<(usize, u64)> {
        let names = self.log_names()?;
        let mut bytes = 0;
        for name in &names {
            // what was compacted meanwhile is counted under its new name the next time
            let Some(file) = self.inner.folder.read_log(*name)? else { continue };
            let path = self.inner.folder.log_path(*name);
            bytes += file.length().map_err(|e| disk_error(&format!("cannot read {}", path.display()), e))?;
        }
        Ok((names.len(), bytes))
    }

    /// The log files, in the order of the log.
    fn log_names(&self) -> Result<Vec<LogName>> {
        Ok(self.state()?.files.in_order().into_iter().map(|(_, info)| info.name).collect())
    }
}
