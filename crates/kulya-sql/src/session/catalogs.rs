//! The catalogs of a session, the current catalog and database, and the full paths of names.
//!
//! CREATE CATALOG is kept with the session's own store. What other sessions have created is looked up when a
//! name is not known, and a catalog is opened by its first use: one that cannot be reached affects the
//! statements that name it.

use super::factory::BackendFactory;
use crate::catalog::{CatalogBackend, CatalogOptions, StoredCatalog, parse_catalog_options, stored_catalogs};
use crate::engine::TablePath;
use crate::nearest::nearest;
use crate::{SqlError, SqlErrorKind, SqlResult};
use kulya_store::ErrorKind;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OnceCell;

/// A catalog.
pub(crate) struct Catalog {
    pub(crate) options: CatalogOptions,
    /// The options of CREATE CATALOG as typed, and its comment; none for the session's first catalog.
    pub(crate) given: StoredCatalog,
    /// Whether it is kept with the session's own store.
    pub(crate) is_stored: bool,
    /// Whether a statement of this session has created it.
    pub(crate) is_created_here: bool,
    opened: OnceCell<CatalogBackend>,
}

impl Catalog {
    /// Creates a catalog that its first use opens.
    ///
    /// # Errors
    /// `InvalidOption` for an option that is unknown or invalid.
    pub(crate) fn new(name: &str, given: StoredCatalog, is_stored: bool) -> SqlResult<Self> {
        let options = parse_catalog_options(name, &given.options)?;
        Ok(Self { options, given, is_stored, is_created_here: false, opened: OnceCell::new() })
    }

    /// Creates a catalog without options.
    pub(crate) fn opened(backend: CatalogBackend) -> Self {
        Self {
            options: CatalogOptions::default(),
            given: StoredCatalog { options: Vec::new(), comment: None },
            is_stored: false,
            is_created_here: false,
            opened: OnceCell::new_with(Some(backend)),
        }
    }

    /// Returns the same catalog with other options or kept elsewhere; it stays open if it is.
    pub(crate) fn with(&self, name: &str, given: StoredCatalog, is_stored: bool) -> SqlResult<Self> {
        let options = parse_catalog_options(name, &given.options)?;
        let is_same = options.store == self.options.store
            && options.registry == self.options.registry
            && options.security == self.options.security;
        let opened = self.opened.get().filter(|_| is_same).cloned();
        Ok(Self { options, given, is_stored, is_created_here: true, opened: OnceCell::new_with(opened) })
    }
}

/// The catalogs of a session.
pub(crate) struct Catalogs {
    known: Mutex<BTreeMap<String, Arc<Catalog>>>,
    /// The session's own store.
    own: Option<CatalogBackend>,
    pub(crate) factory: Option<Arc<dyn BackendFactory>>,
    /// The current catalog; empty for none.
    pub(crate) current: String,
    /// The current database.
    pub(crate) database: Option<String>,
    /// The reason in the error when a statement needs a catalog and there is none.
    no_catalog_reason: String,
}

impl Catalogs {
    /// Creates the catalogs of a session without a store.
    pub(crate) fn none(reason: String) -> Self {
        Self {
            known: Mutex::default(),
            own: None,
            factory: None,
            current: String::new(),
            database: None,
            no_catalog_reason: reason,
        }
    }

