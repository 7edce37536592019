//! Where readers are: a [`StreamCut`] under a reader's name, kept in a table and changed by compare-and-set, so that two
//! processes under one name notice each other. Joined to a commit, "read, write, and remember" is one act.

use crate::{
    Condition, Error, ErrorKind, Result, Scope, StreamCut, StreamId, StreamName, StreamStore, TableChange,
    TableId, Version,
};
use std::sync::Arc;

/// The positions that readers keep in a scope.
#[derive(Clone)]
pub struct Positions {
    store: Arc<dyn StreamStore>,
    table: TableId,
}

/// A reader's position as it was found or saved: what the next change of it is made against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedPosition {
    reader: String,
    stream: StreamId,
    /// Where the reader is; `None` when it has never said so.
    pub cut: Option<StreamCut>,
    version: Option<Version>,
}

impl Positions {
    /// The positions of a scope, which must exist.
    pub async fn open(store: Arc<dyn StreamStore>, scope: &Scope) -> Result<Self> {
        let table = TableId { scope: scope.clone(), name: StreamName::system("_positions") };
        store.create_table(&table).await?;
        Ok(Self { store, table })
    }

    fn key(reader: &str, stream: &StreamId) -> Vec<u8> {
        // no name holds a zero byte
        [reader.as_bytes(), &[0], stream.to_string().as_bytes()].concat()
    }

    /// Where a reader is in a stream. A reader's name is any text without a zero byte.
    pub async fn of(&self, reader: &str, stream: &StreamId) -> Result<SavedPosition> {
        if reader.is_empty() || reader.contains('\0') {
            return Err(Error::invalid(format!("a reader cannot be called {reader:?}")));
        }
        let entry = self.store.get(&self.table, &Self::key(reader, stream)).await?;
        let (mut cut, mut version) = (None, None);
        if let Some(entry) = entry {
            let text = String::from_utf8_lossy(&entry.value);
            cut = Some(text.parse().map_err(|e: Error| {
                Error::new(
                    ErrorKind::Corrupt,
                    format!("the position of reader {reader:?} in {stream} cannot be read"),
                )
                .because(e)
            })?);
            version = Some(entry.version);
        }
        Ok(SavedPosition { reader: reader.to_owned(), stream: stream.clone(), cut, version })
    }

    /// The change that moves a reader, to be joined to a commit: a conflict when somebody moved it since `saved`.
    pub fn change(&self, saved: &SavedPosition, cut: &StreamCut) -> Result<TableChange> {
        if cut.stream != saved.stream {
            return Err(Error::invalid(format!("cut {cut} is not one of stream {}", saved.stream)));
        }
        let condition = saved.version.map_or(Condition::Absent, Condition::At);
        Ok(TableChange::put(&self.table, Self::key(&saved.reader, &saved.stream), condition, cut.to_string()))
    }

    /// Moves a reader by itself.
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
