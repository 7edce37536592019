//! Heartbeats of the log's stream: an event and a statement whenever the interval has passed, whether there
//! are changes or not.

use super::connection::server_error::ServerError;
use super::connection::session::Session;
use crate::debezium::events::{EventContext, TopicEvents};
use crate::debezium::heartbeat;
use crate::heartbeat_timer::HeartbeatTimer;
use crate::output::Output;
use crate::{CaptureSettings, CdcError, CdcErrorKind, CdcResult};
use std::time::Duration;

/// The SQLSTATE of a table that does not exist.
const UNDEFINED_TABLE: &str = "42P01";

/// The heartbeats of a stream.
pub(crate) struct Heartbeats<'a> {
    timer: HeartbeatTimer,
    events: TopicEvents,
    settings: &'a CaptureSettings,
}

impl<'a> Heartbeats<'a> {
    /// Creates heartbeats whose first interval begins now.
    pub(crate) fn new(settings: &'a CaptureSettings, events: &EventContext, output: &Output<'_>) -> Self {
        let interval = Duration::from_millis(settings.heartbeat_interval_ms);
        let timer = HeartbeatTimer::new(interval, output.clock.since_epoch());
        Self { timer, events: events.heartbeats(), settings }
    }

    /// Waits until a heartbeat is due; without heartbeats for ever. Cancel-safe.
    pub(crate) async fn wait(&mut self, now: Duration) {
        match self.timer.remaining(now) {
            Some(remaining) => tokio::time::sleep(remaining).await,
            None => std::future::pending().await,
        }
    }

    /// Adds an event and runs the statement if a heartbeat is due. Must not be called within a transaction of
    /// the log.
    ///
    /// # Errors
    /// `Unreachable` when the session has ended; `Configuration` when the statement's table does not exist.
    /// Other errors of the statement are logged.
    pub(crate) async fn beat(&mut self, session: &Session, output: &mut Output<'_>) -> CdcResult<()> {
        let now = output.clock.since_epoch();
        if !self.timer.take_due(now) {
            return Ok(());
        }
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let name = &self.settings.name;
        self.events.push(
            &mut output.batch,
            &[],
            |out| heartbeat::write_key(out, name),
            |out| heartbeat::write_value(out, millis),
        );
        let query = &self.settings.heartbeat_query;
        if query.is_empty() {
            return Ok(());
        }
        let result = tokio::select! {
            result = session.execute(query) => result,
            () = output.cancel.cancelled() => Ok(()),
        };
        result.or_else(statement_failed)
    }
}

fn statement_failed(error: CdcError) -> CdcResult<()> {
    let is_undefined = ServerError::cause_of(&error).is_some_and(|cause| cause.code == UNDEFINED_TABLE);
    if is_undefined {
        let what = format!("heartbeat-query failed: {error}");
        return Err(CdcError::new(CdcErrorKind::Configuration, what).because(error));
    }
    if error.kind() == CdcErrorKind::Unreachable {
        return Err(error);
    }
    tracing::warn!(%error, "heartbeat-query failed");
    Ok(())
}
