//! One user's session: the catalogs, where one is among them, and the way of a statement.

use crate::catalog::Backend;
use crate::catalog_options::{CatalogOptions, catalog_options};
use crate::engine::{DefaultPath, FoundTable, QueryEngine, QueryLimits, RowStream};
use crate::names::type_name;
use crate::statement::{Statement, on_unreadable};
use crate::statements;
use crate::unreadable::Skipped;
use crate::{Outcome, SqlError, SqlResult};
use async_trait::async_trait;
use datafusion::common::TableReference;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Opens what a catalog stands on. The program brings it: this crate has no disk and no network.
#[async_trait]
pub trait Opener: Send + Sync {
    /// Opens a store and a registry.
    async fn open(&self, options: &CatalogOptions) -> SqlResult<Backend>;
}

struct Catalog {
    backend: Backend,
    default_database: Option<String>,
}

/// A session. Statements run one after the other.
pub struct Session {
    catalogs: BTreeMap<String, Catalog>,
    catalog: String,
    database: Option<String>,
    opener: Option<Box<dyn Opener>>,
    limits: QueryLimits,
    /// Made by the first query.
    engine: Option<QueryEngine>,
    /// What is said where a catalog is needed and there is none.
    why_none: String,
}

/// A statement that was begun.
pub enum Started {
    /// A query, which runs.
    Rows(RowStream),
    /// Another one, which is done.
    Finished(Outcome),
}

impl Session {
    /// A session with one catalog, which is chosen. Its database is chosen too if there is only one.
    pub async fn new(catalog: &str, backend: Backend) -> SqlResult<Self> {
        let mut databases = backend.databases().await?;
        let database = if databases.len() == 1 { databases.pop() } else { None };
        let only = Catalog { backend, default_database: None };
        let catalogs = [(catalog.to_owned(), only)].into();
        Ok(Self {
            catalogs,
            catalog: catalog.to_owned(),
            database,
            opener: None,
            limits: QueryLimits::default(),
            engine: None,
            why_none: String::new(),
        })
    }

    /// A session without a catalog, until CREATE CATALOG makes one; `why` says so where one is needed.
    pub fn without_catalog(why: impl Into<String>) -> Self {
        Self {
            catalogs: BTreeMap::new(),
            catalog: String::new(),
            database: None,
            opener: None,
            limits: QueryLimits::default(),
            engine: None,
            why_none: why.into(),
        }
    }

    /// Bounds what queries take.
    #[must_use]
    pub fn limits(mut self, limits: QueryLimits) -> Self {
        self.limits = limits;
        self.engine = None;
        self
    }

    /// Lets CREATE CATALOG open stores.
    #[must_use]
    pub fn opener(mut self, opener: impl Opener + 'static) -> Self {
        self.opener = Some(Box::new(opener));
        self
    }

