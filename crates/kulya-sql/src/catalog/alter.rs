//! Changes of tables: a new definition beside the registry, of the same or another name.
//!
//! The definition is one commit, which requires that it is still the one that the change started from; of two
//! statements that change a table at once, one fails. Schemas are registered before it, so that a refusal by
//! the group leaves the table as it was.

use super::backend::CatalogBackend;
use super::objects::{NameUse, ObjectChange, ObjectKind, SqlObjects, StoredTable, unchanged};
use super::remove::remove_stream;
use super::views::{changed_meanwhile, check_free};
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_schema::{GroupId, SchemaInfo};
use kulya_store::{ErrorKind, StreamId, Version};

/// What is stored of a table before a change.
#[derive(Debug, Clone)]
pub(crate) struct TableBefore {
    pub(crate) stored: StoredTable,
    /// `None` if the definition is not beside the registry.
    version: Option<Version>,
}

/// Returns what is stored of a table: the start of a change.
pub(crate) async fn table_before(backend: &CatalogBackend, names: (&str, &str)) -> SqlResult<TableBefore> {
    Ok(match backend.stored_table(names).await? {
        Some((stored, version)) => TableBefore { stored, version: Some(version) },
        None => TableBefore { stored: StoredTable::default(), version: None },
    })
}

/// A new definition of a table.
#[derive(Debug, Clone)]
pub(crate) struct NewDefinition {
    /// The present definition, for a table that follows from its group alone.
    pub(crate) present: Option<String>,
    pub(crate) ddl: String,
    pub(crate) names_streams: bool,
    pub(crate) schemas: Option<(GroupId, Vec<SchemaInfo>)>,
}

/// Changes a table's definition.
///
/// # Errors
/// `Incompatible` for a schema that the group refuses, `Conflict` if another statement has changed the table,
/// and those of the store and the registry.
pub(crate) async fn change_table(
    backend: &CatalogBackend,
    (database, name): (&str, &str),
    before: &TableBefore,
    new: NewDefinition,
) -> SqlResult<()> {
    let objects = SqlObjects::new(backend.store.clone());
    let names = [database, name];
    let mut version = before.version;
    if let Some((group, schemas)) = new.schemas {
        if let Some(ddl) = new.present {
            // the schema must not become the table's before the definition does
            let present = StoredTable { ddl, ..StoredTable::default() };
            let put = objects.put(ObjectKind::Table, &names, unchanged(version), &present).await;
            version = Some(put.map_err(|error| changed_meanwhile(error, name))?);
        }
        for schema in schemas {
            backend.registry.add_schema(&group, schema).await?;
        }
    }
    // the stream of its name stays the table's, also when it reads others
    let own = || (!before.stored.names_streams).then(|| name.to_owned());
    let stream = before.stored.stream.clone().or_else(own).filter(|_| new.names_streams);
    let stored =
        StoredTable { ddl: new.ddl, name_use: NameUse::Table, names_streams: new.names_streams, stream };
    let put = objects.put(ObjectKind::Table, &names, unchanged(version), &stored).await;
    put.map(drop).map_err(|error| changed_meanwhile(error, name))
}

/// Renames a table. Its stream keeps its name: `stream` is the one of the table's name, which the statement
/// `ddl` names then.
///
/// # Errors
/// `TableExists` if the name is taken, and as [`change_table`].
pub(crate) async fn rename_table(
    backend: &CatalogBackend,
    (database, name): (&str, &str),
    new_name: &str,
    before: &TableBefore,
    ddl: String,
) -> SqlResult<()> {
    check_free(backend, (database, new_name)).await?;
    let free = backend.stored_table((database, new_name)).await?.map(|(_, version)| version);
    let own = (!before.stored.names_streams).then(|| name.to_owned());
    let stream = before.stored.stream.clone().or(own);
    let stored = StoredTable { ddl, name_use: NameUse::Table, names_streams: true, stream: stream.clone() };
    let former = if is_stream(backend, database, name).await? {
        let former =
            StoredTable { name_use: NameUse::RenamedTo(new_name.to_owned()), ..StoredTable::default() };
        ObjectChange::put(ObjectKind::Table, &[database, name], unchanged(before.version), &former)?
    } else {
        ObjectChange::remove(ObjectKind::Table, &[database, name], unchanged(before.version))
    };
    let mut changes =
        vec![former, ObjectChange::put(ObjectKind::Table, &[database, new_name], unchanged(free), &stored)?];
    // a name before the former one tells of the new one
    if let Some(stream) = stream.as_deref().filter(|stream| *stream != name && *stream != new_name)
        && let Some((StoredTable { name_use: NameUse::RenamedTo(_), .. }, version)) =
            backend.stored_table((database, stream)).await?
    {
        let first =
            StoredTable { name_use: NameUse::RenamedTo(new_name.to_owned()), ..StoredTable::default() };
        let names = [database, stream];
        changes.push(ObjectChange::put(ObjectKind::Table, &names, unchanged(Some(version)), &first)?);
    }
    let objects = SqlObjects::new(backend.store.clone());
    objects.change(changes).await.map(drop).map_err(|error| changed_meanwhile(error, name))
}

