//! Derives the status from what happens to a capture: a plain value, changed by events and read at a time.

use super::rate::Rate;
use super::{CaptureState, CaptureStatus, IncrementalStatus, LastError, LogReport, SnapshotStatus};
use crate::Progress;
use std::time::Duration;

/// A commit that was stored.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) records: u64,
    pub(crate) position: String,
    /// When its last transaction was committed in the database, since 1970-01-01 00:00 UTC.
    pub(crate) committed: Option<Duration>,
    /// The number of dead letters of the sink.
    pub(crate) dead_letters: u64,
}

/// What is known of a capture. Times are since 1970-01-01 00:00 UTC.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    status: CaptureStatus,
    /// The state before it waited.
    before_waiting: Option<CaptureState>,
    rate: Rate,
    snapshot_started: Duration,
    last_committed: Option<Duration>,
    /// When everything was known to be stored.
    last_caught_up: Option<Duration>,
    is_caught_up: bool,
}

impl Tracker {
    pub(crate) fn new(name: String) -> Self {
        Self { status: CaptureStatus { name, ..CaptureStatus::default() }, ..Self::default() }
    }

    /// Sets the name, unless there is one, and the connector.
    pub(crate) fn describe(&mut self, name: &str, connector: &str) {
        if self.status.name.is_empty() {
            name.clone_into(&mut self.status.name);
        }
        self.status.connector = Some(connector.to_owned());
    }

    pub(crate) fn set_state(&mut self, state: CaptureState) {
        self.before_waiting = None;
        self.is_caught_up &= state == CaptureState::Streaming;
        // the spool ends with the connection
        (self.status.spooled_transactions, self.status.spooled_bytes) = (None, None);
        if state != CaptureState::Snapshot {
            self.status.snapshot = None;
        }
        self.status.state = state;
    }

    pub(crate) fn set_position(&mut self, position: String) {
        self.status.position = Some(position);
    }

    /// Forgets everything that belongs to a position.
    pub(crate) fn forget_position(&mut self) {
        let status = &mut self.status;
        status.position = None;
        (status.lag_bytes, status.retained_bytes, status.files_behind) = (None, None, None);
        (self.last_committed, self.last_caught_up) = (None, None);
    }

    pub(crate) fn on_progress(&mut self, progress: &Progress, now: Duration) {
        match progress {
            Progress::SnapshotStarted { tables, rows } => {
                self.set_state(CaptureState::Snapshot);
                self.snapshot_started = now;
                self.status.snapshot = Some(SnapshotStatus {
                    tables: *tables as u64,
                    tables_read: 0,
                    rows: 0,
                    estimated_rows: *rows,
                    rows_per_second: 0,
                    seconds_left: None,
                });
            }
            Progress::SnapshotRows(rows) => {
                if let Some(snapshot) = &mut self.status.snapshot {
                    snapshot.rows += rows;
                }
            }
            Progress::SnapshotTable => {
                if let Some(snapshot) = &mut self.status.snapshot {
                    snapshot.tables_read += 1;
                }
            }
            Progress::SnapshotStored => self.status.snapshot = None,
            Progress::Streaming { position } => {
                self.set_state(CaptureState::Streaming);
                self.set_position(position.clone());
            }
            // what is stored is reported apart, with more
            _ => {}
        }
    }

    pub(crate) fn on_stored(&mut self, stored: Stored, now: Duration) {
        let status = &mut self.status;
        status.position = Some(stored.position);
        status.dead_letters = stored.dead_letters;
        if stored.records > 0 {
            status.records += stored.records;
            status.last_stored = Some(millis(now));
            self.rate.add(stored.records, now);
        }
        if let Some(committed) = stored.committed {
            self.last_committed = self.last_committed.max(Some(committed));
        }
    }

    /// Takes over what the source measured.
    pub(crate) fn on_log(&mut self, report: LogReport) {
        let LogReport { lag_bytes, retained_bytes, files_behind } = report;
        let status = &mut self.status;
        (status.lag_bytes, status.retained_bytes, status.files_behind) =
            (lag_bytes, retained_bytes, files_behind);
    }

    /// Sets what the spool has of transactions that have not ended.
    pub(crate) fn on_spool(&mut self, transactions: u64, bytes: u64) {
        (self.status.spooled_transactions, self.status.spooled_bytes) = (Some(transactions), Some(bytes));
    }

    /// Sets whether everything that the database had committed by now is stored.
    pub(crate) fn set_caught_up(&mut self, is_caught_up: bool, now: Duration) {
        self.is_caught_up = is_caught_up;
        if is_caught_up {
            self.last_caught_up = Some(now);
        }
    }

    pub(crate) fn on_waiting(&mut self, waiting_for: String, now: Duration) {
        let since = match &self.status.state {
            CaptureState::Waiting { since, .. } => *since,
            state => {
                self.before_waiting = Some(state.clone());
                millis(now)
            }
        };
        self.status.state = CaptureState::Waiting { waiting_for, since };
    }

    pub(crate) fn on_waited(&mut self) {
        if let Some(state) = self.before_waiting.take() {
            self.status.state = state;
        }
    }

    /// Sets that the capture is started again after a delay.
    pub(crate) fn on_retry(&mut self, error: String, attempt: u32, delay: Duration, now: Duration) {
        self.status.restarts += 1;
        self.on_error(&error, now);
        self.set_state(CaptureState::Retrying { error, attempt, next: millis(now + delay) });
    }

    /// Sets that the capture has ended.
    pub(crate) fn on_end(&mut self, error: Option<String>, now: Duration) {
        if let Some(error) = &error {
            self.on_error(error, now);
        }
        self.set_state(CaptureState::Stopped { error });
    }

