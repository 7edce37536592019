//! A user's session: its catalogs, the current catalog and database, and the execution of statements.

use crate::catalog::{self, CatalogBackend, CatalogOptions, parse_catalog_options};
use crate::data_types::type_name;
use crate::engine::{DefaultPath, QueryEngine, QueryLimits, RowStream, TablePath};
use crate::output::StatementResult;
use crate::scan::SkippedEvents;
use crate::statement::{self, Statement};
use crate::table::{StreamTable, TableDefinition};
use crate::{SqlError, SqlErrorKind, SqlResult};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Opens the backend of a catalog. The application implements it, because this crate accesses neither disk
/// nor network.
#[async_trait]
pub trait BackendFactory: Send + Sync {
    /// Opens a store and a registry.
    ///
    /// # Errors
    /// Any; it becomes the error of CREATE CATALOG.
    async fn open(&self, options: &CatalogOptions) -> SqlResult<CatalogBackend>;
}

struct Catalog {
    backend: CatalogBackend,
    default_database: Option<String>,
}

/// A session. Statements are executed sequentially.
pub struct Session {
    catalogs: BTreeMap<String, Catalog>,
    catalog: String,
    database: Option<String>,
    backend_factory: Option<Box<dyn BackendFactory>>,
    limits: QueryLimits,
    /// Created by the first query.
    engine: Option<QueryEngine>,
    /// The reason in the error when a statement needs a catalog and there is none.
    no_catalog_reason: String,
}

/// A statement in execution.
pub enum Execution {
    /// A running query.
    Rows(RowStream),
    /// The result of another statement, which is completed.
    Finished(StatementResult),
}

