//! The catalogs of a session, the current catalog and database, and the full paths of names.

use crate::catalog::CatalogBackend;
use crate::engine::TablePath;
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_schema::Format;
use std::collections::BTreeMap;

/// A catalog.
pub(crate) struct Catalog {
    pub(crate) backend: CatalogBackend,
    pub(crate) default_database: Option<String>,
    /// The format that CREATE TABLE registers if it names none.
    pub(crate) format: Format,
    /// The options of CREATE CATALOG as typed; none for the session's first catalog.
    pub(crate) options: Vec<(String, String)>,
    pub(crate) comment: Option<String>,
}

impl Catalog {
    /// Creates a catalog without options.
    pub(crate) fn new(backend: CatalogBackend) -> Self {
        Self { backend, default_database: None, format: Format::Avro, options: Vec::new(), comment: None }
    }
}

/// The catalogs of a session.
pub(crate) struct Catalogs {
    pub(crate) by_name: BTreeMap<String, Catalog>,
    /// The current catalog; empty for none.
    pub(crate) current: String,
    /// The current database.
    pub(crate) database: Option<String>,
    /// The reason in the error when a statement needs a catalog and there is none.
    pub(crate) no_catalog_reason: String,
}

impl Catalogs {
    /// Returns the current catalog and database as `catalog.database`.
    pub(crate) fn current_path(&self) -> String {
        match &self.database {
            Some(database) => format!("{}.{database}", self.current),
            None if self.current.is_empty() => "no catalog".to_owned(),
            None => self.current.clone(),
        }
    }

    /// Returns a catalog.
    ///
    /// # Errors
    /// `UnknownCatalog`; the text has the existing ones.
    pub(crate) fn get(&self, name: &str) -> SqlResult<&Catalog> {
        self.by_name.get(name).ok_or_else(|| self.unknown(name))
    }

    /// Returns the backend of a catalog.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) fn backend(&self, name: &str) -> SqlResult<&CatalogBackend> {
        Ok(&self.get(name)?.backend)
    }

    /// Returns the current database.
    ///
    /// # Errors
    /// `UnknownDatabase` if none is selected.
    pub(crate) fn current_database(&self) -> SqlResult<&str> {
        let none = || {
            let what = "no database is selected: SHOW DATABASES lists them, USE selects one";
            SqlError::new(SqlErrorKind::UnknownDatabase, what)
        };
        self.database.as_deref().ok_or_else(none)
    }

    /// Returns the full path of a database: of one or two parts.
    ///
    /// # Errors
    /// `UnknownDatabase` for more parts.
    pub(crate) fn database_path(&self, parts: &[String]) -> SqlResult<(String, String)> {
        match parts {
            [database] => Ok((self.current.clone(), database.clone())),
            [catalog, database] => Ok((catalog.clone(), database.clone())),
            _ => Err(too_many_parts(SqlErrorKind::UnknownDatabase, parts)),
        }
    }

    /// Returns the full path of a table: of one to three parts.
    ///
    /// # Errors
    /// `UnknownTable` for more parts, and `UnknownDatabase` if none is selected.
    pub(crate) fn table_path(&self, parts: &[String]) -> SqlResult<TablePath> {
        let (catalog, database, name) = match parts {
            [catalog, database, table] => (catalog.clone(), database.clone(), table.clone()),
            [database, table] => (self.current.clone(), database.clone(), table.clone()),
            [table] => (self.current.clone(), self.current_database()?.to_owned(), table.clone()),
            _ => return Err(too_many_parts(SqlErrorKind::UnknownTable, parts)),
        };
        Ok(TablePath { catalog, database, name })
    }

    /// Returns the error for a catalog that does not exist.
    pub(crate) fn unknown(&self, name: &str) -> SqlError {
        let what = if self.by_name.is_empty() {
            format!("no catalog is selected: {}", self.no_catalog_reason)
        } else if name.is_empty() {
            "no catalog is selected: SHOW CATALOGS lists them, USE CATALOG selects one".to_owned()
        } else {
            let existing: Vec<_> = self.by_name.keys().map(String::as_str).collect();
            format!("catalog {name} does not exist: catalogs are {}", existing.join(", "))
        };
        SqlError::new(SqlErrorKind::UnknownCatalog, what)
    }
}

fn too_many_parts(kind: SqlErrorKind, parts: &[String]) -> SqlError {
    let name = parts.join(".");
    SqlError::new(kind, format!("{name} has too many parts: quote a name with dots in backticks"))
}
