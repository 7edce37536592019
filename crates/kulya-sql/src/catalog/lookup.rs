//! Look-up of a table or view in a catalog: for each statement again, so that schemas are never cached.

use super::backend::{CatalogBackend, DatabaseNames};
use super::ddl_labels;
use super::objects::{NameUse, StoredTable};
use super::remove::captured_table;
use crate::dialect::{CreateView, parse_create_table, parse_create_view};
use crate::nearest::nearest;
use crate::table::{TableDefaults, TableDefinition, TableSpec};
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_schema::{GroupId, GroupProperties};
use kulya_store::{ErrorKind, StreamId};
use std::sync::Arc;

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Found {
    Table(Box<TableDefinition>),
    View(Box<CreateView>),
}

/// Looks a table or view up, a table with its current schema. `defaults` are those of the catalog.
pub(crate) async fn find(
    backend: &CatalogBackend,
    defaults: &TableDefaults,
    catalog: &str,
    (database, name): (&str, &str),
) -> SqlResult<Found> {
    backend.check_database(catalog, database).await?;
    let of_statement = |stored: &StoredTable| match stored.name_use {
        NameUse::View => Ok(Found::View(Box::new(stored_view(name, &stored.ddl)?))),
        _ => of_statement(backend, defaults, (database, name), &stored.ddl),
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
    // the group first: a reader without permissions learns of the one that programs need too
    let group = match &stream {
        Some(stream) => backend.group(stream).await?,
        None => None,
    };
    let stored = backend.stored_table((database, name)).await?.map(|(stored, _)| stored);
    if let Some(stored) = &stored {
        match &stored.name_use {
            NameUse::View => return of_statement(stored),
            NameUse::Table if stream.is_some() || stored.names_streams => return of_statement(stored),
            NameUse::Table => {}
            NameUse::Unfinished => {
                let what = format!(
                    "table {name} is not finished: the statement that creates it is running, or was interrupted"
                );
                return Err(SqlError::new(SqlErrorKind::UnknownTable, what));
            }
            NameUse::RenamedTo(now) => {
                let what = format!("database {database} has no table {name}: it was renamed to {now}");
                return Err(SqlError::new(SqlErrorKind::UnknownTable, what));
            }
        }
    }
    let Some(stream) = stream else { return Err(unknown(backend, database, name).await) };
    let Some((group, properties)) = group else {
        let what = format!(
            "stream {stream} has no schema: register one in namespace {database}, group {name}, to read it as a table"
        );
        return Err(SqlError::new(SqlErrorKind::UnknownTable, what));
    };
    match ddl_labels::from_labels(&properties.properties) {
        Some(ddl) => self::of_statement(backend, defaults, (database, name), &ddl),
        None => {
            let table = of_group(backend, defaults, stream, group, &properties).await?;
            Ok(Found::Table(Box::new(table)))
        }
    }
}

/// Returns the error for a name that is neither a table nor a view: with the nearest one.
async fn unknown(backend: &CatalogBackend, database: &str, name: &str) -> SqlError {
    let DatabaseNames { mut tables, views } = backend.names(database).await.unwrap_or_default();
    tables.extend(views);
    unknown_name("table", database, name, &tables)
}

/// Returns the error for a name that is not that of a table or view (`kind`): with the nearest one.
pub(crate) fn unknown_name(kind: &str, database: &str, name: &str, known: &[String]) -> SqlError {
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(nearest) => format!("did you mean {nearest}?"),
        None => format!("SHOW {}S lists them", kind.to_uppercase()),
    };
    let what = format!("database {database} has no {kind} {name}: {hint}");
    SqlError::new(SqlErrorKind::UnknownTable, what)
}

/// Returns the table of a stored CREATE TABLE.
fn of_statement(
    backend: &CatalogBackend,
    defaults: &TableDefaults,
    names: (&str, &str),
    ddl: &str,
) -> SqlResult<Found> {
    let spec = parse_create_table(ddl).map_err(SqlError::from);
    let spec = spec.and_then(|create| TableSpec::new(create.without_positions(), defaults));
    let spec = spec.map_err(|error| {
        let what = format!("the stored definition of table {} cannot be used: {error}", names.1);
        SqlError::new(error.kind(), what)
    })?;
    let table = TableDefinition::of_spec(&backend.library(), names, Arc::new(spec), defaults)?;
    Ok(Found::Table(Box::new(table)))
}

/// Returns the view of a stored CREATE VIEW.
fn stored_view(name: &str, ddl: &str) -> SqlResult<CreateView> {
    parse_create_view(ddl).map_err(|error| {
        let what = format!("the stored definition of view {name} cannot be used: {error}");
        SqlError::new(SqlError::from(error).kind(), what)
    })
}

/// Returns the table that follows from a group.
async fn of_group(
    backend: &CatalogBackend,
    defaults: &TableDefaults,
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
    let library = backend.library();
    let mut table =
        TableDefinition::of_group(&library, stream, group.clone(), properties, latest.schema, defaults)?;
    table.is_captured = captured_table(properties).is_some();
    if table.is_changelog() {
        let type_name = Some(latest.version.type_name.as_str());
        let mut versions = registry.schema_versions(&group, type_name).await?;
        versions.sort_by_key(|version| version.version.id);
        table.set_versions(versions.into_iter().map(|version| version.schema).collect())?;
    }
    Ok(table)
}
