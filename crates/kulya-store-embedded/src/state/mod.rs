//! What the log says: the catalog, and the changes that the index does not know yet, in memory; the rest through the index.
//! Built by applying ops in the order of the log, at opening and at each commit alike.

mod blocks;
mod files;
mod segment;
mod table;

use blocks::Blocks;
pub(crate) use files::{LogFiles, LogInfo};
pub(crate) use segment::{Extent, Segment};
pub(crate) use table::{Slot, Table};

use crate::checkpoint::Position;
use crate::frame::LogEnd;
use crate::index::{self, Index};
use crate::op::{Op, SegmentKey, owned};
use bytes::Bytes;
use kulya_store::{
    CommitReceipt, Entry, Error, ErrorKind, REMEMBERED_OUTCOMES, Result, Retention, Scope, SegmentId,
    StreamConfig, StreamId, TableId, Version, WriterId, WriterMark, WriterMarks, framing,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

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

/// The events of a transaction that is still open.
#[derive(Default)]
pub(crate) struct Staged {
    /// By where they lie; an extent's start is its place among those of its segment, until the commit.
    pub(crate) runs: Vec<(SegmentKey, Extent)>,
    /// The bytes for each segment.
    pub(crate) lengths: BTreeMap<SegmentKey, u64>,
    /// How many there are.
    pub(crate) events: u64,
}

/// Where the events of a committed transaction begin in a segment, for the part that was staged in one log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) file: u32,
    pub(crate) transaction: u64,
    pub(crate) segment: SegmentKey,
    pub(crate) start: u64,
}

/// What the index still holds and nobody can read any more.
#[derive(Debug, Default)]
pub(crate) struct Unswept {
    /// Segments whose head has moved.
    pub(crate) segments: BTreeSet<SegmentKey>,
    /// Streams and tables that were deleted.
    pub(crate) streams: BTreeSet<u32>,
    pub(crate) tables: BTreeSet<u32>,
}

pub(crate) struct State {
    pub(crate) index: Arc<dyn Index>,
    blocks: Blocks,
    pub(crate) files: LogFiles,
    pub(crate) scopes: BTreeSet<Scope>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    pub(crate) stream_names: HashMap<u32, StreamId>,
    pub(crate) tables: BTreeMap<TableId, Table>,
    pub(crate) table_names: HashMap<u32, TableId>,
    /// The epoch of each stream that was deleted.
    pub(crate) ended: HashMap<StreamId, u32>,
    pub(crate) next_stream: u32,
    pub(crate) next_table: u32,
    pub(crate) writers: WriterMarks,
    /// What the last transactions' commits gave; ids rise, so the first are the oldest.
    pub(crate) outcomes: BTreeMap<u64, CommitReceipt>,
    pub(crate) staged: HashMap<u64, Staged>,
    /// What the index is to learn of transactions that were committed.
    pub(crate) placed: Vec<Placed>,
    pub(crate) unswept: Unswept,
    /// How much the index does not know yet: extents, and bytes of table entries.
    pub(crate) recent: (usize, usize),
    /// How the log goes on behind the last frame.
    pub(crate) end: LogEnd,
    /// The last version given to a table entry.
    pub(crate) version: u64,
    /// The highest transaction id that was ever reserved or used.
    pub(crate) last_transaction: u64,
    /// When the last commit was, in milliseconds since 1970.
    pub(crate) time: u64,
    /// Behind the last frame.
    pub(crate) position: Position,
}

/// The index should learn of what is recent when it is this much: extents, bytes of table entries.
const CROWD: (usize, usize) = (1 << 16, 16 << 20);

impl State {
    /// Nothing, beside an index that may hold something.
    pub(crate) fn new(index: Arc<dyn Index>) -> Self {
        Self {
            index,
            blocks: Blocks::default(),
            files: LogFiles::default(),
            scopes: BTreeSet::new(),
            streams: BTreeMap::new(),
            stream_names: HashMap::new(),
            tables: BTreeMap::new(),
            table_names: HashMap::new(),
            ended: HashMap::new(),
            next_stream: 0,
            next_table: 0,
            writers: WriterMarks::default(),
            outcomes: BTreeMap::new(),
            staged: HashMap::new(),
            placed: Vec::new(),
            unswept: Unswept::default(),
            recent: (0, 0),
            end: LogEnd::default(),
            version: 0,
            last_transaction: 0,
            time: 0,
            position: Position { file: 0, length: 0 },
        }
    }

