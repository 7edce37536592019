//! A user's session: its catalogs, the current catalog and database, its settings, and the execution of
//! statements.

mod catalogs;
mod factory;
mod temporary;

pub(crate) use catalogs::{Catalog, Catalogs, is_denied};
pub use factory::BackendFactory;
pub(crate) use temporary::{Temporary, TemporaryTables};

use crate::catalog::CatalogBackend;
use crate::completion::Names;
use crate::dialect::{self, Statement};
use crate::engine::{QueryEngine, QueryLimits, RowStream};
use crate::live::LiveRunner;
use crate::output::StatementResult;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::{SqlError, SqlResult};
use std::sync::Arc;

/// A session. Statements are executed sequentially.
pub struct Session {
    pub(crate) catalogs: Catalogs,
    pub(crate) temporary: TemporaryTables,
    pub(crate) settings: Settings,
    pub(crate) progress: Progress,
    /// What completion looked up since the last statement.
    pub(crate) names: Names,
    /// Whether statements may name files of this machine.
    pub(crate) allows_files: bool,
    limits: QueryLimits,
    /// Created by the first query.
    engine: Option<Arc<QueryEngine>>,
    /// What runs the live queries of the session's own store, in this process.
    pub(crate) live: Option<LiveRunner>,
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
        Ok(Self { catalogs: Catalogs::of_store(catalog, backend, database), ..Self::without_catalog("") })
    }

    /// Creates a session without a catalog. Until CREATE CATALOG, statements that need one fail with
    /// `reason`.
    pub fn without_catalog(reason: impl Into<String>) -> Self {
        Self {
            catalogs: Catalogs::none(reason.into()),
            temporary: TemporaryTables::default(),
            settings: Settings::default(),
            progress: Progress::default(),
            names: Names::default(),
            allows_files: false,
            limits: QueryLimits::default(),
            engine: None,
            live: None,
        }
    }

    /// Sets the resource limits of queries.
    #[must_use]
    pub fn limits(mut self, limits: QueryLimits) -> Self {
        self.limits = limits;
        self.engine = None;
        self
    }

    /// Sets what runs the live queries of the session's own store. Without it, statements leave them to the
    /// process that does.
    #[must_use]
    pub fn live(mut self, runner: LiveRunner) -> Self {
        self.live = Some(runner);
        self
    }

    /// Shares an engine.
    pub(crate) fn with_engine(self, engine: Arc<QueryEngine>) -> Self {
        Self { engine: Some(engine), ..self }
    }

    /// Makes the names of a stored statement those of its database.
    pub(crate) fn use_stored(&mut self, catalog: &str, database: &str) {
        self.catalogs.current = catalog.to_owned();
        self.catalogs.database = Some(database.to_owned());
    }

    /// Sets the factory by which catalogs open stores and registries.
    #[must_use]
    pub fn backend_factory(mut self, factory: impl BackendFactory + 'static) -> Self {
        self.catalogs.factory = Some(Arc::new(factory));
        self
    }

    /// Allows statements to read files of this machine, which texts in FROM name. They are read with the
    /// rights of this process: only for sessions of its own user, never for statements that come over a
    /// network.
    #[must_use]
    pub fn allow_files(mut self) -> Self {
        self.allows_files = true;
        self
    }

    /// Returns the counts of the statement that runs, or of the last one.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
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
            self.engine = Some(Arc::new(QueryEngine::new(self.limits.clone())?));
        }
        self.engine.as_deref().ok_or_else(SqlError::internal)
    }

    /// Returns the engine of queries, while one is being planned.
    ///
    /// # Errors
    /// If no query has started it.
    pub(crate) fn started_engine(&self) -> SqlResult<&QueryEngine> {
        self.engine.as_deref().ok_or_else(SqlError::internal)
    }
}
