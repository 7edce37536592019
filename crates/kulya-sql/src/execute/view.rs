//! CREATE, ALTER and DROP VIEW.

use super::completed;
use super::create_table::exists;
use crate::catalog::{self, Creation, Found};
use crate::dialect::{AlterView, CreateView, ParsedQuery, Path, identifier, parse_create_view, parse_query};
use crate::engine::TablePath;
use crate::output::StatementResult;
use crate::session::{Session, Temporary};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::datatypes::Schema;
use std::collections::BTreeSet;

/// Returns the answer to the CREATE of a view whose name is taken: a message with IF NOT EXISTS.
///
/// # Errors
/// `TableExists`.
pub(super) fn name_taken(by: Creation, if_not_exists: bool, path: &TablePath) -> SqlResult<StatementResult> {
    let name = &path.name;
    match (if_not_exists, by == Creation::IsView) {
        (true, true) => completed(format!("view {name} exists")),
        (true, false) => completed(format!("{name} exists and is a table")),
        (false, is_view) => Err(exists(path, is_view)),
    }
}

impl Session {
    pub(super) async fn create_view(&mut self, create: CreateView) -> SqlResult<StatementResult> {
        let path = self.catalogs.table_path(&create.path.parts)?;
        let position = create.path.position.0;
        let backend = self.catalogs.backend(&path.catalog).await.map_err(|error| error.at(position))?;
        let checked = backend.check_database(&path.catalog, &path.database).await;
        checked.map_err(|error| error.at(position))?;
        let name = path.name.clone();
        if create.temporary && self.temporary.get(&path).is_some() {
            if create.if_not_exists {
                return completed(format!("temporary view {name} exists"));
            }
            let what = format!("this session has a temporary table or view {name} already");
            return Err(SqlError::new(SqlErrorKind::TableExists, what).at(position));
        }
        let (temporary, if_not_exists) = (create.temporary, create.if_not_exists);
        let view = self.checked_view(&path, create).await?;
        if temporary {
            self.temporary.replace(path, Temporary::View(Box::new(view)));
            return completed(format!("temporary view {name} created"));
        }
        let names = (path.database.as_str(), name.as_str());
        match catalog::create_view(&backend, names, view.to_string(), Vec::new()).await? {
            Creation::Created => completed(format!("view {name} created")),
            taken => name_taken(taken, if_not_exists, &path).map_err(|error| error.at(position)),
        }
    }

