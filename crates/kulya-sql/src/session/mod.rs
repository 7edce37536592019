//! A user's session: its catalogs, the current catalog and database, its settings, and the execution of
//! statements.

mod catalogs;

pub(crate) use catalogs::{Catalog, Catalogs};

use crate::catalog::{CatalogBackend, CatalogOptions};
use crate::dialect::{self, Statement};
use crate::engine::{QueryEngine, QueryLimits, RowStream};
use crate::output::StatementResult;
use crate::settings::Settings;
use crate::{SqlError, SqlResult};
use async_trait::async_trait;
use std::collections::BTreeMap;

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

/// A session. Statements are executed sequentially.
pub struct Session {
    pub(crate) catalogs: Catalogs,
    pub(crate) backend_factory: Option<Box<dyn BackendFactory>>,
    pub(crate) settings: Settings,
    limits: QueryLimits,
    /// Created by the first query.
    engine: Option<QueryEngine>,
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
        let mut session = Self::without_catalog("");
        session.catalogs.database = if databases.len() == 1 { databases.pop() } else { None };
        session.catalogs.by_name.insert(catalog.to_owned(), Catalog::new(backend));
        session.catalogs.current = catalog.to_owned();
        Ok(session)
    }

    /// Creates a session without a catalog. Until CREATE CATALOG, statements that need one fail with
    /// `reason`.
    pub fn without_catalog(reason: impl Into<String>) -> Self {
        let catalogs = Catalogs {
            by_name: BTreeMap::new(),
            current: String::new(),
            database: None,
            no_catalog_reason: reason.into(),
        };
        Self {
            catalogs,
            backend_factory: None,
            settings: Settings::default(),
            limits: QueryLimits::default(),
            engine: None,
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
        for statement in dialect::parse(text)? {
            results.push(self.run(statement).await?);
        }
        Ok(results)
    }

    /// Returns the current catalog and database as `catalog.database`, for a prompt.
    pub fn current_path(&self) -> String {
        self.catalogs.current_path()
    }

    /// Executes one statement and collects its rows.
    ///
    /// # Errors
    /// That of the statement.
    pub async fn run(&mut self, statement: Statement) -> SqlResult<StatementResult> {
        match self.start(statement).await? {
            Execution::Finished(result) => Ok(result),
            Execution::Rows(rows) => {
                let (schema, batches, warnings) = rows.collect().await?;
                Ok(StatementResult::Rows { schema, batches, warnings })
            }
        }
    }

    /// Returns the engine of queries, which the first one starts.
    pub(crate) fn engine(&mut self) -> SqlResult<&QueryEngine> {
        if self.engine.is_none() {
            self.engine = Some(QueryEngine::new(self.limits.clone())?);
        }
        self.engine.as_ref().ok_or_else(SqlError::internal)
    }
}
