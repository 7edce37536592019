//! What the log says, in memory: names, tables, writers, transactions, and where each segment's events stand. Built by
//! applying the log's objects in order, by every process alike; nothing else changes it, and nothing here waits.

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

/// Records that an object holds at the most: a mark has so many places for each.
pub(crate) const MOST_RECORDS: usize = 1 << 16;

/// The version of what a commit changed, and the name of a transaction that is begun: where its record stands.
pub(crate) fn mark(number: u64, index: usize) -> u64 {
    ((number << 16) | index as u64) + 1
}

/// The state behind so many objects of the log.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The number of the object that comes next.
    pub(crate) next: u64,
    /// When the last commit was, in milliseconds; never goes back.
    pub(crate) time: u64,
    pub(crate) scopes: BTreeSet<Scope>,
    streams: BTreeMap<StreamId, Stream>,
    /// The epoch of each stream that was deleted.
    ended: BTreeMap<StreamId, u32>,
    tables: BTreeMap<TableId, Entries>,
    pub(crate) writers: WriterMarks,
    /// By name.
    pub(crate) open: BTreeMap<u64, Open>,
    done: HashMap<u64, Done>,
    /// By the version that its commit has.
    done_in_order: BTreeMap<u64, u64>,
    /// Checksum of the last log object, which the next one names.
    pub(crate) last: u32,
    /// Whether the last log object was not of format 1, which has no chain.
    pub(crate) is_chained: bool,
    /// Who does the maintenance.
    pub(crate) lease: LeaseRecord,
    /// The checkpoints that make the newest one that the log speaks of, the one that holds everything first.
    pub(crate) chain: Vec<CheckpointRecord>,
    /// The same of the one before.
    pub(crate) chain_before: Vec<CheckpointRecord>,
    /// Bytes of all checkpoints of changes since the last one that holds everything.
    changed_bytes: u64,
    /// The data objects that are there.
    pub(crate) data: BTreeMap<u64, DataObject>,
    /// Bytes of events in log objects since the newest checkpoint.
    pub(crate) fresh_bytes: u64,
    touched: Touched,
}

/// A data object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataObject {
    /// The log object that says that it is there.
    number: u64,
    /// Bytes of events that it was made with.
    bytes: u64,
}

/// What was changed or removed lately, each with the number of the log object that did it: what a checkpoint of changes has to
/// say beyond what says so itself.
#[derive(Debug, Default)]
struct Touched {
    scopes: u64,
    streams: BTreeMap<StreamId, u64>,
    /// Made or removed.
    tables: BTreeMap<TableId, u64>,
    removed_entries: BTreeMap<(TableId, Bytes), u64>,
    removed_data: BTreeMap<u64, u64>,
    writers: HashMap<WriterId, u64>,
}

impl Touched {
    /// Forgets what was before a number.
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
    /// When something was staged last, in milliseconds.
    pub(crate) time: u64,
    pub(crate) parts: Vec<(SegmentId, Place)>,
}

/// A transaction's outcome, small: so many changes, all of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Done {
    version: u64,
    changes: u32,
}

impl State {
    /// Whether a log object names the one that was applied last as the one before it.
    pub(crate) fn is_followed_by(&self, header: &Header, log: &Log) -> bool {
        match self.is_chained {
            true => header.format == FORMAT && log.previous == self.last,
            false => header.format != FORMAT || log.previous == 0,
        }
    }

    /// What the next log object says of the one before it.
    pub(crate) fn previous(&self) -> u32 {
        if self.is_chained { self.last } else { 0 }
    }

    /// Takes over the object of this number. An error says what cannot be: then the object is not what a right writer writes,
    /// and this state is no longer good.
    pub(crate) fn apply(&mut self, number: u64, header: &Header, log: &Log) -> Result<(), String> {
        if number != self.next {
            return Err(format!("number {} is due", self.next));
        }
        if !self.is_followed_by(header, log) {
            return Err("it does not follow the object before it".into());
        }
        if log.records.len() > MOST_RECORDS || number >= 1 << 47 {
            return Err("there are more records than have a mark".into());
        }
        if log.time < self.time {
            return Err("its time is before that of the object before it".into());
        }
        self.time = log.time;
        for batch in &log.batches {
            self.take_batch(number, header.events_from(), batch)?;
        }
        for (index, record) in log.records.iter().enumerate() {
            let act = record.act.as_ref().ok_or("it holds an act that is not known: use a newer kulya")?;
            self.take_act(number, index, act)?;
        }
        self.step(number, header);
        Ok(())
    }

