//! Operations on a store that is not open: opening it read-only, checking it, and repairing it.

use crate::disk::FileSystem;
use crate::folder::Folder;
use crate::index::{Index, TemporaryIndex};
use crate::salvage::{Salvage, SalvageReport, salvage};
use crate::store::{EmbeddedStore, Options};
use kulya_store::Result;
use kulya_store::supervision::Supervisor;
use std::path::Path;
use std::sync::Arc;

impl EmbeddedStore {
    /// Opens a store read-only: nothing in its folder is changed, so that it can be on read-only media. The
    /// whole log is read and verified, and a temporary index is built elsewhere.
    ///
    /// # Errors
    /// `Corrupt` (anything is damaged, or the format is newer), `Locked`, `InvalidInput` (a folder of
    /// something else), `Failed` (I/O).
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        let (report, store) = Self::check(path)?;
        report.error().map_or(Ok(store), Err)
    }

    /// Checks a store: reads the whole log, and returns a report of all damage, and a read-only store of
    /// what can be read. Nothing in the folder is changed.
    ///
    /// # Errors
    /// `Locked`, `Corrupt` (the format is newer), `InvalidInput` (a folder of something else), `Failed`
    /// (I/O).
    pub fn check(path: impl AsRef<Path>) -> Result<(SalvageReport, Self)> {
        let (folder, damage) = Folder::open_read_only(path.as_ref(), Arc::new(FileSystem))?;
        let index: Arc<dyn Index> = Arc::new(TemporaryIndex::default());
        let Salvage { state, report, .. } = salvage(&folder, &damage, &index)?;
        let (folder, options) = (Arc::new(folder), Options::default());
        let store = Self::start(folder, state, None, None, Supervisor::default(), options)?;
        Ok((report, store))
    }

    /// Repairs a store that does not open because its log is damaged: drops what is damaged, and nothing
    /// else, and returns a report of it. Damaged files are kept in the folder `damaged`. An intact log is
    /// not changed.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn repair(path: impl AsRef<Path>) -> Result<SalvageReport> {
        crate::repair::repair(path.as_ref())
    }
}
