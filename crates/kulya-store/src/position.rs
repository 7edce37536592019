//! Reader positions: a [`StreamCut`] per reader and stream, stored in a table and updated by
//! compare-and-set, so that two processes under one name detect each other. Combined with a commit,
//! processing and saving the position is atomic.

use crate::{
    Condition, Error, ErrorKind, Result, Scope, StreamCut, StreamId, StreamName, StreamStore, TableChange,
    TableId, Version,
};
use std::sync::Arc;

/// The reader positions of a scope.
#[derive(Clone)]
pub struct Positions {
    store: Arc<dyn StreamStore>,
    table: TableId,
}

/// A reader's position with its version, against which the next update is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedPosition {
    reader: String,
    stream: StreamId,
    /// The position of the reader; `None` before the first save.
    pub cut: Option<StreamCut>,
    version: Option<Version>,
}

impl Positions {
    /// Opens the positions of a scope, which must exist.
    ///
    /// # Errors
    /// As [`StreamStore::create_table`].
    pub async fn open(store: impl Into<Arc<dyn StreamStore>>, scope: &Scope) -> Result<Self> {
        let store = store.into();
        let table = TableId { scope: scope.clone(), name: StreamName::system("_positions") };
        store.create_table(&table).await?;
        Ok(Self { store, table })
    }

    fn key(reader: &str, stream: &StreamId) -> Vec<u8> {
        // no name holds a zero byte
        [reader.as_bytes(), &[0], stream.to_string().as_bytes()].concat()
    }

    /// Loads the position of a reader in a stream. The name of a reader is non-empty text without a zero
    /// byte.
    ///
    /// # Errors
    /// `InvalidInput` if the name is not valid, `Corrupt` if the stored position is not a cut, and as
    /// [`StreamStore::get`].
    pub async fn load(&self, reader: &str, stream: &StreamId) -> Result<SavedPosition> {
        if reader.is_empty() || reader.contains('\0') {
            return Err(Error::invalid(format!(
                "reader name {reader:?} is not valid: it must be non-empty and without a zero byte"
            )));
        }
        let entry = self.store.get(&self.table, &Self::key(reader, stream)).await?;
        let (mut cut, mut version) = (None, None);
        if let Some(entry) = entry {
            let text = String::from_utf8_lossy(&entry.value);
            cut = Some(text.parse().map_err(|e: Error| {
                Error::new(
                    ErrorKind::Corrupt,
                    format!("the position of reader {reader:?} in stream {stream} is not valid"),
                )
                .because(e)
            })?);
            version = Some(entry.version);
        }
        Ok(SavedPosition { reader: reader.to_owned(), stream: stream.clone(), cut, version })
    }

    /// Creates the table change that saves a position, to be added to a commit. It fails with `Conflict` if
    /// the position was updated since `saved` was loaded.
    ///
    /// # Errors
    /// `InvalidInput` if the cut is of another stream.
    pub fn change(&self, saved: &SavedPosition, cut: &StreamCut) -> Result<TableChange> {
        if cut.stream != saved.stream {
            return Err(Error::invalid(format!("cut {cut} is not a cut of stream {}", saved.stream)));
        }
        let condition = saved.version.map_or(Condition::Absent, Condition::At);
        Ok(TableChange::put(&self.table, Self::key(&saved.reader, &saved.stream), condition, cut.to_string()))
    }

    /// Saves a position in a commit of its own.
    ///
    /// # Errors
    /// As [`change`](Self::change) and [`StreamStore::commit`].
    pub async fn save(&self, saved: &SavedPosition, cut: &StreamCut) -> Result<SavedPosition> {
        let done = self.store.commit(crate::Commit::changes(vec![self.change(saved, cut)?])).await?;
        Ok(SavedPosition { cut: Some(cut.clone()), version: done.versions.first().copied(), ..saved.clone() })
    }
}

impl std::fmt::Debug for Positions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Positions").field("table", &self.table).finish_non_exhaustive()
    }
}
