//! The destination of captured changes ([`Sink`]) and the sinks of this crate.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
pub(crate) mod recording;
pub(crate) mod store;

use crate::{Batch, CdcResult, Checkpoint};
use async_trait::async_trait;

/// A transactional destination of records. A commit stores the records staged since the last one and those of
/// its batch together with the position, atomically.
#[async_trait]
pub trait Sink: Send {
    /// Returns what the last commit stored with its records; `None` before the first. Discards all records
    /// staged since: the source calls it when it starts or restarts, and hands them over again.
    ///
    /// # Errors
    /// `Position` when the stored position cannot be parsed; `Store` or `Unreachable` when the store fails.
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>>;

    /// Adds records of an unfinished transaction, which is larger than a batch, to the next commit. The
    /// sink bounds its memory itself.
    ///
    /// # Errors
    /// `Store`, `Registry` or `Unreachable`; `Configuration` when a table conflicts with another one.
    async fn stage(&mut self, batch: Batch) -> CdcResult<()>;

    /// Stores all records staged since the last commit, and those of the batch, durably, together with the
    /// position. A checkpoint without a history keeps the stored one.
    ///
    /// # Errors
    /// As [`stage`](Self::stage); `Fenced` when another process has advanced the position.
    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()>;

    /// Returns the number of events since the start that the destination could not take, and of which it has
    /// a record instead.
    fn dead_letters(&self) -> u64 {
        0
    }
}
