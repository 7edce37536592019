//! The state built from the log, in memory: scopes, streams, tables, writers, transactions, and the location
//! of each segment's events. Every process builds it by applying the log's objects in order; nothing else
//! changes it. No I/O.

mod merge;
mod salvage;
mod segment;
mod snapshot;

pub(crate) use merge::ToMerge;
pub use salvage::Lost;
pub(crate) use segment::{DATA_BIT, Extent, LOST, Place, Segment, Since};

use crate::object::{FORMAT, Header};
use crate::record::{Act, Batch, CheckpointRecord, CommitRecord, CutRecord, LeaseRecord, Log};
use bytes::Bytes;
use kulya_store::{
    Committed, Entries, Error, Outcome, REMEMBERED_OUTCOMES, Result, Retention, Scope, SegmentId,
    SegmentInfo, StreamConfig, StreamId, StreamInfo, StreamName, TableId, TransactionId, Version, WriterId,
    WriterMarks,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The maximum number of records per object: a record id has 16 bits for it.
pub(crate) const MOST_RECORDS: usize = 1 << 16;

/// Returns the id of a record: the version of what a commit changes, or the id of the transaction that it
/// begins.
pub(crate) fn mark(number: u64, index: usize) -> u64 {
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
    streams: BTreeMap<StreamId, Stream>,
    /// The last epoch of each deleted stream.
    ended: BTreeMap<StreamId, u32>,
    tables: BTreeMap<TableId, Entries>,
    pub(crate) writers: WriterMarks,
    /// Open transactions by id.
    pub(crate) open: BTreeMap<u64, Open>,
    done: HashMap<u64, Done>,
    /// Transactions by the version of their commit.
    done_in_order: BTreeMap<u64, u64>,
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
    changed_bytes: u64,
    /// The live data objects.
    pub(crate) data: BTreeMap<u64, DataObject>,
    /// The size of the events in log objects since the newest checkpoint, in bytes.
    pub(crate) fresh_bytes: u64,
    touched: Touched,
}

/// A data object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataObject {
    /// The log object that published it.
    number: u64,
    /// The size of all its events, in bytes.
    bytes: u64,
}

/// What recently changed or was removed, with the number of the log object that did it: what an incremental
/// checkpoint needs beyond the changed entities themselves.
#[derive(Debug, Default)]
struct Touched {
    scopes: u64,
    streams: BTreeMap<StreamId, u64>,
    /// Created or deleted.
    tables: BTreeMap<TableId, u64>,
    removed_entries: BTreeMap<(TableId, Bytes), u64>,
    removed_data: BTreeMap<u64, u64>,
    writers: HashMap<WriterId, u64>,
}

impl Touched {
    /// Discards changes before a log number.
    fn forget(&mut self, number: u64) {
        self.streams.retain(|_, touched| *touched >= number);
        self.tables.retain(|_, touched| *touched >= number);
        self.removed_entries.retain(|_, touched| *touched >= number);
        self.removed_data.retain(|_, touched| *touched >= number);
        self.writers.retain(|_, touched| *touched >= number);
    }
}

/// A stream of one epoch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) epoch: u32,
    retention: Retention,
    pub(crate) sealed: bool,
    pub(crate) segments: Vec<Segment>,
}

impl Stream {
    pub(crate) fn config(&self) -> StreamConfig {
        StreamConfig::with_segments(self.segments.len() as u32).retention(self.retention)
    }
}

/// A transaction that was neither committed nor aborted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Open {
    /// When events were last staged, in milliseconds.
    pub(crate) time: u64,
    pub(crate) parts: Vec<(SegmentId, Place)>,
}

/// The outcome of a committed transaction: the number of its table changes, all of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Done {
    version: u64,
    changes: u32,
}

impl State {
    /// Returns whether a log object names the last applied one as its predecessor.
    pub(crate) fn is_followed_by(&self, header: &Header, log: &Log) -> bool {
        match self.is_chained {
            true => header.format == FORMAT && log.previous == self.last,
            false => header.format != FORMAT || log.previous == 0,
        }
    }

