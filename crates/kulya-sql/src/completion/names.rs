//! Names of the catalogs, looked up once until the next statement.

use crate::catalog::{self, CatalogBackend, DatabaseNames, Found};
use crate::engine::TablePath;
use crate::table::TableDefaults;
use kulya_store::supervision::spawn_logged;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What was looked up. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Arc<Mutex<HashMap<Vec<String>, Vec<String>>>>);

impl Names {
    /// Forgets everything: a statement may have changed it.
    pub(crate) fn clear(&mut self) {
        // a look-up that still runs fills the former map
        *self = Self::default();
    }

    pub(super) async fn databases(&self, catalog: &str, backend: &CatalogBackend) -> Vec<String> {
        let backend = backend.clone();
        let look_up = async move { backend.databases().await.unwrap_or_default() };
        self.find(vec![catalog.to_owned()], look_up).await
    }

    pub(super) async fn tables(
        &self,
        (catalog, database): (&str, &str),
        backend: &CatalogBackend,
    ) -> Vec<String> {
        let (backend, database) = (backend.clone(), database.to_owned());
        let key = vec![catalog.to_owned(), database.clone()];
        let look_up = async move {
            let DatabaseNames { mut tables, views } = backend.names(&database).await.unwrap_or_default();
            tables.extend(views);
            tables
        };
        self.find(key, look_up).await
    }

    /// Returns the columns of a table, or those that a view names; `defaults` are those of the catalog.
    pub(super) async fn columns(
        &self,
        path: &TablePath,
        backend: &CatalogBackend,
        defaults: TableDefaults,
    ) -> Vec<String> {
        let (backend, path) = (backend.clone(), path.clone());
        let key = vec![path.catalog.clone(), path.database.clone(), path.name.clone()];
        let look_up = async move {
            let names = (path.database.as_str(), path.name.as_str());
            let table = match catalog::find(&backend, &defaults, &path.catalog, names).await {
                Ok(Found::Table(table)) => table,
                Ok(Found::View(view)) => return view.columns,
                Err(_) => return Vec::new(),
            };
            match &table.spec {
                Some(spec) => spec.columns.iter().map(|column| column.name.clone()).collect(),
                None => table.schema.fields().iter().map(|field| field.name().clone()).collect(),
            }
        };
        self.find(key, look_up).await
    }

    /// Returns what is known under a key, or looks it up in a task of its own, which goes on if the caller
    /// gives up.
    async fn find(
        &self,
        key: Vec<String>,
        look_up: impl Future<Output = Vec<String>> + Send + 'static,
    ) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return known;
        }
        let names = Arc::clone(&self.0);
        let task = spawn_logged("completion", async move {
            let found = look_up.await;
            names.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
            found
        });
        task.await.ok().flatten().unwrap_or_default()
    }
}
