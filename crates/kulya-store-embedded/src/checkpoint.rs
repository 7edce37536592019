//! Checkpoints: what the state was after some frame, in the index, so that the next opening reads only the log behind it.
//!
//! A checkpoint is taken while the store is in use: what the index does not know yet is copied out of the state, the log
//! is synced up to there, all of it is written to the index in one batch, and only then forgotten by the state. The index
//! so never knows of anything that the log could still lose.

use crate::extent::Extent;
use crate::log_name::LogName;
use crate::frame::LogEnd;
use crate::index::{self, BLOCK_EXTENTS, Index, IndexChange};
use crate::op::SegmentKey;
use crate::state::{self, LogFiles, LogInfo, Segment, Slot, Staged, State, Stream, Table};
use kulya_store::{
    CommitReceipt, Retention, Scope, StreamId, TableId, Version, WriterId, WriterMark, WriterMarks,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A checkpoint that the index has.
pub(crate) struct Checkpoint {
    pub(crate) end: LogEnd,
    pub(crate) position: LogPosition,
    /// The log files as the index has them.
    pub(crate) files: LogFiles,
    /// Each writer's last number.
    pub(crate) writers: WriterMarks,
}

/// The small things, as they were: everything but extents and table entries.
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
    ended: Vec<(String, String, u32)>,
    /// Whoever wrote longest ago first.
    writers: Vec<(u128, u64)>,
    /// Id, version, number of changes.
    outcomes: Vec<(u64, u64, u32)>,
    staged: Vec<(u64, Vec<StagedRecord>)>,
    garbage_streams: Vec<u32>,
    garbage_tables: Vec<u32>,
}

impl CatalogRecord {
    /// Without what is of use to nobody but the index.
    pub(crate) fn of_the_catalog(mut self) -> Self {
        self.staged.clear();
        self.garbage_streams.clear();
        self.garbage_tables.clear();
        self
    }
}

/// A stream or a table as a record has it.
pub(crate) struct CatalogStream<'a> {
    pub(crate) id: u32,
    pub(crate) scope: &'a str,
    pub(crate) name: &'a str,
    /// Of a stream.
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

    /// The last epoch of streams that were deleted: scope, name, epoch.
    pub(crate) fn ended(&self) -> impl Iterator<Item = (&str, &str, u32)> {
        self.ended.iter().map(|(scope, name, epoch)| (scope.as_str(), name.as_str(), *epoch))
    }

    /// Where each segment ended.
    pub(crate) fn tails(&self) -> impl Iterator<Item = (SegmentKey, u64)> + '_ {
        self.streams.iter().flat_map(|stream| {
            let key = |number| SegmentKey { stream: stream.id, number };
            (0..).zip(&stream.segments).map(move |(number, (_, tail, _))| (key(number), *tail))
        })
    }

    /// What was ever given is never given again, whatever of it is lost.
    pub(crate) fn raise(&self, state: &mut State) {
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
    /// Head, tail, and from where on the index may know more than that.
    segments: Vec<(u64, u64, u64)>,
}

#[derive(Clone, Serialize, Deserialize)]
struct StagedRecord {
    segment: (u32, u32),
    place: u64,
    file: u32,
    position: u64,
    length: u32,
    checksum: u32,
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

/// What was copied out of the state, and what is to be done once the index has it.
pub(crate) struct PendingCheckpoint {
    pub(crate) end: LogEnd,
    pub(crate) position: LogPosition,
    /// The small things, as the manifest has them.
    pub(crate) record: CatalogRecord,
    pub(crate) changes: Vec<IndexChange>,
    /// Up to where the index knows each segment then.
    segments: Vec<(SegmentKey, u64)>,
    /// The table entries that the index knows then, each with its version and what it takes in the log.
    entries: Vec<(u32, Vec<u8>, Version)>,
    transaction_starts: usize,
    recent: (usize, usize),
    /// The files as they were.
    pub(crate) files: LogFiles,
    /// Each writer's last number.
    pub(crate) writers: WriterMarks,
}

/// Copies out what the index does not know yet.
pub(crate) fn take(state: &State) -> PendingCheckpoint {
    let mut taken = PendingCheckpoint {
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
                take_segment(SegmentKey { stream: stream.id, number }, segment, &mut taken);
            }
        }
    }
    for table in state.tables.values() {
        for (key, slot) in &table.recent {
            let Slot { version, file, value } = slot;
            let stored = value.as_ref().map(|value| index::Stored::encode(version.0, *file, value));
            taken.changes.push((index::entry_key(table.id, key), stored));
            taken.entries.push((table.id, key.to_vec(), *version));
        }
    }
    for placed in &state.transaction_starts {
        let key = index::staged_key(placed.file, placed.transaction, placed.segment);
        taken.changes.push((key, Some(placed.start.to_be_bytes().to_vec())));
    }
    let record = postcard::to_stdvec(&taken.record).expect("values of ours can be written to memory");
    taken.changes.push((index::CHECKPOINT.to_vec(), Some(checked(record))));
    taken
}

fn take_segment(key: SegmentKey, segment: &Segment, taken: &mut PendingCheckpoint) {
    let mut extents = segment.recent.clone();
    // in order already, unless they come from files that were compacted
    extents.sort_by_key(|extent| extent.start);
    taken.changes.extend(blocks(key, &extents));
    taken.segments.push((key, extents.last().map_or(0, Extent::end)));
}

