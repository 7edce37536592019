//! How a live query is doing.

use serde::Serialize;

/// What a live query does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LiveState {
    /// It is being planned, or its state is read back.
    #[default]
    Starting,
    /// It follows its tables.
    Running,
    /// A statement has paused it.
    Paused,
    /// The store does not respond: it is tried again.
    Retrying,
    /// It has an error, and goes on when it is resumed.
    Stopped,
}

impl LiveState {
    /// Returns the word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Retrying => "retrying",
            Self::Stopped => "stopped",
        }
    }
}

/// The status of a live query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LiveStatus {
    /// The number of the query.
    pub id: u64,
    /// The name: of a view its own with its database.
    pub name: String,
    /// What it does.
    pub state: LiveState,
    /// The rows that were read, since it was created.
    pub rows_in: u64,
    /// The changes of the result, since it was created.
    pub rows_out: u64,
    /// The rows that came too late for their window, since it was started.
    pub late_rows: u64,
    /// The size of its state in memory, in bytes.
    pub state_bytes: u64,
    /// The ticks since it was started.
    pub ticks: u64,
    /// The bytes of events that its tables have and it has not read, at the last tick.
    pub lag_bytes: u64,
    /// The last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
