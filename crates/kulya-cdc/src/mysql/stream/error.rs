//! Errors of reading the log: each names the place and what to do, and ends the capture before a change is
//! lost.

use crate::mysql::binlog::BinlogError;
use crate::mysql::offset::LogPoint;
use crate::mysql::schema_history::TableName;
use crate::{CdcError, CdcErrorKind};
use thiserror::Error;

/// Characters of a statement that an error repeats.
const MAX_SQL_CHARS: usize = 200;

/// A log that cannot be captured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum StreamError {
    /// Changes as a statement.
    #[error(
        "the binary log has changes of rows as a statement at {at}, which may be of captured tables: {sql}: set binlog_format to ROW in every session, and take a new snapshot"
    )]
    Statement {
        /// The place.
        at: LogPoint,
        /// The statement's begin.
        sql: String,
    },
    /// Rows of a captured table whose columns are not known for certain.
    #[error(
        "the rows of table {table} at {at} cannot be decoded: {reason}; take a new snapshot of the table, or exclude it"
    )]
    Table {
        /// The table.
        table: TableName,
        /// The place.
        at: LogPoint,
        /// Why.
        reason: String,
    },
    /// Rows of a captured table whose transaction may still be rolled back.
    #[error(
        "an XA transaction with changes of table {table} is prepared at {at}: two-phase XA transactions are not supported yet; commit by XA COMMIT … ONE PHASE, and take a new snapshot"
    )]
    Xa {
        /// A table.
        table: TableName,
        /// The place.
        at: LogPoint,
    },
    /// ROLLBACK TO SAVEPOINT after changes of a captured table.
    #[error(
        "the binary log has {sql} at {at} behind changes of table {table}, which is not supported yet: take a new snapshot of the table, and do not change tables without transactions in the same transaction"
    )]
    Savepoint {
        /// A table.
        table: TableName,
        /// The place.
        at: LogPoint,
        /// The statement.
        sql: String,
    },
    /// An event that has no meaning in its place.
    #[error("the binary log has {what} at {at}: it is damaged, or written by a server that is not supported")]
    Order {
        /// What is out of order.
        what: &'static str,
        /// The place.
        at: LogPoint,
    },
    /// Rows of a captured table that lack what events need.
    #[error("rows of table {table} at {at}: {error}")]
    Rows {
        /// The table.
        table: TableName,
        /// The place.
        at: LogPoint,
        /// What they lack.
        #[source]
        error: BinlogError,
    },
    /// An event that cannot be decoded.
    #[error("{error} (at {at})")]
    Event {
        /// The place.
        at: LogPoint,
        /// The error.
        #[source]
        error: BinlogError,
    },
}

impl StreamError {
    pub(super) fn shortened(sql: &[u8]) -> String {
        let text = String::from_utf8_lossy(sql.get(..MAX_SQL_CHARS * 4).unwrap_or(sql));
        text.chars().take(MAX_SQL_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

impl From<StreamError> for CdcError {
    fn from(error: StreamError) -> Self {
        let kind = match &error {
            StreamError::Statement { .. } | StreamError::Xa { .. } | StreamError::Savepoint { .. } => {
                CdcErrorKind::Configuration
            }
            StreamError::Event { error, .. } | StreamError::Rows { error, .. } => {
                Self::from(error.clone()).kind()
            }
            _ => CdcErrorKind::Source,
        };
        Self::new(kind, error.to_string()).because(error)
    }
}
