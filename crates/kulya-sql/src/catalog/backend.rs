//! The stores behind a catalog: [`CatalogBackend`].

use super::objects::{NameUse, ObjectKind, SqlObjects, StoredTable};
use crate::format::{FormatFactory, FormatLibrary};
use crate::nearest::nearest;
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_codec::codec::Codecs;
use kulya_registry_api::{RegistryErrorKind, SchemaRegistry};
use kulya_schema::{GroupId, GroupProperties};
use kulya_store::{ErrorKind, Scope, StreamId, StreamStore, Version};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// The tables and the views of a database, each in name order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DatabaseNames {
    /// The streams that have a group or a stored definition, and tables of other streams.
    pub(crate) tables: Vec<String>,
    pub(crate) views: Vec<String>,
}

/// What a name of a database stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameStatus {
    Free,
    Table,
    View,
    /// A statement is writing the first rows of a table, or was interrupted.
    Unfinished,
    /// There is no table, but the stream of this name is that of a renamed one.
    Renamed,
}

/// The stream store and the schema registry behind a catalog.
#[derive(Clone)]
pub struct CatalogBackend {
    /// The store of the streams.
    pub store: Arc<dyn StreamStore>,
    /// The registry of their schemas.
    pub registry: Arc<dyn SchemaRegistry>,
    codecs: Codecs,
    formats: BTreeMap<String, Arc<dyn FormatFactory>>,
}

impl CatalogBackend {
    /// Creates a backend.
    pub fn new(store: impl Into<Arc<dyn StreamStore>>, registry: impl Into<Arc<dyn SchemaRegistry>>) -> Self {
        Self {
            store: store.into(),
            registry: registry.into(),
            codecs: Codecs::default(),
            formats: BTreeMap::new(),
        }
    }

    /// Sets the codecs of events behind the registry's header: a program's own ones, and encrypting ones with
    /// their keys. The default is all codecs without encryption.
    #[must_use]
    pub fn codecs(self, codecs: Codecs) -> Self {
        Self { codecs, ..self }
    }

    /// Adds a format of the program's own for CREATE TABLE; it replaces one of the same name, but not one of
    /// Kulya's.
    #[must_use]
    pub fn format(mut self, format: impl FormatFactory) -> Self {
        self.formats.insert(format.name().to_owned(), Arc::new(format));
        self
    }

    /// Returns what the formats of tables need.
    pub(crate) fn library(&self) -> FormatLibrary {
        FormatLibrary {
            codecs: self.codecs.clone(),
            own: self.formats.clone(),
            ..FormatLibrary::new(Arc::clone(&self.registry))
        }
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
        let existing = match nearest(database, databases.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None if databases.is_empty() => "it has none".to_owned(),
            None => format!("it has {}", databases.join(", ")),
        };
        Err(SqlError::new(
            SqlErrorKind::UnknownDatabase,
            format!("catalog {catalog} has no database {database}: {existing}"),
        ))
    }

    /// Lists what the names of a database stand for.
    pub(crate) async fn names(&self, database: &str) -> SqlResult<DatabaseNames> {
        let scope = Scope::new(database)?;
        let streams = self.store.streams(&scope).await?;
        let own = self.registry.groups(database).await?;
        let prefix = format!("{database}/");
        let default = self.registry.groups("").await?;
        let default = default.iter().filter_map(|(id, _)| id.name.strip_prefix(&prefix));
        let groups: HashSet<&str> = own.iter().map(|(id, _)| id.name.as_str()).chain(default).collect();
        let objects = SqlObjects::new(Arc::clone(&self.store));
        let stored = objects.list::<StoredTable>(ObjectKind::Table, &[database]).await?;
        let of_tables: HashSet<&str> =
            stored.iter().filter_map(|(_, table)| table.stream.as_deref()).collect();
        let names: BTreeMap<&str, &StoredTable> =
            stored.iter().map(|(name, table)| (name.as_str(), table)).collect();
        let is_table = |stream: &String| match names.get(stream.as_str()) {
            Some(stored) => stored.name_use == NameUse::Table,
            None => groups.contains(stream.as_str()) && !of_tables.contains(stream.as_str()),
        };
        let streams = streams.iter().filter(|s| !s.is_system()).map(ToString::to_string);
        let mut tables: BTreeSet<String> = streams.filter(is_table).collect();
        let of_use = |wanted: NameUse| stored.iter().filter(move |(_, table)| table.name_use == wanted);
        let without_own = of_use(NameUse::Table).filter(|(_, table)| table.names_streams);
        tables.extend(without_own.map(|(name, _)| name.clone()));
        let views = of_use(NameUse::View).map(|(name, _)| name.clone()).collect();
        Ok(DatabaseNames { tables: tables.into_iter().collect(), views })
    }

    /// Returns what a name stands for.
    pub(crate) async fn name_status(&self, names: (&str, &str)) -> SqlResult<NameStatus> {
        let stored = self.stored_table(names).await?.map(|(stored, _)| stored);
        match stored.as_ref().map(|stored| &stored.name_use) {
            Some(NameUse::View) => return Ok(NameStatus::View),
            Some(NameUse::Unfinished) => return Ok(NameStatus::Unfinished),
            Some(NameUse::RenamedTo(_)) => return Ok(NameStatus::Renamed),
            Some(NameUse::Table) | None => {}
        }
        if stored.as_ref().is_some_and(|stored| stored.names_streams) {
            return Ok(NameStatus::Table);
        }
        let Ok(stream) = StreamId::new(names.0, names.1) else { return Ok(NameStatus::Free) };
        match self.store.stream(&stream).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(NameStatus::Free),
            found => drop(found?),
        }
        let is_table = stored.is_some() || self.group(&stream).await?.is_some();
        Ok(if is_table { NameStatus::Table } else { NameStatus::Free })
    }

    /// Returns what is stored of a table or view, and its version.
    pub(crate) async fn stored_table(
        &self,
        (database, name): (&str, &str),
    ) -> SqlResult<Option<(StoredTable, Version)>> {
        SqlObjects::new(Arc::clone(&self.store)).get(ObjectKind::Table, &[database, name]).await
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
