//! The destination of captured changes ([`Sink`]), and progress notifications.

use crate::{CdcResult, Position, Record, RowSchema};
use async_trait::async_trait;
use std::sync::Arc;

/// A transactional destination of records. A commit stores the records written since the last one together
/// with the position, atomically.
#[async_trait]
pub trait Sink: Send {
    /// Returns the position of the last commit; `None` before the first. Discards all records written since:
    /// the source calls it when it starts or restarts, and writes them again.
    ///
    /// # Errors
    /// `Position` when the stored position cannot be parsed; `Store` or `Unreachable` when the store fails.
    async fn position(&mut self) -> CdcResult<Option<Position>>;

    /// Declares a table's schema, before its first record and whenever it changes.
    ///
    /// # Errors
    /// `Configuration` when the table conflicts with another one; `Store`, `Registry` or `Unreachable`.
    async fn table(&mut self, schema: &Arc<RowSchema>) -> CdcResult<()>;

    /// Adds a record to the next commit. The sink bounds its memory itself.
    ///
    /// # Errors
    /// `Store` or `Unreachable`.
    async fn write(&mut self, record: Record) -> CdcResult<()>;

    /// Stores all records written since the last commit durably, together with the position.
    ///
    /// # Errors
    /// `Fenced` when another process has advanced the position; `Store` or `Unreachable`.
    async fn commit(&mut self, position: &Position) -> CdcResult<()>;
}

/// A notification of a capture's progress.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The snapshot has started.
    SnapshotStarted {
        /// The number of tables.
        tables: usize,
        /// PostgreSQL's estimate of the total number of rows.
        rows: u64,
    },
    /// The number of rows read since the last notification.
    SnapshotRows(u64),
    /// The snapshot is stored; streaming of the log follows.
    SnapshotStored,
    /// Streaming of the log has started.
    Streaming {
        /// The log position from which it started.
        lsn: u64,
    },
    /// A commit was stored.
    Stored {
        /// The number of records in the commit.
        records: u64,
        /// The stored log position.
        lsn: u64,
    },
}
