//! Creation of tables and databases, so that a failed statement leaves nothing that a catalog shows.
//!
//! A table is a stream that has a registry group, or a stored definition. Both are made first, and the stream
//! last: until then there is no table, for this catalog and for Flink's. A statement that is interrupted
//! leaves a group without a stream, which the next CREATE TABLE of that name replaces. The statement that
//! puts the entry of [`ObjectKind::NewTable`] last owns the name.

use super::backend::{CatalogBackend, NameStatus};
use super::ddl_labels;
use super::objects::{NameUse, ObjectKind, SqlObjects, StoredTable, unchanged};
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_registry_api::RegistryErrorKind;
use kulya_schema::{Compatibility, Format, GroupId, GroupProperties, SchemaInfo};
use kulya_store::{Condition, Scope, StreamConfig, StreamId, Version};
use serde_json::{Value, json};

/// A table to create.
#[derive(Debug, Clone)]
pub(crate) struct NewTable {
    pub(crate) stream: StreamId,
    pub(crate) segments: u32,
    /// The schemas to register; `None` for a format without registry.
    pub(crate) schemas: Option<NewSchemas>,
    /// The statement, in its canonical form; `None` for a stream of another table, which has the statement.
    pub(crate) ddl: Option<String>,
    /// Whether it is no table before [`finish`] is called, because the statement writes its first rows.
    pub(crate) unfinished: bool,
}

/// Creates a table that reads and writes streams of other names. `stream` is one that is made for it.
pub(crate) async fn create_naming_table(
    backend: &CatalogBackend,
    (database, name): (&str, &str),
    ddl: String,
    stream: Option<String>,
) -> SqlResult<Creation> {
    if let Some(taken) = taken(backend, (database, name)).await? {
        return Ok(taken);
    }
    // a renamed table may have left its name to its stream
    let version = backend.stored_table((database, name)).await?.map(|(_, version)| version);
    let stored = StoredTable { ddl, names_streams: true, stream, ..StoredTable::default() };
    let objects = SqlObjects::new(backend.store.clone());
    match objects.put(ObjectKind::Table, &[database, name], unchanged(version), &stored).await {
        Err(error) if error.kind() == SqlErrorKind::Conflict => Ok(Creation::Exists),
        result => result.map(|_| Creation::Created),
    }
}

/// Returns the name of a stream that is not there, and not that of a table or view, for a table whose name
/// its stream cannot have: other characters become `-`, and a number follows if the name is taken.
pub(crate) async fn free_stream_name(
    backend: &CatalogBackend,
    database: &str,
    table: &str,
) -> SqlResult<String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let name: String = table.chars().map(|c| if is_allowed(c) { c } else { '-' }).collect();
    let existing = backend.store.streams(&Scope::new(database)?).await?;
    let objects = SqlObjects::new(backend.store.clone());
    let stored = objects.list::<StoredTable>(ObjectKind::Table, &[database]).await?;
    let is_free = |name: &String| {
        !existing.iter().any(|stream| stream.as_str() == name)
            && !stored.iter().any(|(other, _)| other == name)
    };
    let numbered = (2..existing.len() + stored.len() + 3).map(|number| format!("{name}.{number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(is_free);
    free.ok_or_else(SqlError::internal)
}

/// The schemas of a new table.
#[derive(Debug, Clone)]
pub(crate) struct NewSchemas {
    pub(crate) group: GroupId,
    pub(crate) format: Format,
    /// In the order of registration: a catalog takes the last one for the table's.
    pub(crate) versions: Vec<SchemaInfo>,
}

/// What has become of a CREATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    Created,
    Exists,
    /// A view has the name.
    IsView,
}

/// Returns whether a name is taken by a table or a view.
///
/// # Errors
/// `Conflict` for a table whose first rows are not written yet, and those of the store.
pub(super) async fn taken(backend: &CatalogBackend, names: (&str, &str)) -> SqlResult<Option<Creation>> {
    match backend.name_status(names).await? {
        NameStatus::Free | NameStatus::Renamed => Ok(None),
        NameStatus::Table => Ok(Some(Creation::Exists)),
        NameStatus::View => Ok(Some(Creation::IsView)),
        NameStatus::Unfinished => Err(unfinished(names.1)),
    }
}

