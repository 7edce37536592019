//! A user's session: its catalogs, the current catalog and database, and the execution of statements.

use crate::catalog::{self, CatalogBackend, CatalogOptions, parse_catalog_options};
use crate::data_types::type_name;
use crate::dialect::{
    CreateCatalog, Described, Explain, ExplainDetail, OptionDef, ParsedQuery, Show, Statement, StatementKind,
    TableHint, TableReferenceKind, table_reference,
};
use crate::engine::{DefaultPath, QueryEngine, QueryLimits, RowStream, TablePath};
use crate::output::StatementResult;
use crate::scan::{DecodeErrorPolicy, OPTION, SkippedEvents};
use crate::table::{StreamTable, TableDefinition};
use crate::{SqlError, SqlErrorKind, SqlResult};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::common::format::ExplainStatementOptions;
use datafusion::sql::parser::{ExplainStatement, Statement as DFStatement};
use datafusion::sql::sqlparser::ast;
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
        for statement in crate::parse_statements(text)? {
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
        let at = statement.position();
        match statement.kind {
            StatementKind::CreateCatalog(create) if create.comment.is_none() => {
                self.create_catalog(create).await
            }
            StatementKind::DropCatalog { name, if_exists } => {
                let name = name.to_name();
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
            StatementKind::Show(Show::Catalogs { like: None }) => {
                list("catalog name", self.catalogs.keys().cloned().collect())
            }
            StatementKind::Show(Show::Databases { from: None, like: None }) => {
                list("database name", self.backend(&self.catalog)?.databases().await?)
            }
            StatementKind::Show(Show::Tables { from: None, like: None }) => {
                let database = self.database()?;
                list("table name", self.backend(&self.catalog)?.tables(database).await?)
            }
            StatementKind::Show(Show::CurrentCatalog) => {
                let current = Some(self.catalog.clone()).filter(|name| !name.is_empty());
                list("current catalog name", current.into_iter().collect())
            }
            StatementKind::Show(Show::CurrentDatabase) => {
                list("current database name", self.database.iter().cloned().collect())
            }
            StatementKind::UseCatalog(name) => {
                let name = name.to_name();
                let catalog = self.catalogs.get(&name).ok_or_else(|| self.no_catalog(&name))?;
                self.database = catalog.default_database.clone();
                self.catalog = name;
                completed(format!("using {}", self.current_path()))
            }
            StatementKind::Use(path) => {
                let (catalog, database) = match path.parts.as_slice() {
                    [catalog, database] => (catalog.clone(), database.clone()),
                    _ => (self.catalog.clone(), path.to_name()),
                };
                self.backend(&catalog)?.check_database(&catalog, &database).await?;
                (self.catalog, self.database) = (catalog, Some(database));
                completed(format!("using {}", self.current_path()))
            }
            StatementKind::Describe { what: Described::Table, path, extended: false } => {
                self.describe(&path.parts).await
            }
            kind @ (StatementKind::Query(_) | StatementKind::Explain(_)) => {
                let (schema, batches, warnings) =
                    self.query(Statement { kind, ..statement }).await?.collect().await?;
                Ok(StatementResult::Rows { schema, batches, warnings })
            }
            other => Err(SqlError::not_supported(other.name()).at(at)),
        }
    }

    /// Starts one statement: the rows of a query are streamed.
    ///
    /// # Errors
    /// That of the statement; errors during a query are returned by its stream.
    pub async fn start(&mut self, statement: Statement) -> SqlResult<Execution> {
        match statement.is_query() {
            true => self.query(statement).await.map(Execution::Rows),
            false => self.run(statement).await.map(Execution::Finished),
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

    async fn create_catalog(&mut self, create: CreateCatalog) -> SqlResult<StatementResult> {
        let CreateCatalog { name, if_not_exists, options, .. } = create;
        let name = name.to_name();
        let options = options.into_iter().map(|option| (option.key, option.value)).collect();
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

    /// Starts a query, or its EXPLAIN.
    async fn query(&mut self, statement: Statement) -> SqlResult<RowStream> {
        if self.engine.is_none() {
            self.engine = Some(QueryEngine::new(self.limits.clone())?);
        }
        let missing = || SqlError::new(SqlErrorKind::Internal, "the query engine is not available");
        let engine = self.engine.as_ref().ok_or_else(missing)?;
        let database = self.database.clone().unwrap_or_default();
        let Query { statement, hints, ignored_hints } = to_datafusion(statement)?;
        let policies = hints.iter().map(|hint| decode_error_policy(&hint.options));
        let policies: Vec<DecodeErrorPolicy> = policies.collect::<SqlResult<_>>()?;
        let skipped = SkippedEvents::default();
        let path = DefaultPath { catalog: self.catalog.clone(), database };
        let pending = engine.prepare(statement, path).await?;
        let mut tables = Vec::new();
        for reference in &pending.references {
            let mut parts = parts(reference);
            let hidden = parts.pop().unwrap_or_default();
            let (name, policy) = match table_reference(&hidden) {
                TableReferenceKind::Hinted(name, hint) => {
                    (name, policies.get(hint).copied().unwrap_or_default())
                }
                TableReferenceKind::Table(name) => (name, DecodeErrorPolicy::default()),
                TableReferenceKind::File(_) => return Err(SqlError::internal()),
            };
            parts.push(name.to_owned());
            let (path, definition) = self.find_table(&parts).await?;
            let CatalogBackend { store, registry } = self.backend(&path.catalog)?.clone();
            let table = StreamTable::new(definition, store, registry, policy, &skipped);
            tables.push((TablePath { name: hidden, ..path }, Arc::new(table) as Arc<dyn TableProvider>));
        }
        let warnings = move || {
            let ignored = ignored_hints.iter().map(|hint| format!("the hint {hint} has no effect"));
            ignored.chain(skipped.warning()).collect()
        };
        engine.run(pending, tables, Box::new(warnings)).await
    }
}

/// A query for DataFusion.
struct Query {
    statement: DFStatement,
    /// The hints, by the numbers in the names of tables.
    hints: Vec<TableHint>,
    ignored_hints: Vec<String>,
}

/// Returns a query, or the EXPLAIN of a query, for DataFusion.
fn to_datafusion(statement: Statement) -> SqlResult<Query> {
    let at = statement.position();
    match statement.kind {
        StatementKind::Query(ParsedQuery { query, hints, files, system_time, ignored_hints }) => {
            if let Some(file) = files.first() {
                let what = format!("a query of the file {}", file.path);
                return Err(SqlError::not_supported(what).at(file.position.0));
            }
            if let Some(position) = system_time {
                return Err(SqlError::not_supported("FOR SYSTEM_TIME AS OF").at(position.0));
            }
            let statement = DFStatement::Statement(Box::new(ast::Statement::Query(query.value)));
            Ok(Query { statement, hints, ignored_hints })
        }
        StatementKind::Explain(Explain { details, statement }) => {
            let mut options = ExplainStatementOptions::default();
            for detail in details {
                match detail {
                    ExplainDetail::Analyze => options.analyze = true,
                    ExplainDetail::Verbose => options.verbose = true,
                    _ => return Err(SqlError::not_supported("this detail of EXPLAIN").at(at)),
                }
            }
            let explained = to_datafusion(Statement { kind: *statement, position: at.into() })?;
            let statement = Box::new(explained.statement);
            Ok(Query {
                statement: DFStatement::Explain(ExplainStatement { options, statement }),
                ..explained
            })
        }
        other => Err(SqlError::not_supported(format!("EXPLAIN of {}", other.name())).at(at)),
    }
}

/// Returns the policy for events that cannot be decoded, of the options of a hint.
fn decode_error_policy(options: &[OptionDef]) -> SqlResult<DecodeErrorPolicy> {
    let mut policy = DecodeErrorPolicy::default();
    for option in options {
        if option.key != OPTION {
            let text = format!("option '{}' in a hint", option.key);
            return Err(SqlError::not_supported(text).at(option.position.0));
        }
        policy = DecodeErrorPolicy::parse(&option.value)?;
    }
    Ok(policy)
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
