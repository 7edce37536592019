//! What the log says, in memory: the catalog, where each segment's bytes lie, the tables' entries. Built by
//! applying ops in the order of the log, at opening and at each commit alike.

use crate::op::{Op, SegmentKey, owned};
use bytes::Bytes;
use kulya_store::{Error, Result, Scope, SegmentId, StreamId, StreamName, TableId, Version};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where a run of framed events lies: in which log file, from which byte on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Segment offset of its first byte.
    pub(crate) start: u64,
    pub(crate) file: u32,
    pub(crate) position: u64,
    pub(crate) length: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// In order of `start`, without gaps.
    extents: Vec<Extent>,
    pub(crate) tail: u64,
}

impl Segment {
    fn add(&mut self, file: u32, position: u64, length: u32) {
        self.extents.push(Extent { start: self.tail, file, position, length });
        self.tail += u64::from(length);
    }

    /// The extents from the one that holds `offset` on.
    pub(crate) fn extents_from(&self, offset: u64) -> &[Extent] {
        let first = self.extents.partition_point(|e| e.start + u64::from(e.length) <= offset);
        self.extents.get(first..).unwrap_or_default()
    }
}

pub(crate) struct Stream {
    pub(crate) id: u32,
    pub(crate) segments: Vec<Segment>,
}

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) id: u32,
    pub(crate) entries: BTreeMap<Bytes, (Bytes, Version)>,
}

/// Events staged for one segment, by where they lie; their offsets come with the commit.
struct StagedRun {
    segment: SegmentKey,
    file: u32,
    position: u64,
    length: u32,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) scopes: BTreeSet<Scope>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    stream_names: HashMap<u32, StreamId>,
    pub(crate) tables: BTreeMap<TableId, Table>,
    table_names: HashMap<u32, TableId>,
    staged: HashMap<u64, Vec<StagedRun>>,
    /// The sequence of the last frame.
    pub(crate) sequence: u64,
    /// The last version given to a table entry.
    pub(crate) version: u64,
    /// The highest transaction id ever seen.
    pub(crate) last_transaction: u64,
}

impl State {
    pub(crate) fn next_stream_id(&self) -> u32 {
        self.stream_names.len() as u32
    }

    pub(crate) fn next_table_id(&self) -> u32 {
        self.table_names.len() as u32
    }

    pub(crate) fn scope(&self, scope: &Scope) -> Result<()> {
        if self.scopes.contains(scope) { Ok(()) } else { Err(Error::not_found(format!("scope {scope}"))) }
    }

    pub(crate) fn stream(&self, stream: &StreamId) -> Result<&Stream> {
        self.streams.get(stream).ok_or_else(|| Error::not_found(format!("stream {stream}")))
    }

    pub(crate) fn segment(&self, id: &SegmentId) -> Result<&Segment> {
        let segment = self.stream(&id.stream)?.segments.get(id.number as usize).filter(|_| id.epoch == 0);
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
            Op::CreateStream { id, segments, scope, name } => {
                let stream = StreamId {
                    scope: Scope::stored(scope).map_err(|e| e.to_string())?,
                    name: StreamName::stored(name).map_err(|e| e.to_string())?,
                };
                let segments = (0..*segments).map(|_| Segment::default()).collect();
                self.stream_names.insert(*id, stream.clone());
                self.streams.insert(stream, Stream { id: *id, segments });
            }
            Op::CreateTable { id, scope, name } => {
                let table = TableId {
                    scope: Scope::stored(scope).map_err(|e| e.to_string())?,
                    name: StreamName::stored(name).map_err(|e| e.to_string())?,
                };
                self.table_names.insert(*id, table.clone());
                self.tables.insert(table, Table { id: *id, entries: BTreeMap::new() });
            }
            Op::Append { segment, events } => {
                self.segment_mut(*segment)?.add(file, position, events.len() as u32);
            }
            Op::Put { table, version, key, value } => {
                self.version = self.version.max(*version);
                self.table_mut(*table)?.entries.insert(owned(key), (owned(value), Version(*version)));
            }
            Op::Remove { table, version, key } => {
                self.version = self.version.max(*version);
                self.table_mut(*table)?.entries.remove(*key);
            }
            Op::Stage { transaction, segment, events } => {
                self.last_transaction = self.last_transaction.max(*transaction);
                self.segment_mut(*segment)?;
                let run = StagedRun { segment: *segment, file, position, length: events.len() as u32 };
                self.staged.entry(*transaction).or_default().push(run);
            }
            Op::CommitStaged { transaction } => {
                self.last_transaction = self.last_transaction.max(*transaction);
                for run in self.staged.remove(transaction).unwrap_or_default() {
                    self.segment_mut(run.segment)?.add(run.file, run.position, run.length);
                }
            }
            Op::AbortStaged { transaction } => {
                self.last_transaction = self.last_transaction.max(*transaction);
                self.staged.remove(transaction);
            }
        }
        Ok(())
    }

    fn segment_mut(&mut self, key: SegmentKey) -> std::result::Result<&mut Segment, String> {
        let name = self.stream_names.get(&key.stream);
        let stream = name.and_then(|name| self.streams.get_mut(name));
        let segment = stream.and_then(|stream| stream.segments.get_mut(key.number as usize));
        segment.ok_or_else(|| {
            format!("an op speaks of segment {} of an unknown stream {}", key.number, key.stream)
        })
    }

    fn table_mut(&mut self, id: u32) -> std::result::Result<&mut Table, String> {
        let name = self.table_names.get(&id);
        name.and_then(|name| self.tables.get_mut(name))
            .ok_or_else(|| format!("an op speaks of an unknown table {id}"))
    }
}
