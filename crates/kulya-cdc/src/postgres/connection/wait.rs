//! Waiting for a statement that other sessions may block: reports for whom it waits, and how long.

use super::session::Session;
use crate::CdcResult;
use crate::postgres::settings::Target;
use std::pin::pin;
use std::time::Duration;

/// The time between two reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Waits for a statement of `session`; reports every ten seconds which sessions block it, to the log and to
/// the capture's control. `what` names what
/// it waits for.
///
/// # Errors
/// Those of the statement.
pub(crate) async fn wait_for<T>(
    target: &Target,
    session: &Session,
    what: &str,
    statement: impl Future<Output = CdcResult<T>>,
) -> CdcResult<T> {
    let mut statement = pin!(statement);
    let mut seconds = 0;
    loop {
        if let Ok(result) = tokio::time::timeout(REPORT_INTERVAL, statement.as_mut()).await {
            target.control.waited();
            return result;
        }
        seconds += REPORT_INTERVAL.as_secs();
        let blockers = match blockers(target, session.process()).await {
            Ok(found) if found.is_empty() => "unknown".to_owned(),
            Ok(found) => found.join("; "),
            Err(error) => format!("unknown ({error})"),
        };
        tracing::warn!(seconds, blockers, "waiting for {what}");
        target.control.waiting(format!("{what}; blocked by {blockers}"));
    }
}

/// Describes the sessions and prepared transactions that block a session.
async fn blockers(target: &Target, process: &str) -> CdcResult<Vec<String>> {
    let observer = Session::open(target).await?;
    let sql = format!(
        "SELECT CASE WHEN b.pid = 0 THEN 'a prepared transaction (see pg_prepared_xacts)' ELSE \
         format('process %s of user %s (%s, transaction open for %s s)', b.pid, a.usename, a.state, \
         extract(epoch FROM now() - a.xact_start)::bigint) END \
         FROM (SELECT DISTINCT unnest(pg_blocking_pids({process})) AS pid) b \
         LEFT JOIN pg_stat_activity a ON a.pid = b.pid"
    );
    let rows = observer.rows(&sql).await?;
    Ok(rows.iter().filter_map(|row| row.get(0)).map(str::to_owned).collect())
}
