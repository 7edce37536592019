//! The registry's table in the store, and the loop of every change: read, decide, commit under the condition that
//! what was read still stands, and again when it does not.

use crate::feed;
use crate::records;
use bytes::Bytes;
use kulya_codec::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_store::{
    Commit, Entry, Error, ErrorKind, Scope, StreamId, StreamStore, TableChange, TableId, Version,
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// How often a change is tried against other writers before the caller is told to come back.
pub(crate) const TRIES: usize = 100;

#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) store: Arc<dyn StreamStore>,
    pub(crate) id: TableId,
    pub(crate) feed: StreamId,
}

impl Table {
    /// Opens the registry's table, making scope and table when they are not there.
    pub(crate) async fn open(store: Arc<dyn StreamStore>) -> RegistryResult<Self> {
        let scope = Scope::system("_schemaregistry");
        let id = TableId::system("_schemaregistry", "registry").map_err(from_store)?;
        store.create_scope(&scope).await.map_err(from_store)?;
        store.create_table(&id).await.map_err(from_store)?;
        let feed = feed::stream(&scope)?;
        store.create_stream(&feed, feed::config()).await.map_err(from_store)?;
        Ok(Self { store, id, feed })
    }

    pub(crate) async fn entry(&self, key: &[u8]) -> RegistryResult<Option<Entry>> {
        self.store.get(&self.id, key).await.map_err(from_store)
    }

    /// The record under a key, with its version.
    pub(crate) async fn record<T: DeserializeOwned>(
        &self,
        what: &str,
        key: &[u8],
    ) -> RegistryResult<Option<(T, Version)>> {
        match self.entry(key).await? {
            Some(entry) => Ok(Some((records::read(what, &entry.value)?, entry.version))),
            None => Ok(None),
        }
    }

    /// Commits changes, and lines of the feed with them; `false` when a condition no longer holds.
    pub(crate) async fn change(&self, changes: Vec<TableChange>, lines: Vec<Bytes>) -> RegistryResult<bool> {
        let appends = lines.into_iter().map(|line| feed::append(&self.feed, line)).collect();
        match self.store.commit(Commit { appends, ..Commit::changes(changes) }).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(from_store(error)),
        }
    }

    /// At most `limit` entries that begin with a prefix, behind a key.
    pub(crate) async fn page(
        &self,
        prefix: &[u8],
        after: Option<Bytes>,
        limit: usize,
    ) -> RegistryResult<Vec<Entry>> {
        self.store.scan(&self.id, prefix, after.as_deref(), limit).await.map_err(from_store)
    }
}

/// The refusal after too many lost races.
pub(crate) fn contended(what: impl std::fmt::Display) -> RegistryError {
    RegistryError::new(
        RegistryErrorKind::Unavailable,
        format!("{what} is changed by too many at once: try again"),
    )
}

/// A store's error, by what the registry's caller does next.
pub(crate) fn from_store(error: Error) -> RegistryError {
    let kind = match error.kind() {
        ErrorKind::Full
        | ErrorKind::Failed
        | ErrorKind::Closed
        | ErrorKind::Locked
        | ErrorKind::Unreachable => RegistryErrorKind::Unavailable,
        ErrorKind::InvalidInput => RegistryErrorKind::InvalidInput,
        ErrorKind::Truncated => RegistryErrorKind::Gone,
        _ => RegistryErrorKind::Failed,
    };
    RegistryError::new(kind, error.to_string()).because(error)
}
