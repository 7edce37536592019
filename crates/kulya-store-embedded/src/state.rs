//! What the log says, in memory: the catalog, where each segment's bytes lie, the tables' entries. Built by
//! applying ops in the order of the log, at opening and at each commit alike.

use crate::op::{Op, SegmentKey, owned};
use bytes::Bytes;
use kulya_store::{
    Committed, Error, REMEMBERED_OUTCOMES, Result, Retention, Scope, SegmentId, StreamConfig, StreamId,
    StreamName, TableId, Version, WriterId, WriterMark, WriterMarks,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where a run of framed events lies: in which log file, from which byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Segment offset of its first byte.
    pub(crate) start: u64,
    /// When its events were committed, in milliseconds since 1970.
    pub(crate) time: u64,
    pub(crate) file: u32,
    pub(crate) position: u64,
    pub(crate) length: u32,
    /// Of its bytes.
    pub(crate) checksum: u32,
}

impl Extent {
    /// The segment offset behind it.
    pub(crate) fn end(&self) -> u64 {
        self.start + u64::from(self.length)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// In order of `start`, without gaps.
    extents: Vec<Extent>,
    /// Where it begins: what lies before is no longer kept.
    pub(crate) head: u64,
    pub(crate) tail: u64,
}

impl Segment {
    fn add(&mut self, extent: Extent) {
        self.tail = extent.end();
        self.extents.push(extent);
    }

    /// The extents from the one that holds `offset` on.
    pub(crate) fn extents_from(&self, offset: u64) -> &[Extent] {
        let first = self.extents.partition_point(|extent| extent.end() <= offset);
        self.extents.get(first..).unwrap_or_default()
    }

    /// Where the first events begin that were committed at or after a time.
    pub(crate) fn offset_at(&self, time: u64) -> u64 {
        let first = self.extents.partition_point(|extent| extent.time < time);
        self.extents.get(first).map_or(self.tail, |extent| extent.start.max(self.head))
    }

    fn truncate(&mut self, offset: u64) {
        self.head = self.head.max(offset);
        let head = self.head;
        let gone = self.extents.partition_point(|extent| extent.end() <= head);
        self.extents.drain(..gone);
    }
}

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

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) id: u32,
    pub(crate) entries: BTreeMap<Bytes, (Bytes, Version)>,
}

/// The events of a transaction that is still open.
#[derive(Default)]
struct Staged {
    /// By where they lie; an extent's start is its place among those of its segment, until the commit.
    runs: Vec<(SegmentKey, Extent)>,
    /// The bytes for each segment.
    lengths: BTreeMap<SegmentKey, u64>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) scopes: BTreeSet<Scope>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    stream_names: HashMap<u32, StreamId>,
    pub(crate) tables: BTreeMap<TableId, Table>,
    table_names: HashMap<u32, TableId>,
    /// The epoch of each stream that was deleted.
    ended: HashMap<StreamId, u32>,
    next_stream: u32,
    next_table: u32,
    pub(crate) writers: WriterMarks,
    /// What the last transactions' commits gave; ids rise, so the first are the oldest.
    pub(crate) outcomes: BTreeMap<u64, Committed>,
    staged: HashMap<u64, Staged>,
    /// The sequence of the last frame.
    pub(crate) sequence: u64,
    /// The last version given to a table entry.
    pub(crate) version: u64,
    /// The highest transaction id that was ever reserved or used.
    pub(crate) last_transaction: u64,
    /// When the last commit was, in milliseconds since 1970.
    pub(crate) time: u64,
}

impl State {
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

    pub(crate) fn segment(&self, id: &SegmentId) -> Result<&Segment> {
        let stream = self.stream(&id.stream)?;
        let segment = stream.segments.get(id.number as usize).filter(|_| id.epoch == stream.epoch);
        segment.ok_or_else(|| Error::not_found(format!("segment {id}")))
    }

    pub(crate) fn table(&self, table: &TableId) -> Result<&Table> {
        self.tables.get(table).ok_or_else(|| Error::not_found(table))
    }

    /// The open transactions, which end with the process that opened them.
    pub(crate) fn forget_staged(&mut self) {
        self.staged.clear();
    }