async fn is_stream(backend: &CatalogBackend, database: &str, name: &str) -> SqlResult<bool> {
    let Ok(stream) = StreamId::new(database, name) else { return Ok(false) };
    match backend.store.stream(&stream).await {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        found => found.map(|_| true).map_err(SqlError::from),
    }
}

/// Makes an unfinished stream that of a table, after its first rows. The former stream of a table that is
/// replaced is removed after that: the new rows replace the old ones in one commit.
///
/// # Errors
/// `Conflict` if another statement has changed the table or dropped the stream.
pub(crate) async fn publish(
    backend: &CatalogBackend,
    (database, name): (&str, &str),
    replaced: Option<&TableBefore>,
    ddl: String,
    new_stream: &StreamId,
) -> SqlResult<()> {
    let (scope, stream) = (new_stream.scope.as_str(), new_stream.name.as_str());
    let Some((StoredTable { name_use: NameUse::Unfinished, .. }, unfinished)) =
        backend.stored_table((scope, stream)).await?
    else {
        let what = format!("another statement has dropped stream {new_stream}");
        return Err(SqlError::new(SqlErrorKind::Conflict, what));
    };
    let version = match replaced {
        Some(before) => before.version,
        // a renamed table may have left its name to its stream
        None => table_before(backend, (database, name)).await?.version,
    };
    let own = (scope == database).then(|| stream.to_owned());
    let stored = StoredTable { ddl, name_use: NameUse::Table, names_streams: true, stream: own };
    let changes = vec![
        ObjectChange::put(ObjectKind::Table, &[database, name], unchanged(version), &stored)?,
        ObjectChange::remove(ObjectKind::Table, &[scope, stream], unchanged(Some(unfinished))),
    ];
    let objects = SqlObjects::new(backend.store.clone());
    objects.change(changes).await.map_err(|error| changed_meanwhile(error, name))?;
    let Some(before) = replaced else { return Ok(()) };
    let own = (!before.stored.names_streams).then(|| name.to_owned());
    if let Some(former) = before.stored.stream.clone().or(own) {
        remove_stream(backend, &StreamId::new(database, &former)?).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::create::{NewTable, create_database, create_table};
    use crate::catalog::views::{create_view, replace_view};
    use kulya_registry::Registry;
    use kulya_store::clock::ManualClock;
    use kulya_store::memory::MemoryStore;

    /// Of two statements that start from the same definition, one wins.
    #[tokio::test]
    async fn of_two_changes_at_once_one_fails() {
        let store = MemoryStore::new();
        let registry = Registry::open(store.clone(), ManualClock::default()).await.unwrap();
        let backend = CatalogBackend::new(store, registry);
        create_database(&backend, "shop").await.unwrap();
        let stream = StreamId::new("shop", "t").unwrap();
        let ddl = Some("CREATE TABLE t (a INT)".to_owned());
        let new = NewTable { stream, segments: 1, schemas: None, ddl, unfinished: false };
        create_table(&backend, &new).await.unwrap();
        let names = ("shop", "t");
        let definition = |ddl: &str| NewDefinition {
            present: None,
            ddl: ddl.to_owned(),
            names_streams: false,
            schemas: None,
        };
        let before = table_before(&backend, names).await.unwrap();
        change_table(&backend, names, &before, definition("first")).await.unwrap();
        let error = change_table(&backend, names, &before, definition("second")).await.unwrap_err();
        assert_eq!(error.kind(), SqlErrorKind::Conflict);
        assert!(error.to_string().contains("another statement has changed t at the same time"), "{error}");
        let error = rename_table(&backend, names, "u", &before, "third".to_owned()).await.unwrap_err();
        assert_eq!(error.kind(), SqlErrorKind::Conflict);
        assert_eq!(table_before(&backend, names).await.unwrap().stored.ddl, "first");
        // the same for views
        create_view(&backend, ("shop", "v"), "CREATE VIEW v AS SELECT 1".to_owned(), Vec::new())
            .await
            .unwrap();
        let changed = replace_view(&backend, ("shop", "v"), |_| {
            let inner = backend.clone();
            std::thread::scope(|scope| {
                let other = scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(replace_view(&inner, ("shop", "v"), |_| Ok("other".to_owned())))
                });
                other.join().unwrap()
            })?;
            Ok("mine".to_owned())
        });
        assert_eq!(changed.await.unwrap_err().kind(), SqlErrorKind::Conflict);
    }
}
