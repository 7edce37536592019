//! Removal of tables and databases. The stream goes first: without it there is no table, whatever is
//! interrupted.

use super::backend::{CatalogBackend, NameStatus};
use super::objects::{NameUse, ObjectKind, SqlObjects, StoredTable};
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_schema::{GroupProperties, capture_labels};
use kulya_store::{Condition, ErrorKind, Scope, StreamId};

/// Removes a table with its events and schemas; returns `false` if there is none.
///
/// # Errors
/// `InUse` for the stream of a captured table, and those of the store and the registry.
pub(crate) async fn drop_table(backend: &CatalogBackend, names: (&str, &str)) -> SqlResult<bool> {
    match backend.name_status(names).await? {
        NameStatus::Table | NameStatus::Unfinished => {}
        NameStatus::Free | NameStatus::Renamed | NameStatus::View => return Ok(false),
    }
    let stored = backend.stored_table(names).await?.map(|(stored, _)| stored);
    match stored.filter(|stored| stored.names_streams) {
        // streams that it only names are not its own
        Some(stored) => {
            if let Some(stream) = stored.stream {
                remove_stream(backend, &StreamId::new(names.0, &stream)?).await?;
                remove_former_name(backend, names, &stream).await?;
            }
        }
        None => remove_stream(backend, &StreamId::new(names.0, names.1)?).await?,
    }
    remove_definition(backend, names).await?;
    Ok(true)
}

/// Removes what an unfinished table has; another statement may have finished or replaced it.
pub(crate) async fn drop_unfinished(backend: &CatalogBackend, stream: &StreamId) -> SqlResult<()> {
    let names = (stream.scope.as_str(), stream.name.as_str());
    match backend.name_status(names).await? {
        NameStatus::Unfinished => drop_table(backend, names).await.map(drop),
        _ => Ok(()),
    }
}

/// Removes a stream with its group.
///
/// # Errors
/// As [`drop_table`].
pub(crate) async fn remove_stream(backend: &CatalogBackend, stream: &StreamId) -> SqlResult<()> {
    let group = backend.group(stream).await?;
    if let Some(table) = group.as_ref().and_then(|(_, found)| captured_table(found)) {
        let what = format!(
            "stream {stream} has the changes of table {table}, which a capture writes: end the capture with kulya cdc drop first"
        );
        return Err(SqlError::new(SqlErrorKind::InUse, what));
    }
    match backend.store.seal_stream(stream).await {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => backend.store.delete_stream(stream).await?,
    };
    if let Some((group, _)) = group {
        backend.registry.delete_group(&group).await?;
    }
    Ok(())
}

/// Returns the table whose changes a capture writes to the stream of this group.
pub(crate) fn captured_table(group: &GroupProperties) -> Option<&str> {
    group.properties.get(capture_labels::TABLE).map(String::as_str)
}

/// Removes the entry that a renamed table has under the name of its stream.
async fn remove_former_name(
    backend: &CatalogBackend,
    (database, name): (&str, &str),
    stream: &str,
) -> SqlResult<()> {
    match backend.stored_table((database, stream)).await? {
        Some((StoredTable { name_use: NameUse::RenamedTo(now), .. }, version)) if now == name => {
            let objects = SqlObjects::new(backend.store.clone());
            objects.remove(ObjectKind::Table, &[database, stream], Condition::At(version)).await
        }
        _ => Ok(()),
    }
}

async fn remove_definition(backend: &CatalogBackend, (database, name): (&str, &str)) -> SqlResult<()> {
    let objects = SqlObjects::new(backend.store.clone());
    objects.remove(ObjectKind::Table, &[database, name], Condition::Any).await
}

