//! The heads of objects as protocol-buffers messages. Field numbers never change their meaning; an unknown
//! operation is rejected.

use bytes::Bytes;
use kulya_store::{
    Entry, Result, Retention, Scope, SegmentId, StreamConfig, StreamId, StreamName, TableChange, TableId,
    Version, WriterId, WriterMark,
};
use std::time::Duration;

/// The author of a log object: the writing process, and the number of its attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Author {
    pub(crate) instance: u128,
    pub(crate) sequence: u64,
}

/// The head of a log object.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Log {
    /// The author: the 128-bit id of the process and the number of its attempt, by which it recognizes its
    /// own object.
    #[prost(fixed64, tag = "1")]
    pub(crate) instance_high: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) instance_low: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) sequence: u64,
    /// The time of all its commits, in milliseconds since 1970-01-01 00:00 UTC; never before that of the
    /// previous object.
    #[prost(uint64, tag = "4")]
    pub(crate) time: u64,
    #[prost(message, repeated, tag = "5")]
    pub(crate) batches: Vec<Batch>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) records: Vec<Record>,
    /// The checksum in the header of the previous log object; 0 for the first. Not in format 1.
    #[prost(fixed32, tag = "7")]
    pub(crate) previous: u32,
}

/// Consecutive events of one segment in this object.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Batch {
    #[prost(message, optional, tag = "1")]
    pub(crate) segment: Option<SegmentName>,
    /// The offset of the first event in its segment; 0 for staged events.
    #[prost(uint64, tag = "2")]
    pub(crate) start: u64,
    /// The offset in bytes from the start of the object's events.
    #[prost(uint64, tag = "3")]
    pub(crate) at: u64,
    #[prost(uint32, tag = "4")]
    pub(crate) length: u32,
    /// CRC-32C.
    #[prost(fixed32, tag = "5")]
    pub(crate) checksum: u32,
    /// The transaction for which they are staged; 0 for none.
    #[prost(uint64, tag = "6")]
    pub(crate) transaction: u64,
}

/// One operation on the state.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Record {
    #[prost(oneof = "Act", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16")]
    pub(crate) act: Option<Act>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Act {
    #[prost(message, tag = "1")]
    Commit(CommitRecord),
    /// Begins a transaction, whose id is the id of the record.
    #[prost(message, tag = "2")]
    Begin(Nothing),
    /// Discards the events staged by a transaction.
    #[prost(uint64, tag = "3")]
    Abort(u64),
    #[prost(string, tag = "4")]
    CreateScope(String),
    #[prost(string, tag = "5")]
    DeleteScope(String),
    #[prost(message, tag = "6")]
    CreateStream(StreamRecord),
    #[prost(message, tag = "7")]
    UpdateStream(StreamRecord),
    #[prost(message, tag = "8")]
    SealStream(Name),
    #[prost(message, tag = "9")]
    DeleteStream(Name),
    #[prost(message, tag = "10")]
    Truncate(CutRecord),
    #[prost(message, tag = "11")]
    CreateTable(Name),
    #[prost(message, tag = "12")]
    DeleteTable(Name),
    #[prost(message, tag = "13")]
    GaveBack(GaveBack),
    /// Grants the maintenance lease.
    #[prost(message, tag = "14")]
    Lease(LeaseRecord),
    #[prost(message, tag = "15")]
    Merged(MergedRecord),
    #[prost(message, tag = "16")]
    Checkpointed(CheckpointRecord),
}

/// The maintenance lease: maintenance recorded under an older epoch is rejected.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct LeaseRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) epoch: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) instance_high: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) instance_low: u64,
    /// When the lease expires, in milliseconds since 1970-01-01 00:00 UTC.
    #[prost(uint64, tag = "4")]
    pub(crate) until: u64,
}

/// Publishes a data object: events move to it from where they were.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MergedRecord {
    /// The epoch of the lease under which it was written.
    #[prost(uint64, tag = "1")]
    pub(crate) epoch: u64,
    /// The number of the data object.
    #[prost(uint64, tag = "2")]
    pub(crate) data: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) until: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) runs: Vec<MergedRun>,
    /// Events staged by open transactions.
    #[prost(message, repeated, tag = "5")]
    pub(crate) parts: Vec<MergedPart>,
    /// The size of the events in the data object, in bytes.
    #[prost(uint64, tag = "6")]
    pub(crate) bytes: u64,
}

