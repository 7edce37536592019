//! Statements about databases.

use super::completed;
use super::listing::{list, list_like};
use crate::catalog::{self, CatalogBackend, Creation};
use crate::dialect::{CreateDatabase, LikePattern, OptionsChange, Path};
use crate::live::{QueryKind, Records, Stored};
use crate::output::StatementResult;
use crate::session::Session;
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_store::Scope;
use std::sync::Arc;

/// The database that a SHOW is about.
pub(super) struct ShownDatabase {
    pub(super) backend: CatalogBackend,
    pub(super) catalog: String,
    pub(super) database: String,
}

impl Session {
    pub(super) async fn create_database(&self, create: CreateDatabase) -> SqlResult<StatementResult> {
        let at = create.path.position.0;
        let (catalog, database) = self.catalogs.database_path(&create.path.parts)?;
        let backend = self.catalogs.backend(&catalog).await.map_err(|error| error.at(at))?;
        if let Err(error) = Scope::new(&database) {
            let what = format!("database {database} would be a scope: {error}");
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).because(error).at(at));
        }
        match catalog::create_database(&backend, &database).await? {
            Creation::Created => {}
            _ if create.if_not_exists => return completed(format!("database {database} exists")),
            _ => {
                let what = format!("catalog {catalog} has database {database} already");
                return Err(SqlError::new(SqlErrorKind::DatabaseExists, what).at(at));
            }
        }
        if create.comment.is_some() || !create.options.is_empty() {
            let changed = catalog::change_database(&backend, &database, |stored| {
                stored.comment = create.comment;
                stored.properties = create.options.into_iter().map(|o| (o.key, o.value)).collect();
            });
            if let Err(error) = changed.await {
                // a database that stays is empty
                let _ = catalog::drop_database(&backend, &database, false).await;
                return Err(error);
            }
        }
        completed(format!("database {database} created"))
    }

    pub(super) async fn drop_database(
        &mut self,
        path: &Path,
        if_exists: bool,
        cascade: bool,
    ) -> SqlResult<StatementResult> {
        let (catalog, database) = self.catalogs.database_path(&path.parts)?;
        let backend = self.catalogs.backend(&catalog).await?;
        let located = |error: SqlError| error.at(path.position.0);
        if !if_exists {
            backend.check_database(&catalog, &database).await.map_err(located)?;
        }
        let live = Records::new(Arc::clone(&backend.store)).list().await?;
        let is_view =
            |stored: &&Stored| stored.record.kind == QueryKind::View && stored.record.database == database;
        if let Some(view) = live.iter().find(is_view) {
            let what = format!(
                "database {database} has the materialized view {}: DROP MATERIALIZED VIEW it first",
                view.record.name
            );
            return Err(located(SqlError::new(SqlErrorKind::InUse, what)));
        }
        if !catalog::drop_database(&backend, &database, cascade).await.map_err(located)? {
            return completed(format!("database {database} does not exist"));
        }
        if self.catalogs.current == catalog && self.catalogs.database.as_ref() == Some(&database) {
            self.catalogs.database = None;
        }
        completed(format!("database {database} dropped"))
    }

    pub(super) async fn use_database(&mut self, path: &Path) -> SqlResult<StatementResult> {
        let (catalog, database) = self.catalogs.database_path(&path.parts)?;
        let backend = self.catalogs.backend(&catalog).await?;
        let checked = backend.check_database(&catalog, &database).await;
        checked.map_err(|error| error.at(path.position.0))?;
        (self.catalogs.current, self.catalogs.database) = (catalog, Some(database));
        completed(format!("using {}", self.current_path()))
    }

    /// Returns the database of a SHOW: the one that it names, or the current one.
    ///
    /// # Errors
    /// `UnknownCatalog`, `UnknownDatabase`.
    pub(super) async fn shown_database(&self, from: Option<&Path>) -> SqlResult<ShownDatabase> {
        let (catalog, database) = match from {
            Some(path) => self.catalogs.database_path(&path.parts)?,
            None => (self.catalogs.current.clone(), self.catalogs.current_database()?.to_owned()),
        };
        let located = |error: SqlError| match from {
            Some(path) => error.at(path.position.0),
            None => error,
        };
        let backend = self.catalogs.backend(&catalog).await.map_err(located)?;
        backend.check_database(&catalog, &database).await.map_err(located)?;
        Ok(ShownDatabase { backend, catalog, database })
    }

    pub(super) async fn show_databases(
        &self,
        from: Option<&Path>,
        like: Option<&LikePattern>,
    ) -> SqlResult<StatementResult> {
        let catalog = from.map_or_else(|| self.catalogs.current.clone(), Path::to_name);
        list_like("database name", self.catalogs.backend(&catalog).await?.databases().await?, like)
    }

    pub(super) fn show_current_database(&self) -> SqlResult<StatementResult> {
        list("current database name", self.catalogs.database.iter().cloned())
    }

    pub(super) async fn alter_database(
        &mut self,
        path: &Path,
        change: OptionsChange,
    ) -> SqlResult<StatementResult> {
        let (catalog, database) = self.catalogs.database_path(&path.parts)?;
        let backend = self.catalogs.backend(&catalog).await?;
        let checked = backend.check_database(&catalog, &database).await;
        checked.map_err(|error| error.at(path.position.0))?;
        let changed = catalog::change_database(&backend, &database, |stored| match change {
            OptionsChange::Set(options) => {
                stored.properties.extend(options.into_iter().map(|option| (option.key, option.value)));
            }
            OptionsChange::Reset(keys) => stored.properties.retain(|key, _| !keys.contains(key)),
            OptionsChange::Comment(comment) => stored.comment = Some(comment),
        });
        changed.await?;
        completed(format!("database {database} changed"))
    }

    pub(super) async fn describe_database(&self, path: &Path, extended: bool) -> SqlResult<StatementResult> {
        let (catalog, database) = self.catalogs.database_path(&path.parts)?;
        let backend = self.catalogs.backend(&catalog).await?;
        let checked = backend.check_database(&catalog, &database).await;
        checked.map_err(|error| error.at(path.position.0))?;
        let names = backend.names(&database).await?;
        let stored = catalog::database_properties(&backend, &database).await?;
        let row = |key: &str, value: String| vec![key.to_owned(), value];
        let mut rows = vec![
            row("catalog", catalog.clone()),
            row("database", database.clone()),
            row("comment", stored.comment.unwrap_or_default()),
            row("tables", names.tables.len().to_string()),
            row("views", names.views.len().to_string()),
        ];
        if extended {
            let properties = stored.properties.into_iter();
            rows.extend(properties.map(|(key, value)| row(&format!("option:{key}"), value)));
        }
        StatementResult::text_rows(&["info name", "info value"], &rows)
    }
}
