//! Heartbeats of a log's stream: an event and a statement whenever the interval has passed, whether there are
//! changes or not. The source runs the statement.

use crate::debezium::events::{EventContext, TopicEvents};
use crate::debezium::heartbeat;
use crate::heartbeat_timer::HeartbeatTimer;
use crate::output::Output;
use crate::{CaptureSettings, CdcError, CdcErrorKind, CdcResult};
use std::time::Duration;

/// The heartbeats of a stream.
pub(crate) struct Heartbeats {
    timer: HeartbeatTimer,
    events: TopicEvents,
    /// The name of the capture.
    name: String,
    /// The statement that each heartbeat runs; empty for none.
    statement: String,
}

impl Heartbeats {
    /// Creates heartbeats whose first interval begins now.
    pub(crate) fn new(settings: &CaptureSettings, events: &EventContext, output: &Output<'_>) -> Self {
        let interval = Duration::from_millis(settings.heartbeat_interval_ms);
        Self {
            timer: HeartbeatTimer::new(interval, output.clock.since_epoch()),
            events: events.heartbeats(),
            name: settings.name.clone(),
            statement: settings.heartbeat_query.clone(),
        }
    }

    /// Waits until a heartbeat is due; without heartbeats for ever. Cancel-safe.
    pub(crate) async fn wait(&mut self, now: Duration) {
        match self.timer.remaining(now) {
            Some(remaining) => tokio::time::sleep(remaining).await,
            None => std::future::pending().await,
        }
    }

    /// Adds an event if a heartbeat is due; returns the statement that is to be run then. Must not be called
    /// within a transaction of the log.
    pub(crate) fn beat(&mut self, output: &mut Output<'_>) -> Option<&str> {
        let now = output.clock.since_epoch();
        if !self.timer.take_due(now) {
            return None;
        }
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.events.push(
            &mut output.batch,
            &[],
            |out| heartbeat::write_key(out, &self.name),
            |out| heartbeat::write_value(out, millis),
        );
        Some(self.statement.as_str()).filter(|statement| !statement.is_empty())
    }
}

/// Decides about an error of the statement: that its table does not exist ends the capture, as does a session
/// that has ended; others are logged.
///
/// # Errors
/// `Configuration` when the table does not exist; `Unreachable` when the session has ended.
pub(crate) fn statement_failed(error: CdcError, is_table_missing: bool) -> CdcResult<()> {
    if is_table_missing {
        let what = format!("heartbeat-query failed: {error}");
        return Err(CdcError::new(CdcErrorKind::Configuration, what).because(error));
    }
    if error.kind() == CdcErrorKind::Unreachable {
        return Err(error);
    }
    tracing::warn!(%error, "heartbeat-query failed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_table_and_a_lost_session_end_the_capture() {
        let error = |kind| CdcError::new(kind, "no table x");
        let failed = statement_failed(error(CdcErrorKind::Source), true).unwrap_err();
        assert_eq!(failed.kind(), CdcErrorKind::Configuration);
        assert_eq!(failed.to_string(), "heartbeat-query failed: no table x");
        let failed = statement_failed(error(CdcErrorKind::Unreachable), false).unwrap_err();
        assert_eq!(failed.kind(), CdcErrorKind::Unreachable);
        for kind in [CdcErrorKind::Source, CdcErrorKind::Configuration, CdcErrorKind::Busy] {
            statement_failed(error(kind), false).unwrap();
        }
    }
}