/// Removes a database; with `cascade`, its streams too. Returns `false` if there is none.
///
/// # Errors
/// `InUse` if it has streams, and those of the store and the registry.
pub(crate) async fn drop_database(backend: &CatalogBackend, name: &str, cascade: bool) -> SqlResult<bool> {
    let scope = Scope::new(name)?;
    let streams = match backend.store.streams(&scope).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        streams => streams?,
    };
    let objects = SqlObjects::new(backend.store.clone());
    let stored = objects.list::<StoredTable>(ObjectKind::Table, &[name]).await?;
    let is_object = |stored: &StoredTable| stored.names_streams || stored.name_use == NameUse::View;
    if let Some((object, stored)) = stored.iter().find(|(_, stored)| is_object(stored))
        && !cascade
    {
        let kind = if stored.name_use == NameUse::View { "view" } else { "table" };
        let what = format!(
            "database {name} has {kind} {object}: drop its tables and views first, or use DROP DATABASE {name} CASCADE"
        );
        return Err(SqlError::new(SqlErrorKind::InUse, what));
    }
    if let [first, ..] = streams.as_slice()
        && !cascade
    {
        let what = match streams.len() {
            1 => format!("database {name} has stream {first}"),
            count => format!("database {name} has {count} streams, {first} the first of them"),
        };
        let what = format!("{what}: drop its tables first, or use DROP DATABASE {name} CASCADE");
        return Err(SqlError::new(SqlErrorKind::InUse, what));
    }
    for (table, _) in stored {
        remove_definition(backend, (name, &table)).await?;
    }
    for stream in streams {
        remove_stream(backend, &StreamId { scope: scope.clone(), name: stream }).await?;
    }
    objects.remove(ObjectKind::Database, &[name], Condition::Any).await?;
    Ok(backend.store.delete_scope(&scope).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::create::{NewSchemas, NewTable, create_database, create_naming_table, create_table};
    use kulya_registry::Registry;
    use kulya_schema::{Compatibility, Format, GroupId, SchemaInfo};
    use kulya_store::StreamConfig;
    use kulya_store::clock::ManualClock;
    use kulya_store::memory::MemoryStore;

    fn table(name: &str, ddl: &str) -> NewTable {
        let schema = r#"{"type":"record","name":"r","fields":[{"name":"id","type":"long"}]}"#;
        let versions = vec![SchemaInfo::new("r", Format::Avro, schema.to_owned())];
        NewTable {
            stream: StreamId::new("shop", name).unwrap(),
            segments: 1,
            schemas: Some(NewSchemas { group: GroupId::new("shop", name), format: Format::Avro, versions }),
            ddl: Some(ddl.to_owned()),
            unfinished: false,
        }
    }

    async fn shop() -> CatalogBackend {
        let store = MemoryStore::new();
        let registry = Registry::open(store.clone(), ManualClock::default()).await.unwrap();
        let backend = CatalogBackend::new(store, registry);
        create_database(&backend, "shop").await.unwrap();
        backend
    }

    #[tokio::test]
    async fn nothing_of_a_dropped_table_is_left() {
        let backend = shop().await;
        let long = "x".repeat(20_000);
        for ddl in ["short", &long] {
            let new = table("orders", ddl);
            create_table(&backend, &new).await.unwrap();
            assert!(drop_table(&backend, ("shop", "orders")).await.unwrap());
            assert!(!drop_table(&backend, ("shop", "orders")).await.unwrap());
            assert!(backend.registry.groups("shop").await.unwrap().is_empty());
            let objects = SqlObjects::new(backend.store.clone());
            assert!(objects.list::<StoredTable>(ObjectKind::Table, &["shop"]).await.unwrap().is_empty());
        }
        assert!(drop_database(&backend, "shop", false).await.unwrap());
        assert!(!drop_database(&backend, "shop", false).await.unwrap());
    }

    #[tokio::test]
    async fn database_with_streams_is_dropped_with_cascade_only() {
        let backend = shop().await;
        create_table(&backend, &table("orders", "x")).await.unwrap();
        let raw = StreamId::new("shop", "raw").unwrap();
        backend.store.create_stream(&raw, StreamConfig::with_segments(1)).await.unwrap();
        let error = drop_database(&backend, "shop", false).await.unwrap_err();
        assert_eq!(error.kind(), SqlErrorKind::InUse);
        assert!(error.to_string().contains("2 streams, orders the first"), "{error}");
        assert!(drop_database(&backend, "shop", true).await.unwrap());
        assert!(backend.databases().await.unwrap().is_empty());
        assert!(backend.registry.groups("shop").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn streams_that_a_table_names_stay() {
        let backend = shop().await;
        let orders = table("orders", "x");
        create_table(&backend, &orders).await.unwrap();
        create_naming_table(&backend, ("shop", "clicks"), "x".into(), None).await.unwrap();
        assert!(drop_table(&backend, ("shop", "clicks")).await.unwrap());
        assert_eq!(backend.names("shop").await.unwrap().tables, ["orders"]);
        create_naming_table(&backend, ("shop", "clicks"), "x".into(), None).await.unwrap();
        drop_table(&backend, ("shop", "orders")).await.unwrap();
        let error = drop_database(&backend, "shop", false).await.unwrap_err();
        assert!(error.to_string().contains("database shop has table clicks"), "{error}");
        assert!(drop_database(&backend, "shop", true).await.unwrap());
        create_database(&backend, "shop").await.unwrap();
        assert!(backend.names("shop").await.unwrap().tables.is_empty());
    }

    #[tokio::test]
    async fn stream_of_a_capture_is_not_dropped() {
        let backend = shop().await;
        let stream = StreamId::new("shop", "db.public.orders").unwrap();
        backend.store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
        let mut properties = GroupProperties::new(Format::Json, Compatibility::AllowAny, true);
        properties.properties.insert(capture_labels::TABLE.into(), "public.orders".into());
        let group = GroupId::new("shop", "db.public.orders");
        backend.registry.create_group(&group, properties).await.unwrap();
        let error = drop_table(&backend, ("shop", "db.public.orders")).await.unwrap_err();
        assert!(error.to_string().contains("kulya cdc drop"), "{error}");
        assert_eq!(backend.names("shop").await.unwrap().tables, ["db.public.orders"]);
    }
}