    /// The log has been read, or written, up to here.
    pub(crate) fn move_to(&mut self, position: Position, end: LogEnd) {
        self.position = position;
        self.end = end;
        if let Some(info) = self.files.by_id.get_mut(&position.file) {
            info.bytes = position.length;
            info.end = end;
        }
    }

    /// Whether there is so much in memory that the index should learn of it.
    pub(crate) fn is_crowded(&self) -> bool {
        self.recent.0 > CROWD.0 || self.recent.1 > CROWD.1
    }

    pub(crate) fn next_stream_id(&self) -> u32 {
        self.next_stream
    }

    pub(crate) fn next_table_id(&self) -> u32 {
        self.next_table
    }

    /// The epoch that a stream of this name would get.
    pub(crate) fn next_epoch(&self, stream: &StreamId) -> u32 {
        self.ended.get(stream).map_or(0, |ended| ended + 1)
    }

    /// How many bytes a transaction has staged for a segment.
    pub(crate) fn staged_length(&self, transaction: u64, segment: SegmentKey) -> u64 {
        let lengths = self.staged.get(&transaction).map(|staged| &staged.lengths);
        lengths.and_then(|lengths| lengths.get(&segment)).copied().unwrap_or_default()
    }

    /// Where the events of a transaction would begin in each of its segments. Refuses one that was staged for a stream
    /// which takes its events no more.
    pub(crate) fn staged_starts(&self, transaction: u64) -> Result<Vec<(SegmentKey, u64)>> {
        let lengths = self.staged.get(&transaction).map(|staged| &staged.lengths);
        let start = |segment: &SegmentKey| {
            let Some(name) = self.stream_names.get(&segment.stream) else {
                return Err(Error::not_found("a stream that this transaction has staged events for"));
            };
            let stream = self.stream(name)?;
            if stream.sealed {
                return Err(Error::sealed(name));
            }
            Ok((*segment, stream.segments.get(segment.number as usize).map_or(0, |segment| segment.tail)))
        };
        lengths.into_iter().flat_map(BTreeMap::keys).map(start).collect()
    }

    /// Whether a scope holds nothing.
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

    /// The extents of a segment from the one that holds `offset` on, of `bytes` together or a little more.
    pub(crate) fn extents(
        &self,
        key: SegmentKey,
        segment: &Segment,
        offset: u64,
        bytes: u64,
    ) -> Result<Vec<Extent>> {
        let mut found: Vec<Extent> = Vec::new();
        let enough = offset.saturating_add(bytes);
        let is_enough = |found: &[Extent]| found.last().is_some_and(|last| last.end() >= enough);
        let recent_from = segment.recent_from();
        // those of a block that are asked for
        let of = |block: &[Extent]| {
            let from = block.partition_point(|extent| extent.end() <= offset);
            let to = block.partition_point(|extent| extent.start < recent_from.min(enough));
            from..to.max(from)
        };
        if offset < recent_from {
            let from = match self.block_at(key, offset).map_err(index_failed)? {
                Some((start, block)) => {
                    found.extend(block.get(of(&block)).unwrap_or_default());
                    start + 1
                }
                // what is there may begin behind it: the rest was lost
                None => offset,
            };
            if !is_enough(&found) {
                for entry in self.index.range(&index::block_key(key, from), &index::blocks_end(key)) {
                    let (_, block) = entry.and_then(|entry| block(&entry)).map_err(index_failed)?;
                    found.extend(block.get(of(&block)).unwrap_or_default());
                    if is_enough(&found) || block.is_empty() {
                        break;
                    }
                }
            }
        }
        for extent in segment.recent_at(offset) {
            if is_enough(&found) {
                break;
            }
            found.push(*extent);
        }
        Ok(found)
    }

