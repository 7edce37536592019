//! What an event means for a capture.

use super::error::StreamError;
use super::table_maps::OpenTable;
use crate::mysql::binlog::{RowsEvent, TransactionPayload};
use crate::mysql::offset::{LogPoint, TransactionId};
use crate::mysql::schema_history::{self, TableName};
use crate::mysql::snapshot_rows::PartialRows;
use std::borrow::Cow;
use std::sync::Arc;

/// What an event means, to be done in the order of the members.
#[derive(Debug, Default)]
pub(crate) struct Step<'e> {
    /// A transaction begins.
    pub(crate) begin: Option<Arc<Transaction>>,
    /// A change within the transaction.
    pub(crate) change: Option<Change<'e>>,
    /// The transaction ends.
    pub(crate) end: Option<End>,
    /// The server is at this place of its log, between two transactions.
    pub(crate) idle_at: Option<LogPoint>,
    /// When the event was logged, in seconds since 1970-01-01 UTC.
    pub(crate) timestamp: u32,
}

/// A change within a transaction.
#[derive(Debug)]
pub(crate) enum Change<'e> {
    /// Rows of a captured table.
    Rows(RowsChange<'e>),
    /// A statement that is no change of rows.
    Ddl(Ddl<'e>),
    /// A statement that changes rows of tables that are not captured.
    Statement(StatementChange),
    /// Further events, compressed, which are to be decoded and read one by one.
    Payload(TransactionPayload<'e>),
}

/// Changed rows of a captured table.
#[derive(Debug)]
pub(crate) struct RowsChange<'e> {
    /// The table as it was.
    pub(crate) table: Arc<OpenTable>,
    /// The rows.
    pub(crate) event: RowsEvent<'e>,
    /// What the rows of snapshots contain of the transaction, if not all contain the same.
    pub(crate) read: Option<PartialRows>,
    /// When the statement started, in seconds since 1970-01-01 UTC.
    pub(crate) timestamp: u32,
    /// The server that first logged the rows.
    pub(crate) server_id: u32,
    /// The position of the event, in bytes; of a compressed transaction that of all its events.
    pub(crate) position: u64,
}

/// A statement that changes rows, which the log has none of.
#[derive(Debug)]
pub(crate) struct StatementChange {
    /// Its tables that are not in the schema history: they may be views of captured tables.
    pub(crate) unknown: Vec<TableName>,
    /// The error if one of them is.
    pub(crate) error: StreamError,
}

/// A statement that changed definitions, or all rows of a table.
#[derive(Debug)]
pub(crate) struct Ddl<'e> {
    /// The statement.
    pub(crate) sql: Cow<'e, [u8]>,
    /// What it changed, in order.
    pub(crate) changes: Vec<schema_history::Change>,
    /// When the statement started, in seconds since 1970-01-01 UTC.
    pub(crate) timestamp: u32,
    /// The server that first logged the statement.
    pub(crate) server_id: u32,
    /// The position of the event, in bytes.
    pub(crate) position: u64,
}

/// The end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its changes are committed.
    Commit,
    /// Its changes are to be discarded.
    Rollback,
}

/// A transaction of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// The id; `None` for MySQL without GTIDs.
    pub(crate) id: Option<TransactionId>,
    /// Where its first event is.
    pub(crate) start: LogPoint,
    /// When its first event was logged, in seconds since 1970-01-01 UTC.
    pub(crate) timestamp: u32,
    /// When the event before it was logged, in seconds since 1970-01-01 UTC; `None` at the begin of a stream.
    pub(crate) timestamp_before: Option<u32>,
    /// MySQL: when it was first committed, in microseconds since 1970-01-01 UTC.
    pub(crate) commit_micros: Option<u64>,
    /// The number of the connection that changed the rows, as far as the log tells.
    pub(crate) thread: Option<u32>,
    /// What the transaction is made of.
    pub(crate) kind: TransactionKind,
}

/// What a transaction is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionKind {
    /// Changes of rows.
    Rows,
    /// Changes of rows by an XA transaction, up to its XA PREPARE.
    Xa,
    /// A statement alone, such as DDL or XA COMMIT.
    Statement,
}
