//! The trait every backend implements, and the values that cross it.

use crate::{
    EventPointer, Health, Pointers, Result, Scope, SegmentId, StreamCut, StreamId, StreamName, TableId,
    WriterId, WriterMark,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashSet;
use std::time::Duration;

/// One store, many backends. All calls may be cancelled at any await; an error never means "partly applied".
#[async_trait]
pub trait StreamStore: Send + Sync + 'static {
    /// What this backend does not do, each with the reason. The embedded store does everything.
    fn lacks(&self) -> &[(Capability, &'static str)] {
        &[]
    }

    /// How the store is, by components: what cannot be written or read, and what does not run beside, each with its reason.
    /// Never waits; a back end is not asked for it. A wrapper of a store passes it on.
    fn health(&self) -> Health {
        Health::healthy()
    }

    /// Makes a scope; `false` when it was there.
    async fn create_scope(&self, scope: &Scope) -> Result<bool>;

    /// Every scope, the system's own included, in name order.
    async fn scopes(&self) -> Result<Vec<Scope>>;

    /// Removes a scope; `false` when there was none. One that still holds streams or tables is refused.
    async fn delete_scope(&self, scope: &Scope) -> Result<bool>;

    /// Makes a stream; `false` when it was there (with whatever configuration). The scope must exist. A stream made
    /// again after its end has segments of a higher epoch, so that old pointers lead nowhere.
    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool>;

    /// How a stream is laid out, and whether it takes events.
    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo>;

    /// Changes how a stream is kept. The number of segments stays what it is: another one is refused.
    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()>;

    /// Lets a stream take no more events, for ever; `false` when it was sealed before. What it holds is read on.
    async fn seal_stream(&self, stream: &StreamId) -> Result<bool>;

    /// Removes a stream with all it holds; `false` when there was none. One that is not sealed is refused.
    async fn delete_stream(&self, stream: &StreamId) -> Result<bool>;

    /// Lets a stream begin at a cut: what lies before it is no longer kept, and reading it answers `Truncated`. A
    /// segment never goes back: an offset before its head changes nothing.
    async fn truncate(&self, cut: &StreamCut) -> Result<()>;

    /// The earliest cut behind which every event was committed at or after a time (since 1970-01-01 00:00 UTC, to the
    /// millisecond): never later than that, and no earlier than the commit that holds such an event begins.
    async fn cut_at(&self, stream: &StreamId, since_epoch: Duration) -> Result<StreamCut>;

    /// The streams of a scope in name order.
    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>>;

    /// The segments of a stream in number order, each with the offsets between which it can be read now.
    async fn segments(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>>;

    /// Whole events from `offset` on, of about `max_bytes` together (one event at the least, if there is one).
    /// Only events whose writer has been answered, or will be, are seen: durable ones, or written ones where the writer
    /// asked for no more. At the tail the chunk is empty.
    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk>;

    /// Returns once the segment's tail lies beyond `offset` (at once when it does already). When nothing can follow any
    /// more the answer is `Sealed`.
    async fn wait_beyond(&self, segment: &SegmentId, offset: u64) -> Result<()>;

    /// The event a pointer leads to.
    async fn event(&self, pointer: &EventPointer) -> Result<Bytes>;

    /// Writes all of it or none; on return it is as durable as the commit asks.
    async fn commit(&self, commit: Commit) -> Result<Committed>;

    /// Opens a transaction for more events than one commit should hold in memory. What is staged is seen by
    /// nobody until its commit; one that is dropped, or whose process ends, leaves nothing behind.
    async fn begin(&self) -> Result<Box<dyn Transaction>>;

    /// What became of a transaction: for whoever lost the answer to its commit.
    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome>;

    /// The number of a writer's last stored commit: where a writer goes on after its own end.
    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>>;

    /// Makes a table; `false` when it was there. The scope must exist.
    async fn create_table(&self, table: &TableId) -> Result<bool>;

    /// The tables of a scope in name order.
    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>>;

    /// Removes a table with its entries; `false` when there was none.
    async fn delete_table(&self, table: &TableId) -> Result<bool>;

    /// The entry under a key.
    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>>;

    /// At most `limit` entries whose key begins with `prefix` and lies beyond `after`, in key order.
    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>>;

    /// Ends the store: later calls answer `Closed`. Everything committed is kept.
    async fn close(&self) -> Result<()>;
}

/// Events gathered for one commit, kept outside the caller's memory where the backend can.
#[async_trait]
pub trait Transaction: Send {
    /// Its name, by which [`StreamStore::outcome`] knows it.
    fn id(&self) -> TransactionId;

    /// Adds events, in order, behind those staged before.
    async fn stage(&mut self, appends: Vec<Append>) -> Result<()>;

    /// Makes everything staged visible at once, together with the table changes (all conditions hold, or
    /// nothing happens and the transaction is over).
    async fn commit(self: Box<Self>, changes: Vec<TableChange>) -> Result<Committed>;

    /// Forgets everything staged. Dropping does the same.
    async fn abort(self: Box<Self>) -> Result<()>;
}

/// A transaction's name: never used again by this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub u128);

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It can still be committed or aborted.
    Open,
    /// It was committed, and this is what its commit gave.
    Committed(Committed),
    /// It was aborted, never begun, or committed so long ago that nobody remembers ([`REMEMBERED_OUTCOMES`]).
    Unknown,
}

/// So many committed transactions are remembered, the last ones.
pub const REMEMBERED_OUTCOMES: usize = 10_000;

/// A stream as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamInfo {
    /// How it was made.
    pub config: StreamConfig,
    /// Whether it takes no more events.
    pub sealed: bool,
}