/// Returns the error for a table whose first rows are not written yet.
pub(crate) fn unfinished(name: &str) -> SqlError {
    let what = format!(
        "another statement is creating table {name}, or was interrupted: DROP TABLE {name} removes what it left"
    );
    SqlError::new(SqlErrorKind::Conflict, what)
}

/// Creates a database.
pub(crate) async fn create_database(backend: &CatalogBackend, name: &str) -> SqlResult<Creation> {
    let created = backend.store.create_scope(&Scope::new(name)?).await?;
    Ok(if created { Creation::Created } else { Creation::Exists })
}

/// Creates a table in an existing database.
///
/// # Errors
/// Those of the store and the registry, and `Conflict` when another statement creates a table of this name.
pub(crate) async fn create_table(backend: &CatalogBackend, new: &NewTable) -> SqlResult<Creation> {
    let objects = SqlObjects::new(backend.store.clone());
    let names = (new.stream.scope.as_str(), new.stream.name.as_str());
    if let Some(taken) = taken(backend, names).await? {
        return Ok(taken);
    }
    let names = [names.0, names.1];
    let owned = objects.put(ObjectKind::NewTable, &names, Condition::Any, &json!({})).await?;
    let attempt = Attempt { backend, objects: &objects, new, names, owned };
    let result = attempt.create().await;
    // an entry that stays is replaced by the next statement
    let _ = objects.remove(ObjectKind::NewTable, &names, Condition::At(owned)).await;
    result
}

impl NewTable {
    fn stored(&self, name_use: NameUse) -> StoredTable {
        StoredTable { ddl: self.ddl.clone().unwrap_or_default(), name_use, ..StoredTable::default() }
    }
}

/// Makes an unfinished table one, after its first rows.
///
/// # Errors
/// `Conflict` if another statement has removed it.
pub(crate) async fn finish(backend: &CatalogBackend, new: &NewTable) -> SqlResult<()> {
    let names = [new.stream.scope.as_str(), new.stream.name.as_str()];
    let Some((StoredTable { name_use: NameUse::Unfinished, .. }, version)) =
        backend.stored_table((names[0], names[1])).await?
    else {
        let what = format!("another statement has dropped table {}", new.stream.name);
        return Err(SqlError::new(SqlErrorKind::Conflict, what));
    };
    let objects = SqlObjects::new(backend.store.clone());
    let stored = new.stored(NameUse::Table);
    objects.put(ObjectKind::Table, &names, Condition::At(version), &stored).await.map(drop)
}

struct Attempt<'a> {
    backend: &'a CatalogBackend,
    objects: &'a SqlObjects,
    new: &'a NewTable,
    names: [&'a str; 2],
    /// The version of the entry by which this statement owns the name.
    owned: Version,
}

/// What a statement has made, and removes if it fails.
#[derive(Default)]
struct Made {
    group: bool,
    definition: bool,
}

