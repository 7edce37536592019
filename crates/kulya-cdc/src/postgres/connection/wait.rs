//! Waiting for a statement that may take any time, because other sessions block it or because it reads much:
//! reports for whom it waits, and how long, and ends when the session that runs it is lost.

use super::session::Session;
use crate::postgres::settings::Target;
use crate::{CdcError, CdcErrorKind, CdcResult};
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::SimpleQueryRow;

/// The time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// What another session sees of a statement.
struct Observed {
    /// Whether the server works on it, or waits for others to do so.
    is_running: bool,
    /// The sessions and prepared transactions that block it.
    blockers: Vec<String>,
}

/// Runs a statement of a session and waits for it as [`wait_for`] does.
///
/// # Errors
/// Those of the statement; `Unreachable` when the session is lost.
pub(crate) async fn run(session: &Session, what: &str, sql: &str) -> CdcResult<Vec<SimpleQueryRow>> {
    wait_for(session.target(), session.process(), what, session.query(sql)).await
}

/// Waits for a statement of the backend `process`; reports every ten seconds which sessions block it, to the
/// log and to the capture's control. `what` names what it waits for.
///
/// # Errors
/// Those of the statement; `Unreachable` when its session is lost: the server does not run it, or no other
/// session can ask for it, as long as a connection may be silent.
pub(crate) async fn wait_for<T>(
    target: &Target,
    process: &str,
    what: &str,
    statement: impl Future<Output = CdcResult<T>>,
) -> CdcResult<T> {
    let mut statement = pin!(statement);
    let start = Instant::now();
    let mut last_seen = start;
    let lost_after = target.liveness.lost_after;
    loop {
        if let Ok(result) = tokio::time::timeout(REPORT_INTERVAL.min(lost_after), statement.as_mut()).await {
            target.control.waited();
            return result;
        }
        let observed = observe(target, process).await;
        if observed.as_ref().is_ok_and(|observed| observed.is_running) {
            last_seen = Instant::now();
        }
        if last_seen.elapsed() >= lost_after {
            let (server, seconds) = (target.server(), lost_after.as_secs());
            return Err(CdcError::new(
                CdcErrorKind::Unreachable,
                format!(
                    "the connection to PostgreSQL at {server} is lost: no answer about {what} for {seconds} s"
                ),
            ));
        }
        let blockers = match observed {
            Ok(Observed { blockers, .. }) if blockers.is_empty() => "no other session".to_owned(),
            Ok(Observed { blockers, .. }) => blockers.join("; "),
            Err(error) => format!("unknown ({error})"),
        };
        let seconds = start.elapsed().as_secs();
        tracing::warn!(seconds, blockers, "waiting for {what}");
        target.control.waiting(format!("{what}; blocked by {blockers}"));
    }
}

/// Asks what a backend does, and describes the sessions and prepared transactions that block it.
async fn observe(target: &Target, process: &str) -> CdcResult<Observed> {
    let observer = Session::open(target).await?;
    let running = format!(
        "SELECT 1 FROM pg_stat_activity WHERE pid = {process} AND state NOT LIKE 'idle%' \
         AND wait_event_type IS DISTINCT FROM 'Client'"
    );
    let is_running = observer.row(&running).await?.is_some();
    let sql = format!(
        "SELECT CASE WHEN b.pid = 0 THEN 'a prepared transaction (see pg_prepared_xacts)' ELSE \
         format('process %s of user %s (%s, transaction open for %s s)', b.pid, a.usename, a.state, \
         extract(epoch FROM now() - a.xact_start)::bigint) END \
         FROM (SELECT DISTINCT unnest(pg_blocking_pids({process})) AS pid) b \
         LEFT JOIN pg_stat_activity a ON a.pid = b.pid"
    );
    let rows = observer.rows(&sql).await?;
    let blockers = rows.iter().filter_map(|row| row.get(0)).map(str::to_owned).collect();
    Ok(Observed { is_running, blockers })
}