    /// Runs statements with semicolons between them. When one is wrong, those before it have run.
    pub async fn execute(&mut self, text: &str) -> SqlResult<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for statement in statements(text)? {
            outcomes.push(self.run(statement).await?);
        }
        Ok(outcomes)
    }

    /// The chosen catalog, and the chosen database if there is one: for a prompt.
    pub fn place(&self) -> String {
        match &self.database {
            Some(database) => format!("{}.{database}", self.catalog),
            None if self.catalog.is_empty() => "no catalog".to_owned(),
            None => self.catalog.clone(),
        }
    }

    /// Runs one statement.
    pub async fn run(&mut self, statement: Statement) -> SqlResult<Outcome> {
        let done = |word: String| Ok(Outcome::Done(word));
        let one = |column: &str, names: Vec<String>| {
            Outcome::texts(&[column], &names.into_iter().map(|name| vec![name]).collect::<Vec<_>>())
        };
        match statement {
            Statement::CreateCatalog { name, if_not_exists, options } => {
                self.create_catalog(name, if_not_exists, options).await
            }
            Statement::DropCatalog { name, if_exists } => {
                if name == self.catalog {
                    return Err(SqlError::new(format!(
                        "catalog {name} is in use: USE CATALOG another first"
                    )));
                }
                if self.catalogs.remove(&name).is_none() && !if_exists {
                    return Err(self.no_catalog(&name));
                }
                done(format!("catalog {name} dropped"))
            }
            Statement::ShowCatalogs => one("catalog name", self.catalogs.keys().cloned().collect()),
            Statement::ShowDatabases => one("database name", self.backend(&self.catalog)?.databases().await?),
            Statement::ShowTables => {
                let database = self.database()?;
                one("table name", self.backend(&self.catalog)?.tables(database).await?)
            }
            Statement::ShowCurrentCatalog => {
                let chosen = Some(self.catalog.clone()).filter(|name| !name.is_empty());
                one("current catalog name", chosen.into_iter().collect())
            }
            Statement::ShowCurrentDatabase => {
                one("current database name", self.database.iter().cloned().collect())
            }
            Statement::UseCatalog(name) => {
                let catalog = self.catalogs.get(&name).ok_or_else(|| self.no_catalog(&name))?;
                self.database = catalog.default_database.clone();
                self.catalog = name;
                done(format!("using {}", self.place()))
            }
            Statement::Use(path) => {
                let (catalog, database) = match path.as_slice() {
                    [catalog, database] => (catalog.clone(), database.clone()),
                    _ => (self.catalog.clone(), path.join(".")),
                };
                self.backend(&catalog)?.check_database(&catalog, &database).await?;
                (self.catalog, self.database) = (catalog, Some(database));
                done(format!("using {}", self.place()))
            }
            Statement::Describe(path) => self.describe(&path).await,
            Statement::Query(sql) => {
                let (schema, batches, notes) = self.query(sql).await?.collect().await?;
                Ok(Outcome::Rows { schema, batches, notes })
            }
        }
    }

    /// Begins one statement: a query's rows come as they are computed.
    pub async fn start(&mut self, statement: Statement) -> SqlResult<Started> {
        match statement {
            Statement::Query(sql) => self.query(sql).await.map(Started::Rows),
            other => self.run(other).await.map(Started::Finished),
        }
    }

    fn no_catalog(&self, name: &str) -> SqlError {
        if self.catalogs.is_empty() {
            return SqlError::new(format!("no catalog is chosen: {}", self.why_none));
        }
        if name.is_empty() {
            return SqlError::new("no catalog is chosen: SHOW CATALOGS lists them, USE CATALOG chooses one");
        }
        let known: Vec<_> = self.catalogs.keys().map(String::as_str).collect();
        SqlError::new(format!("there is no catalog {name}: there are {}", known.join(", ")))
    }

    fn backend(&self, catalog: &str) -> SqlResult<&Backend> {
        self.catalogs.get(catalog).map(|c| &c.backend).ok_or_else(|| self.no_catalog(catalog))
    }

    fn database(&self) -> SqlResult<&str> {
        let none = || SqlError::new("no database is chosen: SHOW DATABASES lists them, USE chooses one");
        self.database.as_deref().ok_or_else(none)
    }

    async fn create_catalog(
        &mut self,
        name: String,
        if_not_exists: bool,
        options: Vec<(String, String)>,
    ) -> SqlResult<Outcome> {
        if self.catalogs.contains_key(&name) {
            if if_not_exists {
                return Ok(Outcome::Done(format!("catalog {name} was there")));
            }
            return Err(SqlError::new(format!("there is a catalog {name} already")));
        }
        let options = catalog_options(&name, options)?;
        let backend = if options.store.is_none() && options.registry.is_none() {
            self.backend(&self.catalog)?.clone()
        } else {
            let opener = self.opener.as_ref();
            let opener =
                opener.ok_or_else(|| SqlError::not_supported("opening another store in this session"))?;
            let mut opened = opener.open(&options).await?;
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
        Ok(Outcome::Done(format!("catalog {name} created: USE CATALOG {name} chooses it")))
    }

    /// A table's place: catalog, database, name.
    fn resolve(&self, path: &[String]) -> SqlResult<(String, String, String)> {
        Ok(match path {
            [catalog, database, table] => (catalog.clone(), database.clone(), table.clone()),
            [database, table] => (self.catalog.clone(), database.clone(), table.clone()),
            [table] => (self.catalog.clone(), self.database()?.to_owned(), table.clone()),
            _ => return Err(SqlError::new("a table is named by one to three parts")),
        })
    }

    /// Looks a table up.
    async fn table(&self, path: &[String]) -> SqlResult<FoundTable> {
        let (catalog, database, name) = self.resolve(path)?;
        let found = match self.backend(&catalog) {
            Ok(backend) => backend.table(&catalog, &database, &name).await,
            Err(error) => Err(error),
        };
        let hinted = |error: SqlError| match path {
            // streams of captured tables have such names
            [_, _, ..] if !self.catalogs.is_empty() => {
                let name = path.join(".");
                error.hint(&format!("if {name} is one name, write it in backticks: `{name}`"))
            }
            _ => error,
        };
        Ok(FoundTable { table: found.map_err(hinted)?, catalog, database, name })
    }

    async fn describe(&self, path: &[String]) -> SqlResult<Outcome> {
        let table = self.table(path).await?.table;
        let key = table.key();
        let rows = table.schema.fields().iter().map(|field| {
            let key =
                if key.contains(field.name()) { format!("PRI({})", key.join(", ")) } else { String::new() };
            vec![field.name().clone(), type_name(field.data_type()), field.is_nullable().to_string(), key]
        });
        Outcome::texts(&["name", "type", "null", "key"], &rows.collect::<Vec<_>>())
    }

    /// Begins a query.
    async fn query(&mut self, sql: String) -> SqlResult<RowStream> {
        if self.engine.is_none() {
            self.engine = Some(QueryEngine::new(self.limits.clone())?);
        }
        let none = || SqlError::new("no query can be run");
        let engine = self.engine.as_ref().ok_or_else(none)?;
        let database = self.database.clone().unwrap_or_default();
        let (policy, skipped) = (on_unreadable(&sql)?, Skipped::default());
        let parsed = engine.parse(sql, DefaultPath { catalog: self.catalog.clone(), database }).await?;
        let mut tables = Vec::new();
        for reference in &parsed.references {
            let found = self.table(&parts(reference)).await?;
            let table = found.table.with_unreadable(policy, &skipped);
            tables.push(FoundTable { table, ..found });
        }
        engine.run(parsed, tables, skipped).await
    }
}

/// The parts of a table's name.
fn parts(reference: &TableReference) -> Vec<String> {
    match reference {
        TableReference::Bare { table } => vec![table.to_string()],
        TableReference::Partial { schema, table } => vec![schema.to_string(), table.to_string()],
        TableReference::Full { catalog, schema, table } => {
            vec![catalog.to_string(), schema.to_string(), table.to_string()]
        }
    }
}
