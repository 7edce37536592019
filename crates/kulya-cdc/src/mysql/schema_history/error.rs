//! Errors of applying a statement: the history does not have what the statement needs.

use super::table::TableName;
use crate::{CdcError, CdcErrorKind};

/// A statement that cannot be applied, or a stored history that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A statement changes a column that the history's table does not have.
    #[error("table {table} has no column {column:?} in the schema history")]
    UnknownColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// CREATE TABLE LIKE a table that the history does not have.
    #[error("table {table} is created like {source_table}, which is not in the schema history")]
    UnknownSource {
        /// The new table.
        table: TableName,
        /// The table it is a copy of.
        source_table: TableName,
    },
    /// A statement names a table without a database, and the session has no default database.
    #[error("table {table:?} is named without a database, and the session has no default database")]
    NoDatabase {
        /// The table.
        table: String,
    },
    /// More than the servers' limits allow.
    #[error("table {table} has more than {limit} {what}")]
    TooMany {
        /// The table.
        table: TableName,
        /// What is counted.
        what: &'static str,
        /// The most that is accepted.
        limit: usize,
    },
    /// A stored history of another version, or with a value that is not known.
    #[error("the stored schema history has an unknown {what} {value:?}")]
    Stored {
        /// What is unknown.
        what: &'static str,
        /// Its value.
        value: String,
    },
}

impl From<HistoryError> for CdcError {
    fn from(error: HistoryError) -> Self {
        let what = match &error {
            HistoryError::Stored { .. } => {
                format!("{error}; use the version that wrote it, or take a new snapshot")
            }
            _ => format!(
                "{error}; give the table's CREATE TABLE for this position, or take a new snapshot of the table"
            ),
        };
        Self::new(CdcErrorKind::Source, what).because(error)
    }
}
