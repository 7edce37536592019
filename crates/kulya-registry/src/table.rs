//! The registry's table in the store, and the loop of every change: read, decide, commit under the condition that
//! what was read still stands, and again when it does not.

use crate::feed;
use crate::records;
use bytes::Bytes;
use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_store::{Commit, Entry, Error, ErrorKind, StreamId, StreamStore, TableChange, TableId, Version};
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
    /// The registry's table in a store. Nothing is asked of the store, and nothing made: a table that is not there has no
    /// entries, and the first change makes it.
    pub(crate) fn new(store: Arc<dyn StreamStore>) -> RegistryResult<Self> {
        let id = TableId::system("_schemaregistry", "registry").map_err(from_store)?;
        let feed = feed::stream(&id.scope)?;
        Ok(Self { store, id, feed })
    }

    /// Makes scope, table and feed where they are not there.
    pub(crate) async fn create(&self) -> RegistryResult<()> {
        self.store.create_scope(&self.id.scope).await.map_err(from_store)?;
        self.store.create_table(&self.id).await.map_err(from_store)?;
        self.store.create_stream(&self.feed, feed::config()).await.map_err(from_store)?;
        Ok(())
    }

    pub(crate) async fn entry(&self, key: &[u8]) -> RegistryResult<Option<Entry>> {
        existing(self.store.get(&self.id, key).await)
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
        let commit = Commit { appends, ..Commit::changes(changes) };
        let mut done = self.store.commit(commit.clone()).await;
        if done.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            // the first change: whoever only adds to a registry that is there needs no right to make one
            self.create().await?;
            done = self.store.commit(commit).await;
        }
        match done {
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
        existing(self.store.scan(&self.id, prefix, after.as_deref(), limit).await)
    }
}

/// What was found in the table; nothing where there is none.
fn existing<T: Default>(found: kulya_store::Result<T>) -> RegistryResult<T> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(T::default()),
        found => found.map_err(from_store),
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
