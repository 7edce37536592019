//! SQL sessions on a store, and running statements in them.

use super::catalog::CatalogBackends;
use super::print::Output;
use super::progress::ProgressLine;
use crate::services::Services;
use anyhow::{Result, bail};
use kulya_registry_api::SchemaRegistry;
use kulya_sql::{
    CatalogBackend, Execution, LiveRunner, LiveSettings, QueryLimits, RowWriter, Session, SqlResult,
    StatementResult, visible,
};
use kulya_store::supervision::Supervisor;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Reported where a catalog is needed and no store was named.
const NO_STORE: &str = "folder kulya-data does not exist: kulya serve, kulya cdc or kulya demo creates one, --data names a store, CREATE CATALOG … WITH another";

/// Name of the catalog of the session's own store.
const CATALOG: &str = "kulya";

/// Opens a session on a store; `folder` is the store's, if it is in one.
///
/// # Errors
/// What the catalog reports.
pub(crate) async fn open_session(services: &Services, folder: Option<PathBuf>) -> SqlResult<Session> {
    let registry: Arc<dyn SchemaRegistry> = Arc::clone(&services.registry) as _;
    let backend = CatalogBackend::new(Arc::clone(&services.store), registry);
    let opener = CatalogBackends { own_folder: folder, own_backend: Some(backend.clone()) };
    // a session of the user who runs the program, with that user's rights
    Ok(Session::new(CATALOG, backend).await?.backend_factory(opener).allow_files())
}

/// Starts the live queries of a store, and gives them to a session.
///
/// # Errors
/// What the store reports.
pub(crate) async fn with_live_queries(
    session: Session,
    services: &Services,
    limits: &QueryLimits,
) -> SqlResult<(Session, LiveRunner)> {
    let registry: Arc<dyn SchemaRegistry> = Arc::clone(&services.registry) as _;
    let backend = CatalogBackend::new(Arc::clone(&services.store), registry);
    let settings = LiveSettings { limits: limits.clone(), ..LiveSettings::default() };
    let runner = LiveRunner::start(CATALOG, backend, settings, Supervisor::default()).await?;
    Ok((session.live(runner.clone()), runner))
}

/// Starts the live queries of a server, and those that statements create later.
pub(crate) async fn run_live_queries(
    backend: CatalogBackend,
    supervisor: &Supervisor,
) -> SqlResult<LiveRunner> {
    LiveRunner::start(CATALOG, backend, LiveSettings::default(), supervisor.clone()).await
}

/// Returns the catalog of a store with its registry.
pub(crate) fn catalog_backend(services: &Services) -> CatalogBackend {
    let registry: Arc<dyn SchemaRegistry> = Arc::clone(&services.registry) as _;
    CatalogBackend::new(Arc::clone(&services.store), registry)
}

/// Opens a session without a store, for `CREATE CATALOG`.
pub(super) fn open_session_without_store() -> Session {
    Session::without_catalog(NO_STORE)
        .backend_factory(CatalogBackends { own_folder: None, own_backend: None })
        .allow_files()
}

/// Runs statements and prints their rows as they are produced.
///
/// # Errors
/// The first statement that fails.
pub(super) async fn execute(session: &mut Session, text: &str, output: Output) -> Result<()> {
    let parsed = text.to_owned();
    // parsing a long text takes a while, in which a signal must be handled
    let statements = tokio::task::spawn_blocking(move || kulya_sql::parse_statements(&parsed)).await??;
    if !output.format.is_text() && statements.iter().filter(|statement| statement.is_query()).count() > 1 {
        bail!("a Parquet file has the rows of one query: run each on its own");
    }
    for statement in statements {
        let started = Instant::now();
        let counts = session.progress();
        let progress = ProgressLine::start(counts.clone());
        match session.start(statement).await? {
            Execution::Finished(StatementResult::Completed(message)) => {
                progress.stop();
                output.note(&message, started, &counts);
            }
            Execution::Finished(StatementResult::Rows { schema, batches, .. }) => {
                let mut writer = RowWriter::new(&schema, output.format)?;
                let mut rows = 0;
                for batch in &batches {
                    rows += batch.num_rows();
                    output.print(writer.write(batch)?, &progress).await?;
                }
                output.print(writer.finish()?, &progress).await?;
                progress.stop();
                output.note_rows(rows, started);
            }
            Execution::Rows(mut rows) => {
                let count = output.print_rows(&mut rows, &progress).await?;
                progress.stop();
                rows.warnings().iter().for_each(|note| eprintln!("kulya: {}", visible(note)));
                output.note_rows(count, started);
            }
        }
    }
    Ok(())
}

/// The error of a query that was cancelled because the process exceeded its memory limit.
pub(super) fn memory_exceeded(bytes: u64, limit: u64) -> anyhow::Error {
    anyhow::anyhow!(
        "the query was cancelled: the process uses {} MB of memory, and --memory allows {} MB; query less, or raise it",
        bytes >> 20,
        limit >> 20
    )
}
