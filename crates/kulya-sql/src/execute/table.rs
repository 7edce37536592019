//! Look-up, listing and removal of tables and views, and the list of functions.

use super::completed;
use super::database::ShownDatabase;
use super::listing::list_like;
use crate::catalog::{self, DatabaseNames, Found, NameStatus};
use crate::dialect::{LikePattern, Path};
use crate::engine::TablePath;
use crate::output::StatementResult;
use crate::session::{Session, Temporary};
use crate::table::TableDefinition;
use crate::{SqlError, SqlErrorKind, SqlResult};
use std::sync::Arc;

/// A kind of object in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ObjectType {
    Table,
    View,
}

impl ObjectType {
    fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Table => Self::View,
            Self::View => Self::Table,
        }
    }
}

impl Session {
    /// Looks a table or view up: its full path, and what it is. Temporary ones hide permanent ones.
    pub(super) async fn find(&self, parts: &[String]) -> SqlResult<(TablePath, Found)> {
        let path = self.catalogs.table_path(parts)?;
        let found = self.find_path(&path).await;
        let found = found.map_err(|error| match parts {
            // names of streams of captured tables contain dots
            [_, _, ..] if self.catalogs.has_any() && is_path_error(&error) => {
                let name = parts.join(".");
                error.hint(&format!("if {name} is one name, quote it in backticks: `{name}`"))
            }
            _ => error,
        })?;
        Ok((path, found))
    }

    /// The same for a name of a stored statement, which has all its parts.
    pub(super) async fn find_full(&self, parts: &[String]) -> SqlResult<(TablePath, Found)> {
        let path = self.catalogs.table_path(parts)?;
        let found = self.find_path(&path).await?;
        Ok((path, found))
    }

    async fn find_path(&self, path: &TablePath) -> SqlResult<Found> {
        let backend = self.catalogs.backend(&path.catalog).await?;
        let defaults = self.table_defaults(&path.catalog).await?;
        let names = (path.database.as_str(), path.name.as_str());
        match self.temporary.get(path) {
            Some(Temporary::Table(spec)) => {
                let table = TableDefinition::of_spec(&backend.library(), names, Arc::clone(spec), &defaults)?;
                for stream in &table.streams {
                    self.check_stream(&backend, stream, &path.name).await?;
                }
                Ok(Found::Table(Box::new(table)))
            }
            Some(Temporary::View(view)) => Ok(Found::View(view.clone())),
            None => catalog::find(&backend, &defaults, &path.catalog, names).await,
        }
    }

    /// Checks that the stream of a temporary table is there.
    async fn check_stream(
        &self,
        backend: &catalog::CatalogBackend,
        stream: &kulya_store::StreamId,
        table: &str,
    ) -> SqlResult<()> {
        match backend.store.stream(stream).await {
            Err(error) if error.kind() == kulya_store::ErrorKind::NotFound => {
                let what = format!(
                    "temporary table {table} reads stream {stream}, which does not exist: CREATE TABLE without TEMPORARY makes streams"
                );
                Err(SqlError::new(SqlErrorKind::UnknownTable, what))
            }
            found => Ok(found.map(|_| ())?),
        }
    }

    pub(super) async fn drop_table(
        &mut self,
        path: &Path,
        if_exists: bool,
        temporary: bool,
    ) -> SqlResult<StatementResult> {
        self.drop_object(ObjectType::Table, path, if_exists, temporary).await
    }

    pub(super) async fn drop_view(
        &mut self,
        path: &Path,
        if_exists: bool,
        temporary: bool,
    ) -> SqlResult<StatementResult> {
        self.drop_object(ObjectType::View, path, if_exists, temporary).await
    }