    pub(crate) fn on_error(&mut self, error: &str, now: Duration) {
        self.status.last_error = Some(LastError { error: error.to_owned(), time: millis(now) });
    }

    /// Sets the last error of a signal.
    pub(crate) fn on_signal_error(&mut self, error: &str, now: Duration) {
        self.status.signal_error = Some(LastError { error: error.to_owned(), time: millis(now) });
    }

    /// Sets the progress of an incremental snapshot.
    pub(crate) fn on_incremental(&mut self, status: Option<IncrementalStatus>) {
        self.status.incremental_snapshot = status;
    }

    /// Returns the status at a time.
    pub(crate) fn status(&mut self, now: Duration) -> CaptureStatus {
        let mut status = self.status.clone();
        status.records_per_second = self.rate.per_second(now);
        status.last_committed = self.last_committed.map(millis);
        status.lag_seconds = if self.is_caught_up {
            Some(0)
        } else {
            let known = self.last_committed.max(self.last_caught_up);
            known.map(|known| now.saturating_sub(known).as_secs())
        };
        if let Some(snapshot) = &mut status.snapshot {
            let seconds = now.saturating_sub(self.snapshot_started).as_secs().max(1);
            snapshot.rows_per_second = snapshot.rows / seconds;
            let left = snapshot.estimated_rows.saturating_sub(snapshot.rows);
            snapshot.seconds_left = left.checked_div(snapshot.rows_per_second);
        }
        status
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Duration {
        Duration::from_secs(1_700_000_000 + second)
    }

    fn stored(records: u64, committed: Option<Duration>) -> Stored {
        Stored { records, position: "0/10".into(), committed, dead_letters: 0 }
    }

    #[test]
    fn lag_grows_from_the_last_stored_transaction() {
        let mut tracker = Tracker::new("shop".into());
        tracker.set_state(CaptureState::Streaming);
        assert_eq!(tracker.status(at(0)).lag_seconds, None);
        tracker.on_stored(stored(5, Some(at(0))), at(3));
        let status = tracker.status(at(3));
        assert_eq!((status.lag_seconds, status.records, status.records_per_second), (Some(3), 5, 5));
        tracker.set_caught_up(true, at(10));
        assert_eq!(tracker.status(at(60)).lag_seconds, Some(0));
        tracker.set_caught_up(false, at(70));
        assert_eq!(tracker.status(at(70)).lag_seconds, Some(60));
        tracker.set_caught_up(true, at(80));
        // what happens without a connection is not known
        tracker.set_state(CaptureState::Paused);
        assert_eq!(tracker.status(at(85)).lag_seconds, Some(5));
    }

    #[test]
    fn spool_ends_with_the_connection() {
        let mut tracker = Tracker::new("shop".into());
        tracker.set_state(CaptureState::Streaming);
        assert_eq!(tracker.status(at(0)).spooled_bytes, None);
        tracker.on_spool(2, 300);
        let status = tracker.status(at(0));
        assert_eq!((status.spooled_transactions, status.spooled_bytes), (Some(2), Some(300)));
        tracker.on_retry("lost".into(), 1, Duration::from_secs(1), at(1));
        assert_eq!(tracker.status(at(1)).spooled_bytes, None);
    }

    #[test]
    fn snapshot_has_an_estimate_of_its_end() {
        let mut tracker = Tracker::new("shop".into());
        tracker.on_progress(&Progress::SnapshotStarted { tables: 2, rows: 1000 }, at(0));
        assert_eq!(tracker.status(at(0)).snapshot.unwrap().seconds_left, None);
        tracker.on_progress(&Progress::SnapshotRows(200), at(4));
        tracker.on_progress(&Progress::SnapshotTable, at(4));
        let expected = SnapshotStatus {
            tables: 2,
            tables_read: 1,
            rows: 200,
            estimated_rows: 1000,
            rows_per_second: 50,
            seconds_left: Some(16),
        };
        assert_eq!(tracker.status(at(4)).snapshot, Some(expected));
        tracker.on_progress(&Progress::Streaming { position: "0/1".into() }, at(5));
        let status = tracker.status(at(5));
        assert_eq!((status.snapshot, status.state), (None, CaptureState::Streaming));
    }

    #[test]
    fn waiting_ends_in_the_earlier_state() {
        let mut tracker = Tracker::new("shop".into());
        tracker.set_state(CaptureState::Starting);
        tracker.on_waiting("a lock".into(), at(0));
        tracker.on_waiting("a lock of others".into(), at(10));
        let since = millis(at(0));
        let waiting = CaptureState::Waiting { waiting_for: "a lock of others".into(), since };
        assert_eq!(tracker.status.state, waiting);
        tracker.on_waited();
        tracker.on_waited();
        assert_eq!(tracker.status.state, CaptureState::Starting);
    }

    #[test]
    fn status_is_flat_json() {
        let mut tracker = Tracker::new("shop".into());
        tracker.describe("other", "postgresql");
        tracker.on_retry("lost".into(), 2, Duration::from_secs(1), at(0));
        let status = tracker.status(at(0));
        let json = serde_json::to_value(&status).unwrap();
        let expected = serde_json::json!({
            "name": "shop", "connector": "postgresql", "state": "retrying", "error": "lost", "attempt": 2,
            "next": 1_700_000_001_000_u64, "records": 0, "recordsPerSecond": 0, "restarts": 1, "deadLetters": 0,
            "lastError": { "error": "lost", "time": 1_700_000_000_000_u64 },
        });
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_value::<CaptureStatus>(json).unwrap(), status);
        tracker.on_end(None, at(1));
        let status = tracker.status(at(1));
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<CaptureStatus>(&text).unwrap(), status);
    }
}