/// The extents that replace all between their offsets.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MergedRun {
    #[prost(message, optional, tag = "1")]
    pub(crate) segment: Option<SegmentName>,
    #[prost(uint64, tag = "2")]
    pub(crate) start: u64,
    #[prost(uint64, repeated, tag = "3")]
    pub(crate) at: Vec<u64>,
    #[prost(uint32, repeated, tag = "4")]
    pub(crate) lengths: Vec<u32>,
    #[prost(fixed32, repeated, tag = "5")]
    pub(crate) checksums: Vec<u32>,
    /// The times of the first and of the last commit of each extent.
    #[prost(uint64, repeated, tag = "6")]
    pub(crate) first_times: Vec<u64>,
    #[prost(uint64, repeated, tag = "7")]
    pub(crate) last_times: Vec<u64>,
}

/// The old and the new location of staged events; length and checksum stay the same.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct MergedPart {
    #[prost(uint64, tag = "1")]
    pub(crate) transaction: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) object: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) old_at: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) at: u64,
}

/// Announces a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct CheckpointRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) number: u64,
    /// The checkpoint that it is based on; none for a full one.
    #[prost(uint64, optional, tag = "3")]
    pub(crate) base: Option<u64>,
    #[prost(uint64, tag = "4")]
    pub(crate) bytes: u64,
    /// The position in the chain of checkpoints, 0 for a full one.
    #[prost(uint64, tag = "5")]
    pub(crate) turn: u64,
}

/// A live data object, and the size of its events in bytes.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct DataPiece {
    #[prost(uint64, tag = "1")]
    pub(crate) data: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) bytes: u64,
}

/// The head of a data object: describes the events merged into it, down to the commit.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Data {
    #[prost(message, repeated, tag = "1")]
    pub(crate) runs: Vec<DataRun>,
}

/// Consecutive framed events of one segment.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DataRun {
    #[prost(message, optional, tag = "1")]
    pub(crate) segment: Option<SegmentName>,
    #[prost(uint64, tag = "2")]
    pub(crate) start: u64,
    /// The offset in bytes from the start of the object's events.
    #[prost(uint64, tag = "3")]
    pub(crate) at: u64,
    #[prost(uint32, tag = "4")]
    pub(crate) length: u32,
    #[prost(fixed32, tag = "5")]
    pub(crate) checksum: u32,
    /// For each commit, the bytes from the start of the previous commit to its own start.
    #[prost(uint32, repeated, tag = "6")]
    pub(crate) steps: Vec<u32>,
    /// For each commit, the milliseconds since the previous one; for the first since 1970-01-01 00:00 UTC.
    #[prost(uint64, repeated, tag = "7")]
    pub(crate) times: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Nothing {}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CommitRecord {
    #[prost(message, repeated, tag = "1")]
    pub(crate) changes: Vec<Change>,
    #[prost(message, optional, tag = "2")]
    pub(crate) writer: Option<Mark>,
    /// The transaction whose staged events become visible; 0 for none.
    #[prost(uint64, tag = "3")]
    pub(crate) transaction: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Change {
    #[prost(message, optional, tag = "1")]
    pub(crate) table: Option<Name>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub(crate) value: Option<Bytes>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Mark {
    #[prost(fixed64, tag = "1")]
    pub(crate) high: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) low: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) event_number: u64,
}

/// The configuration of a stream.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamRecord {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<Name>,
    #[prost(uint32, tag = "2")]
    pub(crate) segments: u32,
    /// In milliseconds.
    #[prost(uint64, optional, tag = "3")]
    pub(crate) age: Option<u64>,
    #[prost(uint64, optional, tag = "4")]
    pub(crate) bytes: Option<u64>,
}

/// A truncation: the new head of each segment of a stream, in number order.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CutRecord {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<Name>,
    #[prost(uint64, repeated, tag = "2")]
    pub(crate) offsets: Vec<u64>,
}

/// Data objects that were deleted; in format 1, log objects that were reclaimed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GaveBack {
    #[prost(uint64, repeated, tag = "2")]
    pub(crate) objects: Vec<u64>,
}

/// The head of the tombstone of a reclaimed log object in format 1: a checkpoint that no longer needs it.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Gone {
    #[prost(uint64, tag = "1")]
    pub(crate) checkpoint: u64,
    /// The author of the reclaimed object, who may not know yet that it was written.
    #[prost(fixed64, tag = "2")]
    pub(crate) instance_high: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) instance_low: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) sequence: u64,
}

