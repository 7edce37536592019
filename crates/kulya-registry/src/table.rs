//! The registry's table in the store, and the loop of every change: read, decide, commit under the condition that
//! what was read still stands, and again when it does not.

use crate::records;
use kulya_codec::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_store::{Commit, Entry, Error, ErrorKind, Scope, StreamStore, TableChange, TableId, Version};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// How often a change is tried against other writers before the caller is told to come back.
pub(crate) const TRIES: usize = 100;

#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) store: Arc<dyn StreamStore>,
    pub(crate) id: TableId,
}

impl Table {
    /// Opens the registry's table, making scope and table when they are not there.
    pub(crate) async fn open(store: Arc<dyn StreamStore>) -> RegistryResult<Self> {
        let scope = Scope::system("_schemaregistry");
        let id = TableId::system("_schemaregistry", "registry").map_err(from_store)?;
        store.create_scope(&scope).await.map_err(from_store)?;
        store.create_table(&id).await.map_err(from_store)?;
        Ok(Self { store, id })
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

    /// Commits changes; `false` when a condition no longer holds.
    pub(crate) async fn change(&self, changes: Vec<TableChange>) -> RegistryResult<bool> {
        match self.store.commit(Commit::changes(changes)).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(from_store(error)),
        }
    }

    /// All entries that begin with a prefix.
    pub(crate) async fn all(&self, prefix: &[u8]) -> RegistryResult<Vec<Entry>> {
        const PAGE: usize = 1000;
        let mut found: Vec<Entry> = Vec::new();
        loop {
            let after = found.last().map(|entry| entry.key.clone());
            let page = self.store.scan(&self.id, prefix, after.as_deref(), PAGE).await.map_err(from_store)?;
            let is_last = page.len() < PAGE;
            found.extend(page);
            if is_last {
                return Ok(found);
            }
        }
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
        _ => RegistryErrorKind::Failed,
    };
    RegistryError::new(kind, error.to_string()).because(error)
}