    /// The block of the index that begins at or before an offset, with its start.
    fn block_at(&self, key: SegmentKey, offset: u64) -> io::Result<Option<(u64, Vec<Extent>)>> {
        if let Some(found) = self.blocks.find(key, offset) {
            return Ok(Some(found));
        }
        let found = self.index.last(&index::block_key(key, 0), &index::block_key(key, offset))?;
        let Some(entry) = found else { return Ok(None) };
        let (start, extents) = block(&entry)?;
        self.blocks.keep(key, start, &entry.1, &extents);
        Ok(Some((start, extents)))
    }

    /// Forgets what is remembered of the index, some of which has proved to be old.
    pub(crate) fn forget_blocks(&self) {
        self.blocks.forget();
    }

    /// Where a segment's first events begin that were committed at or after a time.
    pub(crate) fn offset_at(&self, key: SegmentKey, segment: &Segment, time: u64) -> Result<u64> {
        let first_of = |extents: &[Extent]| {
            let first = extents.partition_point(|extent| extent.time < time);
            extents.get(first).map(|extent| extent.start.max(segment.head))
        };
        let recent_from = segment.recent_from();
        let (mut low, mut high) = (segment.head, recent_from);
        // what lies before `low` is too early, what lies behind `high` is not
        while low < high {
            let middle = low + (high - low) / 2;
            let Some((start, mut extents)) = self.block_at(key, middle).map_err(index_failed)? else { break };
            extents.retain(|extent| extent.start < recent_from && extent.end() > segment.head);
            match first_of(&extents) {
                // the last too early one is in the block before
                Some(at) if at <= start.max(segment.head) => high = start.max(segment.head).min(middle),
                Some(at) => return Ok(at),
                None => low = extents.last().map_or(middle + 1, Extent::end).max(middle + 1),
            }
        }
        if high < recent_from {
            return Ok(high);
        }
        Ok(first_of(&segment.recent).unwrap_or(segment.tail))
    }

    /// The last change of a key that the log knows of: its version, the log file, and the value if there is one.
    pub(crate) fn slot(&self, table: &Table, key: &[u8]) -> Result<Option<Slot>> {
        if let Some(slot) = table.recent.get(key) {
            return Ok(Some(slot.clone()));
        }
        indexed_slot(&*self.index, table.id, key).map_err(index_failed)
    }

    /// The entries whose key begins with `prefix` and lies beyond `after`, in key order.
    pub(crate) fn entries(
        &self,
        table: &Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        // the first key that may be meant
        let from = match after {
            Some(after) if after >= prefix => [after, &[0]].concat(),
            _ => prefix.to_vec(),
        };
        let (_, end) = index::table_range(table.id);
        let in_prefix = |key: &Bytes| key.starts_with(prefix);
        let indexed = self.index.range(&index::entry_key(table.id, &from), &end);
        let indexed = indexed
            .map(|entry| entry.and_then(|(key, value)| Ok((key.slice(5.min(key.len())..), slot(&value)?))));
        let mut indexed =
            indexed.take_while(|entry| entry.as_ref().map_or(true, |(key, _)| in_prefix(key))).peekable();
        let recent = table.recent.range(Bytes::copy_from_slice(&from)..);
        let mut recent = recent.take_while(|(key, _)| in_prefix(key)).peekable();
        let mut found = Vec::new();
        while found.len() < limit {
            let known = match indexed.next_if(Result::is_err) {
                Some(Err(error)) => return Err(index_failed(error)),
                _ => indexed.peek().and_then(|entry| entry.as_ref().ok()).map(|(key, _)| key.clone()),
            };
            let newer = recent.peek().map(|(key, _)| *key);
            if newer.is_some() && newer == known.as_ref() {
                // what was there before
                indexed.next();
            }
            let is_newer = match (newer, &known) {
                (None, None) => break,
                (Some(newer), Some(known)) => newer <= known,
                (newer, _) => newer.is_some(),
            };
            let next = if is_newer {
                recent.next().map(|(key, slot)| (key.clone(), slot.clone()))
            } else {
                indexed.next().transpose().map_err(index_failed)?
            };
            let Some((key, slot)) = next else { break };
            if let Some(value) = slot.value {
                found.push(Entry { key, value, version: slot.version });
            }
        }
        Ok(found)
    }

