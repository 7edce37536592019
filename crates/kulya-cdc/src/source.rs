//! The contract of a source: a database whose log is captured.

use crate::memory::Memory;
use crate::output::Output;
use crate::{CdcResult, Checkpoint, SnapshotMode};
use async_trait::async_trait;

/// The condition under which a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCondition {
    /// The run ends only when it is cancelled.
    Cancelled,
    /// The run ends when all changes are stored that were committed before streaming started.
    CaughtUp,
}

/// Why the stream of a log has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// The condition was met, or the run was cancelled.
    Finished,
    /// There are captured tables whose rows must be read before the log goes on: the next snapshot has them.
    TablesAdded,
}

/// A database. The engine connects to it again after each failure.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    type Connection: SourceConnection;

    /// Connects and checks what capture needs: the server's settings, privileges, the log.
    ///
    /// # Errors
    /// `Unreachable`, `Busy`; `Configuration` with the statement that mends it.
    async fn connect(&self) -> CdcResult<Self::Connection>;

    /// Returns the memory of the capture.
    fn memory(&self) -> Memory {
        Memory::default()
    }
}

/// A connected database.
#[async_trait]
pub(crate) trait SourceConnection: Send {
    /// Checks that a stored position is valid in this database's log.
    ///
    /// # Errors
    /// `Position` when it is not: changes would be missing.
    async fn validate(&mut self, stored: &Checkpoint) -> CdcResult<()>;

    /// Removes what the database keeps for a stored position that is not valid any more, so that the rows can
    /// be read again.
    ///
    /// # Errors
    /// As [`Source::connect`].
    async fn discard(&mut self, stored: &Checkpoint) -> CdcResult<()>;

    /// Reads the rows that no commit has yet, and hands them over with a position: of all captured tables
    /// without a stored position, else of those that an earlier run has not read, or that are captured newly.
    /// With [`SnapshotMode::NoData`] no rows are read. Returns the position from which the log is streamed.
    ///
    /// # Errors
    /// As [`Source::connect`].
    async fn snapshot(
        &mut self,
        stored: Option<Checkpoint>,
        mode: SnapshotMode,
        output: &mut Output<'_>,
    ) -> CdcResult<Checkpoint>;

    /// Streams the log until the condition, or until it is cancelled. Records of a transaction that has not
    /// ended are not committed; the next run reads them again.
    ///
    /// # Errors
    /// As [`Source::connect`].
    async fn stream(
        &mut self,
        start: Checkpoint,
        stop_condition: StopCondition,
        output: &mut Output<'_>,
    ) -> CdcResult<StreamEnd>;
}
