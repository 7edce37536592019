//! Checkpoints: the state after some frame, stored in the index, so that recovery only replays the log
//! after it.
//!
//! A checkpoint is taken while the store is in use: what is not in the index yet is copied from the state,
//! the log is synced up to there, the copy is written to the index in one batch, and only then dropped from
//! the state. So the index never contains anything that the log could still lose.

mod checksum;
mod staged;

use self::checksum::{add_checksum, verify_checksum};
use crate::extent::Extent;
use crate::frame::LogEnd;
use crate::index::{self, BLOCK_EXTENTS, Index, IndexChange};
use crate::log_name::{LogName, LogPosition};
use crate::op::SegmentKey;
use crate::state::{self, LogFiles, LogInfo, Segment, Slot, State, Stream, Table};
use kulya_store::{
    CommitReceipt, Retention, Scope, StreamId, TableId, Version, WriterId, WriterMark, WriterMarks,
};
use serde::{Deserialize, Serialize};
pub(crate) use staged::StagedChunks;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The last checkpoint in the index.
pub(crate) struct Checkpoint {
    pub(crate) end: LogEnd,
    pub(crate) position: LogPosition,
    /// The log files as of the checkpoint.
    pub(crate) files: LogFiles,
    /// The last commit number of each writer.
    pub(crate) writers: WriterMarks,
    /// The open transactions.
    pub(crate) staged: StagedChunks,
}

/// The state without extents and table entries.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CatalogRecord {
    position: LogPosition,
    pub(crate) end: LogEnd,
    version: u64,
    last_transaction: u64,
    time: u64,
    next_stream: u32,
    next_table: u32,
    next_file: u32,
    scopes: Vec<String>,
    streams: Vec<StreamRecord>,
    tables: Vec<(String, String, u32)>,
    deleted_epochs: Vec<(String, String, u32)>,
    /// The least recently active writer first.
    writers: Vec<(u128, u64)>,
    /// Id, version, number of changes.
    outcomes: Vec<(u64, u64, u32)>,
    pub(crate) staged: StagedChunks,
    garbage_streams: Vec<u32>,
    garbage_tables: Vec<u32>,
}

impl CatalogRecord {
    /// Drops what only the index needs.
    pub(crate) fn catalog_only(mut self) -> Self {
        self.staged = StagedChunks::default();
        self.garbage_streams.clear();
        self.garbage_tables.clear();
        self
    }
}

/// A stream of the record.
pub(crate) struct CatalogStream<'a> {
    pub(crate) id: u32,
    pub(crate) scope: &'a str,
    pub(crate) name: &'a str,
    pub(crate) epoch: u32,
    pub(crate) sealed: bool,
    pub(crate) retention: Retention,
    /// Head and tail of each segment.
    pub(crate) segments: Vec<(u64, u64)>,
}

impl CatalogRecord {
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = CatalogStream<'_>> {
        self.streams.iter().map(|stream| CatalogStream {
            id: stream.id,
            scope: &stream.scope,
            name: &stream.name,
            epoch: stream.epoch,
            sealed: stream.sealed,
            retention: Retention { age: stream.age.map(Duration::from_millis), bytes: stream.bytes },
            segments: stream.segments.iter().map(|(head, tail, _)| (*head, *tail)).collect(),
        })
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = (u32, &str, &str)> {
        self.tables.iter().map(|(scope, name, id)| (*id, scope.as_str(), name.as_str()))
    }

