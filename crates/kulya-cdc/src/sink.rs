//! Where records go.

use crate::{CdcResult, Position, Record, RowSchema};
use async_trait::async_trait;
use std::sync::Arc;

/// Takes records and positions, and keeps them together: what is written becomes real at the commit, with its
/// position, or not at all.
#[async_trait]
pub trait Sink: Send {
    /// The position of the last commit; `None` before the first. Everything written since is forgotten: a source asks
    /// when it begins anew, and will write it again.
    async fn position(&mut self) -> CdcResult<Option<Position>>;

    /// Tells of a table before its first record, and again when its rows have changed.
    async fn table(&mut self, schema: &Arc<RowSchema>) -> CdcResult<()>;

    /// Adds a record to what the next commit holds. A sink bounds its memory itself.
    async fn write(&mut self, record: Record) -> CdcResult<()>;

    /// Makes everything written since the last commit durable, together with the position.
    async fn commit(&mut self, position: &Position) -> CdcResult<()>;
}

/// What happens, for those who watch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The snapshot begins: how many tables, and how many rows PostgreSQL believes they have.
    SnapshotStarted {
        /// Tables to be read.
        tables: usize,
        /// An estimate of their rows.
        rows: u64,
    },
    /// So many further rows were read.
    SnapshotRows(u64),
    /// The snapshot is stored; from here on the log is followed.
    SnapshotStored,
    /// The log is being followed from this position.
    Streaming {
        /// The log position.
        lsn: u64,
    },
    /// So many records were stored, up to this position.
    Stored {
        /// Records of this commit.
        records: u64,
        /// The log position.
        lsn: u64,
    },
}
