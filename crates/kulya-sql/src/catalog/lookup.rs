//! Look-up of a table in a catalog: for each statement again, so that schemas are never cached.

use super::backend::CatalogBackend;
use super::ddl_labels;
use crate::dialect::parse_create_table;
use crate::table::{TableDefinition, TableSpec};
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_schema::{Format, GroupId, GroupProperties};
use kulya_store::{ErrorKind, StreamId};
use std::sync::Arc;

/// Looks a table up, with its current schema. `default_format` is that of the catalog.
pub(crate) async fn find_table(
    backend: &CatalogBackend,
    default_format: &Format,
    catalog: &str,
    (database, name): (&str, &str),
) -> SqlResult<TableDefinition> {
    backend.check_database(catalog, database).await?;
    let unknown = || {
        let what = format!("database {database} has no table {name}: SHOW TABLES lists them");
        SqlError::new(SqlErrorKind::UnknownTable, what)
    };
    let of_statement = |ddl: &str| {
        let spec = stored_spec(name, ddl)?;
        TableDefinition::of_spec(&backend.registry, (database, name), Arc::new(spec), default_format)
    };
    let stream = StreamId::new(database, name).ok();
    let segments = match &stream {
        Some(stream) => backend.store.segments(stream).await.map(Some),
        None => Ok(None),
    };
    let stream = match segments {
        Ok(Some(_)) => stream,
        Ok(None) => None,
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let Some(stream) = stream else {
        // a table may have streams of other names
        let stored = backend.stored_table((database, name)).await?;
        let stored = stored.filter(|stored| stored.names_streams).ok_or_else(unknown)?;
        return of_statement(&stored.ddl);
    };
    let group = backend.group(&stream).await?;
    if let Some(stored) = backend.stored_table((database, name)).await? {
        return of_statement(&stored.ddl);
    }
    let Some((group, properties)) = group else {
        let what = format!(
            "stream {stream} has no schema: register one in namespace {database}, group {name}, to read it as a table"
        );
        return Err(SqlError::new(SqlErrorKind::UnknownTable, what));
    };
    match ddl_labels::from_labels(&properties.properties) {
        Some(ddl) => of_statement(&ddl),
        None => of_group(backend, stream, group, &properties).await,
    }
}

/// Returns the definition in a stored statement.
fn stored_spec(name: &str, ddl: &str) -> SqlResult<TableSpec> {
    parse_create_table(ddl).map_err(SqlError::from).and_then(|create| TableSpec::new(&create)).map_err(
        |error| {
            let what = format!("the stored definition of table {name} cannot be used: {error}");
            SqlError::new(error.kind(), what)
        },
    )
}

/// Returns the table that follows from a group.
async fn of_group(
    backend: &CatalogBackend,
    stream: StreamId,
    group: GroupId,
    properties: &GroupProperties,
) -> SqlResult<TableDefinition> {
    let versions = backend.registry.latest_schemas(&group, None).await?;
    let latest = versions.into_iter().max_by_key(|version| version.version.id);
    let latest = latest.ok_or_else(|| {
        let what = format!("table {} has no schema in its group yet", stream.name);
        SqlError::new(SqlErrorKind::UnknownTable, what)
    })?;
    let registry = &backend.registry;
    let mut table = TableDefinition::of_group(registry, stream, group.clone(), properties, latest.schema)?;
    if table.is_changelog() {
        let type_name = Some(latest.version.type_name.as_str());
        let mut versions = registry.schema_versions(&group, type_name).await?;
        versions.sort_by_key(|version| version.version.id);
        table.set_versions(versions.into_iter().map(|version| version.schema).collect())?;
    }
    Ok(table)
}
