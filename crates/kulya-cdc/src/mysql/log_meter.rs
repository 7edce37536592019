//! The measurement of how far a capture is behind the end of the binary log.

use super::connection::Connection;
use super::offset::{LogPoint, ServerLog};
use crate::output::Output;
use crate::status::LogReport;
use std::time::Duration;
use tokio::time::Instant;

/// The time between two measurements.
const INTERVAL: Duration = Duration::from_secs(10);
/// The time in which the server must answer. A measurement must not hold up the stream.
const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct LogMeter {
    /// When to measure next; `None` after a failure, which leaves the session in the middle of a response.
    next: Option<Instant>,
    /// The end of the log at the last measurement, until everything before it is stored.
    end: Option<LogPoint>,
    /// The place up to which everything was known to be stored.
    stored: LogPoint,
}

impl LogMeter {
    pub(super) fn new(stored: LogPoint) -> Self {
        Self { next: Some(Instant::now()), end: None, stored }
    }

    /// Waits until a measurement is due. Cancel-safe.
    pub(super) async fn due(&self) {
        match self.next {
            Some(next) => tokio::time::sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// Measures if it is due, and reports it. `committed` is the place of the last commit that was handed
    /// over, `read` the place up to which the log was read outside of transactions. A failure is not
    /// reported: the stream fails by itself.
    pub(super) async fn measure(
        &mut self,
        session: &mut Connection,
        committed: &LogPoint,
        read: Option<&LogPoint>,
        output: &Output<'_>,
    ) {
        let is_idle = output.is_idle();
        if is_idle && self.stored != *committed {
            self.stored.clone_from(committed);
        }
        if self.next.is_some_and(|next| Instant::now() >= next) {
            self.ask(session, output).await;
        }
        let is_all_stored = is_idle && output.batch.is_empty();
        if let (Some(end), Some(read)) = (&self.end, read)
            && is_all_stored
            && end.is_at_or_before(read)
        {
            self.end = None;
            output.control.set_caught_up(true);
        }
    }

    async fn ask(&mut self, session: &mut Connection, output: &Output<'_>) {
        let log = match tokio::time::timeout(TIMEOUT, ServerLog::read(session)).await {
            Ok(Ok(log)) => log,
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot read the end of the log");
                self.next = None;
                return;
            }
            Err(_) => {
                self.next = None;
                return;
            }
        };
        self.next = Some(Instant::now() + INTERVAL);
        if self.end.is_some() {
            output.control.set_caught_up(false);
        }
        let (lag_bytes, files_behind) = behind(&log.files, &self.stored).unzip();
        output.control.on_log(LogReport { lag_bytes, retained_bytes: None, files_behind });
        self.end = log.files.last().map(|(file, length)| LogPoint::new(file, *length));
    }
}

/// Returns the number of bytes and of files after a place; `None` if the log does not have it.
fn behind(files: &[(String, u64)], stored: &LogPoint) -> Option<(u64, u64)> {
    let mut rest = files.iter().skip_while(|(file, _)| *file != stored.file);
    let (_, length) = rest.next()?;
    let rest: Vec<u64> = rest.map(|(_, length)| *length).collect();
    let bytes =
        rest.iter().fold(length.saturating_sub(stored.position), |sum, length| sum.saturating_add(*length));
    Some((bytes, rest.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_after_a_place_are_counted() {
        let files =
            [("log.000001".to_owned(), 100), ("log.000002".to_owned(), 50), ("log.000003".to_owned(), 7)];
        for (file, position, expected) in [
            ("log.000001", 40, Some((117, 2))),
            ("log.000003", 7, Some((0, 0))),
            ("log.000003", 9, Some((0, 0))),
            ("log.000000", 4, None),
            ("", 0, None),
        ] {
            assert_eq!(behind(&files, &LogPoint::new(file, position)), expected, "{file} {position}");
        }
        assert_eq!(behind(&[], &LogPoint::new("log.000001", 4)), None);
    }
}
