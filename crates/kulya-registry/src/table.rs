//! The registry's table and changelog stream in the store. A change of the registry reads records, decides,
//! and commits on the condition that the records are unchanged; it is retried when they are not.

use crate::error::from_store;
use crate::records;
use bytes::Bytes;
use kulya_registry_api::RegistryResult;
use kulya_store::{
    Append, Commit, Entry, ErrorKind, Retention, StreamConfig, StreamId, StreamName, StreamStore,
    TableChange, TableId, Version,
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// How often a change is attempted against concurrent writers before it fails as contended.
pub(crate) const MAX_ATTEMPTS: usize = 100;
/// The changelog's retention by size, in bytes: about a million changes.
const CHANGELOG_RETENTION_BYTES: u64 = 256 << 20;

#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) store: Arc<dyn StreamStore>,
    pub(crate) id: TableId,
    /// The stream of changes; see the module `changelog`.
    pub(crate) changelog: StreamId,
}

impl Table {
    /// Creates a handle of the registry's table. Does no I/O: a table that does not exist reads as empty, and
    /// the first change creates it.
    pub(crate) fn new(store: Arc<dyn StreamStore>) -> RegistryResult<Self> {
        let id = TableId::system("_schemaregistry", "registry").map_err(from_store)?;
        let changelog = changelog_stream(&id.scope)?;
        Ok(Self { store, id, changelog })
    }

    /// Creates the scope, the table and the changelog where they do not exist.
    pub(crate) async fn create(&self) -> RegistryResult<()> {
        self.store.create_scope(&self.id.scope).await.map_err(from_store)?;
        self.store.create_table(&self.id).await.map_err(from_store)?;
        self.store.create_stream(&self.changelog, changelog_config()).await.map_err(from_store)?;
        Ok(())
    }

    pub(crate) async fn entry(&self, key: &[u8]) -> RegistryResult<Option<Entry>> {
        empty_if_absent(self.store.get(&self.id, key).await)
    }

    /// Returns the record under a key and its version; `what` names the record in errors.
    pub(crate) async fn record<T: DeserializeOwned>(
        &self,
        what: &str,
        key: &[u8],
    ) -> RegistryResult<Option<(T, Version)>> {
        match self.entry(key).await? {
            Some(entry) => Ok(Some((records::decode(what, &entry.value)?, entry.version))),
            None => Ok(None),
        }
    }

    /// Commits changes of the table together with events of the changelog. Returns `false` when a condition
    /// does not hold.
    pub(crate) async fn commit(
        &self,
        changes: Vec<TableChange>,
        events: Vec<Vec<u8>>,
    ) -> RegistryResult<bool> {
        let append = |event| Append {
            stream: self.changelog.clone(),
            routing_key: Some(String::new()),
            event: Bytes::from(event),
        };
        let appends = events.into_iter().map(append).collect();
        let commit = Commit { appends, ..Commit::changes(changes) };
        let mut result = self.store.commit(commit.clone()).await;
        if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            // only the first change creates the table: later ones need no permission to create one
            self.create().await?;
            result = self.store.commit(commit).await;
        }
        match result {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(from_store(error)),
        }
    }

    /// Returns at most `limit` entries whose keys have a prefix and come after a key, in key order.
    pub(crate) async fn page(
        &self,
        prefix: &[u8],
        after: Option<Bytes>,
        limit: usize,
    ) -> RegistryResult<Vec<Entry>> {
        empty_if_absent(self.store.scan(&self.id, prefix, after.as_deref(), limit).await)
    }
}

/// Treats a table that does not exist as empty.
fn empty_if_absent<T: Default>(result: kulya_store::Result<T>) -> RegistryResult<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(T::default()),
        result => result.map_err(from_store),
    }
}

/// The stream of the changelog in the registry's scope.
pub(crate) fn changelog_stream(scope: &kulya_store::Scope) -> RegistryResult<StreamId> {
    let name = StreamName::new("changes").map_err(from_store)?;
    Ok(StreamId { scope: scope.clone(), name })
}

/// One segment, so that all changes have one order.
fn changelog_config() -> StreamConfig {
    let retention = Retention { bytes: Some(CHANGELOG_RETENTION_BYTES), ..Retention::default() };
    StreamConfig::with_segments(1).retention(retention)
}
