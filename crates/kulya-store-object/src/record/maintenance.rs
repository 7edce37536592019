//! Records of maintenance, and the head of data objects.

use super::names::SegmentName;

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
pub(crate) struct MergeRecord {
    /// The epoch of the lease under which it was written.
    #[prost(uint64, tag = "1")]
    pub(crate) epoch: u64,
    /// The number of the data object.
    #[prost(uint64, tag = "2")]
    pub(crate) data: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) until: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) runs: Vec<MergeRun>,
    /// Events staged by open transactions.
    #[prost(message, repeated, tag = "5")]
    pub(crate) parts: Vec<MergeStaged>,
    /// The size of the events in the data object, in bytes.
    #[prost(uint64, tag = "6")]
    pub(crate) bytes: u64,
}

/// The extents that replace all between their offsets.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MergeRun {
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
pub(crate) struct MergeStaged {
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
    pub(crate) position: u64,
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

/// Data objects that were deleted; in format 1, log objects that were reclaimed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Reclaimed {
    #[prost(uint64, repeated, tag = "2")]
    pub(crate) objects: Vec<u64>,
}

impl DataRun {
    /// Iterates over the commits of the events from an offset on: the start offset and time of each.
    pub(crate) fn commits(&self, start: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let (mut offset, mut time) = (start, 0u64);
        self.steps.iter().zip(&self.times).map(move |(step, delta)| {
            offset = offset.saturating_add(u64::from(*step));
            time = time.saturating_add(*delta);
            (offset, time)
        })
    }
}

impl LeaseRecord {
    pub(crate) fn instance(&self) -> u128 {
        u128::from(self.instance_high) << 64 | u128::from(self.instance_low)
    }
}
