//! The execution of statements, a module for each kind.

mod alter_table;
mod catalog;
mod computed;
mod create_table;
mod database;
mod describe;
mod file;
mod insert;
mod jobs;
mod listing;
mod live_query;
mod live_table;
mod materialized_view;
mod query;
mod resolve;
mod settings;
mod subscribe;
mod system_time;
mod table;
mod view;

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
        self.progress.reset();
        self.names.clear();
        let position = statement.position();
        let finished = match statement.kind {
            StatementKind::Query(query) if self.is_streaming() => {
                return Box::pin(self.subscribe(query)).await.map(Execution::Rows);
            }
            StatementKind::Query(query) => return self.query(query).await.map(Execution::Rows),
            StatementKind::Subscribe(query) => {
                return Box::pin(self.subscribe(query)).await.map(Execution::Rows);
            }
            StatementKind::Explain(explain) if explain.is_live() => {
                Box::pin(self.explain_live(explain, position)).await
            }
            StatementKind::Explain(explain) => {
                return self.explain(explain, position).await.map(Execution::Rows);
            }
            StatementKind::CreateCatalog(create) => self.create_catalog(create).await,
            StatementKind::AlterCatalog { name, change } => self.alter_catalog(&name, change).await,
            StatementKind::DropCatalog { name, if_exists } => self.drop_catalog(&name, if_exists).await,
            StatementKind::UseCatalog(name) => self.use_catalog(&name).await,
            StatementKind::CreateDatabase(create) => self.create_database(create).await,
            StatementKind::AlterDatabase { path, change } => self.alter_database(&path, change).await,
            StatementKind::DropDatabase { path, if_exists, cascade } => {
                self.drop_database(&path, if_exists, cascade).await
            }
            StatementKind::Use(path) => self.use_database(&path).await,
            StatementKind::CreateTable(create) => self.create_table(*create).await,
            StatementKind::AlterTable { path, if_exists, change } => {
                self.alter_table(&path, if_exists, change).await
            }
            StatementKind::DropTable { path, if_exists, temporary } => {
                self.drop_table(&path, if_exists, temporary).await
            }
            StatementKind::CreateView(create) if create.materialized => {
                Box::pin(self.create_materialized_view(*create)).await
            }
            StatementKind::CreateView(create) => self.create_view(*create).await,
            StatementKind::AlterView { path, change } => self.alter_view(&path, change).await,
            StatementKind::DropView { path, if_exists, temporary } => {
                self.drop_view(&path, if_exists, temporary).await
            }
            StatementKind::DropMaterializedView { path, if_exists } => {
                self.drop_materialized_view(&path, if_exists).await
            }
            StatementKind::AlterMaterializedView { path, is_paused } => {
                self.pause_materialized_view(&path, is_paused).await
            }
            StatementKind::AlterJob { name, is_paused } => {
                self.pause_job(&name, is_paused).await.map_err(|error| error.at(position))
            }
            StatementKind::StopJob(name) => self.stop_job(&name).await.map_err(|error| error.at(position)),
            StatementKind::Show(show) => self.show(show).await,
            StatementKind::Describe { what: Described::Table, path, .. } => self.columns(&path, None).await,
            StatementKind::Describe { what: Described::File, path, .. } => self.describe_file(&path).await,
            StatementKind::Describe { what: Described::Database, path, extended } => {
                self.describe_database(&path, extended).await
            }
            StatementKind::Describe { what: Described::Catalog, path, extended } => {
                self.describe_catalog(&path, extended).await
            }
            StatementKind::Set(setting) => self.set(setting).map_err(|error| error.at(position)),
            StatementKind::Reset(key) => self.reset(key.as_deref()).map_err(|error| error.at(position)),
            StatementKind::Insert(insert) if self.is_streaming() => Box::pin(self.start_job(*insert)).await,
            StatementKind::StatementSet(_) if self.is_streaming() => {
                Err(SqlError::not_supported("a statement set that goes on").at(position))
            }
            StatementKind::Insert(insert) => self.insert(vec![*insert]).await,
            StatementKind::StatementSet(inserts) => self.insert(inserts).await,
        };
        finished.map(Execution::Finished)
    }

    async fn show(&mut self, show: Show) -> SqlResult<StatementResult> {
        match show {
            Show::Catalogs { like } => self.show_catalogs(like.as_ref()).await,
            Show::CurrentCatalog => self.show_current_catalog(),
            Show::CurrentDatabase => self.show_current_database(),
            Show::Databases { from, like } => self.show_databases(from.as_ref(), like.as_ref()).await,
            Show::Tables { from, like } => self.show_objects(false, from.as_ref(), like.as_ref()).await,
            Show::Views { from, like } => self.show_objects(true, from.as_ref(), like.as_ref()).await,
            Show::MaterializedViews { from, like } => {
                self.show_materialized_views(from.as_ref(), like.as_ref()).await
            }
            Show::Jobs => self.show_jobs().await,
            Show::Columns { from, like } => self.columns(&from, like.as_ref()).await,
            Show::Functions { user_only, like, .. } => self.show_functions(user_only, like.as_ref()),
            Show::CreateCatalog(name) => self.show_create_catalog(&name).await,
            Show::CreateTable(path) => self.show_create_table(&path).await,
            Show::CreateView(path) => self.show_create_view(&path).await,
        }
    }
}
