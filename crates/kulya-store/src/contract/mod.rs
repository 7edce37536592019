//! The trait that every backend implements, [`StreamStore`], and the types of its arguments and results.

mod append_times;
mod commit;
mod config;
mod read_chunk;
mod segment;
mod table;

pub use append_times::{AppendTimes, MAX_APPEND_TIMES};
pub use commit::{Append, Commit, CommitReceipt, Durability};
pub use config::{Retention, StreamConfig};
pub use read_chunk::ReadChunk;
pub use segment::{MAX_TAILS, SegmentInfo, Tails};
pub use table::{Condition, Entry, TableChange, Version, check_changes};

use crate::{
    EventPointer, FramedChunk, Health, Result, Scope, SegmentId, StreamCut, StreamId, StreamName, TableId,
    WriterId,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

/// A stream store. Every async method is cancel-safe: the returned future can be dropped at any await. An
/// error never means that a request was applied in part.
///
/// # Errors
/// Each method returns [`ErrorKind::Closed`](crate::ErrorKind::Closed) after [`close`](Self::close),
/// `Failed` after an I/O error and, for a backend behind a network, `Unreachable`. A method that names a
/// scope, stream, segment or table returns `NotFound` when it does not exist. Other kinds are listed per
/// method.
#[async_trait]
pub trait StreamStore: Send + Sync + 'static {
    /// Returns the capabilities that this backend does not support, each with the reason. Empty by default.
    fn unsupported(&self) -> &[(Capability, &'static str)] {
        &[]
    }

    /// Returns the health of the store by component, with a reason for each component that is not healthy.
    /// Does no I/O and never blocks. A wrapper delegates to the wrapped store.
    fn health(&self) -> Health {
        Health::healthy()
    }

    /// Creates a scope. Returns `false` if it already exists.
    async fn create_scope(&self, scope: &Scope) -> Result<bool>;

    /// Lists all scopes in name order, internal ones included.
    async fn scopes(&self) -> Result<Vec<Scope>>;

    /// Deletes a scope. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// `InvalidInput` if the scope still contains streams or tables.
    async fn delete_scope(&self, scope: &Scope) -> Result<bool>;

    /// Creates a stream in an existing scope. Returns `false` if it already exists, whatever its
    /// configuration. A stream that is created again after its deletion has segments of a higher epoch, so
    /// that pointers to the old stream do not resolve.
    ///
    /// # Errors
    /// `InvalidInput` if the configuration is not valid.
    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool>;

    /// Returns the configuration of a stream and whether it is sealed.
    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo>;

    /// Changes the retention of a stream.
    ///
    /// # Errors
    /// `InvalidInput` if the number of segments differs from the current one, which cannot change.
    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()>;

    /// Seals a stream: it accepts no more events, and can still be read. Returns `false` if it was sealed
    /// already.
    async fn seal_stream(&self, stream: &StreamId) -> Result<bool>;

    /// Deletes a sealed stream with its events. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// `InvalidInput` if the stream is not sealed.
    async fn delete_stream(&self, stream: &StreamId) -> Result<bool>;

    /// Truncates a stream at a cut: events before it are deleted, and reading them returns `Truncated`. An
    /// offset before the head of its segment has no effect.
    ///
    /// # Errors
    /// `InvalidInput` if the cut does not name each segment of the stream, or an offset is not an event
    /// boundary.
    async fn truncate(&self, cut: &StreamCut) -> Result<()>;

    /// Returns the earliest cut after which every event was committed at or after a time (since 1970-01-01
    /// 00:00 UTC, in milliseconds). The cut never skips such an event, and is at the start of a commit.
    ///
    /// # Errors
    /// `NotSupported` without [`Capability::CutAtTime`].
    async fn cut_at(&self, stream: &StreamId, since_epoch: Duration) -> Result<StreamCut>;

    /// Lists the streams of a scope in name order.
    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>>;

    /// Lists the segments of several streams, each with the range of offsets that can be read. They are as
    /// they were at one moment between the call and its return, unless the result says that they are not
    /// exact. A stream may be named more than once.
    ///
    /// # Errors
    /// `NotFound` names the first stream that does not exist; `InvalidInput` if the streams have more than
    /// [`MAX_TAILS`] segments.
    async fn tails(&self, streams: &[StreamId]) -> Result<Tails>;

    /// Lists the segments of a stream in number order, each with the range of offsets that can be read now.
    async fn segments(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        let tails = self.tails(std::slice::from_ref(stream)).await?;
        Ok(tails.streams.into_iter().flatten().collect())
    }

    /// Reads whole events from `offset` on, about `max_bytes` in total, and at least one event if there is
    /// one. At the tail the chunk is empty. Only acknowledged events are visible, or events that are about
    /// to be: synced ones, and written ones if their writer asked for [`Durability::Written`].
    ///
    /// # Errors
    /// `Truncated` if `offset` is before the head, `InvalidInput` if it is not an event boundary, `Corrupt`
    /// if the stored bytes do not match their checksum.
    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk>;

    /// Reads events as [`read`](Self::read), in one buffer, perhaps a quarter more than `max_bytes`. A
    /// backend that stores frames returns them as they are; by default they are copied.
    async fn read_framed(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<FramedChunk> {
        Ok(self.read(segment, offset, max_bytes).await?.into())
    }

    /// Returns when the events of a segment from offset `from` to `to` were committed, as the store's clock
    /// told the time then. At most [`MAX_APPEND_TIMES`] times are returned, and the caller continues where
    /// they [end](AppendTimes::end). Events before the head have none.
    ///
    /// # Errors
    /// `NotSupported` without [`Capability::AppendTimes`], `InvalidInput` if `to` is before `from` or after
    /// the tail.
    async fn append_times(&self, segment: &SegmentId, from: u64, to: u64) -> Result<AppendTimes>;

    /// Waits until the segment has data after `offset`; returns at once if it has.
    ///
    /// # Errors
    /// `Sealed` if the stream is sealed and no event follows.
    async fn wait_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()>;

    /// Reads the event at a pointer.
    ///
    /// # Errors
    /// `Truncated` if the event was truncated, `InvalidInput` if no event is at the pointer, `Corrupt` if
    /// the stored bytes do not match their checksum.
    async fn event(&self, pointer: &EventPointer) -> Result<Bytes>;

    /// Commits events and table changes atomically. On return the commit is as durable as
    /// [`Commit::durability`] asks.
    ///
    /// # Errors
    /// `Conflict` if a condition does not hold, `Sealed`, `InvalidInput` (an event or the commit is too
    /// large, a key is changed twice), `Full` (nothing was written), `ResponseLost` (the commit is stored,
    /// its receipt is lost).
    async fn commit(&self, commit: Commit) -> Result<CommitReceipt>;

    /// Begins a transaction, for more events than one commit should hold in memory. Staged events are
    /// invisible until the commit. A transaction that is dropped, or whose process ends, is aborted.
    async fn begin(&self) -> Result<Box<dyn Transaction>>;

    /// Returns the outcome of a transaction, for a client that lost the response to its commit.
    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome>;

    /// Returns the number of a writer's last stored commit, from which the writer resumes after a restart.
    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>>;

    /// Creates a table in an existing scope. Returns `false` if it already exists.
    async fn create_table(&self, table: &TableId) -> Result<bool>;

    /// Lists the tables of a scope in name order.
    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>>;

    /// Deletes a table with its entries. Returns `false` if it does not exist.
    async fn delete_table(&self, table: &TableId) -> Result<bool>;

    /// Returns the entry of a key.
    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>>;

    /// Returns at most `limit` entries whose key starts with `prefix` and is greater than `after`, in key
    /// order.
    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>>;

    /// Closes the store: later calls return `Closed`. Committed data is kept.
    async fn close(&self) -> Result<()>;
}

/// A transaction: events staged for one commit, outside the caller's memory where the backend can do that.
#[async_trait]
pub trait Transaction: Send {
    /// Returns the id under which [`StreamStore::outcome`] finds the transaction.
    fn id(&self) -> TransactionId;

    /// Stages events, in order, after those staged before.
    ///
    /// # Errors
    /// As [`StreamStore::commit`].
    async fn stage(&mut self, appends: Vec<Append>) -> Result<()>;

    /// Commits the staged events atomically with table changes. A failed commit ends the transaction.
    ///
    /// # Errors
    /// As [`StreamStore::commit`]; `NotFound` if a stream was deleted since events were staged for it.
    async fn commit(self: Box<Self>, changes: Vec<TableChange>) -> Result<CommitReceipt>;

    /// Aborts the transaction. Dropping it does the same.
    ///
    /// # Errors
    /// `Closed`, `Failed`; the transaction is aborted in either case.
    async fn abort(self: Box<Self>) -> Result<()>;
}

/// The id of a transaction, never reused by a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub u128);

/// The outcome of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is open: it can still be committed or aborted.
    Open,
    /// It was committed, with this receipt.
    Committed(CommitReceipt),
    /// It was aborted, never begun, or committed before the last [`REMEMBERED_OUTCOMES`] commits.
    Unknown,
}

/// The number of committed transactions whose outcome a store remembers.
pub const REMEMBERED_OUTCOMES: usize = 10_000;

/// The current configuration and state of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamInfo {
    /// The configuration.
    pub config: StreamConfig,
    /// Whether the stream is sealed.
    pub sealed: bool,
}

/// An optional capability of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Capability {
    /// A commit over several streams and tables becomes visible at once. Without it readers may see a part
    /// of the commit first, and all of it eventually.
    AtomicVisibility,
    /// [`StreamStore::cut_at`] finds the cut of a time.
    CutAtTime,
    /// A stream that is created again has segments of a higher epoch. Without it the segments have higher
    /// numbers, so that old pointers do not resolve either.
    HigherEpochs,
    /// Retention by age and by size can be combined. Without it a configuration with both limits is
    /// refused.
    CombinedRetention,
    /// [`StreamStore::append_times`] returns when events were committed.
    AppendTimes,
}

impl Capability {
    /// All capabilities.
    pub const ALL: [Self; 5] = [
        Self::AtomicVisibility,
        Self::CutAtTime,
        Self::HigherEpochs,
        Self::CombinedRetention,
        Self::AppendTimes,
    ];
}
