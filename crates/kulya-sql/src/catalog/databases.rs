//! What statements say of databases and catalogs, beside the registry's data.

use super::backend::CatalogBackend;
use super::objects::{ObjectKind, SqlObjects, StoredCatalog, StoredDatabase, unchanged};
use super::views::changed_meanwhile;
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_store::Condition;

/// Returns what statements said of a database.
pub(crate) async fn database_properties(backend: &CatalogBackend, name: &str) -> SqlResult<StoredDatabase> {
    let objects = SqlObjects::new(backend.store.clone());
    let found = objects.get(ObjectKind::Database, &[name]).await?;
    Ok(found.map(|(stored, _)| stored).unwrap_or_default())
}

/// Changes what is kept of a database.
///
/// # Errors
/// `Conflict` if another statement changes it at the same time, and those of the store.
pub(crate) async fn change_database(
    backend: &CatalogBackend,
    name: &str,
    change: impl FnOnce(&mut StoredDatabase),
) -> SqlResult<()> {
    let objects = SqlObjects::new(backend.store.clone());
    let found = objects.get::<StoredDatabase>(ObjectKind::Database, &[name]).await?;
    let (mut stored, version) = match found {
        Some((stored, version)) => (stored, Some(version)),
        None => (StoredDatabase::default(), None),
    };
    change(&mut stored);
    let put = objects.put(ObjectKind::Database, &[name], unchanged(version), &stored).await;
    put.map(drop).map_err(|error| changed_meanwhile(error, &format!("database {name}")))
}

/// Lists the catalogs that are kept with a store.
pub(crate) async fn stored_catalogs(backend: &CatalogBackend) -> SqlResult<Vec<(String, StoredCatalog)>> {
    SqlObjects::new(backend.store.clone()).list(ObjectKind::Catalog, &[]).await
}

/// Keeps a catalog with a store.
///
/// # Errors
/// `CatalogExists` if the store has one of this name, and those of the store.
pub(crate) async fn store_catalog(
    backend: &CatalogBackend,
    name: &str,
    catalog: &StoredCatalog,
) -> SqlResult<()> {
    let objects = SqlObjects::new(backend.store.clone());
    let put = objects.put(ObjectKind::Catalog, &[name], Condition::Absent, catalog).await;
    match put {
        Err(error) if error.kind() == SqlErrorKind::Conflict => {
            let what = format!("catalog {name} exists already");
            Err(SqlError::new(SqlErrorKind::CatalogExists, what))
        }
        put => put.map(drop),
    }
}

/// Changes a catalog that is kept with a store.
pub(crate) async fn replace_catalog(
    backend: &CatalogBackend,
    name: &str,
    catalog: &StoredCatalog,
) -> SqlResult<()> {
    let objects = SqlObjects::new(backend.store.clone());
    objects.put(ObjectKind::Catalog, &[name], Condition::Any, catalog).await.map(drop)
}

/// Removes a catalog from a store.
pub(crate) async fn forget_catalog(backend: &CatalogBackend, name: &str) -> SqlResult<()> {
    let objects = SqlObjects::new(backend.store.clone());
    objects.remove(ObjectKind::Catalog, &[name], Condition::Any).await
}
