//! The status of a capture for operators ([`CaptureStatus`]): what it does, how far it is, and how far it is
//! behind. A running capture keeps it up to date in its [`Control`](crate::Control).

mod rate;
mod tracker;

pub(crate) use tracker::{Stored, Tracker};

use serde::{Deserialize, Serialize};

/// The status of a capture. Times are in milliseconds since 1970-01-01 00:00 UTC; what is not known is
/// absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CaptureStatus {
    /// The capture's name: Debezium's `topic.prefix`.
    pub name: String,
    /// The kind of database: `postgresql`, `mysql` or `mariadb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// What it does.
    #[serde(flatten)]
    pub state: CaptureState,
    /// The stored position, as the database's tools write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// The size of the database's log after the stored position, in bytes; measured every ten seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_bytes: Option<u64>,
    /// The time since the last stored transaction was committed in the database, or since everything was
    /// known to be stored, in seconds; 0 when nothing is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<u64>,
    /// The size of the log that the database retains for the capture, in bytes (PostgreSQL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_bytes: Option<u64>,
    /// The number of log files after that of the stored position (MySQL, MariaDB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_behind: Option<u64>,
    /// The number of large transactions that have arrived in part and are not stored (PostgreSQL with
    /// `streaming`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spooled_transactions: Option<u64>,
    /// Their size in the spool, in memory and on disk, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spooled_bytes: Option<u64>,
    /// The number of records stored since the program started.
    #[serde(default)]
    pub records: u64,
    /// The number of records stored per second, over the last minute.
    #[serde(default)]
    pub records_per_second: u64,
    /// The progress of the snapshot, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotStatus>,
    /// The progress of an incremental snapshot, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incremental_snapshot: Option<IncrementalStatus>,
    /// When the last records were stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_stored: Option<u64>,
    /// When the last stored transaction was committed in the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_committed: Option<u64>,
    /// The last error, which may be past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// The last signal that was not executed, or what an incremental snapshot could not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal_error: Option<LastError>,
    /// The number of times that the capture was started again after an error.
    #[serde(default)]
    pub restarts: u64,
    /// The number of events that were replaced by a record in the dead-letter stream.
    #[serde(default)]
    pub dead_letters: u64,
}

/// What a capture does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum CaptureState {
    /// It connects to the database.
    Starting,
    /// It reads the existing rows.
    Snapshot,
    /// It reads the log.
    Streaming,
    /// It waits for sessions of the database that block it.
    Waiting {
        /// What it waits for, and the sessions.
        waiting_for: String,
        /// When it started to wait.
        since: u64,
    },
    /// It failed and starts again.
    Retrying {
        /// The error with its causes.
        error: String,
        /// The number of attempts that have failed in a row.
        attempt: u32,
        /// When it starts again.
        next: u64,
    },
    /// It is paused: it has no connection, and keeps its position.
    Paused,
    /// It does not run.
    Stopped {
        /// The error that ended it, with its causes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

impl Default for CaptureState {
    fn default() -> Self {
        Self::Stopped { error: None }
    }
}

impl CaptureState {
    /// Returns the state's name, as in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Snapshot => "snapshot",
            Self::Streaming => "streaming",
            Self::Waiting { .. } => "waiting",
            Self::Retrying { .. } => "retrying",
            Self::Paused => "paused",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// Returns whether the capture uses the database, or is about to.
    pub fn is_running(&self) -> bool {
        !matches!(self, Self::Paused | Self::Stopped { .. })
    }
}

/// The progress of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// The number of tables.
    pub tables: u64,
    /// The number of tables whose rows are all read.
    #[serde(default)]
    pub tables_read: u64,
    /// The number of rows read.
    pub rows: u64,
    /// The database's estimate of the total number of rows.
    pub estimated_rows: u64,
    /// The number of rows read per second since the snapshot started.
    pub rows_per_second: u64,
    /// The estimated time left, in seconds; absent before the first rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
}

/// The progress of an incremental snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IncrementalStatus {
    /// The table that is being read; absent while tables are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The number of tables that are left, with that one.
    pub tables_left: u64,
    /// The number of rows written.
    pub rows: u64,
    /// The number of chunks read.
    pub chunks: u64,
    /// Whether it is paused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_paused: bool,
}

/// An error and its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// The error with its causes.
    pub error: String,
    /// When it occurred.
    pub time: u64,
}

/// What a source knows of the database's log. It reports this about every ten seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LogReport {
    /// The size of the log after the stored position, in bytes.
    pub(crate) lag_bytes: Option<u64>,
    /// The size of the log that is retained for the capture, in bytes.
    pub(crate) retained_bytes: Option<u64>,
    /// The number of log files after that of the stored position.
    pub(crate) files_behind: Option<u64>,
}
