//! SQL sessions on a store, and running statements in them.

use super::catalog::CatalogBackends;
use crate::services::Services;
use anyhow::Result;
use kulya_sql::{Backend, RowWriter, Session, Shape, SqlResult, Started};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// Reported where a catalog is needed and no store was named.
const NO_STORE: &str = "folder kulya-data does not exist: kulya serve, kulya cdc or kulya demo creates one, --data names a store, CREATE CATALOG … WITH another";

/// Name of the catalog of the session's own store.
const CATALOG: &str = "kulya";

/// Opens a session on a store; `folder` is the store's, if it is in one.
///
/// # Errors
/// What the catalog reports.
pub(crate) async fn open_session(services: &Services, folder: Option<PathBuf>) -> SqlResult<Session> {
    let backend =
        Backend { store: Arc::clone(&services.store), registry: Arc::clone(&services.registry) as _ };
    let opener = CatalogBackends { own_folder: folder, own_backend: Some(backend.clone()) };
    Ok(Session::new(CATALOG, backend).await?.opener(opener))
}

/// Opens a session without a store, for `CREATE CATALOG`.
pub(super) fn open_session_without_store() -> Session {
    Session::without_catalog(NO_STORE).opener(CatalogBackends { own_folder: None, own_backend: None })
}

/// Runs statements and prints their rows as they are produced.
///
/// # Errors
/// The first statement that fails.
pub(super) async fn execute(session: &mut Session, text: &str, format: Shape) -> Result<()> {
    for statement in kulya_sql::statements(text)? {
        match session.start(statement).await? {
            Started::Finished(outcome) => print(outcome.write(format)?).await?,
            Started::Rows(mut rows) => {
                let mut writer = RowWriter::new(rows.schema(), format);
                while let Some(batch) = rows.next().await? {
                    print(writer.write(&batch)?).await?;
                }
                print(writer.finish()?).await?;
                rows.notes().iter().for_each(|note| eprintln!("kulya: {note}"));
            }
        }
    }
    Ok(())
}

/// Writes to standard output on a blocking thread, so that a slow reader does not delay signals.
async fn print(text: String) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let write = tokio::task::spawn_blocking(move || {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    });
    Ok(write.await??)
}

/// The error of a query that was cancelled because the process exceeded its memory limit.
pub(super) fn memory_exceeded(bytes: u64, limit: u64) -> anyhow::Error {
    anyhow::anyhow!(
        "the query was cancelled: the process uses {} MB of memory, and --memory allows {} MB; query less, or raise it",
        bytes >> 20,
        limit >> 20
    )
}
