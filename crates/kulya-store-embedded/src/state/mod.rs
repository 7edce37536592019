//! The state of the store, built by applying the ops of the log, during recovery and at each commit alike.
//! The catalog and recent changes are in memory; the rest is read through the index.

mod apply;
mod block_cache;
mod files;
mod lookup;
mod recent;
mod segment;
mod staged;
mod table;

use crate::extent::Extent;
use crate::log_name::LogPosition;
use block_cache::BlockCache;
pub(crate) use files::{LogFiles, LogInfo};
pub(crate) use lookup::{block, indexed_slot};
pub(crate) use segment::Segment;
pub(crate) use staged::{StagedEvents, StagedRuns};
pub(crate) use table::{Slot, Table};

use crate::frame::LogEnd;
use crate::index::Index;
use crate::op::SegmentKey;

use kulya_store::{
    CommitReceipt, Error, Result, Retention, Scope, SegmentId, StreamConfig, StreamId, TableId, WriterMarks,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The state of a stream.
pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) epoch: u32,
    pub(crate) sealed: bool,
    pub(crate) retention: Retention,
    pub(crate) segments: Vec<Segment>,
}

impl Stream {
    pub(crate) fn config(&self) -> StreamConfig {
        StreamConfig::with_segments(self.segments.len() as u32).retention(self.retention)
    }
}

/// The start of a committed transaction's events in a segment, for the part that was staged in one log
/// file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransactionStart {
    pub(crate) file: u32,
    pub(crate) transaction: u64,
    pub(crate) segment: SegmentKey,
    pub(crate) start: u64,
}

/// Entries of the index that are no longer readable.
#[derive(Debug, Default)]
pub(crate) struct IndexGarbage {
    /// Segments whose head has moved.
    pub(crate) segments: BTreeSet<SegmentKey>,
    /// Deleted streams and tables.
    pub(crate) streams: BTreeSet<u32>,
    pub(crate) tables: BTreeSet<u32>,
}

/// The state of the store.
pub(crate) struct State {
    pub(crate) index: Arc<dyn Index>,
    blocks: BlockCache,
    pub(crate) files: LogFiles,
    pub(crate) scopes: BTreeSet<Scope>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) stream_names: HashMap<u32, StreamId>,
    pub(crate) tables: BTreeMap<TableId, Table>,
    pub(crate) table_names: HashMap<u32, TableId>,
    /// The last epoch of each deleted stream.
    pub(crate) deleted_epochs: HashMap<StreamId, u32>,
    pub(crate) next_stream: u32,
    pub(crate) next_table: u32,
    pub(crate) writers: WriterMarks,
    /// The receipts of the last committed transactions; ids increase, so the first are the oldest.
    pub(crate) outcomes: BTreeMap<u64, CommitReceipt>,
    pub(crate) staged: HashMap<u64, StagedEvents>,
    /// Committed transactions that are not in the index yet.
    pub(crate) transaction_starts: Vec<TransactionStart>,
    pub(crate) garbage: IndexGarbage,
    /// What is not in the index yet: the number of extents, and the bytes of table entries.
    pub(crate) recent: (usize, usize),
    /// The log end after the last frame.
    pub(crate) end: LogEnd,
    /// The last version of a table entry.
    pub(crate) version: u64,
    /// The highest transaction id that was reserved or used.
    pub(crate) last_transaction: u64,
    /// The time of the last commit, in milliseconds since 1970.
    pub(crate) time: u64,
    /// The position after the last frame.
    pub(crate) position: LogPosition,
}

/// A checkpoint is due beyond these: the number of extents, and the bytes of table entries, not in the
/// index.
const CHECKPOINT_THRESHOLD: (usize, usize) = (1 << 16, 16 << 20);

impl State {
    /// Creates an empty state over an index.
    pub(crate) fn new(index: Arc<dyn Index>) -> Self {
        Self {
            index,
            blocks: BlockCache::default(),
            files: LogFiles::default(),
            scopes: BTreeSet::new(),
            streams: BTreeMap::new(),
            stream_names: HashMap::new(),
            tables: BTreeMap::new(),
            table_names: HashMap::new(),
            deleted_epochs: HashMap::new(),
            next_stream: 0,
            next_table: 0,
            writers: WriterMarks::default(),
            outcomes: BTreeMap::new(),
            staged: HashMap::new(),
            transaction_starts: Vec::new(),
            garbage: IndexGarbage::default(),
            recent: (0, 0),
            end: LogEnd::default(),
            version: 0,
            last_transaction: 0,
            time: 0,
            position: LogPosition { file: 0, length: 0 },
        }
    }

    /// Sets the position up to which the log was read or written.
    pub(crate) fn set_position(&mut self, position: LogPosition, end: LogEnd) {
        self.position = position;
        self.end = end;
        if let Some(info) = self.files.by_id.get_mut(&position.file) {
            info.bytes = position.length;
            info.end = end;
        }
    }

