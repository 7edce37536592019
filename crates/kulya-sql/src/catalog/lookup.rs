//! Look-up of a table in a catalog: for each statement again, so that schemas are never cached.

use super::backend::CatalogBackend;
use crate::table::TableDefinition;
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_store::{ErrorKind, StreamId};

/// Looks a table up, with its current schema.
pub(crate) async fn find_table(
    backend: &CatalogBackend,
    catalog: &str,
    database: &str,
    name: &str,
) -> SqlResult<TableDefinition> {
    backend.check_database(catalog, database).await?;
    let unknown = || {
        SqlError::new(
            SqlErrorKind::UnknownTable,
            format!("database {database} has no table {name}: SHOW TABLES lists them"),
        )
    };
    let stream = StreamId::new(database, name).map_err(|_| unknown())?;
    match backend.store.segments(&stream).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(unknown()),
        Err(error) => return Err(error.into()),
    }
    let Some((group, properties)) = backend.group(&stream).await? else {
        return Err(SqlError::new(
            SqlErrorKind::UnknownTable,
            format!(
                "stream {stream} has no schema: register one in namespace {database}, group {name}, to read it as a table"
            ),
        ));
    };
    let versions = backend.registry.latest_schemas(&group, None).await?;
    let latest = versions.into_iter().max_by_key(|version| version.version.id);
    let latest = latest.ok_or_else(|| {
        SqlError::new(SqlErrorKind::UnknownTable, format!("table {name} has no schema in its group yet"))
    })?;
    let mut table =
        TableDefinition::new(&backend.registry, stream, group.clone(), &properties, latest.schema)?;
    if table.is_changelog() {
        let type_name = Some(latest.version.type_name.as_str());
        let mut versions = backend.registry.schema_versions(&group, type_name).await?;
        versions.sort_by_key(|version| version.version.id);
        table.set_versions(versions.into_iter().map(|version| version.schema).collect())?;
    }
    Ok(table)
}