    /// Takes over one op; `file` and `position` tell where its events lie. An op that does not fit what came
    /// before is damage, described by the error.
    pub(crate) fn apply(&mut self, op: &Op<'_>, file: u32, position: u64) -> std::result::Result<(), String> {
        match op {
            Op::CreateScope { name } => {
                self.scopes.insert(Scope::stored(name).map_err(|e| e.to_string())?);
            }
            Op::CreateStream { id, segments, epoch, retention, scope, name } => {
                let stream = StreamId {
                    scope: Scope::stored(scope).map_err(|e| e.to_string())?,
                    name: StreamName::stored(name).map_err(|e| e.to_string())?,
                };
                let segments = (0..*segments).map(|_| Segment::default()).collect();
                self.next_stream = self.next_stream.max(id.saturating_add(1));
                self.stream_names.insert(*id, stream.clone());
                let made = Stream { id: *id, epoch: *epoch, sealed: false, retention: *retention, segments };
                self.streams.insert(stream, made);
            }
            Op::UpdateStream { id, retention } => self.stream_mut(*id)?.retention = *retention,
            Op::CreateTable { id, scope, name } => {
                let table = TableId {
                    scope: Scope::stored(scope).map_err(|e| e.to_string())?,
                    name: StreamName::stored(name).map_err(|e| e.to_string())?,
                };
                self.next_table = self.next_table.max(id.saturating_add(1));
                self.table_names.insert(*id, table.clone());
                self.tables.insert(table, Table { id: *id, entries: BTreeMap::new() });
            }
            Op::Append { segment, start, time, checksum, events } => {
                self.time = self.time.max(*time);
                let found = self.segment_mut(*segment)?;
                if found.tail != *start {
                    let number = segment.number;
                    return Err(format!(
                        "events for offset {start} of segment {number} follow {}",
                        found.tail
                    ));
                }
                let (time, length, checksum) = (*time, events.len() as u32, *checksum);
                found.add(Extent { start: *start, time, file, position, length, checksum });
            }
            Op::Put { table, version, key, value } => {
                self.version = self.version.max(*version);
                self.table_mut(*table)?.entries.insert(owned(key), (owned(value), Version(*version)));
            }
            Op::Remove { table, version, key } => {
                self.version = self.version.max(*version);
                self.table_mut(*table)?.entries.remove(*key);
            }
            Op::Stage { transaction, segment, place, checksum, events } => {
                self.last_transaction = self.last_transaction.max(*transaction);
                self.segment_mut(*segment)?;
                let (length, checksum) = (events.len() as u32, *checksum);
                let extent = Extent { start: *place, time: 0, file, position, length, checksum };
                let staged = self.staged.entry(*transaction).or_default();
                staged.lengths.insert(*segment, extent.end());
                staged.runs.push((*segment, extent));
            }
            Op::CommitStaged { transaction, version, changes, time, starts } => {
                self.time = self.time.max(*time);
                self.last_transaction = self.last_transaction.max(*transaction);
                // an answer is as long as its changes, which are in this frame: no more than a frame holds
                let versions =
                    vec![Version(*version); (*changes as usize).min(crate::frame::MAX_BODY_BYTES / 16)];
                self.outcomes.insert(*transaction, Committed { versions, ..Committed::default() });
                if self.outcomes.len() > REMEMBERED_OUTCOMES {
                    self.outcomes.pop_first();
                }
                let starts: BTreeMap<SegmentKey, u64> = starts.iter().copied().collect();
                for (segment, extent) in self.staged.remove(transaction).unwrap_or_default().runs {
                    let Some(start) = starts.get(&segment) else {
                        return Err(format!("transaction {transaction} was committed without all of it"));
                    };
                    let extent = Extent { start: start + extent.start, time: *time, ..extent };
                    self.segment_mut(segment)?.add(extent);
                }
            }
            Op::AbortStaged { transaction } => {
                self.last_transaction = self.last_transaction.max(*transaction);
                self.staged.remove(transaction);
            }
            Op::DeleteScope { name } => {
                self.scopes.remove(&Scope::stored(name).map_err(|e| e.to_string())?);
            }
            Op::SealStream { id } => self.stream_mut(*id)?.sealed = true,
            Op::DeleteStream { id } => {
                let epoch = self.stream_mut(*id)?.epoch;
                if let Some(name) = self.stream_names.remove(id) {
                    self.streams.remove(&name);
                    self.ended.insert(name, epoch);
                }
            }
            Op::Truncate { segment, offset } => self.segment_mut(*segment)?.truncate(*offset),
            Op::DeleteTable { id } => {
                self.table_mut(*id)?;
                if let Some(name) = self.table_names.remove(id) {
                    self.tables.remove(&name);
                }
            }
            Op::WriterMark { writer, event_number } => {
                self.writers.store(WriterMark { writer: WriterId(*writer), event_number: *event_number });
            }
            Op::ReserveTransactions { up_to } => {
                self.last_transaction = self.last_transaction.max(*up_to);
            }
        }
        Ok(())
    }

    fn stream_mut(&mut self, id: u32) -> std::result::Result<&mut Stream, String> {
        let name = self.stream_names.get(&id);
        name.and_then(|name| self.streams.get_mut(name))
            .ok_or_else(|| format!("an op speaks of an unknown stream {id}"))
    }

    fn segment_mut(&mut self, key: SegmentKey) -> std::result::Result<&mut Segment, String> {
        let segment = self.stream_mut(key.stream)?.segments.get_mut(key.number as usize);
        segment.ok_or_else(|| {
            format!("an op speaks of an unknown segment {} of stream {}", key.number, key.stream)
        })
    }

    fn table_mut(&mut self, id: u32) -> std::result::Result<&mut Table, String> {
        let name = self.table_names.get(&id);
        name.and_then(|name| self.tables.get_mut(name))
            .ok_or_else(|| format!("an op speaks of an unknown table {id}"))
    }
}