    async fn drop_object(
        &mut self,
        object: ObjectType,
        path: &Path,
        if_exists: bool,
        temporary: bool,
    ) -> SqlResult<StatementResult> {
        let (kind, position) = (object.name(), path.position.0);
        let path = self.catalogs.table_path(&path.parts)?;
        let TablePath { catalog, database, name } = &path;
        if temporary {
            return self.drop_temporary(object, &path, if_exists).map_err(|error| error.at(position));
        }
        if self.temporary.get(&path).is_some() {
            let what = format!(
                "{name} is a temporary {kind} of this session: DROP TEMPORARY {} {name} first, to drop the permanent one",
                kind.to_uppercase()
            );
            return Err(SqlError::new(SqlErrorKind::InUse, what).at(position));
        }
        let backend = self.catalogs.backend(catalog).await.map_err(|error| error.at(position))?;
        backend.check_database(catalog, database).await.map_err(|error| error.at(position))?;
        let names = (database.as_str(), name.as_str());
        if object == ObjectType::View
            && let Ok(Found::View(view)) = self.find_path(&path).await
            && view.materialized
        {
            let what = format!("{name} is a materialized view: use DROP MATERIALIZED VIEW");
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(position));
        }
        let is_dropped = match object {
            ObjectType::Table => catalog::drop_table(&backend, names).await?,
            ObjectType::View => catalog::drop_view(&backend, names, Vec::new()).await?,
        };
        if is_dropped {
            return completed(format!("{kind} {name} dropped"));
        }
        let other = match backend.name_status(names).await? {
            NameStatus::Table => ObjectType::Table,
            NameStatus::View => ObjectType::View,
            _ => object,
        };
        if other == object.other() {
            let other = other.name();
            let what = format!("{name} is a {other}: use DROP {}", other.to_uppercase());
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(position));
        }
        if if_exists {
            return completed(format!("{kind} {name} does not exist"));
        }
        let DatabaseNames { tables, views } = backend.names(database).await?;
        let known = if object == ObjectType::Table { tables } else { views };
        Err(catalog::unknown_name(kind, database, name, &known).at(position))
    }

    fn drop_temporary(
        &mut self,
        object: ObjectType,
        path: &TablePath,
        if_exists: bool,
    ) -> SqlResult<StatementResult> {
        let (kind, name) = (object.name(), &path.name);
        match (object, self.temporary.get(path)) {
            (ObjectType::Table, Some(Temporary::Table(_))) | (ObjectType::View, Some(Temporary::View(_))) => {
                self.temporary.remove(path);
                completed(format!("temporary {kind} {name} dropped"))
            }
            (_, Some(_)) => {
                let other = object.other().name();
                let what =
                    format!("{name} is a temporary {other}: use DROP TEMPORARY {}", other.to_uppercase());
                Err(SqlError::new(SqlErrorKind::InvalidQuery, what))
            }
            (_, None) if if_exists => completed(format!("temporary {kind} {name} does not exist")),
            (_, None) => {
                let what = format!("this session has no temporary {kind} {name}");
                Err(SqlError::new(SqlErrorKind::UnknownTable, what))
            }
        }
    }

    /// Lists the tables and views of a database, or the views alone.
    pub(super) async fn show_objects(
        &self,
        views_only: bool,
        from: Option<&Path>,
        like: Option<&LikePattern>,
    ) -> SqlResult<StatementResult> {
        let ShownDatabase { backend, catalog, database } = self.shown_database(from).await?;
        let DatabaseNames { tables, views } = backend.names(&database).await?;
        let mut names = views;
        if !views_only {
            names.extend(tables);
        }
        for (name, is_view) in self.temporary.names(&catalog, &database) {
            // a temporary table hides a permanent view
            names.retain(|other| other != name);
            if is_view || !views_only {
                names.push(name.to_owned());
            }
        }
        names.sort();
        list_like(if views_only { "view name" } else { "table name" }, names, like)
    }

    /// Lists the functions; users have none of their own.
    pub(super) fn show_functions(
        &mut self,
        user_only: bool,
        like: Option<&LikePattern>,
    ) -> SqlResult<StatementResult> {
        let names = if user_only { Vec::new() } else { self.engine()?.function_names() };
        list_like("function name", names, like)
    }
}

/// Returns whether an error is about a catalog, database or table that is not there.
fn is_path_error(error: &SqlError) -> bool {
    matches!(
        error.kind(),
        SqlErrorKind::UnknownTable | SqlErrorKind::UnknownDatabase | SqlErrorKind::UnknownCatalog
    )
}
