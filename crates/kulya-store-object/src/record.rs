//! What the heads of objects say, as protocol-buffers messages. Fields and numbers never change their meaning; an act that is
//! not known is refused.

use bytes::Bytes;
use kulya_store::{
    Entry, Result, Retention, Scope, SegmentId, StreamConfig, StreamId, StreamName, TableChange, TableId,
    Version, WriterId, WriterMark,
};
use std::time::Duration;

/// Whose try a log object was: the writer, and its tries counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Author {
    pub(crate) instance: u128,
    pub(crate) sequence: u64,
}

/// The head of a log object.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Log {
    /// Who wrote it, 128 bits, and the how-manieth of its tries it was: by this it knows it again.
    #[prost(fixed64, tag = "1")]
    pub(crate) instance_high: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) instance_low: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) sequence: u64,
    /// Of all its commits, in milliseconds since 1970-01-01 00:00 UTC; never before that of the object before it.
    #[prost(uint64, tag = "4")]
    pub(crate) time: u64,
    #[prost(message, repeated, tag = "5")]
    pub(crate) batches: Vec<Batch>,
    #[prost(message, repeated, tag = "6")]
    pub(crate) records: Vec<Record>,
    /// Checksum of the log object before this one, as its header has it; 0 for the first. Not in format 1.
    #[prost(fixed32, tag = "7")]
    pub(crate) previous: u32,
}

/// Events of one segment that stand together in this object.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Batch {
    #[prost(message, optional, tag = "1")]
    pub(crate) segment: Option<SegmentName>,
    /// Offset of the first one in its segment; of what a transaction stages, 0.
    #[prost(uint64, tag = "2")]
    pub(crate) start: u64,
    /// Where they stand, counted from the beginning of the object's events.
    #[prost(uint64, tag = "3")]
    pub(crate) at: u64,
    #[prost(uint32, tag = "4")]
    pub(crate) length: u32,
    /// CRC-32C.
    #[prost(fixed32, tag = "5")]
    pub(crate) checksum: u32,
    /// For which transaction they are staged; 0 for none.
    #[prost(uint64, tag = "6")]
    pub(crate) transaction: u64,
}

/// Something that is done.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Record {
    #[prost(oneof = "Act", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16")]
    pub(crate) act: Option<Act>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Act {
    #[prost(message, tag = "1")]
    Commit(CommitRecord),
    /// Begins a transaction, whose name is the record's mark.
    #[prost(message, tag = "2")]
    Begin(Nothing),
    /// Forgets what a transaction has staged.
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
    /// Who does the maintenance from now on.
    #[prost(message, tag = "14")]
    Lease(LeaseRecord),
    #[prost(message, tag = "15")]
    Merged(MergedRecord),
    #[prost(message, tag = "16")]
    Checkpointed(CheckpointRecord),
}

/// The right to do the maintenance: what is done under an older epoch is refused.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct LeaseRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) epoch: u64,
    #[prost(fixed64, tag = "2")]
    pub(crate) instance_high: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) instance_low: u64,
    /// Others leave it to this process until then, in milliseconds since 1970-01-01 00:00 UTC.
    #[prost(uint64, tag = "4")]
    pub(crate) until: u64,
}

/// Events stand in a data object from now on, and no longer where they stood.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MergedRecord {
    /// Of the lease under which it was done.
    #[prost(uint64, tag = "1")]
    pub(crate) epoch: u64,
    /// The data object.
    #[prost(uint64, tag = "2")]
    pub(crate) data: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) until: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) runs: Vec<MergedRun>,
    /// What open transactions have staged.
    #[prost(message, repeated, tag = "5")]
    pub(crate) parts: Vec<MergedPart>,
    /// Bytes of events in the data object.
    #[prost(uint64, tag = "6")]
    pub(crate) bytes: u64,
}

/// The extents that take the place of all that lie between their offsets.
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
    /// Times of the first and of the last commit of each.
    #[prost(uint64, repeated, tag = "6")]
    pub(crate) first_times: Vec<u64>,
    #[prost(uint64, repeated, tag = "7")]
    pub(crate) last_times: Vec<u64>,
}

/// Where staged events stood, and where they stand now; length and checksum are the same.
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

/// A checkpoint is there.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct CheckpointRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) epoch: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) number: u64,
    /// The checkpoint that it changes; none for one that holds everything.
    #[prost(uint64, optional, tag = "3")]
    pub(crate) base: Option<u64>,
    #[prost(uint64, tag = "4")]
    pub(crate) bytes: u64,
    /// Counted from the one that holds everything, which is 0.
    #[prost(uint64, tag = "5")]
    pub(crate) turn: u64,
}