    pub(crate) fn writers(&self) -> impl Iterator<Item = (u128, u64)> + '_ {
        self.writers.iter().copied()
    }

    /// Iterates over the last epochs of deleted streams: scope, name, epoch.
    pub(crate) fn deleted_epochs(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.deleted_epochs.iter().map(|(scope, name, epoch)| (scope.as_str(), name.as_str(), *epoch))
    }

    /// Iterates over the tails of the segments.
    pub(crate) fn tails(&self) -> impl Iterator<Item = (SegmentKey, u64)> + '_ {
        self.streams.iter().flat_map(|stream| {
            let key = |number| SegmentKey { stream: stream.id, number };
            (0..).zip(&stream.segments).map(move |(number, (_, tail, _))| (key(number), *tail))
        })
    }

    /// Raises the counters of a state to those of the record, so that ids and versions are never reused,
    /// whatever was lost.
    pub(crate) fn raise_counters(&self, state: &mut State) {
        state.version = state.version.max(self.version);
        state.last_transaction = state.last_transaction.max(self.last_transaction);
        state.time = state.time.max(self.time);
        state.next_stream = state.next_stream.max(self.next_stream);
        state.next_table = state.next_table.max(self.next_table);
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct StreamRecord {
    scope: String,
    name: String,
    id: u32,
    epoch: u32,
    sealed: bool,
    age: Option<u64>,
    bytes: Option<u64>,
    /// Head, tail, and the offset up to which the index is garbage-collected.
    segments: Vec<(u64, u64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct FileRecord {
    id: u32,
    name: LogName,
    bytes: u64,
    live: u64,
    framing: u64,
    overhead: u64,
    end: LogEnd,
}

/// A checkpoint in progress: what was copied from the state.
pub(crate) struct PendingCheckpoint {
    pub(crate) end: LogEnd,
    pub(crate) position: LogPosition,
    /// The record, as the manifest has it.
    pub(crate) record: CatalogRecord,
    pub(crate) changes: Vec<IndexChange>,
    /// The offset up to which each segment is in the index then.
    segments: Vec<(SegmentKey, u64)>,
    /// The table entries that are in the index then, with their versions.
    entries: Vec<(u32, Vec<u8>, Version)>,
    transaction_starts: usize,
    recent: (usize, usize),
    /// The log files as of the checkpoint.
    pub(crate) files: LogFiles,
    /// The last commit number of each writer.
    pub(crate) writers: WriterMarks,
}

/// Copies what is not in the index yet from the state, without open transactions.
pub(crate) fn prepare(state: &State) -> PendingCheckpoint {
    let mut pending = PendingCheckpoint {
        end: state.end,
        position: state.position,
        record: record(state),
        changes: Vec::new(),
        segments: Vec::new(),
        entries: Vec::new(),
        transaction_starts: state.transaction_starts.len(),
        recent: state.recent,
        files: state.files.clone(),
        writers: state.writers.clone(),
    };
    for stream in state.streams.values() {
        for (number, segment) in (0u32..).zip(&stream.segments) {
            if !segment.recent.is_empty() {
                prepare_segment(SegmentKey { stream: stream.id, number }, segment, &mut pending);
            }
        }
    }
    for table in state.tables.values() {
        for (key, slot) in &table.recent {
            let Slot { version, file, value } = slot;
            let stored = value.as_ref().map(|value| index::StoredEntry::encode(version.0, *file, value));
            pending.changes.push((index::entry_key(table.id, key), stored));
            pending.entries.push((table.id, key.to_vec(), *version));
        }
    }
    for start in &state.transaction_starts {
        let key = index::staged_key(start.file, start.transaction, start.segment);
        pending.changes.push((key, Some(start.start.to_be_bytes().to_vec())));
    }
    pending
}

impl PendingCheckpoint {
    /// Adds the open transactions; `indexed` are those of the last checkpoint.
    pub(crate) fn with_staged(mut self, state: &State, indexed: &StagedChunks) -> Self {
        self.changes.extend(staged::changes(state, indexed));
        self
    }
}

fn prepare_segment(key: SegmentKey, segment: &Segment, pending: &mut PendingCheckpoint) {
    let change = |(start, block)| (index::block_key(key, start), Some(block));
    pending.changes.extend(segment.recent.index_blocks().map(change));
    pending.segments.push((key, segment.recent.end()));
}

/// Packs extents of one segment, which are in order, into index blocks.
pub(crate) fn blocks(key: SegmentKey, extents: &[Extent]) -> impl Iterator<Item = IndexChange> + '_ {
    // a block has no gap: a lookup would not find what another block has in it
    let runs = extents.chunk_by(|a, b| a.file == b.file && a.end() == b.start);
    runs.flat_map(|extents| extents.chunks(BLOCK_EXTENTS)).filter_map(move |extents| {
        Some((index::block_key(key, extents.first()?.start), Some(index::pack(extents))))
    })
}

/// Returns the index change for the record.
pub(crate) fn record_change(record: &CatalogRecord) -> IndexChange {
    (index::CHECKPOINT.to_vec(), Some(encode(record)))
}

/// Returns the index change for the log files.
pub(crate) fn files_change(files: &LogFiles) -> IndexChange {
    let record = |(id, info): (&u32, &LogInfo)| FileRecord {
        id: *id,
        name: info.name,
        bytes: info.bytes,
        live: info.live,
        framing: info.framing,
        overhead: info.overhead,
        end: info.end,
    };
    let records: Vec<FileRecord> = files.by_id.iter().map(record).collect();
    (index::FILES.to_vec(), Some(encode(&records)))
}

/// Returns what the table entries that a checkpoint replaces in the index occupy in the log: file id and
/// bytes.
pub(crate) fn replaced_entries(
    index: &dyn Index,
    pending: &PendingCheckpoint,
) -> io::Result<Vec<(u32, u64)>> {
    let mut found = Vec::new();
    for (table, key, version) in &pending.entries {
        if let Some(Slot { file, value: Some(value), version: previous }) =
            state::indexed_slot(index, *table, key)?
            && previous != *version
        {
            found.push((file, Slot::size(key, &value)));
        }
    }
    Ok(found)
}

/// Drops from the state what is in the index now.
pub(crate) fn drop_indexed(state: &mut State, pending: PendingCheckpoint) {
    for (key, end) in pending.segments {
        if let Ok(segment) = state.segment_mut(key) {
            segment.drop_indexed(end);
        }
    }
    for (table, key, version) in pending.entries {
        if let Ok(table) = state.table_mut(table)
            && table.recent.get(key.as_slice()).is_some_and(|slot| slot.version == version)
        {
            table.recent.remove(key.as_slice());
        }
    }
    state.transaction_starts.drain(..pending.transaction_starts.min(state.transaction_starts.len()));
    state.recent.0 = state.recent.0.saturating_sub(pending.recent.0);
    state.recent.1 = state.recent.1.saturating_sub(pending.recent.1);
}

pub(crate) fn record(state: &State) -> CatalogRecord {
    let stream = |(name, stream): (&StreamId, &Stream)| StreamRecord {
        scope: name.scope.to_string(),
        name: name.name.to_string(),
        id: stream.id,
        epoch: stream.epoch,
        sealed: stream.sealed,
        age: stream.retention.age.map(|age| age.as_millis() as u64),
        bytes: stream.retention.bytes,
        segments: stream.segments.iter().map(|s| (s.head, s.tail, s.collected_to)).collect(),
    };
    let outcome = |(id, done): (&u64, &CommitReceipt)| {
        (*id, done.versions.first().map_or(0, |version| version.0), done.versions.len() as u32)
    };
    CatalogRecord {
        position: state.position,
        end: state.end,
        version: state.version,
        last_transaction: state.last_transaction,
        time: state.time,
        next_stream: state.next_stream,
        next_table: state.next_table,
        next_file: state.files.next,
        scopes: state.scopes.iter().map(ToString::to_string).collect(),
        streams: state.streams.iter().map(stream).collect(),
        tables: state
            .tables
            .iter()
            .map(|(t, found)| (t.scope.to_string(), t.name.to_string(), found.id))
            .collect(),
        deleted_epochs: state
            .deleted_epochs
            .iter()
            .map(|(s, epoch)| (s.scope.to_string(), s.name.to_string(), *epoch))
            .collect(),
        writers: state.writers.oldest_first().map(|mark| (mark.writer.0, mark.event_number)).collect(),
        outcomes: state.outcomes.iter().map(outcome).collect(),
        staged: StagedChunks::of(state),
        garbage_streams: state.garbage.streams.iter().copied().collect(),
        garbage_tables: state.garbage.tables.iter().copied().collect(),
    }
}

/// Loads the state of the last checkpoint; `None` if there is none. An error means that the index is
/// unusable.
pub(crate) fn load(index: &Arc<dyn Index>) -> io::Result<Option<State>> {
    let (Some(record), Some(files)) = (index.get(index::CHECKPOINT)?, index.get(index::FILES)?) else {
        return Ok(None);
    };
    let record: CatalogRecord = postcard::from_bytes(verify_checksum(&record)?).map_err(io::Error::other)?;
    let files: Vec<FileRecord> = postcard::from_bytes(verify_checksum(&files)?).map_err(io::Error::other)?;
    let mut state = State::new(Arc::clone(index));
    for FileRecord { id, name, bytes, live, framing, overhead, end } in files {
        state.files.by_id.insert(id, LogInfo { name, bytes, live, framing, overhead, end });
    }
    // a compaction may have added a file since the checkpoint
    let above = state.files.by_id.keys().next_back().map_or(0, |last| last.saturating_add(1));
    state.files.next = record.next_file.max(above);
    state.staged = staged::read(&**index, &record.staged)?;
    restore(record, &mut state).map_err(io::Error::other)?;
    Ok(Some(state))
}

fn restore(record: CatalogRecord, state: &mut State) -> kulya_store::Result<()> {
    state.position = record.position;
    state.end = record.end;
    state.version = record.version;
    state.last_transaction = record.last_transaction;
    state.time = record.time;
    state.next_stream = record.next_stream;
    state.next_table = record.next_table;
    for scope in record.scopes {
        state.scopes.insert(Scope::stored(&scope)?);
    }
    for found in record.streams {
        let name = StreamId::stored(&found.scope, &found.name)?;
        let segment = |(head, tail, collected_to)| Segment { head, tail, collected_to, ..Segment::default() };
        let segments: Vec<Segment> = found.segments.into_iter().map(segment).collect();
        for (number, segment) in (0u32..).zip(&segments) {
            if segment.collected_to < segment.head {
                state.garbage.segments.insert(SegmentKey { stream: found.id, number });
            }
        }
        let retention = Retention { age: found.age.map(Duration::from_millis), bytes: found.bytes };
        let stream = Stream { id: found.id, epoch: found.epoch, sealed: found.sealed, retention, segments };
        state.stream_names.insert(found.id, name.clone());
        state.streams.insert(name, stream);
    }
    for (scope, name, id) in record.tables {
        let name = TableId::stored(&scope, &name)?;
        state.table_names.insert(id, name.clone());
        state.tables.insert(name, Table { id, recent: BTreeMap::new() });
    }
    for (scope, name, epoch) in record.deleted_epochs {
        let name = StreamId::stored(&scope, &name)?;
        state.deleted_epochs.insert(name, epoch);
    }
    let mut writers = WriterMarks::default();
    for (writer, event_number) in record.writers {
        writers.record(WriterMark { writer: WriterId(writer), event_number });
    }
    state.writers = writers;
    for (id, version, changes) in record.outcomes {
        state.record_outcome(id, version, changes);
    }
    state.garbage.streams.extend(record.garbage_streams);
    state.garbage.tables.extend(record.garbage_tables);
    Ok(())
}

/// Encodes a value, after a checksum, since the content decides which part of the log is replayed.
fn encode(value: &impl Serialize) -> Vec<u8> {
    add_checksum(&postcard::to_stdvec(value).expect("serializing to memory does not fail"))
}
