//! The measurement of how far a capture is behind the end of the write-ahead log.
//!
//! The replication stream does not say where the log ends: a keepalive has the position up to which the
//! server has decoded it. So the end is asked for by SQL, and everything is known to be stored when the
//! server has decoded the log up to the last measured end, and nothing of it waits to be stored. After each
//! measurement it is asked how far it is: with an idle database it answers at once.

use super::connection::replication::ReplicationConnection;
use super::connection::session::{Session, literal, parse_lsn};
use crate::output::Output;
use crate::status::LogReport;
use crate::{CdcError, CdcResult};
use std::time::Duration;
use tokio::time::Instant;

/// The time between two measurements.
const INTERVAL: Duration = Duration::from_secs(10);
/// The time in which the server must answer. A measurement must not hold up the stream.
const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct LogMeter {
    next: Instant,
    /// The end of the log at the last measurement; 0 before the first one.
    end: u64,
    /// Whether everything before that end is stored.
    is_reached: bool,
}

impl Default for LogMeter {
    fn default() -> Self {
        Self { next: Instant::now(), end: 0, is_reached: true }
    }
}

impl LogMeter {
    pub(super) fn is_due(&self) -> bool {
        Instant::now() >= self.next
    }

    /// Whether everything before the end of the log at the last measurement is stored.
    pub(super) fn is_reached(&self) -> bool {
        self.is_reached && self.end > 0
    }

    /// Waits until a measurement is due. Cancel-safe.
    pub(super) async fn due(&self) {
        tokio::time::sleep_until(self.next).await;
    }

    /// Asks for the end of the log, and reports it. A failure is not reported: the stream fails by itself.
    ///
    /// # Errors
    /// `Unreachable` when the replication connection is lost.
    pub(super) async fn measure(
        &mut self,
        session: &Session,
        slot: &str,
        connection: &mut ReplicationConnection,
        output: &Output<'_>,
    ) -> CdcResult<()> {
        self.next = Instant::now() + INTERVAL;
        let (end, retained_bytes) = match tokio::time::timeout(TIMEOUT, read(session, slot)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot read the end of the log");
                return Ok(());
            }
            Err(_) => return Ok(()),
        };
        if !self.is_reached {
            output.control.set_caught_up(false);
        }
        let confirmed = connection.confirmed();
        let lag_bytes = Some(end.saturating_sub(confirmed));
        output.control.on_log(LogReport { lag_bytes, retained_bytes, files_behind: None });
        (self.end, self.is_reached) = (end, false);
        if confirmed >= end {
            self.reach(output);
            return Ok(());
        }
        connection.request_position().await
    }

    /// Reports that the server has decoded the log up to a position outside of transactions.
    pub(super) fn on_position(&mut self, decoded: u64, output: &Output<'_>) {
        let is_all_stored = output.batch.is_empty() && output.is_idle();
        if self.end > 0 && decoded >= self.end && is_all_stored {
            self.reach(output);
        }
    }

    fn reach(&mut self, output: &Output<'_>) {
        self.is_reached = true;
        output.control.set_caught_up(true);
    }
}

/// Returns the end of the log, and the size of the log that a slot retains.
async fn read(session: &Session, slot: &str) -> CdcResult<(u64, Option<u64>)> {
    let sql = format!(
        "SELECT e.lsn, pg_wal_lsn_diff(e.lsn, s.restart_lsn)::bigint \
         FROM (SELECT pg_current_wal_lsn() AS lsn) e LEFT JOIN pg_replication_slots s ON s.slot_name = {}",
        literal(slot)
    );
    let row = session.row(&sql).await?;
    let column = |index| row.as_ref().and_then(|row| row.get(index));
    let end = column(0).ok_or_else(|| CdcError::source("PostgreSQL returned no end of its log"))?;
    Ok((parse_lsn(end)?, column(1).and_then(|bytes| bytes.parse().ok())))
}