    /// Creates the catalogs of a session with a store, whose catalog is the current one.
    pub(crate) fn of_store(name: &str, backend: CatalogBackend, database: Option<String>) -> Self {
        let known = BTreeMap::from([(name.to_owned(), Arc::new(Catalog::opened(backend.clone())))]);
        Self {
            known: Mutex::new(known),
            own: Some(backend),
            current: name.to_owned(),
            database,
            ..Self::none(String::new())
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Catalog>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the session's own store, which keeps its catalogs.
    pub(crate) fn own(&self) -> Option<&CatalogBackend> {
        self.own.as_ref()
    }

    /// Adds a catalog, in place of one of the name.
    pub(crate) fn insert(&self, name: &str, catalog: Catalog) {
        self.known().insert(name.to_owned(), Arc::new(catalog));
    }

    pub(crate) fn remove(&self, name: &str) {
        self.known().remove(name);
    }

    /// Returns the names in order, of this session and of the store.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn names(&self) -> SqlResult<Vec<String>> {
        self.refresh().await?;
        Ok(self.known().keys().cloned().collect())
    }

    /// Returns the names that are known without asking the store.
    pub(crate) fn known_names(&self) -> Vec<String> {
        self.known().keys().cloned().collect()
    }

    /// Takes over what other sessions have created and dropped.
    async fn refresh(&self) -> SqlResult<()> {
        let Some(own) = &self.own else { return Ok(()) };
        let stored = match stored_catalogs(own).await {
            // who may not read them has none
            Err(error) if is_denied(&error) => return Ok(()),
            stored => stored?,
        };
        let mut known = self.known();
        known.retain(|name, catalog| {
            !catalog.is_stored || *name == self.current || stored.iter().any(|(other, _)| other == name)
        });
        for (name, given) in stored {
            let is_new = known.get(&name).is_none_or(|catalog| catalog.is_stored && catalog.given != given);
            // one with options that this version does not know is not there for it
            if is_new && let Ok(catalog) = Catalog::new(&name, given, true) {
                known.insert(name, Arc::new(catalog));
            }
        }
        Ok(())
    }

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
    pub(crate) async fn get(&self, name: &str) -> SqlResult<Arc<Catalog>> {
        match self.find(name).await? {
            Some(found) => Ok(found),
            None => Err(self.unknown(name)),
        }
    }

    /// Returns a catalog, if there is one of this name.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn find(&self, name: &str) -> SqlResult<Option<Arc<Catalog>>> {
        let known = self.known().get(name).cloned();
        if known.is_some() || name.is_empty() {
            return Ok(known);
        }
        self.refresh().await?;
        Ok(self.known().get(name).cloned())
    }

    /// Returns whether there is any catalog.
    pub(crate) fn has_any(&self) -> bool {
        !self.known().is_empty()
    }

    /// Returns the backend of a catalog.
    ///
    /// # Errors
    /// As [`Self::get`], and those of opening it.
    pub(crate) async fn backend(&self, name: &str) -> SqlResult<CatalogBackend> {
        let catalog = self.get(name).await?;
        self.open(&catalog).await.map_err(|error| error.with_context(&format!("catalog {name}")))
    }

    /// Opens a catalog, unless it is open.
    ///
    /// # Errors
    /// Those of the factory.
    pub(crate) async fn open(&self, catalog: &Catalog) -> SqlResult<CatalogBackend> {
        catalog.opened.get_or_try_init(|| self.open_new(&catalog.options)).await.cloned()
    }

    async fn open_new(&self, options: &CatalogOptions) -> SqlResult<CatalogBackend> {
        let own = || self.own.clone().or_else(|| self.current_backend());
        if options.store.is_none() && options.registry.is_none() {
            return own().ok_or_else(|| self.unknown(""));
        }
        let factory = self.factory.as_ref();
        let factory =
            factory.ok_or_else(|| SqlError::not_supported("opening another store in this session"))?;
        let mut opened = factory.open(options).await?;
        if options.store.is_none() {
            opened.store = own().ok_or_else(|| self.unknown(""))?.store;
        }
        Ok(opened)
    }

    fn current_backend(&self) -> Option<CatalogBackend> {
        self.known().get(&self.current)?.opened.get().cloned()
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
        let known = self.known();
        let what = if known.is_empty() {
            format!("no catalog is selected: {}", self.no_catalog_reason)
        } else if name.is_empty() {
            "no catalog is selected: SHOW CATALOGS lists them, USE CATALOG selects one".to_owned()
        } else {
            let existing: Vec<_> = known.keys().map(String::as_str).collect();
            match nearest(name, existing.iter().copied()) {
                Some(nearest) => format!("catalog {name} does not exist: did you mean {nearest}?"),
                None => format!("catalog {name} does not exist: catalogs are {}", existing.join(", ")),
            }
        };
        SqlError::new(SqlErrorKind::UnknownCatalog, what)
    }
}

/// Returns whether a store refuses an access as such, now and later: stores have no kind for permissions.
pub(crate) fn is_denied(error: &SqlError) -> bool {
    matches!(error.store_kind(), Some(ErrorKind::InvalidInput | ErrorKind::NotSupported))
}

fn too_many_parts(kind: SqlErrorKind, parts: &[String]) -> SqlError {
    let name = parts.join(".");
    SqlError::new(kind, format!("{name} has too many parts: quote a name with dots in backticks"))
}
