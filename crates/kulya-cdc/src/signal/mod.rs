//! Signals to a running capture, in Debezium's form: an id, a type and data in JSON ([`SignalRecord`]). They
//! come from the capture's [`Control`](crate::Control) and from Debezium's signal table.
//!
//! A record is text of the outside; [`Signal::parse`] is where it becomes a request that can be executed, or
//! an error that names its field. What a request does is not decided here.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod parse;
mod queue;
mod waiting;

pub(crate) use queue::{QueuedSignal, SignalQueue};
pub(crate) use waiting::WaitingSignals;

use serde::{Deserialize, Serialize};
use std::fmt;

/// The maximum size of a signal's data, in bytes.
pub const MAX_DATA_BYTES: usize = 64 << 10;
/// The maximum length of an id, in bytes.
pub const MAX_ID_BYTES: usize = 200;

/// A signal as its sender writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalRecord {
    /// The id, by which logs name the signal, and by which one that is sent twice is recognized. Empty for
    /// none.
    #[serde(default)]
    pub id: String,
    /// The type, such as `execute-snapshot`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The data as JSON; empty for none.
    #[serde(default)]
    pub data: String,
}

/// A signal that can be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// Reads the rows of tables again while the log is streamed.
    ExecuteSnapshot(SnapshotRequest),
    /// Ends the incremental snapshot of these tables, as names or regular expressions; of all without any.
    StopSnapshot(Vec<String>),
    /// Stops reading until [`ResumeSnapshot`](Self::ResumeSnapshot).
    PauseSnapshot,
    /// Reads on.
    ResumeSnapshot,
    /// Writes a message to the program's log, with the position in place of `{}`.
    Log(String),
}

/// Which rows an incremental snapshot reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotRequest {
    /// The id of the signal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The tables, as names or regular expressions.
    pub tables: Vec<String>,
    /// Conditions of the rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<RowCondition>,
    /// A column by which tables are read in parts, in place of the primary key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surrogate_key: Option<String>,
}

/// A condition of the rows of some tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCondition {
    /// The tables, as a name or a regular expression.
    pub tables: String,
    /// An expression in SQL.
    pub filter: String,
}

/// A signal cannot be executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SignalError {
    /// The field, such as `data.data-collections`.
    pub field: String,
    /// What is wrong with it, and what to write.
    pub reason: String,
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Returns whether a name of a table is one of these names and regular expressions, in any case of letters.
/// Names may have the database before the schema.
pub(crate) fn names_table(tables: &[String], name: &str) -> bool {
    tables.iter().any(|pattern| {
        pattern.eq_ignore_ascii_case(name)
            || crate::name_patterns::NamePattern::new(pattern).is_ok_and(|pattern| pattern.is_match(name))
    })
}