    /// Returns the checksum that the next log object names as its predecessor's.
    pub(crate) fn previous(&self) -> u32 {
        if self.is_chained { self.last } else { 0 }
    }

    /// Applies the log object with this number.
    ///
    /// # Errors
    /// A description of the violated invariant: no correct writer wrote this object, and this state is no
    /// longer usable.
    pub(crate) fn apply(&mut self, number: u64, header: &Header, log: &Log) -> Result<(), String> {
        if number != self.next {
            return Err(format!("expected number {}", self.next));
        }
        if !self.is_followed_by(header, log) {
            return Err("it does not follow the object before it".into());
        }
        if log.records.len() > MOST_RECORDS || number >= 1 << 47 {
            return Err("too many records, or its number is too large".into());
        }
        if log.time < self.time {
            return Err("its time is before that of the previous object".into());
        }
        self.time = log.time;
        for batch in &log.batches {
            self.take_batch(number, header.events_from(), batch)?;
        }
        for (index, record) in log.records.iter().enumerate() {
            let act = record.act.as_ref().ok_or("unknown operation: use a newer version of kulya")?;
            self.take_act(number, index, act)?;
        }
        self.step(number, header);
        Ok(())
    }

    /// Advances the state past a log object.
    fn step(&mut self, number: u64, header: &Header) {
        self.next = number + 1;
        self.last = header.checksum;
        self.is_chained = header.format == FORMAT;
    }

    fn take_batch(&mut self, number: u64, events_from: u64, batch: &Batch) -> Result<(), String> {
        let id = batch.segment.clone().unwrap_or_default().segment().map_err(said)?;
        let at = events_from.checked_add(batch.at).ok_or("offset overflow in its events")?;
        let place = Place { object: number, at, length: batch.length, checksum: batch.checksum };
        let time = self.time;
        self.fresh_bytes += u64::from(batch.length);
        if batch.transaction == 0 {
            return self.segment_mut(&id)?.append(Some(batch.start), place, time, number);
        }
        let open = self.open.get_mut(&batch.transaction).ok_or("events staged for a transaction that has ended")?;
        open.parts.push((id, place));
        open.time = time;
        Ok(())
    }

    fn take_act(&mut self, number: u64, index: usize, act: &Act) -> Result<(), String> {
        let mark = mark(number, index);
        self.touch(number, act)?;
        match act {
            Act::Commit(commit) => self.take_commit(number, mark, commit)?,
            Act::Begin(_) => _ = self.open.insert(mark, Open { time: self.time, parts: Vec::new() }),
            // it may have ended already: dropping a transaction does not wait for its commit
            Act::Abort(transaction) => _ = self.open.remove(transaction),
            Act::CreateScope(scope) => _ = self.scopes.insert(Scope::stored(scope).map_err(said)?),
            Act::DeleteScope(scope) => _ = self.scopes.remove(&Scope::stored(scope).map_err(said)?),
            Act::CreateStream(made) => {
                let (stream, config) = (made.stream().map_err(said)?, made.config());
                config.check(&stream).map_err(said)?;
                let epoch = self.ended.get(&stream).map_or(0, |ended| ended.saturating_add(1));
                let segments = (0..config.segments).map(|_| Segment::default()).collect();
                let made = Stream { epoch, retention: config.retention, sealed: false, segments };
                if self.streams.insert(stream, made).is_some() {
                    return Err("it creates a stream that exists".into());
                }
            }
            Act::UpdateStream(update) => {
                let stream = update.stream().map_err(said)?;
                self.stream_mut(&stream)?.retention = update.config().retention;
            }
            Act::SealStream(name) => self.stream_mut(&name.stream().map_err(said)?)?.sealed = true,
            Act::DeleteStream(name) => {
                let stream = name.stream().map_err(said)?;
                let gone = self.streams.remove(&stream).ok_or("it deletes a stream that does not exist")?;
                self.ended.insert(stream, gone.epoch);
            }
            Act::Truncate(cut) => self.take_cut(cut)?,
            Act::CreateTable(name) => _ = self.tables.entry(name.table().map_err(said)?).or_default(),
            Act::DeleteTable(name) => _ = self.tables.remove(&name.table().map_err(said)?),
            Act::GaveBack(gave) => {
                for object in &gave.objects {
                    if self.data.remove(object).is_some() {
                        self.touched.removed_data.insert(*object, number);
                    }
                }
            }
            Act::Lease(lease) => self.lease = *lease,
            Act::Merged(merged) => self.take_merged(number, merged)?,
            Act::Checkpointed(checkpoint) => self.take_checkpoint(checkpoint),
        }
        Ok(())
    }