    /// Returns whether so much is not in the index that a checkpoint is due.
    pub(crate) fn needs_checkpoint(&self) -> bool {
        self.recent.0 > CHECKPOINT_THRESHOLD.0 || self.recent.1 > CHECKPOINT_THRESHOLD.1
    }

    pub(crate) fn next_stream_id(&self) -> u32 {
        self.next_stream
    }

    pub(crate) fn next_table_id(&self) -> u32 {
        self.next_table
    }

    /// Returns the epoch of a new stream of this name.
    pub(crate) fn next_epoch(&self, stream: &StreamId) -> u32 {
        self.deleted_epochs.get(stream).map_or(0, |epoch| epoch + 1)
    }

    /// Returns the number of bytes that a transaction has staged for a segment.
    pub(crate) fn staged_length(&self, transaction: u64, segment: SegmentKey) -> u64 {
        self.staged.get(&transaction).map_or(0, |staged| staged.runs.length_of(segment))
    }

    /// Returns where the events of a transaction start in each of its segments if it commits now. Fails if
    /// a stream was sealed or deleted.
    pub(crate) fn staged_starts(&self, transaction: u64) -> Result<Vec<(SegmentKey, u64)>> {
        let start = |(segment, _): (SegmentKey, u64)| {
            let Some(name) = self.stream_names.get(&segment.stream) else {
                return Err(Error::not_found("a stream with staged events of this transaction"));
            };
            let stream = self.stream(name)?;
            if stream.sealed {
                return Err(Error::sealed(name));
            }
            Ok((segment, stream.segments.get(segment.number as usize).map_or(0, |segment| segment.tail)))
        };
        let staged = self.staged.get(&transaction);
        staged.into_iter().flat_map(|staged| staged.runs.segments()).map(start).collect()
    }

    /// Returns whether a scope has no streams and no tables.
    pub(crate) fn is_empty(&self, scope: &Scope) -> bool {
        !self.streams.keys().any(|stream| stream.scope == *scope)
            && !self.tables.keys().any(|table| table.scope == *scope)
    }

    pub(crate) fn scope(&self, scope: &Scope) -> Result<()> {
        if self.scopes.contains(scope) { Ok(()) } else { Err(Error::not_found(format!("scope {scope}"))) }
    }

    pub(crate) fn stream(&self, stream: &StreamId) -> Result<&Stream> {
        self.streams.get(stream).ok_or_else(|| Error::not_found(format!("stream {stream}")))
    }

    pub(crate) fn segment(&self, id: &SegmentId) -> Result<(SegmentKey, &Segment)> {
        let stream = self.stream(&id.stream)?;
        let segment = stream.segments.get(id.number as usize).filter(|_| id.epoch == stream.epoch);
        let key = SegmentKey { stream: stream.id, number: id.number };
        segment.map(|segment| (key, segment)).ok_or_else(|| Error::not_found(format!("segment {id}")))
    }

    pub(crate) fn table(&self, table: &TableId) -> Result<&Table> {
        self.tables.get(table).ok_or_else(|| Error::not_found(table))
    }

    /// Aborts the open transactions, which end with the process that opened them.
    pub(crate) fn abort_open_transactions(&mut self) {
        for staged in std::mem::take(&mut self.staged).into_values() {
            self.release_extents(staged.runs.into_iter().map(|(_, extent)| extent));
        }
    }

    /// Subtracts extents that are no longer readable from the live bytes of their files.
    fn release_extents(&mut self, extents: impl Iterator<Item = Extent>) {
        for extent in extents {
            self.files.remove_live(extent.file, extent.size());
        }
    }

    fn stream_mut(&mut self, id: u32) -> std::result::Result<&mut Stream, String> {
        let name = self.stream_names.get(&id);
        name.and_then(|name| self.streams.get_mut(name))
            .ok_or_else(|| format!("an op refers to the unknown stream {id}"))
    }

    /// Returns a segment; `None` if its stream does not exist.
    pub(crate) fn segment_at(&self, key: SegmentKey) -> Option<&Segment> {
        let name = self.stream_names.get(&key.stream)?;
        self.streams.get(name)?.segments.get(key.number as usize)
    }

    pub(crate) fn segment_mut(&mut self, key: SegmentKey) -> std::result::Result<&mut Segment, String> {
        let segment = self.stream_mut(key.stream)?.segments.get_mut(key.number as usize);
        segment.ok_or_else(|| {
            format!("an op refers to the unknown segment {} of stream {}", key.number, key.stream)
        })
    }

    pub(crate) fn table_mut(&mut self, id: u32) -> std::result::Result<&mut Table, String> {
        let name = self.table_names.get(&id);
        name.and_then(|name| self.tables.get_mut(name))
            .ok_or_else(|| format!("an op refers to the unknown table {id}"))
    }
}