    pub(crate) fn table(&self, table: &TableId) -> Result<&Table> {
        self.tables.get(table).ok_or_else(|| Error::not_found(table))
    }

    /// The open transactions, which end with the process that opened them.
    pub(crate) fn forget_staged(&mut self) {
        for staged in std::mem::take(&mut self.staged).into_values() {
            self.lose(staged.runs.iter().map(|(_, extent)| extent));
        }
    }

    /// Counts out what nobody can read any more.
    fn lose<'a>(&mut self, extents: impl Iterator<Item = &'a Extent>) {
        for extent in extents {
            self.files.lose(extent.file, extent.size());
        }
    }

    /// Takes over one op; `file` and `position` tell where its events lie. An op that does not fit what came
    /// before is damage, described by the error.
    pub(crate) fn apply(&mut self, op: &Op<'_>, file: u32, position: u64) -> std::result::Result<(), String> {
        match op {
            Op::CreateScope { name } => {
                self.scopes.insert(Scope::stored(name).map_err(|e| e.to_string())?);
            }
            Op::CreateStream { id, segments, epoch, retention, scope, name } => {
                let stream = StreamId::stored(scope, name).map_err(|e| e.to_string())?;
                let segments = (0..*segments).map(|_| Segment::default()).collect();
                self.next_stream = self.next_stream.max(id.saturating_add(1));
                self.stream_names.insert(*id, stream.clone());
                let made = Stream { id: *id, epoch: *epoch, sealed: false, retention: *retention, segments };
                self.streams.insert(stream, made);
            }
            Op::UpdateStream { id, retention } => self.stream_mut(*id)?.retention = *retention,
            Op::CreateTable { id, scope, name } => {
                let table = TableId::stored(scope, name).map_err(|e| e.to_string())?;
                self.next_table = self.next_table.max(id.saturating_add(1));
                self.table_names.insert(*id, table.clone());
                self.tables.insert(table, Table { id: *id, recent: BTreeMap::new() });
            }
            Op::Append { segment, start, time, checksum, events } => {
                self.time = self.time.max(*time);
                let (time, length, checksum) = (*time, events.len() as u32, *checksum);
                let extent = Extent { start: *start, time, file, position, length, checksum };
                self.recent.0 += 1;
                self.files.gain(file, extent.size());
                self.segment_mut(*segment)?.add(extent);
            }
            Op::Put { table, version, key, value } => {
                self.version = self.version.max(*version);
                let slot = Slot { version: Version(*version), file, value: Some(owned(value)) };
                self.recent.1 += key.len() + value.len();
                self.files.gain(file, Slot::size(key, value));
                self.set(*table, key, slot)?;
            }
            Op::Remove { table, version, key } => {
                self.version = self.version.max(*version);
                self.recent.1 += key.len();
                self.set(*table, key, Slot { version: Version(*version), file, value: None })?;
            }
            Op::Stage { transaction, segment, place, checksum, events } => {
                self.last_transaction = self.last_transaction.max(*transaction);
                self.segment_mut(*segment)?;
                let (length, checksum) = (events.len() as u32, *checksum);
                let extent = Extent { start: *place, time: 0, file, position, length, checksum };
                self.files.gain(file, extent.size());
                let staged = self.staged.entry(*transaction).or_default();
                staged.lengths.insert(*segment, extent.end());
                staged.events += framing::count(events);
                staged.runs.push((*segment, extent));
            }
            Op::CommitStaged { transaction, version, changes, time, starts } => {
                self.time = self.time.max(*time);
                self.last_transaction = self.last_transaction.max(*transaction);
                self.remember(*transaction, *version, *changes);
                let starts: BTreeMap<SegmentKey, u64> = starts.iter().copied().collect();
                for (segment, extent) in self.staged.remove(transaction).unwrap_or_default().runs {
                    let Some(start) = starts.get(&segment) else {
                        return Err(format!("transaction {transaction} was committed without all of it"));
                    };
                    let placed =
                        Placed { file: extent.file, transaction: *transaction, segment, start: *start };
                    if self.placed.last() != Some(&placed) {
                        self.placed.push(placed);
                    }
                    let start =
                        start.checked_add(extent.start).ok_or("a transaction lies beyond all offsets")?;
                    self.recent.0 += 1;
                    self.segment_mut(segment)?.add(Extent { start, time: *time, ..extent });
                }
            }
            Op::AbortStaged { transaction } => {
                self.last_transaction = self.last_transaction.max(*transaction);
                let staged = self.staged.remove(transaction).unwrap_or_default();
                self.lose(staged.runs.iter().map(|(_, extent)| extent));
            }
            Op::DeleteScope { name } => {
                self.scopes.remove(&Scope::stored(name).map_err(|e| e.to_string())?);
            }
            Op::SealStream { id } => self.stream_mut(*id)?.sealed = true,
            Op::DeleteStream { id } => {
                let epoch = self.stream_mut(*id)?.epoch;
                if let Some(name) = self.stream_names.remove(id) {
                    let gone = self.streams.remove(&name);
                    let extents = gone.iter().flat_map(|stream| &stream.segments).flat_map(|s| &s.recent);
                    self.lose(extents);
                    self.unswept.streams.insert(*id);
                    self.ended.insert(name, epoch);
                }
            }
            Op::Truncate { segment, offset } => {
                let gone = self.segment_mut(*segment)?.truncate(*offset);
                self.lose(gone.iter());
                self.unswept.segments.insert(*segment);
            }
            Op::DeleteTable { id } => {
                self.table_mut(*id)?;
                if let Some(name) = self.table_names.remove(id) {
                    let gone = self.tables.remove(&name).unwrap_or_default();
                    for (key, slot) in &gone.recent {
                        self.files
                            .lose(slot.file, Slot::size(key, slot.value.as_deref().unwrap_or_default()));
                    }
                    self.unswept.tables.insert(*id);
                }
            }
            Op::WriterMark { writer, event_number } => {
                self.writers.store(WriterMark { writer: WriterId(*writer), event_number: *event_number });
            }
            Op::ReserveTransactions { up_to } => {
                self.last_transaction = self.last_transaction.max(*up_to);
            }
            Op::Ended { epoch, scope, name } => {
                let stream = StreamId::stored(scope, name).map_err(|e| e.to_string())?;
                let ended = self.ended.entry(stream).or_default();
                *ended = (*ended).max(*epoch);
            }
            Op::Outcome { transaction, version, changes } => self.remember(*transaction, *version, *changes),
            Op::Lost { segment, start, time, length } => {
                start.checked_add(u64::from(*length)).ok_or("lost events lie beyond all offsets")?;
                self.recent.0 += 1;
                self.segment_mut(*segment)?.add(Extent::lost(*start, *time, *length));
            }
            Op::Whole { version, last_transaction, next_stream, next_table, time, .. } => {
                self.version = self.version.max(*version);
                self.last_transaction = self.last_transaction.max(*last_transaction);
                self.next_stream = self.next_stream.max(*next_stream);
                self.next_table = self.next_table.max(*next_table);
                self.time = self.time.max(*time);
            }
        }
        Ok(())
    }

    pub(crate) fn remember(&mut self, transaction: u64, version: u64, changes: u32) {
        // an answer is as long as its changes, which were in one frame: no more than a frame holds
        let changes = (changes as usize).min(crate::frame::MAX_BODY_BYTES / 16);
        let versions = vec![Version(version); changes];
        self.outcomes.insert(transaction, CommitReceipt { versions, ..CommitReceipt::default() });
        if self.outcomes.len() > REMEMBERED_OUTCOMES {
            self.outcomes.pop_first();
        }
    }

    /// Takes over a key's change; what it was before, as far as it is in memory, is of no use any more.
    fn set(&mut self, table: u32, key: &[u8], slot: Slot) -> std::result::Result<(), String> {
        let before = self.table_mut(table)?.recent.insert(owned(key), slot);
        if let Some(Slot { file, value: Some(value), .. }) = before {
            self.files.lose(file, Slot::size(key, &value));
        }
        Ok(())
    }

    fn stream_mut(&mut self, id: u32) -> std::result::Result<&mut Stream, String> {
        let name = self.stream_names.get(&id);
        name.and_then(|name| self.streams.get_mut(name))
            .ok_or_else(|| format!("an op speaks of an unknown stream {id}"))
    }

    /// A segment by its key; `None` when its stream is no more.
    pub(crate) fn segment_at(&self, key: SegmentKey) -> Option<&Segment> {
        let name = self.stream_names.get(&key.stream)?;
        self.streams.get(name)?.segments.get(key.number as usize)
    }

    pub(crate) fn segment_mut(&mut self, key: SegmentKey) -> std::result::Result<&mut Segment, String> {
        let segment = self.stream_mut(key.stream)?.segments.get_mut(key.number as usize);
        segment.ok_or_else(|| {
            format!("an op speaks of an unknown segment {} of stream {}", key.number, key.stream)
        })
    }

    pub(crate) fn table_mut(&mut self, id: u32) -> std::result::Result<&mut Table, String> {
        let name = self.table_names.get(&id);
        name.and_then(|name| self.tables.get_mut(name))
            .ok_or_else(|| format!("an op speaks of an unknown table {id}"))
    }
}