    /// Tracks what an operation changes.
    fn touch(&mut self, number: u64, act: &Act) -> Result<(), String> {
        let stream = match act {
            Act::CreateScope(_) | Act::DeleteScope(_) => {
                self.touched.scopes = number;
                return Ok(());
            }
            Act::CreateTable(name) | Act::DeleteTable(name) => {
                let table = name.table().map_err(said)?;
                // creating an existing table changes nothing
                if self.has_table(&table) != matches!(act, Act::CreateTable(_)) {
                    self.touched.tables.insert(table, number);
                }
                return Ok(());
            }
            Act::CreateStream(record) | Act::UpdateStream(record) => record.stream(),
            Act::SealStream(name) | Act::DeleteStream(name) => name.stream(),
            Act::Truncate(cut) => cut.stream.clone().unwrap_or_default().stream(),
            _ => return Ok(()),
        };
        self.touched.streams.insert(stream.map_err(said)?, number);
        Ok(())
    }

    fn take_commit(&mut self, number: u64, mark: u64, commit: &CommitRecord) -> Result<(), String> {
        for change in &commit.changes {
            let table = change.table.clone().unwrap_or_default().table().map_err(said)?;
            let entries = self.tables.get_mut(&table).ok_or("it changes a table that does not exist")?;
            // copied, since a slice would keep the whole object in memory
            let key = owned(&change.key);
            if change.value.is_none() {
                self.touched.removed_entries.insert((table, key.clone()), number);
            }
            entries.set(key, change.value.as_ref().map(owned), Version(mark));
        }
        if let Some(writer) = commit.writer {
            self.writers.store(writer.mark());
            self.touched.writers.insert(writer.mark().writer, number);
        }
        if commit.transaction == 0 {
            return Ok(());
        }
        let open = self.open.remove(&commit.transaction).ok_or("it commits a transaction that has ended")?;
        let time = self.time;
        for (segment, place) in open.parts {
            self.segment_mut(&segment)?.append(None, place, time, number)?;
        }
        self.remember(commit.transaction, Done { version: mark, changes: commit.changes.len() as u32 });
        Ok(())
    }

    fn remember(&mut self, transaction: u64, done: Done) {
        self.done.insert(transaction, done);
        self.done_in_order.insert(done.version, transaction);
        if self.done_in_order.len() > REMEMBERED_OUTCOMES
            && let Some((_, forgotten)) = self.done_in_order.pop_first()
        {
            self.done.remove(&forgotten);
        }
    }

    fn take_cut(&mut self, cut: &CutRecord) -> Result<(), String> {
        let stream = cut.stream.clone().unwrap_or_default().stream().map_err(said)?;
        let segments = &mut self.stream_mut(&stream)?.segments;
        if segments.len() != cut.offsets.len() {
            return Err("a cut does not have one offset per segment".into());
        }
        segments.iter_mut().zip(&cut.offsets).try_for_each(|(segment, offset)| segment.truncate(*offset))
    }

    fn stream_mut(&mut self, stream: &StreamId) -> Result<&mut Stream, String> {
        self.streams.get_mut(stream).ok_or_else(|| format!("stream {stream} does not exist"))
    }

    fn segment_mut(&mut self, id: &SegmentId) -> Result<&mut Segment, String> {
        let stream = self.streams.get_mut(&id.stream).filter(|stream| stream.epoch == id.epoch);
        let segment = stream.and_then(|stream| stream.segments.get_mut(id.number as usize));
        segment.ok_or_else(|| format!("segment {id} does not exist"))
    }
}

/// Queries.
impl State {
    /// Returns an error if a scope does not exist.
    pub(crate) fn check_scope(&self, scope: &Scope) -> Result<()> {
        if self.scopes.contains(scope) { Ok(()) } else { Err(Error::not_found(format!("scope {scope}"))) }
    }