impl Session {
    /// Creates a session with one catalog, which becomes the current one. If it has a single database, that
    /// becomes the current one too.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn new(catalog: &str, backend: CatalogBackend) -> SqlResult<Self> {
        let mut databases = backend.databases().await?;
        let database = if databases.len() == 1 { databases.pop() } else { None };
        let catalogs = [(catalog.to_owned(), Catalog { backend, default_database: None })].into();
        Ok(Self {
            catalogs,
            catalog: catalog.to_owned(),
            database,
            backend_factory: None,
            limits: QueryLimits::default(),
            engine: None,
            no_catalog_reason: String::new(),
        })
    }

    /// Creates a session without a catalog. Until CREATE CATALOG, statements that need one fail with
    /// `reason`.
    pub fn without_catalog(reason: impl Into<String>) -> Self {
        Self {
            catalogs: BTreeMap::new(),
            catalog: String::new(),
            database: None,
            backend_factory: None,
            limits: QueryLimits::default(),
            engine: None,
            no_catalog_reason: reason.into(),
        }
    }

    /// Sets the resource limits of queries.
    #[must_use]
    pub fn limits(mut self, limits: QueryLimits) -> Self {
        self.limits = limits;
        self.engine = None;
        self
    }

    /// Sets the factory by which CREATE CATALOG opens stores and registries.
    #[must_use]
    pub fn backend_factory(mut self, factory: impl BackendFactory + 'static) -> Self {
        self.backend_factory = Some(Box::new(factory));
        self
    }

    /// Executes statements separated by semicolons. All are parsed first; when one fails, those before it
    /// remain executed.
    ///
    /// # Errors
    /// That of the first statement that fails.
    pub async fn execute(&mut self, text: &str) -> SqlResult<Vec<StatementResult>> {
        let mut results = Vec::new();
        for statement in statement::parse(text)? {
            results.push(self.run(statement).await?);
        }
        Ok(results)
    }

    /// Returns the current catalog and database as `catalog.database`, for a prompt.
    pub fn current_path(&self) -> String {
        match &self.database {
            Some(database) => format!("{}.{database}", self.catalog),
            None if self.catalog.is_empty() => "no catalog".to_owned(),
            None => self.catalog.clone(),
        }
    }

    /// Executes one statement and collects its rows.
    ///
    /// # Errors
    /// That of the statement.
    pub async fn run(&mut self, statement: Statement) -> SqlResult<StatementResult> {
        let completed = |message: String| Ok(StatementResult::Completed(message));
        let list = |column: &str, names: Vec<String>| {
            StatementResult::text_rows(
                &[column],
                &names.into_iter().map(|name| vec![name]).collect::<Vec<_>>(),
            )
        };
        match statement {
            Statement::CreateCatalog { name, if_not_exists, options } => {
                self.create_catalog(name, if_not_exists, options).await
            }
            Statement::DropCatalog { name, if_exists } => {
                if name == self.catalog {
                    return Err(SqlError::new(
                        SqlErrorKind::InUse,
                        format!("catalog {name} is the current one: select another by USE CATALOG first"),
                    ));
                }
                if self.catalogs.remove(&name).is_none() && !if_exists {
                    return Err(self.no_catalog(&name));
                }
                completed(format!("catalog {name} dropped"))
            }
            Statement::ShowCatalogs => list("catalog name", self.catalogs.keys().cloned().collect()),
            Statement::ShowDatabases => {
                list("database name", self.backend(&self.catalog)?.databases().await?)
            }
            Statement::ShowTables => {
                let database = self.database()?;
                list("table name", self.backend(&self.catalog)?.tables(database).await?)
            }
            Statement::ShowCurrentCatalog => {
                let current = Some(self.catalog.clone()).filter(|name| !name.is_empty());
                list("current catalog name", current.into_iter().collect())
            }
            Statement::ShowCurrentDatabase => {
                list("current database name", self.database.iter().cloned().collect())
            }
            Statement::UseCatalog(name) => {
                let catalog = self.catalogs.get(&name).ok_or_else(|| self.no_catalog(&name))?;
                self.database = catalog.default_database.clone();
                self.catalog = name;
                completed(format!("using {}", self.current_path()))
            }
            Statement::Use(path) => {
                let (catalog, database) = match path.as_slice() {
                    [catalog, database] => (catalog.clone(), database.clone()),
                    _ => (self.catalog.clone(), path.join(".")),
                };
                self.backend(&catalog)?.check_database(&catalog, &database).await?;
                (self.catalog, self.database) = (catalog, Some(database));
                completed(format!("using {}", self.current_path()))
            }
            Statement::Describe(path) => self.describe(&path).await,
            Statement::Query(sql) => {
                let (schema, batches, warnings) = self.query(sql).await?.collect().await?;
                Ok(StatementResult::Rows { schema, batches, warnings })
            }
        }
    }

    /// Starts one statement: the rows of a query are streamed.
    ///
    /// # Errors
    /// That of the statement; errors during a query are returned by its stream.
    pub async fn start(&mut self, statement: Statement) -> SqlResult<Execution> {
        match statement {
            Statement::Query(sql) => self.query(sql).await.map(Execution::Rows),
            other => self.run(other).await.map(Execution::Finished),
        }
    }

    fn no_catalog(&self, name: &str) -> SqlError {
        if self.catalogs.is_empty() {
            return SqlError::new(
                SqlErrorKind::UnknownCatalog,
                format!("no catalog is selected: {}", self.no_catalog_reason),
            );
        }
        if name.is_empty() {
            return SqlError::new(
                SqlErrorKind::UnknownCatalog,
                "no catalog is selected: SHOW CATALOGS lists them, USE CATALOG selects one",
            );
        }
        let existing: Vec<_> = self.catalogs.keys().map(String::as_str).collect();
        SqlError::new(
            SqlErrorKind::UnknownCatalog,
            format!("catalog {name} does not exist: catalogs are {}", existing.join(", ")),
        )
    }

    fn backend(&self, catalog: &str) -> SqlResult<&CatalogBackend> {
        self.catalogs.get(catalog).map(|c| &c.backend).ok_or_else(|| self.no_catalog(catalog))
    }

    fn database(&self) -> SqlResult<&str> {
        let none = || {
            SqlError::new(
                SqlErrorKind::UnknownDatabase,
                "no database is selected: SHOW DATABASES lists them, USE selects one",
            )
        };
        self.database.as_deref().ok_or_else(none)
    }

    async fn create_catalog(
        &mut self,
        name: String,
        if_not_exists: bool,
        options: Vec<(String, String)>,
    ) -> SqlResult<StatementResult> {
        if self.catalogs.contains_key(&name) {
            if if_not_exists {
                return Ok(StatementResult::Completed(format!("catalog {name} exists")));
            }
            return Err(SqlError::new(SqlErrorKind::CatalogExists, format!("catalog {name} exists already")));
        }
        let options = parse_catalog_options(&name, options)?;
        let backend = if options.store.is_none() && options.registry.is_none() {
            self.backend(&self.catalog)?.clone()
        } else {
            let factory = self.backend_factory.as_ref();
            let factory =
                factory.ok_or_else(|| SqlError::not_supported("opening another store in this session"))?;
            let mut opened = factory.open(&options).await?;
            if options.store.is_none() {
                opened.store = Arc::clone(&self.backend(&self.catalog)?.store);
            }
            opened
        };
        if let Some(database) = &options.default_database {
            backend.check_database(&name, database).await?;
        }
        let catalog = Catalog { backend, default_database: options.default_database };
        self.catalogs.insert(name.clone(), catalog);
        Ok(StatementResult::Completed(format!("catalog {name} created: USE CATALOG {name} selects it")))
    }

    /// Resolves a table path to catalog, database and name.
    fn resolve(&self, path: &[String]) -> SqlResult<(String, String, String)> {
        Ok(match path {
            [catalog, database, table] => (catalog.clone(), database.clone(), table.clone()),
            [database, table] => (self.catalog.clone(), database.clone(), table.clone()),
            [table] => (self.catalog.clone(), self.database()?.to_owned(), table.clone()),
            _ => {
                return Err(SqlError::new(SqlErrorKind::UnknownTable, "a table name has one to three parts"));
            }
        })
    }

    /// Looks a table up: its full path and its definition.
    async fn find_table(&self, path: &[String]) -> SqlResult<(TablePath, TableDefinition)> {
        let (catalog, database, name) = self.resolve(path)?;
        let found = match self.backend(&catalog) {
            Ok(backend) => catalog::find_table(backend, &catalog, &database, &name).await,
            Err(error) => Err(error),
        };
        let with_hint = |error: SqlError| match path {
            // names of streams of captured tables contain dots
            [_, _, ..] if !self.catalogs.is_empty() => {
                let name = path.join(".");
                error.hint(&format!("if {name} is one name, quote it in backticks: `{name}`"))
            }
            _ => error,
        };
        Ok((TablePath { catalog, database, name }, found.map_err(with_hint)?))
    }

    async fn describe(&self, path: &[String]) -> SqlResult<StatementResult> {
        let (_, table) = self.find_table(path).await?;
        let key = table.key();
        let rows = table.schema.fields().iter().map(|field| {
            let key =
                if key.contains(field.name()) { format!("PRI({})", key.join(", ")) } else { String::new() };
            vec![field.name().clone(), type_name(field.data_type()), field.is_nullable().to_string(), key]
        });
        StatementResult::text_rows(&["name", "type", "null", "key"], &rows.collect::<Vec<_>>())
    }

    /// Starts a query.
    async fn query(&mut self, sql: String) -> SqlResult<RowStream> {
        if self.engine.is_none() {
            self.engine = Some(QueryEngine::new(self.limits.clone())?);
        }
        let missing = || SqlError::new(SqlErrorKind::Internal, "the query engine is not available");
        let engine = self.engine.as_ref().ok_or_else(missing)?;
        let database = self.database.clone().unwrap_or_default();
        let (policy, skipped) = (statement::decode_error_policy(&sql)?, SkippedEvents::default());
        let parsed = engine.parse(sql, DefaultPath { catalog: self.catalog.clone(), database }).await?;
        let mut tables = Vec::new();
        for reference in &parsed.references {
            let (path, definition) = self.find_table(&parts(reference)).await?;
            let CatalogBackend { store, registry } = self.backend(&path.catalog)?.clone();
            let table = StreamTable::new(definition, store, registry, policy, &skipped);
            tables.push((path, Arc::new(table) as Arc<dyn TableProvider>));
        }
        engine.run(parsed, tables, Box::new(move || skipped.warning().into_iter().collect())).await
    }
}

/// Returns the parts of a table reference.
fn parts(reference: &TableReference) -> Vec<String> {
    match reference {
        TableReference::Bare { table } => vec![table.to_string()],
        TableReference::Partial { schema, table } => vec![schema.to_string(), table.to_string()],
        TableReference::Full { catalog, schema, table } => {
            vec![catalog.to_string(), schema.to_string(), table.to_string()]
        }
    }
}