    /// Returns a view as it is kept: with the full names of its tables, and the columns that its query has
    /// now.
    pub(super) async fn checked_view(
        &mut self,
        path: &TablePath,
        create: CreateView,
    ) -> SqlResult<CreateView> {
        let (name, at) = (&path.name, create.path.position.0);
        let mut full = Vec::with_capacity(create.query.tables.len());
        for table in &create.query.tables {
            let path = self.catalogs.table_path(&table.shown()).map_err(|error| error.at(table.start.0))?;
            if !create.temporary && self.temporary.get(&path).is_some() {
                let what = format!(
                    "view {name} would be permanent, but {} is temporary: use CREATE TEMPORARY VIEW",
                    path.name
                );
                return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(table.start.0));
            }
            full.push(vec![path.catalog, path.database, path.name]);
        }
        let schema = self.query_schema(&create.query, Some(path)).await?;
        check_columns(&create, &schema).map_err(|error| error.at(at))?;
        let mut text = create.query.with_table_names(&full);
        if create.query.has_wildcard() {
            // a column that a table gets later is not one of the view's
            let columns: Vec<String> =
                schema.fields().iter().map(|field| identifier(field.name()).to_string()).collect();
            text = format!("SELECT {}\nFROM (\n{text}\n)", columns.join(", "));
        }
        let query = parse_query(&text).map_err(|error| {
            let what = format!("view {name} cannot be kept with the full names of its tables: {error}");
            SqlError::new(SqlErrorKind::InvalidQuery, what).at(at)
        })?;
        let mut view = CreateView { query, temporary: false, if_not_exists: false, ..create };
        view.path.parts = vec![name.clone()];
        Ok(view)
    }

    pub(super) async fn alter_view(&mut self, path: &Path, change: AlterView) -> SqlResult<StatementResult> {
        let position = path.position.0;
        let (full, found) = self.find(&path.parts).await.map_err(|error| error.at(position))?;
        let Found::View(view) = found else {
            let what = format!("{} is a table: ALTER TABLE changes it", full.name);
            return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).at(position));
        };
        if view.materialized {
            let what =
                format!("ALTER VIEW of the materialized view {}: drop it and create it again", full.name);
            return Err(SqlError::new(SqlErrorKind::NotSupported, what).at(position));
        }
        let is_temporary = self.temporary.get(&full).is_some();
        let backend = self.catalogs.backend(&full.catalog).await?;
        let names = (full.database.as_str(), full.name.as_str());
        match change {
            AlterView::Query(query) => {
                let changed = self.view_with_query(&full, &view, *query, is_temporary).await?;
                if is_temporary {
                    self.temporary.replace(full.clone(), Temporary::View(Box::new(changed)));
                } else {
                    catalog::replace_view(&backend, names, |_| Ok(changed.to_string())).await?;
                }
                completed(format!("view {} changed", full.name))
            }
            AlterView::Rename(new) => {
                let new_name = self.new_name(&full, &new)?;
                if is_temporary {
                    let renamed = TablePath { name: new_name.clone(), ..full.clone() };
                    if !self.temporary.insert(renamed, Temporary::View(view)) {
                        let what = format!("this session has a temporary table or view {new_name} already");
                        return Err(SqlError::new(SqlErrorKind::TableExists, what).at(new.position.0));
                    }
                    self.temporary.remove(&full);
                } else {
                    let renamed = |ddl: &str| {
                        let mut view = parse_create_view(ddl)?;
                        view.path.parts = vec![new_name.clone()];
                        Ok(view.to_string())
                    };
                    catalog::rename_view(&backend, names, &new_name, renamed).await?;
                }
                completed(format!("view {} renamed to {new_name}", full.name))
            }
        }
    }

    /// Returns a view with another query; its columns are those of the query.
    async fn view_with_query(
        &mut self,
        path: &TablePath,
        view: &CreateView,
        query: ParsedQuery,
        temporary: bool,
    ) -> SqlResult<CreateView> {
        let mut changed = CreateView { query, columns: Vec::new(), temporary, ..view.clone() };
        changed.path.position = changed.query.position;
        self.checked_view(path, changed).await
    }

    /// Returns the new name of a table or view, which stays in its database.
    pub(super) fn new_name(&self, path: &TablePath, new: &Path) -> SqlResult<String> {
        let renamed = match new.parts.as_slice() {
            [name] => TablePath { name: name.clone(), ..path.clone() },
            parts => self.catalogs.table_path(parts)?,
        };
        if (&renamed.catalog, &renamed.database) != (&path.catalog, &path.database) {
            let what =
                format!("{} is in database {}: a new name is in the same one", path.name, path.database);
            return Err(SqlError::new(SqlErrorKind::NotSupported, what).at(new.position.0));
        }
        Ok(renamed.name)
    }
}

/// Checks that the columns of a view have one name each.
fn check_columns(create: &CreateView, schema: &Schema) -> SqlResult<()> {
    let name = create.path.to_name();
    let found = schema.fields().len();
    if !create.columns.is_empty() && create.columns.len() != found {
        let what = format!("view {name} names {} columns, but its query has {found}", create.columns.len());
        return Err(SqlError::new(SqlErrorKind::InvalidQuery, what));
    }
    let mut names = BTreeSet::new();
    let of_query = schema.fields().iter().map(|field| field.name());
    let is_twice = |column: &&String| !names.insert((*column).clone());
    let twice = match create.columns.as_slice() {
        [] => of_query.clone().find(is_twice),
        columns => columns.iter().find(is_twice),
    };
    if let Some(twice) = twice {
        let what =
            format!("view {name} has column {twice} twice: name its columns, CREATE VIEW {name} (a, b) AS …");
        return Err(SqlError::new(SqlErrorKind::InvalidQuery, what));
    }
    Ok(())
}