/// A data object that is there, and how many bytes of events it was made with.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct DataPiece {
    #[prost(uint64, tag = "1")]
    pub(crate) data: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) bytes: u64,
}

/// The head of a data object: events that stood in many objects. It says of itself what they are, to the commit.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Data {
    #[prost(message, repeated, tag = "1")]
    pub(crate) runs: Vec<DataRun>,
}

/// Framed events of one segment that stand together.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DataRun {
    #[prost(message, optional, tag = "1")]
    pub(crate) segment: Option<SegmentName>,
    #[prost(uint64, tag = "2")]
    pub(crate) start: u64,
    /// Counted from where the object's events begin.
    #[prost(uint64, tag = "3")]
    pub(crate) at: u64,
    #[prost(uint32, tag = "4")]
    pub(crate) length: u32,
    #[prost(fixed32, tag = "5")]
    pub(crate) checksum: u32,
    /// Of each commit, the bytes from where the one before begins to where it begins.
    #[prost(uint32, repeated, tag = "6")]
    pub(crate) steps: Vec<u32>,
    /// Of each commit, the milliseconds since the one before; of the first since 1970-01-01 00:00 UTC.
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
    /// Whose staged events become visible; 0 for none.
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

/// How a stream is made, or kept from now on.
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

/// Where a stream begins from now on: an offset for each segment, in number order.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CutRecord {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<Name>,
    #[prost(uint64, repeated, tag = "2")]
    pub(crate) offsets: Vec<u64>,
}

/// Data objects that were deleted. In format 1, log objects that were given back.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GaveBack {
    #[prost(uint64, repeated, tag = "2")]
    pub(crate) objects: Vec<u64>,
}

/// The head of what is left of a log object that was given back: a checkpoint that needs it no more.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Gone {
    #[prost(uint64, tag = "1")]
    pub(crate) checkpoint: u64,
    /// Who had written it, as it said: the writer may not know yet that its object was there.
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

/// The head of a checkpoint: everything that the log objects before its number say.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Snapshot {
    #[prost(uint64, tag = "1")]
    pub(crate) time: u64,
    #[prost(string, repeated, tag = "2")]
    pub(crate) scopes: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) streams: Vec<StreamPiece>,
    /// Streams that were deleted, each with its last epoch.
    #[prost(message, repeated, tag = "4")]
    pub(crate) ended: Vec<EndedPiece>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) tables: Vec<TablePiece>,
    /// Who wrote longest ago comes first.
    #[prost(message, repeated, tag = "6")]
    pub(crate) writers: Vec<Mark>,
    /// In the order of their commits.
    #[prost(message, repeated, tag = "7")]
    pub(crate) outcomes: Vec<OutcomePiece>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) open: Vec<OpenPiece>,
    /// The checkpoint whose state this one changes. Then it holds, of scopes, streams, tables, writers and outcomes, those
    /// that changed since; of a segment the extents from the first one that did.
    #[prost(uint64, optional, tag = "11")]
    pub(crate) base: Option<u64>,
    /// Checksum of the log object before this number, if `is_chained`.
    #[prost(fixed32, tag = "12")]
    pub(crate) last: u32,
    #[prost(message, optional, tag = "13")]
    pub(crate) lease: Option<LeaseRecord>,
    /// The checkpoints that make the newest one that the log speaks of, the one that holds everything first.
    #[prost(message, repeated, tag = "14")]
    pub(crate) chain: Vec<CheckpointRecord>,
    /// The same of the one before.
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
    /// Whether the log object before this number is not of format 1: then none of format 1 follows.
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

/// A segment, and where its events stand: the same place of each list is one extent.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentPiece {
    #[prost(uint64, tag = "1")]
    pub(crate) head: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) tail: u64,
    #[prost(uint64, repeated, tag = "3")]
    pub(crate) objects: Vec<u64>,
    /// Counted from the beginning of the object.
    #[prost(uint64, repeated, tag = "4")]
    pub(crate) at: Vec<u64>,
    #[prost(uint32, repeated, tag = "5")]
    pub(crate) lengths: Vec<u32>,
    #[prost(fixed32, repeated, tag = "6")]
    pub(crate) checksums: Vec<u32>,
    /// Of the first commit.
    #[prost(uint64, repeated, tag = "7")]
    pub(crate) times: Vec<u64>,
    /// Of the last commit; the same in format 1, which has no list of them.
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
    /// Whether the base's entries are gone.
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
    /// When something was staged last.
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
