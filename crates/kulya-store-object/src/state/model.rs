//! The data types of the state.

use super::segment::{Location, Segment};
use crate::record::{CheckpointRecord, LeaseRecord};
use bytes::Bytes;
use kulya_store::log_backend::outcomes::Outcomes;
use kulya_store::log_backend::tables::Tables;
use kulya_store::{
    Error, Retention, Scope, SegmentId, StreamConfig, StreamId, TableId, WriterId, WriterMarks,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The maximum number of records per object: a record id has 16 bits for it.
pub(crate) const MAX_RECORDS: usize = 1 << 16;

/// Returns the id of a record: the version of what a commit changes, or the id of the transaction that it
/// begins.
pub(crate) fn record_id(number: u64, index: usize) -> u64 {
    ((number << 16) | index as u64) + 1
}

/// The state after a number of log objects.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The number of the next log object.
    pub(crate) next: u64,
    /// The time of the last commit, in milliseconds; never goes back.
    pub(crate) time: u64,
    pub(crate) scopes: BTreeSet<Scope>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    /// The last epoch of each deleted stream.
    pub(super) deleted_epochs: BTreeMap<StreamId, u32>,
    pub(super) tables: Tables,
    pub(crate) writers: WriterMarks,
    /// Open transactions by id.
    pub(crate) open: BTreeMap<u64, OpenTransaction>,
    /// The outcomes of transactions, in the order of their commits' versions.
    pub(super) outcomes: Outcomes,
    /// The checksum of the last log object, which the next one names.
    pub(crate) last: u32,
    /// Whether the last log object has format 2 or later; format 1 has no checksum chain.
    pub(crate) is_chained: bool,
    /// The maintenance lease.
    pub(crate) lease: LeaseRecord,
    /// The chain of the newest recorded checkpoint, the full one first.
    pub(crate) chain: Vec<CheckpointRecord>,
    /// The chain of the checkpoint before that.
    pub(crate) chain_before: Vec<CheckpointRecord>,
    /// The total size of incremental checkpoints since the last full one, in bytes.
    pub(super) incremental_bytes: u64,
    /// The live data objects.
    pub(crate) data: BTreeMap<u64, DataObject>,
    /// The size of the events in log objects since the newest checkpoint, in bytes.
    pub(crate) bytes_since_checkpoint: u64,
    pub(super) changes: ChangeTracker,
}

/// A data object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataObject {
    /// The log object that published it.
    pub(super) number: u64,
    /// The size of all its events, in bytes.
    pub(super) bytes: u64,
}

/// What recently changed or was removed, with the number of the log object that did it: what an incremental
/// checkpoint needs beyond the changed entities themselves.
#[derive(Debug, Default)]
pub(super) struct ChangeTracker {
    pub(super) scopes: u64,
    pub(super) streams: BTreeMap<StreamId, u64>,
    /// Created or deleted.
    pub(super) tables: BTreeMap<TableId, u64>,
    pub(super) removed_entries: BTreeMap<(TableId, Bytes), u64>,
    pub(super) removed_data: BTreeMap<u64, u64>,
    pub(super) writers: HashMap<WriterId, u64>,
}

impl ChangeTracker {
    /// Discards changes before a log number.
    pub(super) fn discard_before(&mut self, number: u64) {
        self.streams.retain(|_, changed_at| *changed_at >= number);
        self.tables.retain(|_, changed_at| *changed_at >= number);
        self.removed_entries.retain(|_, changed_at| *changed_at >= number);
        self.removed_data.retain(|_, changed_at| *changed_at >= number);
        self.writers.retain(|_, changed_at| *changed_at >= number);
    }
}

/// A stream of one epoch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) epoch: u32,
    pub(super) retention: Retention,
    pub(crate) sealed: bool,
    pub(crate) segments: Vec<Segment>,
}

impl Stream {
    /// Returns the configuration of the stream.
    pub(crate) fn config(&self) -> StreamConfig {
        StreamConfig::with_segments(self.segments.len() as u32).retention(self.retention)
    }
}

/// A transaction that was neither committed nor aborted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct OpenTransaction {
    /// When events were last staged, in milliseconds.
    pub(crate) time: u64,
    pub(crate) parts: Vec<(SegmentId, Location)>,
}

/// Converts an error to its text.
pub(super) fn error_text(error: Error) -> String {
    error.to_string()
}
