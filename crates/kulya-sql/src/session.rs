//! One user's session: the catalogs, where one is among them, and the way of a statement.

use crate::catalog::Backend;
use crate::catalog_options::{CatalogOptions, catalog_options};
use crate::names::type_name;
use crate::statement::Statement;
use crate::statements;
use crate::{Outcome, SqlError, SqlResult};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::common::TableReference;
use datafusion::config::Dialect;
use datafusion::execution::context::{SessionConfig, SessionContext};
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
}

impl Session {
    /// A session with one catalog, which is chosen. Its database is chosen too if there is only one.
    pub async fn new(catalog: &str, backend: Backend) -> SqlResult<Self> {
        let mut databases = backend.databases().await?;
        let database = if databases.len() == 1 { databases.pop() } else { None };
        let only = Catalog { backend, default_database: None };
        let catalogs = [(catalog.to_owned(), only)].into();
        Ok(Self { catalogs, catalog: catalog.to_owned(), database, opener: None })
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
            Statement::ShowCurrentCatalog => one("current catalog name", vec![self.catalog.clone()]),
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
            Statement::Query(sql) => self.query(&sql).await,
        }
    }

    fn no_catalog(&self, name: &str) -> SqlError {
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

    async fn describe(&self, path: &[String]) -> SqlResult<Outcome> {
        let (catalog, database, name) = self.resolve(path)?;
        let table = self.backend(&catalog)?.table(&catalog, &database, &name).await?;
        let key = table.key();
        let rows = table.schema.fields().iter().map(|field| {
            let key =
                if key.contains(field.name()) { format!("PRI({})", key.join(", ")) } else { String::new() };
            vec![field.name().clone(), type_name(field.data_type()), field.is_nullable().to_string(), key]
        });
        Outcome::texts(&["name", "type", "null", "key"], &rows.collect::<Vec<_>>())
    }

    async fn query(&self, sql: &str) -> SqlResult<Outcome> {
        let database = self.database.as_deref().unwrap_or_default();
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema(
                &self.catalog,
                if database.is_empty() { "none chosen" } else { database },
            )
            .with_create_default_catalog_and_schema(false)
            .with_information_schema(false);
        // names keep their case, as in Flink
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let context = SessionContext::new_with_config(config);
        let state = context.state();
        let statement = state.sql_to_statement(sql, &Dialect::Generic)?;
        for reference in state.resolve_table_references(&statement)? {
            self.provide(&context, &reference).await?;
        }
        let plan = context.state().statement_to_plan(statement).await?;
        let frame = context.execute_logical_plan(plan).await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await?;
        Ok(Outcome::Rows { schema, batches })
    }

    /// Looks a table up and makes it known to a query.
    async fn provide(&self, context: &SessionContext, reference: &TableReference) -> SqlResult<()> {
        let path: Vec<String> = match reference {
            TableReference::Bare { table } => vec![table.to_string()],
            TableReference::Partial { schema, table } => vec![schema.to_string(), table.to_string()],
            TableReference::Full { catalog, schema, table } => {
                vec![catalog.to_string(), schema.to_string(), table.to_string()]
            }
        };
        let (catalog, database, name) = self.resolve(&path)?;
        let table = self.backend(&catalog)?.table(&catalog, &database, &name).await?;
        let known = context.catalog(&catalog).unwrap_or_else(|| {
            let made: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
            context.register_catalog(&catalog, Arc::clone(&made));
            made
        });
        let schema = match known.schema(&database) {
            Some(schema) => schema,
            None => {
                let made: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
                known.register_schema(&database, Arc::clone(&made))?;
                made
            }
        };
        schema.register_table(name, Arc::new(table))?;
        Ok(())
    }
}