    /// Returns whether a scope holds streams or tables.
    pub(crate) fn is_used(&self, scope: &Scope) -> bool {
        self.streams.keys().any(|stream| stream.scope == *scope)
            || self.tables.keys().any(|table| table.scope == *scope)
    }

    pub(crate) fn stream(&self, stream: &StreamId) -> Result<&Stream> {
        self.streams.get(stream).ok_or_else(|| Error::not_found(format!("stream {stream}")))
    }

    pub(crate) fn has_stream(&self, stream: &StreamId) -> bool {
        self.streams.contains_key(stream)
    }

    /// Returns the description of a stream.
    pub(crate) fn info(&self, stream: &StreamId) -> Result<StreamInfo> {
        let found = self.stream(stream)?;
        Ok(StreamInfo { config: found.config(), sealed: found.sealed })
    }

    /// Returns the descriptions of a stream's segments.
    pub(crate) fn infos(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        let found = self.stream(stream)?;
        let count = found.segments.len() as f64;
        let info = |(number, segment): (usize, &Segment)| SegmentInfo {
            id: SegmentId { stream: stream.clone(), number: number as u32, epoch: found.epoch },
            key_range: number as f64 / count..(number + 1) as f64 / count,
            head: segment.head,
            tail: segment.tail,
        };
        Ok(found.segments.iter().enumerate().map(info).collect())
    }

    /// Returns for each segment where the events committed at or after a time begin.
    pub(crate) fn since(&self, stream: &StreamId, millis: u64) -> Result<Vec<(SegmentId, Since)>> {
        let infos = self.infos(stream)?;
        let places = self.stream(stream)?.segments.iter().map(|segment| segment.since(millis));
        Ok(infos.into_iter().map(|info| info.id).zip(places).collect())
    }

    pub(crate) fn streams_of(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.check_scope(scope)?;
        Ok(self.streams.keys().filter(|stream| stream.scope == *scope).map(|s| s.name.clone()).collect())
    }

    /// Returns a segment, and whether its stream is sealed.
    pub(crate) fn segment(&self, id: &SegmentId) -> Result<(&Segment, bool)> {
        let stream = self.stream(&id.stream)?;
        let segment = stream.segments.get(id.number as usize).filter(|_| id.epoch == stream.epoch);
        segment
            .map(|segment| (segment, stream.sealed))
            .ok_or_else(|| Error::not_found(format!("segment {id}")))
    }

    pub(crate) fn table(&self, table: &TableId) -> Result<&Entries> {
        self.tables.get(table).ok_or_else(|| Error::not_found(table))
    }

    pub(crate) fn has_table(&self, table: &TableId) -> bool {
        self.tables.contains_key(table)
    }

    pub(crate) fn tables_of(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.check_scope(scope)?;
        Ok(self.tables.keys().filter(|table| table.scope == *scope).map(|t| t.name.clone()).collect())
    }

    /// Returns the outcome of a transaction.
    pub(crate) fn outcome(&self, transaction: TransactionId) -> Outcome {
        let Ok(name) = u64::try_from(transaction.0) else { return Outcome::Unknown };
        match self.done.get(&name) {
            _ if self.open.contains_key(&name) => Outcome::Open,
            Some(done) => Outcome::Committed(Committed {
                versions: vec![Version(done.version); done.changes as usize],
                ..Committed::default()
            }),
            None => Outcome::Unknown,
        }
    }

    pub(crate) fn last_event_number(&self, writer: WriterId) -> Option<u64> {
        self.writers.last(writer)
    }

    /// Returns the transactions without activity for `idle` milliseconds before `now`.
    pub(crate) fn left_behind(&self, now: u64, idle: u64) -> Vec<u64> {
        let left = self.open.iter().filter(|(_, open)| open.time.saturating_add(idle) < now);
        left.map(|(name, _)| *name).collect()
    }
}

/// Converts an error to its text.
fn said(error: Error) -> String {
    error.to_string()
}

/// Copies bytes out of a larger buffer.
fn owned(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
