//! Notifications of a capture's progress.

/// A notification.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The snapshot has started.
    SnapshotStarted {
        /// The number of tables.
        tables: usize,
        /// The database's estimate of the total number of rows.
        rows: u64,
    },
    /// The number of rows read since the last notification.
    SnapshotRows(u64),
    /// All rows of a table are read.
    SnapshotTable,
    /// The snapshot is stored; streaming of the log follows.
    SnapshotStored,
    /// Streaming of the log has started.
    Streaming {
        /// The position from which it started, as the database's tools write it.
        position: String,
    },
    /// A commit was stored.
    Stored {
        /// The number of records in the commit.
        records: u64,
        /// The stored position, as the database's tools write it.
        position: String,
    },
}