/// Something that not every backend can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Capability {
    /// Readers see a commit over several streams and tables at one moment. Without it they may see a part of it first,
    /// and all of it in the end.
    VisibleAtOnce,
    /// [`StreamStore::cut_at`] knows when events were committed.
    CutAtTime,
    /// A stream made again after its end has segments of a higher epoch. Without it they have higher numbers, which lead old
    /// pointers nowhere as well.
    HigherEpochs,
    /// A stream is kept by age and by size at once. Without it a configuration has one limit, and one with both is refused.
    TwoLimits,
}

impl Capability {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::VisibleAtOnce, Self::CutAtTime, Self::HigherEpochs, Self::TwoLimits];
}

/// How a stream is laid out and how long its events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamConfig {
    /// The number of segments, at least 1: what may be written and read side by side.
    pub segments: u32,
    /// What is kept.
    pub retention: Retention,
}

/// What of a stream is kept; the older part beyond either limit is truncated, now and then. By default everything is
/// kept, until somebody truncates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Events older than this go; to the millisecond.
    pub age: Option<Duration>,
    /// The oldest events go while the stream has more bytes than this.
    pub bytes: Option<u64>,
}

impl StreamConfig {
    /// A fixed number of segments whose events are kept.
    pub fn with_segments(segments: u32) -> Self {
        Self { segments, retention: Retention::default() }
    }

    /// Says what is kept.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Refuses what no backend can hold.
    pub fn check(&self, stream: &StreamId) -> Result<()> {
        match self.segments {
            1..=10_000 => Ok(()),
            n => Err(crate::Error::invalid(format!(
                "stream {stream} cannot have {n} segments: choose 1 to 10000"
            ))),
        }
    }

    /// Refuses to become what the stream cannot become.
    pub fn check_update(&self, stream: &StreamId, now: &Self) -> Result<()> {
        if self.segments == now.segments {
            return Ok(());
        }
        Err(crate::Error::invalid(format!(
            "stream {stream} has {} segments and cannot get {}: the number of segments is chosen when a stream is made",
            now.segments, self.segments
        )))
    }
}

/// One event to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub stream: StreamId,
    /// Events of one key stay in order. Without a key the store spreads events over the segments as it likes.
    pub routing_key: Option<String>,
    /// The event, at most [`MAX_EVENT_BYTES`](crate::framing::MAX_EVENT_BYTES).
    pub event: Bytes,
}

impl Append {
    /// An event whose order among those of the same key is kept.
    pub fn keyed(stream: &StreamId, routing_key: impl Into<String>, event: impl Into<Bytes>) -> Self {
        Self { stream: stream.clone(), routing_key: Some(routing_key.into()), event: event.into() }
    }

    /// An event of which only the presence matters.
    pub fn unkeyed(stream: &StreamId, event: impl Into<Bytes>) -> Self {
        Self { stream: stream.clone(), routing_key: None, event: event.into() }
    }
}

/// What is written together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// Events, in order.
    pub appends: Vec<Append>,
    /// Table changes, each with its condition. One key may stand here once.
    pub changes: Vec<TableChange>,
    /// Whose commit this is: a number that is stored already makes it a repetition, which writes nothing.
    pub writer: Option<WriterMark>,
    /// What the answer promises.
    pub durability: Durability,
}

/// What the answer to a commit promises.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// It survives a power cut.
    #[default]
    Synced,
    /// It survives the end of this process; a power cut may take it, together with whatever was written after it.
    Written,
}

