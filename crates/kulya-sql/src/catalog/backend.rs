//! The stores behind a catalog: [`CatalogBackend`].

use super::objects::{ObjectKind, SqlObjects, StoredTable};
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{GroupId, GroupProperties};
use kulya_store::{Scope, StreamId, StreamStore};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// The stream store and the schema registry behind a catalog.
#[derive(Clone)]
pub struct CatalogBackend {
    /// The store of the streams.
    pub store: Arc<dyn StreamStore>,
    /// The registry of their schemas.
    pub registry: Arc<dyn SchemaRegistry>,
}

impl CatalogBackend {
    /// Creates a backend.
    pub fn new(store: impl Into<Arc<dyn StreamStore>>, registry: impl Into<Arc<dyn SchemaRegistry>>) -> Self {
        Self { store: store.into(), registry: registry.into() }
    }

    /// Lists the databases in name order: all scopes but system scopes, whose names begin with `_`.
    pub(crate) async fn databases(&self) -> SqlResult<Vec<String>> {
        let scopes = self.store.scopes().await?;
        Ok(scopes.iter().filter(|scope| !scope.is_system()).map(ToString::to_string).collect())
    }

    /// Checks that a database exists; the error lists the existing ones.
    pub(crate) async fn check_database(&self, catalog: &str, database: &str) -> SqlResult<()> {
        let databases = self.databases().await?;
        if databases.iter().any(|name| name == database) {
            return Ok(());
        }
        let existing = if databases.is_empty() {
            "it has none".to_owned()
        } else {
            format!("it has {}", databases.join(", "))
        };
        Err(SqlError::new(
            SqlErrorKind::UnknownDatabase,
            format!("catalog {catalog} has no database {database}: {existing}"),
        ))
    }

    /// Lists the tables of a database in name order: the streams that have a group or a stored definition.
    pub(crate) async fn tables(&self, database: &str) -> SqlResult<Vec<String>> {
        let scope = Scope::new(database)?;
        let streams = self.store.streams(&scope).await?;
        let own = self.registry.groups(database).await?;
        let prefix = format!("{database}/");
        let default = self.registry.groups("").await?;
        let default = default.iter().filter_map(|(id, _)| id.name.strip_prefix(&prefix));
        let groups: HashSet<&str> = own.iter().map(|(id, _)| id.name.as_str()).chain(default).collect();
        let objects = SqlObjects::new(Arc::clone(&self.store));
        let stored = objects.list::<StoredTable>(ObjectKind::Table, &[database]).await?;
        let own: HashSet<&str> = stored.iter().filter_map(|(_, table)| table.stream.as_deref()).collect();
        let stored: BTreeMap<&str, bool> =
            stored.iter().map(|(name, table)| (name.as_str(), table.names_streams)).collect();
        let streams = streams.iter().filter(|s| !s.is_system()).map(ToString::to_string);
        let mut tables: BTreeSet<String> = streams
            .filter(|stream| groups.contains(stream.as_str()) || stored.contains_key(stream.as_str()))
            .filter(|stream| !own.contains(stream.as_str()))
            .collect();
        tables.extend(stored.iter().filter(|(_, names)| **names).map(|(name, _)| (*name).to_owned()));
        Ok(tables.into_iter().collect())
    }

    /// Returns the group of a stream: the stream's name in the namespace of its scope, or `scope/stream` in
    /// the default namespace, as Java programs without namespaces have it.
    pub(crate) async fn group(&self, stream: &StreamId) -> SqlResult<Option<(GroupId, GroupProperties)>> {
        let (scope, name) = (stream.scope.as_str(), stream.name.as_str());
        for group in [GroupId::new(scope, name), GroupId::new("", format!("{scope}/{name}"))] {
            match self.registry.group(&group).await {
                Ok(properties) => return Ok(Some((group, properties))),
                Err(error) if error.kind() == RegistryErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}