    /// Goes on behind an object.
    fn step(&mut self, number: u64, header: &Header) {
        self.next = number + 1;
        self.last = header.checksum;
        self.is_chained = header.format == FORMAT;
    }

    fn take_batch(&mut self, number: u64, events_from: u64, batch: &Batch) -> Result<(), String> {
        let id = batch.segment.clone().unwrap_or_default().segment().map_err(said)?;
        let at = events_from.checked_add(batch.at).ok_or("events stand nowhere")?;
        let place = Place { object: number, at, length: batch.length, checksum: batch.checksum };
        let time = self.time;
        self.fresh_bytes += u64::from(batch.length);
        if batch.transaction == 0 {
            return self.segment_mut(&id)?.append(Some(batch.start), place, time, number);
        }
        let open = self.open.get_mut(&batch.transaction).ok_or("a transaction that is over stages events")?;
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
            // it may be over already: whoever drops a transaction does not wait for its commit
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
                    return Err("a stream is made that is there".into());
                }
            }
            Act::UpdateStream(update) => {
                let stream = update.stream().map_err(said)?;
                self.stream_mut(&stream)?.retention = update.config().retention;
            }
            Act::SealStream(name) => self.stream_mut(&name.stream().map_err(said)?)?.sealed = true,
            Act::DeleteStream(name) => {
                let stream = name.stream().map_err(said)?;
                let gone = self.streams.remove(&stream).ok_or("a stream is deleted that is not there")?;
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

    /// Remembers what an act changes.
    fn touch(&mut self, number: u64, act: &Act) -> Result<(), String> {
        let stream = match act {
            Act::CreateScope(_) | Act::DeleteScope(_) => {
                self.touched.scopes = number;
                return Ok(());
            }
            Act::CreateTable(name) | Act::DeleteTable(name) => {
                let table = name.table().map_err(said)?;
                // to make one that is there changes nothing
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
            let entries = self.tables.get_mut(&table).ok_or("a table is changed that is not there")?;
            // the object's bytes would be kept whole for one small value
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
        let open = self.open.remove(&commit.transaction).ok_or("a transaction is committed that is over")?;
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
            return Err("a cut has not an offset for each segment".into());
        }
        segments.iter_mut().zip(&cut.offsets).try_for_each(|(segment, offset)| segment.truncate(*offset))
    }

    fn stream_mut(&mut self, stream: &StreamId) -> Result<&mut Stream, String> {
        self.streams.get_mut(stream).ok_or_else(|| format!("stream {stream} is not there"))
    }

    fn segment_mut(&mut self, id: &SegmentId) -> Result<&mut Segment, String> {
        let stream = self.streams.get_mut(&id.stream).filter(|stream| stream.epoch == id.epoch);
        let segment = stream.and_then(|stream| stream.segments.get_mut(id.number as usize));
        segment.ok_or_else(|| format!("segment {id} is not there"))
    }
}

/// What can be asked.
impl State {
    pub(crate) fn check_scope(&self, scope: &Scope) -> Result<()> {
        if self.scopes.contains(scope) { Ok(()) } else { Err(Error::not_found(format!("scope {scope}"))) }
    }

    /// Whether a scope holds streams or tables.
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

    pub(crate) fn info(&self, stream: &StreamId) -> Result<StreamInfo> {
        let found = self.stream(stream)?;
        Ok(StreamInfo { config: found.config(), sealed: found.sealed })
    }

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

    /// Of each segment where the events that were committed since then begin.
    pub(crate) fn since(&self, stream: &StreamId, millis: u64) -> Result<Vec<(SegmentId, Since)>> {
        let infos = self.infos(stream)?;
        let places = self.stream(stream)?.segments.iter().map(|segment| segment.since(millis));
        Ok(infos.into_iter().map(|info| info.id).zip(places).collect())
    }

    pub(crate) fn streams_of(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        self.check_scope(scope)?;
        Ok(self.streams.keys().filter(|stream| stream.scope == *scope).map(|s| s.name.clone()).collect())
    }

    /// A segment, and whether nothing follows its tail.
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

    /// Transactions in which nothing was staged for so long, in milliseconds before `now`.
    pub(crate) fn left_behind(&self, now: u64, idle: u64) -> Vec<u64> {
        let left = self.open.iter().filter(|(_, open)| open.time.saturating_add(idle) < now);
        left.map(|(name, _)| *name).collect()
    }
}

fn said(error: Error) -> String {
    error.to_string()
}

fn owned(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