impl Commit {
    /// Events alone.
    pub fn events(appends: Vec<Append>) -> Self {
        Self { appends, ..Self::default() }
    }

    /// Says whose commit this is.
    #[must_use]
    pub fn by(mut self, writer: WriterId, event_number: u64) -> Self {
        self.writer = Some(WriterMark { writer, event_number });
        self
    }

    /// Asks for less than a sync.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Table changes alone.
    pub fn changes(changes: Vec<TableChange>) -> Self {
        Self { changes, ..Self::default() }
    }
}

/// What a commit gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// A pointer for each event, in the order of the appends. Empty for a [`Transaction`], whose events may be
    /// more than memory holds pointers for.
    pub pointers: Pointers,
    /// The version of each changed entry, in the order of the changes.
    pub versions: Vec<Version>,
    /// Whether the writer's number was stored before: then nothing was written, and the rest is empty.
    pub duplicate: bool,
}

impl Committed {
    /// The answer to a repetition.
    pub fn duplicate() -> Self {
        Self { duplicate: true, ..Self::default() }
    }
}

/// A table entry's version: grows with each commit of the store and is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// What must be so for a table change to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Any,
    /// There is no entry.
    Absent,
    /// The entry has this very version.
    At(Version),
}

impl Condition {
    /// Whether it holds for an entry of this version (or no entry).
    pub fn holds(self, actual: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => actual.is_none(),
            Self::At(version) => actual == Some(version),
        }
    }
}

/// One change of one table entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableChange {
    /// The table.
    pub table: TableId,
    /// The key, any bytes.
    pub key: Bytes,
    /// What must be so.
    pub condition: Condition,
    /// The new value; `None` removes the entry.
    pub value: Option<Bytes>,
}

impl TableChange {
    /// Sets a value under a condition.
    pub fn put(
        table: &TableId,
        key: impl Into<Bytes>,
        condition: Condition,
        value: impl Into<Bytes>,
    ) -> Self {
        Self { table: table.clone(), key: key.into(), condition, value: Some(value.into()) }
    }

    /// Removes an entry under a condition.
    pub fn remove(table: &TableId, key: impl Into<Bytes>, condition: Condition) -> Self {
        Self { table: table.clone(), key: key.into(), condition, value: None }
    }

    /// The refusal for a condition that does not hold.
    pub fn conflict(&self, actual: Option<Version>) -> crate::Error {
        let found = match actual {
            Some(version) => format!("version {}", version.0),
            None => "no entry".into(),
        };
        let key = self.key.escape_ascii();
        crate::Error::new(
            crate::ErrorKind::Conflict,
            format!("{}: key \"{key}\" has {found}, not {:?} as asked", self.table, self.condition),
        )
    }
}

/// Judges the changes of one commit: no key may stand there twice, and each condition must hold for the version that
/// `actual` finds, which also refuses a table that is not there.
pub fn check_changes(
    changes: &[TableChange],
    mut actual: impl FnMut(&TableChange) -> Result<Option<Version>>,
) -> Result<()> {
    let mut keys = HashSet::new();
    for change in changes {
        if !keys.insert((&change.table, &change.key)) {
            return Err(crate::Error::invalid(format!("{}: one commit changes a key twice", change.table)));
        }
        let actual = actual(change)?;
        if !change.condition.holds(actual) {
            return Err(change.conflict(actual));
        }
    }
    Ok(())
}

/// A table entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Bytes,
    /// Its value.
    pub value: Bytes,
    /// Its version.
    pub version: Version,
}

/// A segment and what can be read of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentInfo {
    /// The segment.
    pub id: SegmentId,
    /// The routing-key positions it answers for, `low..high` within `[0, 1]`.
    pub key_range: std::ops::Range<f64>,
    /// Offset of the first event still kept.
    pub head: u64,
    /// Offset behind the last durable event.
    pub tail: u64,
}

/// Some events of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadChunk {
    /// Offset and payload of each event.
    pub events: Vec<(u64, Bytes)>,
    /// Where the next read goes on.
    pub next: u64,
}

impl ReadChunk {
    /// The pointers of these events.
    pub fn pointers<'a>(&'a self, segment: &'a SegmentId) -> impl Iterator<Item = EventPointer> + 'a {
        self.events.iter().map(|(offset, event)| EventPointer {
            segment: segment.clone(),
            offset: *offset,
            length: crate::framing::framed_len(event.len()) as u32,
        })
    }
}
