//! Log objects: commits and changes of scopes, streams and tables.

use super::maintenance::{CheckpointRecord, LeaseRecord, MergeRecord, Reclaimed};
use super::names::{SegmentName, WriterMarkRecord};
use kulya_store::log_backend::message::{Change, Empty, Name};
use kulya_store::{Result, Retention, StreamConfig, StreamId};
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
    #[prost(oneof = "Op", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16")]
    pub(crate) op: Option<Op>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Op {
    #[prost(message, tag = "1")]
    Commit(CommitRecord),
    /// Begins a transaction, whose id is the id of the record.
    #[prost(message, tag = "2")]
    Begin(Empty),
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
    Reclaimed(Reclaimed),
    /// Grants the maintenance lease.
    #[prost(message, tag = "14")]
    Lease(LeaseRecord),
    #[prost(message, tag = "15")]
    Merge(MergeRecord),
    #[prost(message, tag = "16")]
    Checkpoint(CheckpointRecord),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CommitRecord {
    #[prost(message, repeated, tag = "1")]
    pub(crate) changes: Vec<Change>,
    #[prost(message, optional, tag = "2")]
    pub(crate) writer: Option<WriterMarkRecord>,
    /// The transaction whose staged events become visible; 0 for none.
    #[prost(uint64, tag = "3")]
    pub(crate) transaction: u64,
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

/// The head of the tombstone of a reclaimed log object in format 1: a checkpoint that no longer needs it.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct TombstoneHead {
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

impl Log {
    pub(crate) fn new(author: Author) -> Self {
        let (instance_high, instance_low) = ((author.instance >> 64) as u64, author.instance as u64);
        Self { instance_high, instance_low, sequence: author.sequence, ..Self::default() }
    }

    pub(crate) fn author(&self) -> Author {
        author(self.instance_high, self.instance_low, self.sequence)
    }
}

impl TombstoneHead {
    pub(crate) fn author(&self) -> Author {
        author(self.instance_high, self.instance_low, self.sequence)
    }
}

fn author(high: u64, low: u64, sequence: u64) -> Author {
    Author { instance: u128::from(high) << 64 | u128::from(low), sequence }
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
