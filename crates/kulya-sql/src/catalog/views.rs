//! Creation, change and removal of views. A view is a stored statement, so each is one commit.

use super::backend::CatalogBackend;
use super::create::{Creation, taken};
use super::objects::{NameUse, ObjectChange, ObjectKind, SqlObjects, StoredTable, unchanged};
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_store::{Condition, TableChange};
use serde_json::json;

fn stored(ddl: String) -> StoredTable {
    StoredTable { ddl, name_use: NameUse::View, ..StoredTable::default() }
}

/// Creates a view in an existing database; `ddl` is its statement in canonical form. Other tables are changed
/// with it.
///
/// # Errors
/// `Conflict` when another statement creates a table or view of this name, and those of the store.
pub(crate) async fn create_view(
    backend: &CatalogBackend,
    (database, name): (&str, &str),
    ddl: String,
    others: Vec<TableChange>,
) -> SqlResult<Creation> {
    let names = [database, name];
    let objects = SqlObjects::new(backend.store.clone());
    // whoever puts this entry last owns the name: see the creation of tables
    let owned = objects.put(ObjectKind::NewTable, &names, Condition::Any, &json!({})).await?;
    let created = match taken(backend, (database, name)).await {
        Ok(None) => {
            let version = backend.stored_table((database, name)).await?.map(|(_, version)| version);
            let view = ObjectChange::put(ObjectKind::Table, &names, unchanged(version), &stored(ddl))?;
            let end = ObjectChange::remove(ObjectKind::NewTable, &names, Condition::At(owned));
            return match objects.change_with(vec![view, end], others).await {
                Err(error) if error.kind() == SqlErrorKind::Conflict => {
                    let what = format!("another statement is creating {name} in {database}: try again");
                    Err(SqlError::new(SqlErrorKind::Conflict, what))
                }
                result => result.map(|_| Creation::Created),
            };
        }
        Ok(Some(taken)) => Ok(taken),
        Err(error) => Err(error),
    };
    // an entry that stays is replaced by the next statement
    let _ = objects.remove(ObjectKind::NewTable, &names, Condition::At(owned)).await;
    created
}

/// Removes a view, and changes other tables with it; returns `false` if there is none.
pub(crate) async fn drop_view(
    backend: &CatalogBackend,
    (database, name): (&str, &str),
    others: Vec<TableChange>,
) -> SqlResult<bool> {
    match backend.stored_table((database, name)).await? {
        Some((StoredTable { name_use: NameUse::View, .. }, version)) => {
            let objects = SqlObjects::new(backend.store.clone());
            let names = [database, name];
            let view = ObjectChange::remove(ObjectKind::Table, &names, Condition::At(version));
            let removed = objects.change_with(vec![view], others).await;
            removed.map_err(|error| changed_meanwhile(error, name)).map(|_| true)
        }
        _ => Ok(false),
    }
}

/// Gives a view another statement.
///
/// # Errors
/// `UnknownTable` if there is no such view, `Conflict` if another statement changes it at the same time.
pub(crate) async fn replace_view(
    backend: &CatalogBackend,
    (database, name): (&str, &str),
    change: impl FnOnce(&str) -> SqlResult<String>,
) -> SqlResult<()> {
    let (found, version) = find_view(backend, (database, name)).await?;
    let objects = SqlObjects::new(backend.store.clone());
    let changed = stored(change(&found.ddl)?);
    let put = objects.put(ObjectKind::Table, &[database, name], Condition::At(version), &changed).await;
    put.map(drop).map_err(|error| changed_meanwhile(error, name))
}

/// Renames a view; `change` returns its statement with the new name.
///
/// # Errors
/// `TableExists` if the name is taken, and as [`replace_view`].
pub(crate) async fn rename_view(
    backend: &CatalogBackend,
    (database, name): (&str, &str),
    new_name: &str,
    change: impl FnOnce(&str) -> SqlResult<String>,
) -> SqlResult<()> {
    let (found, version) = find_view(backend, (database, name)).await?;
    check_free(backend, (database, new_name)).await?;
    let free = backend.stored_table((database, new_name)).await?.map(|(_, version)| version);
    let renamed = stored(change(&found.ddl)?);
    let changes = vec![
        ObjectChange::remove(ObjectKind::Table, &[database, name], Condition::At(version)),
        ObjectChange::put(ObjectKind::Table, &[database, new_name], unchanged(free), &renamed)?,
    ];
    let objects = SqlObjects::new(backend.store.clone());
    objects.change(changes).await.map(drop).map_err(|error| changed_meanwhile(error, name))
}

/// Checks that a name is that of no table and no view.
///
/// # Errors
/// `TableExists`, and `Conflict` for an unfinished table.
pub(super) async fn check_free(backend: &CatalogBackend, names: (&str, &str)) -> SqlResult<()> {
    let kind = match taken(backend, names).await? {
        None | Some(Creation::Created) => return Ok(()),
        Some(Creation::Exists) => "table",
        Some(Creation::IsView) => "view",
    };
    let what = format!("database {} has {kind} {} already", names.0, names.1);
    Err(SqlError::new(SqlErrorKind::TableExists, what))
}

async fn find_view(
    backend: &CatalogBackend,
    names: (&str, &str),
) -> SqlResult<(StoredTable, kulya_store::Version)> {
    let found = backend.stored_table(names).await?;
    found.filter(|(stored, _)| stored.name_use == NameUse::View).ok_or_else(|| {
        let what = format!("database {} has no view {}: SHOW VIEWS lists them", names.0, names.1);
        SqlError::new(SqlErrorKind::UnknownTable, what)
    })
}

/// Returns the error of a statement whose object another one has changed.
pub(super) fn changed_meanwhile(error: SqlError, name: &str) -> SqlError {
    if error.kind() != SqlErrorKind::Conflict {
        return error;
    }
    let what = format!("another statement has changed {name} at the same time: look at it and try again");
    SqlError::new(SqlErrorKind::Conflict, what).because(error)
}
