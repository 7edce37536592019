//! Checkpoints: the state as a message.

use super::log::StreamRecord;
use super::maintenance::{CheckpointRecord, LeaseRecord};
use super::names::{SegmentName, WriterMarkRecord};
use bytes::Bytes;
use kulya_store::log_backend::message::{Change, Name};
use kulya_store::{Entry, Version};

/// A live data object, and the size of its events in bytes.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct DataObjectSnapshot {
    #[prost(uint64, tag = "1")]
    pub(crate) data: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) bytes: u64,
}

/// The head of a checkpoint: the state after all log objects before its number.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Snapshot {
    #[prost(uint64, tag = "1")]
    pub(crate) time: u64,
    #[prost(string, repeated, tag = "2")]
    pub(crate) scopes: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) streams: Vec<StreamSnapshot>,
    /// Deleted streams, each with its last epoch.
    #[prost(message, repeated, tag = "4")]
    pub(crate) deleted_streams: Vec<DeletedStreamSnapshot>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) tables: Vec<TableSnapshot>,
    /// Writers, least recent first.
    #[prost(message, repeated, tag = "6")]
    pub(crate) writers: Vec<WriterMarkRecord>,
    /// Outcomes of transactions in commit order.
    #[prost(message, repeated, tag = "7")]
    pub(crate) outcomes: Vec<OutcomeSnapshot>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) open: Vec<TransactionSnapshot>,
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
    pub(crate) incremental_bytes: u64,
    #[prost(message, repeated, tag = "17")]
    pub(crate) data: Vec<DataObjectSnapshot>,
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
pub(crate) struct StreamSnapshot {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<StreamRecord>,
    #[prost(uint32, tag = "2")]
    pub(crate) epoch: u32,
    #[prost(bool, tag = "3")]
    pub(crate) sealed: bool,
    #[prost(message, repeated, tag = "4")]
    pub(crate) segments: Vec<SegmentSnapshot>,
}

/// A segment and its extents, as parallel lists.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SegmentSnapshot {
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
pub(crate) struct DeletedStreamSnapshot {
    #[prost(message, optional, tag = "1")]
    pub(crate) stream: Option<Name>,
    #[prost(uint32, tag = "2")]
    pub(crate) epoch: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TableSnapshot {
    #[prost(message, optional, tag = "1")]
    pub(crate) table: Option<Name>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) entries: Vec<EntrySnapshot>,
    /// Whether it replaces the entries of the base checkpoint.
    #[prost(bool, tag = "3")]
    pub(crate) is_full: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EntrySnapshot {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
    #[prost(uint64, tag = "3")]
    pub(crate) version: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct OutcomeSnapshot {
    #[prost(uint64, tag = "1")]
    pub(crate) transaction: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) version: u64,
    #[prost(uint32, tag = "3")]
    pub(crate) changes: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TransactionSnapshot {
    #[prost(uint64, tag = "1")]
    pub(crate) transaction: u64,
    /// When events were last staged.
    #[prost(uint64, tag = "2")]
    pub(crate) time: u64,
    #[prost(message, repeated, tag = "3")]
    pub(crate) parts: Vec<StagedSnapshot>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StagedSnapshot {
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

impl EntrySnapshot {
    pub(crate) fn of(entry: Entry) -> Self {
        Self { key: entry.key, value: entry.value, version: entry.version.0 }
    }

    pub(crate) fn version(&self) -> Version {
        Version(self.version)
    }
}