/// The name of a stream or a table.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Name {
    #[prost(string, tag = "1")]
    pub(crate) scope: String,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentName {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<Name>,
    #[prost(uint32, tag = "2")]
    pub(crate) number: u32,
    #[prost(uint32, tag = "3")]
    pub(crate) epoch: u32,
}

/// The head of a checkpoint: the state after all log objects before its number.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Snapshot {
    #[prost(uint64, tag = "1")]
    pub(crate) time: u64,
    #[prost(string, repeated, tag = "2")]
    pub(crate) scopes: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) streams: Vec<StreamPiece>,
    /// Deleted streams, each with its last epoch.
    #[prost(message, repeated, tag = "4")]
    pub(crate) ended: Vec<EndedPiece>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) tables: Vec<TablePiece>,
    /// Writers, least recent first.
    #[prost(message, repeated, tag = "6")]
    pub(crate) writers: Vec<Mark>,
    /// Outcomes of transactions in commit order.
    #[prost(message, repeated, tag = "7")]
    pub(crate) outcomes: Vec<OutcomePiece>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) open: Vec<OpenPiece>,
    /// The checkpoint that an incremental one is based on. It then holds only the scopes, streams, tables,
    /// writers and outcomes that changed since, and of a segment the extents from the first changed one.
    #[prost(uint64, optional, tag = "11")]
    pub(crate) base: Option<u64>,
    /// The checksum of the log object before this number, if `is_chained`.
    #[prost(fixed32, tag = "12")]
    pub(crate) last: u32,
    #[prost(message, optional, tag = "13")]
    pub(crate) lease: Option<LeaseRecord>,
    /// The chain of the newest recorded checkpoint, the full one first.
    #[prost(message, repeated, tag = "14")]
    pub(crate) chain: Vec<CheckpointRecord>,
    /// The chain of the checkpoint before that.
    #[prost(message, repeated, tag = "15")]
    pub(crate) chain_before: Vec<CheckpointRecord>,
    #[prost(uint64, tag = "16")]
    pub(crate) changed_bytes: u64,
    #[prost(message, repeated, tag = "17")]
    pub(crate) data: Vec<DataPiece>,
    #[prost(uint64, repeated, tag = "18")]
    pub(crate) removed_data: Vec<u64>,
    #[prost(message, repeated, tag = "19")]
    pub(crate) removed_streams: Vec<Name>,
    #[prost(message, repeated, tag = "20")]
    pub(crate) removed_tables: Vec<Name>,
    #[prost(message, repeated, tag = "21")]
    pub(crate) removed_entries: Vec<Change>,
    #[prost(bool, tag = "22")]
    pub(crate) scopes_changed: bool,
    /// Whether the log object before this number has format 2 or later: then none of format 1 follows.
    #[prost(bool, tag = "23")]
    pub(crate) is_chained: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamPiece {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<StreamRecord>,
    #[prost(uint32, tag = "2")]
    pub(crate) epoch: u32,
    #[prost(bool, tag = "3")]
    pub(crate) sealed: bool,
    #[prost(message, repeated, tag = "4")]
    pub(crate) segments: Vec<SegmentPiece>,
}

