//! What is done with a folder that nobody writes to: it is opened for reading alone, looked through, or repaired.

use crate::disk::FileSystem;
use crate::folder::Folder;
use crate::index::{Index, TemporaryIndex};
use crate::salvage::{Salvage, SalvageReport, salvage};
use crate::store::{Options, EmbeddedStore};
use kulya_store::Result;
use kulya_store::supervision::Supervisor;
use std::path::Path;
use std::sync::Arc;

impl EmbeddedStore {
    /// Opens the store in a folder for reading only: nothing in it is changed, so that it may lie on media that take no writes.
    /// All of its log is read and compared with its checksums, and the index is made beside it.
    ///
    /// # Errors
    /// `Corrupt` (anything is not what was written, or a newer format), `Locked`, `InvalidInput` (a folder of something else).
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self> {
        let (salvaged, store) = Self::check(path)?;
        salvaged.error().map_or(Ok(store), Err)
    }

    /// Reads all of the store in a folder, and says what of it is not as it was written; gives, for reading only, what is.
    /// Nothing in the folder is changed.
    ///
    /// # Errors
    /// `Locked`, `Corrupt` (a newer format), `InvalidInput` (a folder of something else), `Failed` (the disk).
    pub fn check(path: impl AsRef<Path>) -> Result<(SalvageReport, Self)> {
        let (folder, flaws) = Folder::open_read_only(path.as_ref(), Arc::new(FileSystem))?;
        let index: Arc<dyn Index> = Arc::new(TemporaryIndex::default());
        let Salvage { state, found, .. } = salvage(&folder, &flaws, &index)?;
        let (folder, options) = (Arc::new(folder), Options::default());
        let store = Self::start(folder, state, None, None, Supervisor::default(), options)?;
        Ok((found, store))
    }

    /// Makes a store that does not open, because its log is damaged, one that does: gives up what is damaged, and nothing
    /// else, and says what that is. What was damaged is kept in the folder `damaged`. The log of a store that is whole is left
    /// as it is. Errors: as of [`open`](Self::open).
    pub fn repair(path: impl AsRef<Path>) -> Result<SalvageReport> {
        crate::repair::repair(path.as_ref())
    }
}