/// Extents of one segment, in order, as blocks of the index.
pub(crate) fn blocks(key: SegmentKey, extents: &[Extent]) -> impl Iterator<Item = IndexChange> + '_ {
    // a block has no gap: what lies in one is in another block, which would not be found behind it
    let neighbours = extents.chunk_by(|a, b| a.file == b.file && a.end() == b.start);
    neighbours.flat_map(|extents| extents.chunks(BLOCK_EXTENTS)).filter_map(move |extents| {
        Some((index::block_key(key, extents.first()?.start), Some(index::pack(extents))))
    })
}

/// The files, as the index keeps them.
pub(crate) fn files(files: &LogFiles) -> IndexChange {
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
    let bytes = postcard::to_stdvec(&records).expect("values of ours can be written to memory");
    (index::FILES.to_vec(), Some(checked(bytes)))
}

/// The table entries that a checkpoint replaces in the index: by log file, what they took there is of no use any more.
pub(crate) fn replaced(index: &dyn Index, taken: &PendingCheckpoint) -> io::Result<Vec<(u32, u64)>> {
    let mut found = Vec::new();
    for (table, key, version) in &taken.entries {
        if let Some(Slot { file, value: Some(value), version: before }) =
            state::indexed_slot(index, *table, key)?
            && before != *version
        {
            found.push((file, Slot::size(key, &value)));
        }
    }
    Ok(found)
}

/// Lets the state forget what the index knows now.
pub(crate) fn forget(state: &mut State, taken: PendingCheckpoint) {
    for (key, end) in taken.segments {
        if let Ok(segment) = state.segment_mut(key) {
            segment.indexed(end);
        }
    }
    for (table, key, version) in taken.entries {
        if let Ok(table) = state.table_mut(table)
            && table.recent.get(key.as_slice()).is_some_and(|slot| slot.version == version)
        {
            table.recent.remove(key.as_slice());
        }
    }
    state.transaction_starts.drain(..taken.transaction_starts.min(state.transaction_starts.len()));
    state.recent.0 = state.recent.0.saturating_sub(taken.recent.0);
    state.recent.1 = state.recent.1.saturating_sub(taken.recent.1);
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
    let run = |(segment, extent): &(SegmentKey, Extent)| StagedRecord {
        segment: (segment.stream, segment.number),
        place: extent.start,
        file: extent.file,
        position: extent.position,
        length: extent.length,
        checksum: extent.checksum,
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
        ended: state
            .ended
            .iter()
            .map(|(s, epoch)| (s.scope.to_string(), s.name.to_string(), *epoch))
            .collect(),
        writers: state.writers.in_order().map(|mark| (mark.writer.0, mark.event_number)).collect(),
        outcomes: state.outcomes.iter().map(outcome).collect(),
        staged: state
            .staged
            .iter()
            .map(|(id, staged)| (*id, staged.runs.iter().map(run).collect()))
            .collect(),
        garbage_streams: state.garbage.streams.iter().copied().collect(),
        garbage_tables: state.garbage.tables.iter().copied().collect(),
    }
}

/// The state of the last checkpoint, which knows where it stands; `None` when there is none. An error means that the index is of no
/// use.
pub(crate) fn load(index: &Arc<dyn Index>) -> io::Result<Option<State>> {
    let (Some(record), Some(files)) = (index.get(index::CHECKPOINT)?, index.get(index::FILES)?) else {
        return Ok(None);
    };
    let record: CatalogRecord = postcard::from_bytes(unchecked(&record)?).map_err(io::Error::other)?;
    let files: Vec<FileRecord> = postcard::from_bytes(unchecked(&files)?).map_err(io::Error::other)?;
    let mut state = State::new(Arc::clone(index));
    for FileRecord { id, name, bytes, live, framing, overhead, end } in files {
        state.files.by_id.insert(id, LogInfo { name, bytes, live, framing, overhead, end });
    }
    // a compaction may have added a file since
    let above = state.files.by_id.keys().next_back().map_or(0, |last| last.saturating_add(1));
    state.files.next = record.next_file.max(above);
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
    for (scope, name, epoch) in record.ended {
        let name = StreamId::stored(&scope, &name)?;
        state.ended.insert(name, epoch);
    }
    let mut writers = WriterMarks::default();
    for (writer, event_number) in record.writers {
        writers.store(WriterMark { writer: WriterId(writer), event_number });
    }
    state.writers = writers;
    for (id, version, changes) in record.outcomes {
        state.remember(id, version, changes);
    }
    let mut staged: HashMap<u64, Staged> = HashMap::new();
    for (id, runs) in record.staged {
        let found = staged.entry(id).or_default();
        for StagedRecord { segment, place, file, position, length, checksum } in runs {
            let segment = SegmentKey { stream: segment.0, number: segment.1 };
            let extent = Extent { start: place, time: 0, file, position, length, checksum };
            found.lengths.insert(segment, place.saturating_add(length.into()));
            found.runs.push((segment, extent));
        }
    }
    state.staged = staged;
    state.garbage.streams.extend(record.garbage_streams);
    state.garbage.tables.extend(record.garbage_tables);
    Ok(())
}

/// With a checksum in front, since what is read of it decides what is read of the log.
fn checked(bytes: Vec<u8>) -> Vec<u8> {
    [crc32c::crc32c(&bytes).to_be_bytes().as_slice(), &bytes].concat()
}

fn unchecked(bytes: &[u8]) -> io::Result<&[u8]> {
    let (checksum, bytes) = bytes.split_first_chunk::<4>().ok_or_else(index::corrupt)?;
    if crc32c::crc32c(bytes) == u32::from_be_bytes(*checksum) { Ok(bytes) } else { Err(index::corrupt()) }
}