impl Attempt<'_> {
    async fn create(&self) -> SqlResult<Creation> {
        let mut made = Made::default();
        match self.create_with(&mut made).await {
            Ok(()) => Ok(Creation::Created),
            Err(error) => {
                self.undo(&made).await;
                Err(error)
            }
        }
    }

    async fn create_with(&self, made: &mut Made) -> SqlResult<()> {
        let mut is_in_labels = false;
        if self.new.unfinished {
            let stored = self.new.stored(NameUse::Unfinished);
            let put = self.objects.put(ObjectKind::Table, &self.names, Condition::Absent, &stored).await;
            made.definition = !put.as_ref().is_err_and(|error| error.kind() == SqlErrorKind::Conflict);
            put?;
        }
        if let Some(schemas) = &self.new.schemas {
            is_in_labels = self.create_group(schemas, made).await?;
            for schema in &schemas.versions {
                self.backend.registry.add_schema(&schemas.group, schema.clone()).await?;
            }
        }
        if self.new.ddl.is_some() && !is_in_labels && !self.new.unfinished {
            let stored = self.new.stored(NameUse::Table);
            made.definition = true;
            self.objects.put(ObjectKind::Table, &self.names, Condition::Any, &stored).await?;
        }
        if !self.is_owner().await? {
            *made = Made::default();
            let what = format!("another statement is creating table {}: try again", self.new.stream);
            return Err(SqlError::new(SqlErrorKind::Conflict, what));
        }
        let config = StreamConfig::with_segments(self.new.segments);
        self.backend.store.create_stream(&self.new.stream, config).await?;
        Ok(())
    }

    /// Creates the group, and returns whether it has the statement.
    async fn create_group(&self, schemas: &NewSchemas, made: &mut Made) -> SqlResult<bool> {
        let (group, registry) = (&schemas.group, &self.backend.registry);
        match registry.group(group).await {
            Ok(found) if ddl_labels::from_labels(&found.properties).is_some() => {
                // of a statement that was interrupted
                registry.delete_group(group).await?;
            }
            // a program registered its schemas before the stream
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == RegistryErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        // as Flink's catalog creates it
        let mut properties = GroupProperties::new(schemas.format.clone(), Compatibility::AllowAny, true);
        let labels = self.new.ddl.as_deref().filter(|_| !self.new.unfinished);
        let labels = labels.and_then(ddl_labels::to_labels);
        let is_in_labels = labels.is_some();
        properties.properties = labels.unwrap_or_default();
        made.group = true;
        if !registry.create_group(group, properties).await? {
            made.group = false;
            let what = format!("another program has created group {group}: try again");
            return Err(SqlError::new(SqlErrorKind::Conflict, what));
        }
        Ok(is_in_labels)
    }

    async fn is_owner(&self) -> SqlResult<bool> {
        let found = self.objects.get::<Value>(ObjectKind::NewTable, &self.names).await?;
        Ok(found.is_some_and(|(_, version)| version == self.owned))
    }

    /// Removes what was made, as far as possible: what stays is no table.
    async fn undo(&self, made: &Made) {
        if let Some(schemas) = self.new.schemas.as_ref().filter(|_| made.group)
            && self.is_owner().await.unwrap_or(false)
        {
            let _ = self.backend.registry.delete_group(&schemas.group).await;
        }
        if made.definition {
            let _ = self.objects.remove(ObjectKind::Table, &self.names, Condition::Any).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_registry::Registry;
    use kulya_store::ErrorKind;
    use kulya_store::StreamStore;
    use kulya_store::clock::ManualClock;
    use kulya_store::fault::FaultyStore;
    use kulya_store::memory::MemoryStore;
    use std::sync::Arc;

    fn orders(segments: u32, schema: &str) -> NewTable {
        let versions = vec![SchemaInfo::new("Order", Format::Avro, schema.to_owned())];
        NewTable {
            stream: StreamId::new("shop", "orders").unwrap(),
            segments,
            schemas: Some(NewSchemas {
                group: GroupId::new("shop", "orders"),
                format: Format::Avro,
                versions,
            }),
            ddl: Some(format!("CREATE TABLE orders (id BIGINT) WITH ('segments' = '{segments}')")),
            unfinished: false,
        }
    }

    const SCHEMA: &str = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#;

    async fn backend(store: Arc<dyn StreamStore>) -> CatalogBackend {
        let registry = Registry::open(Arc::clone(&store), ManualClock::default()).await.unwrap();
        CatalogBackend::new(store, registry)
    }

    #[tokio::test]
    async fn table_is_created_once() {
        let backend = backend(Arc::new(MemoryStore::new())).await;
        assert_eq!(create_database(&backend, "shop").await.unwrap(), Creation::Created);
        assert_eq!(create_database(&backend, "shop").await.unwrap(), Creation::Exists);
        let new = orders(3, SCHEMA);
        assert_eq!(create_table(&backend, &new).await.unwrap(), Creation::Created);
        assert_eq!(create_table(&backend, &orders(1, SCHEMA)).await.unwrap(), Creation::Exists);
        assert_eq!(backend.names("shop").await.unwrap().tables, ["orders"]);
        assert_eq!(backend.store.segments(&new.stream).await.unwrap().len(), 3);
        let (_, properties) = backend.group(&new.stream).await.unwrap().unwrap();
        assert_eq!(ddl_labels::from_labels(&properties.properties), new.ddl);
        let left =
            SqlObjects::new(backend.store.clone()).list::<Value>(ObjectKind::NewTable, &["shop"]).await;
        assert!(left.unwrap().is_empty());
    }

    #[tokio::test]
    async fn table_that_names_streams_needs_none_of_its_own() {
        let backend = backend(Arc::new(MemoryStore::new())).await;
        create_database(&backend, "shop").await.unwrap();
        let create =
            async |name: &str| create_naming_table(&backend, ("shop", name), "x".into(), None).await.unwrap();
        assert_eq!(create("clicks").await, Creation::Created);
        assert_eq!(create("clicks").await, Creation::Exists);
        create_table(&backend, &orders(1, SCHEMA)).await.unwrap();
        assert_eq!(create("orders").await, Creation::Exists);
        assert_eq!(backend.names("shop").await.unwrap().tables, ["clicks", "orders"]);
        let clicks = NewTable { stream: StreamId::new("shop", "clicks").unwrap(), ..orders(1, SCHEMA) };
        assert_eq!(create_table(&backend, &clicks).await.unwrap(), Creation::Exists);
    }

    #[tokio::test]
    async fn free_stream_names_are_of_no_stream() {
        let backend = backend(Arc::new(MemoryStore::new())).await;
        create_database(&backend, "shop").await.unwrap();
        let free = async |table: &str| free_stream_name(&backend, "shop", table).await.unwrap();
        assert_eq!(free("user_events").await, "user-events");
        for stream in ["user-events", "user-events.2"] {
            let stream = StreamId::new("shop", stream).unwrap();
            backend.store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
        }
        assert_eq!(free("user_events").await, "user-events.3");
    }

    #[tokio::test]
    async fn failed_creation_leaves_nothing() {
        let backend = backend(Arc::new(MemoryStore::new())).await;
        create_database(&backend, "shop").await.unwrap();
        let error = create_table(&backend, &orders(1, "{")).await.unwrap_err();
        assert_eq!(error.kind(), SqlErrorKind::Failed, "{error}");
        assert!(backend.registry.groups("shop").await.unwrap().is_empty());
        assert!(backend.store.streams(&Scope::new("shop").unwrap()).await.unwrap().is_empty());
        // without segments the stream is refused, which is the last step
        create_table(&backend, &orders(0, SCHEMA)).await.unwrap_err();
        assert!(backend.registry.groups("shop").await.unwrap().is_empty());
        let long = NewTable { ddl: Some("x".repeat(20_000)), ..orders(0, SCHEMA) };
        create_table(&backend, &long).await.unwrap_err();
        let objects = SqlObjects::new(backend.store.clone());
        assert!(objects.list::<Value>(ObjectKind::Table, &["shop"]).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn interrupted_creation_is_no_table_and_can_be_repeated() {
        let new = orders(2, SCHEMA);
        let mut failures = 0;
        for allowed in 0.. {
            let store = MemoryStore::new();
            let faulty = Arc::new(FaultyStore::failing_after(store, u64::MAX, ErrorKind::Unreachable));
            let backend = backend(faulty.clone() as Arc<dyn StreamStore>).await;
            create_database(&backend, "shop").await.unwrap();
            faulty.allow(allowed);
            let result = create_table(&backend, &new).await;
            faulty.allow(u64::MAX);
            if result.is_ok() {
                break;
            }
            failures += 1;
            assert!(backend.names("shop").await.unwrap().tables.is_empty(), "after {allowed} writes");
            assert_eq!(backend.name_status(("shop", "orders")).await.unwrap(), NameStatus::Free);
            assert!(backend.store.streams(&new.stream.scope).await.unwrap().is_empty());
            assert_eq!(create_table(&backend, &new).await.unwrap(), Creation::Created);
            assert_eq!(backend.names("shop").await.unwrap().tables, ["orders"]);
            let group = GroupId::new("shop", "orders");
            assert_eq!(backend.registry.latest_schemas(&group, None).await.unwrap().len(), 1);
        }
        assert!(failures > 4, "{failures} steps can fail");
    }

    #[tokio::test]
    async fn group_that_a_program_has_made_is_kept() {
        let backend = backend(Arc::new(MemoryStore::new())).await;
        create_database(&backend, "shop").await.unwrap();
        let group = GroupId::new("shop", "orders");
        let properties = GroupProperties::new(Format::Avro, Compatibility::Full, false);
        backend.registry.create_group(&group, properties.clone()).await.unwrap();
        let new = orders(1, SCHEMA);
        assert_eq!(create_table(&backend, &new).await.unwrap(), Creation::Created);
        assert_eq!(backend.registry.group(&group).await.unwrap(), properties);
        let objects = SqlObjects::new(backend.store.clone());
        let stored = objects.get::<StoredTable>(ObjectKind::Table, &["shop", "orders"]).await.unwrap();
        assert_eq!(Some(stored.unwrap().0.ddl), new.ddl);
    }
}