/// What the index knows of a key.
pub(crate) fn indexed_slot(index: &dyn Index, table: u32, key: &[u8]) -> io::Result<Option<Slot>> {
    index.get(&index::entry_key(table, key))?.map(|stored| slot(&stored)).transpose()
}

/// A table entry as the index has it.
fn slot(stored: &Bytes) -> io::Result<Slot> {
    let index::Stored { version, file, value } = index::Stored::decode(stored).ok_or_else(index::damaged)?;
    Ok(Slot { version: Version(version), file, value: Some(value) })
}

/// A block of extents as the index has it, with its start.
pub(crate) fn block((key, value): &index::IndexEntry) -> io::Result<(u64, Vec<Extent>)> {
    let start = key.last_chunk::<8>().map(|start| u64::from_be_bytes(*start)).ok_or_else(index::damaged)?;
    let extents = index::unpack(start, value).ok_or_else(index::damaged)?;
    Ok((start, extents))
}

/// The error for what the index has failed at.
pub(crate) fn index_failed(error: io::Error) -> Error {
    let (kind, what) = match root_kind(&error) {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => (
            ErrorKind::Full,
            "the disk is full: the index could not be written, which holds nothing that the log does not: make room and try again",
        ),
        io::ErrorKind::InvalidData => (
            ErrorKind::Corrupt,
            "the index cannot be read: remove the folder \"index\", it is made again from the log",
        ),
        _ => (
            ErrorKind::Failed,
            "the index cannot be read or written: open the store again; if that does not help, remove the folder \"index\" while it is closed, it is made again from the log",
        ),
    };
    Error::new(kind, what).because(error)
}

/// What the disk said, however deep the index has wrapped it up.
fn root_kind(error: &io::Error) -> io::ErrorKind {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(inner) = cause {
        match inner.downcast_ref::<io::Error>() {
            Some(inner) => return root_kind(inner),
            None => cause = inner.source(),
        }
    }
    error.kind()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_under_the_index_is_said_to_be_full() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        for error in
            [full(), io::Error::other(fjall::Error::Io(full())), io::Error::other(io::Error::other(full()))]
        {
            let said = index_failed(error);
            assert_eq!(said.kind(), ErrorKind::Full, "{said}");
            assert!(
                said.to_string().contains("the disk is full") && said.to_string().contains("make room"),
                "{said}"
            );
            assert!(!said.to_string().contains("remove"), "{said}");
        }
        let broken = index_failed(io::Error::other(fjall::Error::Poisoned));
        assert_eq!(broken.kind(), ErrorKind::Failed);
    }
}
