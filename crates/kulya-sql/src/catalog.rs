//! A catalog's databases and tables: the scopes of a store, and its streams that have a registry group.

use crate::table::Table;
use crate::{SqlError, SqlResult};
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{GroupId, GroupProperties};
use kulya_store::{ErrorKind, Scope, StreamId, StreamStore};
use std::collections::HashSet;
use std::sync::Arc;

/// What a catalog stands on.
#[derive(Clone)]
pub struct Backend {
    /// The streams.
    pub store: Arc<dyn StreamStore>,
    /// Their schemas.
    pub registry: Arc<dyn SchemaRegistry>,
}

impl Backend {
    /// The databases, in name order. Names that begin with `_` are the system's.
    pub(crate) async fn databases(&self) -> SqlResult<Vec<String>> {
        let scopes = self.store.scopes().await?;
        Ok(scopes.iter().filter(|scope| !scope.is_system()).map(ToString::to_string).collect())
    }

    /// Refuses a database that is not there, naming those that are.
    pub(crate) async fn check_database(&self, catalog: &str, database: &str) -> SqlResult<()> {
        let known = self.databases().await?;
        if known.iter().any(|name| name == database) {
            return Ok(());
        }
        let known =
            if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        Err(SqlError::new(format!("catalog {catalog} has no database {database}: {known}")))
    }

    /// The tables of a database, in name order: streams that have a group.
    pub(crate) async fn tables(&self, database: &str) -> SqlResult<Vec<String>> {
        let scope = Scope::new(database)?;
        let streams = self.store.streams(&scope).await?;
        let own = self.registry.groups(database).await?;
        let prefix = format!("{database}/");
        let default = self.registry.groups("").await?;
        let default = default.iter().filter_map(|(id, _)| id.name.strip_prefix(&prefix));
        let groups: HashSet<&str> = own.iter().map(|(id, _)| id.name.as_str()).chain(default).collect();
        let streams = streams.iter().filter(|s| !s.is_system()).map(ToString::to_string);
        Ok(streams.filter(|stream| groups.contains(stream.as_str())).collect())
    }

    /// The group of a stream: its name in the namespace of its scope, or, as Java programs without namespaces have it,
    /// `scope/stream` in the default one.
    async fn group(&self, stream: &StreamId) -> SqlResult<Option<(GroupId, GroupProperties)>> {
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

    /// A table as it is now.
    pub(crate) async fn table(&self, catalog: &str, database: &str, name: &str) -> SqlResult<Table> {
        self.check_database(catalog, database).await?;
        let unknown =
            || SqlError::new(format!("database {database} has no table {name}: SHOW TABLES lists them"));
        let stream = StreamId::new(database, name).map_err(|_| unknown())?;
        match self.store.segments(&stream).await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(unknown()),
            Err(error) => return Err(error.into()),
        }
        let Some((group, properties)) = self.group(&stream).await? else {
            return Err(SqlError::new(format!(
                "stream {stream} has no schema: register one in namespace {database}, group {name}, to read it as a table"
            )));
        };
        let versions = self.registry.latest_schemas(&group, None).await?;
        let latest = versions.into_iter().max_by_key(|version| version.version.id);
        let latest =
            latest.ok_or_else(|| SqlError::new(format!("table {name} has no schema in its group yet")))?;
        let mut table = Table::new(self.clone(), stream, group, &properties, latest.schema)?;
        if table.is_changelog() {
            let type_name = Some(latest.version.type_name.as_str());
            let versions = self.registry.schema_versions(&table.group, type_name).await?;
            table.written_with(versions.iter().map(|version| &version.schema))?;
        }
        Ok(table)
    }
}
