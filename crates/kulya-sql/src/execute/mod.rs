//! The execution of statements, a module for each kind.

mod catalog;
mod database;
mod insert;
mod listing;
mod query;
mod settings;
mod table;

use crate::dialect::{Described, Show, Statement, StatementKind};
use crate::output::StatementResult;
use crate::session::{Execution, Session};
use crate::{SqlError, SqlResult};

/// Returns the result of a completed statement.
fn completed(message: impl Into<String>) -> SqlResult<StatementResult> {
    Ok(StatementResult::Completed(message.into()))
}

impl Session {
    /// Starts one statement: the rows of a query are streamed.
    ///
    /// # Errors
    /// That of the statement; errors during a query are returned by its stream.
    pub async fn start(&mut self, statement: Statement) -> SqlResult<Execution> {
        let position = statement.position();
        let finished = match statement.kind {
            StatementKind::Query(query) => return self.query(query).await.map(Execution::Rows),
            StatementKind::Explain(explain) => {
                return self.explain(explain, position).await.map(Execution::Rows);
            }
            StatementKind::CreateCatalog(create) => self.create_catalog(create).await,
            StatementKind::DropCatalog { name, if_exists } => self.drop_catalog(&name, if_exists),
            StatementKind::UseCatalog(name) => self.use_catalog(&name),
            StatementKind::CreateDatabase(create) => self.create_database(create).await,
            StatementKind::DropDatabase { path, if_exists, cascade } => {
                self.drop_database(&path, if_exists, cascade).await
            }
            StatementKind::Use(path) => self.use_database(&path).await,
            StatementKind::CreateTable(create) => self.create_table(*create).await,
            StatementKind::DropTable { path, if_exists, temporary: false } => {
                self.drop_table(&path, if_exists).await
            }
            StatementKind::Show(show) => self.show(show).await,
            StatementKind::Describe { what: Described::Table, path, .. } => self.describe_table(&path).await,
            StatementKind::Describe { what: Described::Database, path, .. } => {
                self.describe_database(&path).await
            }
            StatementKind::Describe { what: Described::Catalog, path, .. } => self.describe_catalog(&path),
            StatementKind::Set(setting) => self.set(setting),
            StatementKind::Reset(key) => self.reset(key.as_deref()),
            StatementKind::Insert(insert) => self.insert(vec![*insert]).await,
            StatementKind::StatementSet(inserts) => self.insert(inserts).await,
            other => Err(SqlError::not_supported(other.name()).at(position)),
        };
        finished.map(Execution::Finished)
    }

    async fn show(&self, show: Show) -> SqlResult<StatementResult> {
        match show {
            Show::Catalogs { like } => self.show_catalogs(like.as_ref()),
            Show::CurrentCatalog => self.show_current_catalog(),
            Show::CurrentDatabase => self.show_current_database(),
            Show::Databases { from, like } => self.show_databases(from.as_ref(), like.as_ref()).await,
            Show::Tables { from, like } => self.show_tables(from.as_ref(), like.as_ref()).await,
            Show::Columns { from, like } => self.show_columns(&from, like.as_ref()).await,
            Show::CreateCatalog(name) => self.show_create_catalog(&name),
            Show::CreateTable(path) => self.show_create_table(&path).await,
            Show::Views { .. } => Err(SqlError::not_supported("SHOW VIEWS")),
            Show::Functions { .. } => Err(SqlError::not_supported("SHOW FUNCTIONS")),
            Show::CreateView(_) => Err(SqlError::not_supported("SHOW CREATE VIEW")),
        }
    }
}