/// A segment and its extents, as parallel lists.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentPiece {
    #[prost(uint64, tag = "1")]
    pub(crate) head: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) tail: u64,
    #[prost(uint64, repeated, tag = "3")]
    pub(crate) objects: Vec<u64>,
    /// Offsets in bytes from the start of the object.
    #[prost(uint64, repeated, tag = "4")]
    pub(crate) at: Vec<u64>,
    #[prost(uint32, repeated, tag = "5")]
    pub(crate) lengths: Vec<u32>,
    #[prost(fixed32, repeated, tag = "6")]
    pub(crate) checksums: Vec<u32>,
    /// The time of the first commit.
    #[prost(uint64, repeated, tag = "7")]
    pub(crate) times: Vec<u64>,
    /// The time of the last commit; empty in format 1, where it equals that of the first.
    #[prost(uint64, repeated, tag = "8")]
    pub(crate) last_times: Vec<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EndedPiece {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<Name>,
    #[prost(uint32, tag = "2")]
    pub(crate) epoch: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TablePiece {
    #[prost(message, optional, tag = "1")]
    pub(crate) table: Option<Name>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) entries: Vec<EntryPiece>,
    /// Whether it replaces the entries of the base checkpoint.
    #[prost(bool, tag = "3")]
    pub(crate) is_whole: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EntryPiece {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
    #[prost(uint64, tag = "3")]
    pub(crate) version: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct OutcomePiece {
    #[prost(uint64, tag = "1")]
    pub(crate) transaction: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) version: u64,
    #[prost(uint32, tag = "3")]
    pub(crate) changes: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OpenPiece {
    #[prost(uint64, tag = "1")]
    pub(crate) transaction: u64,
    /// When events were last staged.
    #[prost(uint64, tag = "2")]
    pub(crate) time: u64,
    #[prost(message, repeated, tag = "3")]
    pub(crate) parts: Vec<PartPiece>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PartPiece {
    #[prost(message, optional, tag = "1")]
    pub(crate) segment: Option<SegmentName>,
    #[prost(uint64, tag = "2")]
    pub(crate) object: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) at: u64,
    #[prost(uint32, tag = "4")]
    pub(crate) length: u32,
    #[prost(fixed32, tag = "5")]
    pub(crate) checksum: u32,
}

impl Log {
    pub(crate) fn by(author: Author) -> Self {
        let (instance_high, instance_low) = ((author.instance >> 64) as u64, author.instance as u64);
        Self { instance_high, instance_low, sequence: author.sequence, ..Self::default() }
    }

    pub(crate) fn author(&self) -> Author {
        author(self.instance_high, self.instance_low, self.sequence)
    }
}

impl Gone {
    pub(crate) fn author(&self) -> Author {
        author(self.instance_high, self.instance_low, self.sequence)
    }
}

fn author(high: u64, low: u64, sequence: u64) -> Author {
    Author { instance: u128::from(high) << 64 | u128::from(low), sequence }
}

impl LeaseRecord {
    pub(crate) fn instance(&self) -> u128 {
        u128::from(self.instance_high) << 64 | u128::from(self.instance_low)
    }
}

impl Name {
    pub(crate) fn of_stream(stream: &StreamId) -> Self {
        Self { scope: stream.scope.to_string(), name: stream.name.to_string() }
    }

    pub(crate) fn of_table(table: &TableId) -> Self {
        Self { scope: table.scope.to_string(), name: table.name.to_string() }
    }

    pub(crate) fn stream(&self) -> Result<StreamId> {
        StreamId::stored(&self.scope, &self.name)
    }

    pub(crate) fn table(&self) -> Result<TableId> {
        Ok(TableId { scope: Scope::stored(&self.scope)?, name: StreamName::stored(&self.name)? })
    }
}

impl SegmentName {
    pub(crate) fn of(segment: &SegmentId) -> Self {
        let stream = Some(Name::of_stream(&segment.stream));
        Self { stream, number: segment.number, epoch: segment.epoch }
    }

    pub(crate) fn segment(&self) -> Result<SegmentId> {
        let stream = self.stream.clone().unwrap_or_default().stream()?;
        Ok(SegmentId { stream, number: self.number, epoch: self.epoch })
    }
}

impl Mark {
    pub(crate) fn of(mark: WriterMark) -> Self {
        let writer = mark.writer.0;
        Self { high: (writer >> 64) as u64, low: writer as u64, event_number: mark.event_number }
    }

    pub(crate) fn mark(self) -> WriterMark {
        let writer = WriterId(u128::from(self.high) << 64 | u128::from(self.low));
        WriterMark { writer, event_number: self.event_number }
    }
}

impl StreamRecord {
    pub(crate) fn of(stream: &StreamId, config: &StreamConfig) -> Self {
        Self {
            stream: Some(Name::of_stream(stream)),
            segments: config.segments,
            age: config.retention.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            bytes: config.retention.bytes,
        }
    }

    pub(crate) fn stream(&self) -> Result<StreamId> {
        self.stream.clone().unwrap_or_default().stream()
    }

    pub(crate) fn config(&self) -> StreamConfig {
        let retention = Retention { age: self.age.map(Duration::from_millis), bytes: self.bytes };
        StreamConfig::with_segments(self.segments).retention(retention)
    }
}

impl Change {
    pub(crate) fn of(change: &TableChange) -> Self {
        let table = Some(Name::of_table(&change.table));
        Self { table, key: change.key.clone(), value: change.value.clone() }
    }
}

impl EntryPiece {
    pub(crate) fn of(entry: Entry) -> Self {
        Self { key: entry.key, value: entry.value, version: entry.version.0 }
    }

    pub(crate) fn version(&self) -> Version {
        Version(self.version)
    }
}
