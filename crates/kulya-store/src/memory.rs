//! The in-memory backend: the reference implementation of the contract, for tests.

use crate::clock::{Clock, SystemClock};
use crate::{
    Append, AppendTimes, Commit, CommitReceipt, Entries, Entry, Error, ErrorKind, EventPointer, Outcome,
    Pointers, REMEMBERED_OUTCOMES, ReadChunk, Result, Retention, Scope, SegmentId, SegmentInfo, StreamConfig,
    StreamCut, StreamId, StreamInfo, StreamName, StreamStore, TableChange, TableId, Tails, Transaction,
    TransactionId, Version, WriterId, WriterMarks, check_changes, framing, hash,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A store in memory, shared by its clones and lost with the last one.
#[derive(Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    /// The number of commits so far; tail readers wait for it to change.
    commits: Arc<watch::Sender<u64>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    scopes: BTreeSet<Scope>,
    streams: BTreeMap<StreamId, Stream>,
    /// The last epoch of each deleted stream.
    deleted_epochs: BTreeMap<StreamId, u32>,
    tables: BTreeMap<TableId, Entries>,
    writers: WriterMarks,
    open: BTreeSet<TransactionId>,
    /// By id, oldest first.
    committed: BTreeMap<TransactionId, CommitReceipt>,
    transactions: u128,
    commits: u64,
    /// The time of the last commit, which never decreases.
    time: Duration,
    /// The round-robin counter of events without a key.
    unkeyed: u32,
    closed: bool,
}

struct Stream {
    epoch: u32,
    retention: Retention,
    sealed: bool,
    segments: Vec<Segment>,
}

impl Stream {
    fn config(&self) -> StreamConfig {
        StreamConfig::with_segments(self.segments.len() as u32).retention(self.retention)
    }
}

#[derive(Default)]
struct Segment {
    /// Payload and commit time by offset.
    events: BTreeMap<u64, (Bytes, Duration)>,
    head: u64,
    tail: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// Creates an empty store on the system clock.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// Creates an empty store on this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { state: Arc::default(), commits: Arc::new(watch::channel(0).0), clock }
    }

    fn state(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed { Err(Error::new(ErrorKind::Closed, "the store is closed")) } else { Ok(state) }
    }

    fn write(&self, commit: &Commit) -> Result<CommitReceipt> {
        let mut state = self.state()?;
        let receipt = state.commit(commit, self.clock.since_epoch())?;
        let commits = state.commits;
        drop(state);
        self.commits.send_replace(commits);
        Ok(receipt)
    }
}

impl From<MemoryStore> for Arc<dyn StreamStore> {
    fn from(store: MemoryStore) -> Self {
        Arc::new(store)
    }
}

impl State {
    fn scope(&self, scope: &Scope) -> Result<()> {
        if self.scopes.contains(scope) { Ok(()) } else { Err(Error::not_found(format!("scope {scope}"))) }
    }

    fn stream(&self, stream: &StreamId) -> Result<&Stream> {
        self.streams.get(stream).ok_or_else(|| Error::not_found(format!("stream {stream}")))
    }

    fn stream_mut(&mut self, stream: &StreamId) -> Result<&mut Stream> {
        self.streams.get_mut(stream).ok_or_else(|| Error::not_found(format!("stream {stream}")))
    }

    fn segment(&self, id: &SegmentId) -> Result<(&Segment, bool)> {
        let stream = self.stream(&id.stream)?;
        let segment = stream.segments.get(id.number as usize).filter(|_| id.epoch == stream.epoch);
        segment
            .map(|segment| (segment, stream.sealed))
            .ok_or_else(|| Error::not_found(format!("segment {id}")))
    }

    fn segment_infos(&self, id: &StreamId) -> Result<Vec<SegmentInfo>> {
        let stream = self.stream(id)?;
        let count = stream.segments.len() as f64;
        let info = |(number, segment): (usize, &Segment)| SegmentInfo {
            id: SegmentId { stream: id.clone(), number: number as u32, epoch: stream.epoch },
            key_range: number as f64 / count..(number + 1) as f64 / count,
            head: segment.head,
            tail: segment.tail,
        };
        Ok(stream.segments.iter().enumerate().map(info).collect())
    }

    fn table(&self, table: &TableId) -> Result<&Entries> {
        self.tables.get(table).ok_or_else(|| Error::not_found(table))
    }

    fn check(&self, commit: &Commit) -> Result<()> {
        for append in &commit.appends {
            if self.stream(&append.stream)?.sealed {
                return Err(Error::sealed(&append.stream));
            }
            framing::check_size(&append.stream, append.event.len())?;
        }
        check_changes(&commit.changes, |change| Ok(self.table(&change.table)?.version(&change.key)))
    }

    fn commit(&mut self, commit: &Commit, now: Duration) -> Result<CommitReceipt> {
        if commit.writer.is_some_and(|mark| self.writers.is_duplicate(mark)) {
            return Ok(CommitReceipt::duplicate());
        }
        self.check(commit)?;
        if let Some(mark) = commit.writer {
            self.writers.record(mark);
        }
        self.commits += 1;
        self.time = self.time.max(Duration::from_millis(now.as_millis() as u64));
        let version = Version(self.commits);
        let pointers = commit.appends.iter().map(|append| self.append(append)).collect();
        for change in &commit.changes {
            let table = self.tables.entry(change.table.clone()).or_default();
            table.set(change.key.clone(), change.value.clone(), version);
        }
        Ok(CommitReceipt { pointers, versions: vec![version; commit.changes.len()], duplicate: false })
    }

    fn append(&mut self, append: &Append) -> EventPointer {
        let time = self.time;
        let stream = self.streams.get_mut(&append.stream).expect("the commit was checked");
        let (epoch, segments) = (stream.epoch, &mut stream.segments);
        let number = match &append.routing_key {
            Some(key) => hash::segment_of(key, segments.len() as u32),
            None => {
                self.unkeyed = self.unkeyed.wrapping_add(1);
                self.unkeyed % segments.len() as u32
            }
        };
        let segment = segments.get_mut(number as usize).expect("the hash stays within the segments");
        let offset = segment.tail;
        let length = framing::framed_len(append.event.len());
        segment.events.insert(offset, (append.event.clone(), time));
        segment.tail += length;
        let segment = SegmentId { stream: append.stream.clone(), number, epoch };
        EventPointer { segment, offset, length: length as u32 }
    }
}

#[async_trait]
impl StreamStore for MemoryStore {
    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        Ok(self.state()?.scopes.insert(scope.clone()))
    }

    async fn delete_scope(&self, scope: &Scope) -> Result<bool> {
        let mut state = self.state()?;
        let streams = state.streams.keys().any(|stream| stream.scope == *scope);
        if streams || state.tables.keys().any(|table| table.scope == *scope) {
            return Err(Error::not_empty(scope));
        }
        Ok(state.scopes.remove(scope))
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        Ok(self.state()?.scopes.iter().cloned().collect())
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        config.validate(stream)?;
        let mut state = self.state()?;
        state.scope(&stream.scope)?;
        if state.streams.contains_key(stream) {
            return Ok(false);
        }
        let segments = (0..config.segments).map(|_| Segment::default()).collect();
        let epoch = state.deleted_epochs.get(stream).map_or(0, |epoch| epoch + 1);
        let retention = config.retention;
        state.streams.insert(stream.clone(), Stream { epoch, retention, sealed: false, segments });
        Ok(true)
    }

    async fn stream(&self, stream: &StreamId) -> Result<StreamInfo> {
        let state = self.state()?;
        let found = state.stream(stream)?;
        Ok(StreamInfo { config: found.config(), sealed: found.sealed })
    }

    async fn update_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<()> {
        let mut state = self.state()?;
        let found = state.stream_mut(stream)?;
        config.validate_update(stream, &found.config())?;
        found.retention = config.retention;
        Ok(())
    }

    async fn cut_at(&self, stream: &StreamId, since_epoch: Duration) -> Result<StreamCut> {
        let state = self.state()?;
        let since = |segment: &Segment| {
            let first = segment.events.iter().find(|(_, (_, time))| *time >= since_epoch);
            first.map_or(segment.tail, |(offset, _)| *offset)
        };
        let segments = state.segment_infos(stream)?;
        let offsets = state.stream(stream)?.segments.iter().map(since);
        Ok(StreamCut::of(stream, segments.iter().map(|info| &info.id).zip(offsets)))
    }

    async fn seal_stream(&self, stream: &StreamId) -> Result<bool> {
        let mut state = self.state()?;
        let was_sealed = std::mem::replace(&mut state.stream_mut(stream)?.sealed, true);
        drop(state);
        self.commits.send_modify(|_| ());
        Ok(!was_sealed)
    }

    async fn delete_stream(&self, stream: &StreamId) -> Result<bool> {
        let mut state = self.state()?;
        let Some(found) = state.streams.get(stream) else { return Ok(false) };
        if !found.sealed {
            return Err(Error::not_sealed(stream));
        }
        let epoch = found.epoch;
        state.deleted_epochs.insert(stream.clone(), epoch);
        state.streams.remove(stream);
        drop(state);
        self.commits.send_modify(|_| ());
        Ok(true)
    }

    async fn truncate(&self, cut: &StreamCut) -> Result<()> {
        let mut state = self.state()?;
        cut.check(&state.segment_infos(&cut.stream)?)?;
        for (id, offset) in cut.offsets() {
            let (segment, _) = state.segment(&id)?;
            if offset > segment.head && offset != segment.tail && !segment.events.contains_key(&offset) {
                return Err(no_event(&id, offset));
            }
        }
        for (id, offset) in cut.offsets() {
            if let Some(segment) = state.stream_mut(&cut.stream)?.segments.get_mut(id.number as usize)
                && offset > segment.head
            {
                segment.head = offset;
                segment.events = segment.events.split_off(&offset);
            }
        }
        Ok(())
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let state = self.state()?;
        state.scope(scope)?;
        Ok(state.streams.keys().filter(|s| s.scope == *scope).map(|s| s.name.clone()).collect())
    }

    async fn tails(&self, streams: &[StreamId]) -> Result<Tails> {
        let state = self.state()?;
        Tails::at_one_moment(streams, |stream| state.segment_infos(stream))
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        let state = self.state()?;
        let (found, _) = state.segment(segment)?;
        if offset < found.head {
            return Err(Error::truncated(segment, offset, found.head));
        }
        if offset != found.tail && !found.events.contains_key(&offset) {
            return Err(no_event(segment, offset));
        }
        let mut chunk = ReadChunk { events: Vec::new(), next: offset };
        for (at, (event, _)) in found.events.range(offset..) {
            let next = at + framing::framed_len(event.len());
            if !chunk.events.is_empty() && next - offset > max_bytes as u64 {
                break;
            }
            chunk.events.push((*at, event.clone()));
            chunk.next = next;
        }
        Ok(chunk)
    }

    async fn append_times(&self, segment: &SegmentId, from: u64, to: u64) -> Result<AppendTimes> {
        let state = self.state()?;
        let (found, _) = state.segment(segment)?;
        AppendTimes::check_range(segment, from, to, found.tail)?;
        let mut times = AppendTimes::new(to);
        // `from` may be inside an event
        let first = found.events.range(..=from).next_back().map_or(from, |(offset, _)| *offset);
        let events = found.events.range(first..to).filter(|_| from < to);
        for (offset, (_, time)) in events {
            if !times.push((*offset).max(from), *time) {
                break;
            }
        }
        Ok(times)
    }

    async fn wait_for_data(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut commits = self.commits.subscribe();
        loop {
            commits.borrow_and_update();
            match self.state()?.segment(segment)? {
                (found, _) if found.tail > offset => return Ok(()),
                (_, true) => return Err(Error::sealed(&segment.stream)),
                _ => {}
            }
            let _ = commits.changed().await;
        }
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        let state = self.state()?;
        let (segment, _) = state.segment(&pointer.segment)?;
        if pointer.offset < segment.head {
            return Err(Error::truncated(&pointer.segment, pointer.offset, segment.head));
        }
        match segment.events.get(&pointer.offset) {
            Some((event, _)) if framing::framed_len(event.len()) == u64::from(pointer.length) => {
                Ok(event.clone())
            }
            _ => Err(Error::invalid(format!("no event is at {pointer}"))),
        }
    }

    async fn commit(&self, commit: Commit) -> Result<CommitReceipt> {
        self.write(&commit)
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        let mut state = self.state()?;
        state.transactions += 1;
        let id = TransactionId(state.transactions);
        state.open.insert(id);
        Ok(Box::new(MemoryTransaction {
            store: self.clone(),
            id,
            appends: Vec::new(),
            epochs: BTreeMap::new(),
        }))
    }

    async fn outcome(&self, transaction: TransactionId) -> Result<Outcome> {
        let state = self.state()?;
        if state.open.contains(&transaction) {
            return Ok(Outcome::Open);
        }
        Ok(state.committed.get(&transaction).cloned().map_or(Outcome::Unknown, Outcome::Committed))
    }

    async fn last_event_number(&self, writer: WriterId) -> Result<Option<u64>> {
        Ok(self.state()?.writers.last(writer))
    }

    async fn tables(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let state = self.state()?;
        state.scope(scope)?;
        Ok(state.tables.keys().filter(|t| t.scope == *scope).map(|t| t.name.clone()).collect())
    }

    async fn delete_table(&self, table: &TableId) -> Result<bool> {
        Ok(self.state()?.tables.remove(table).is_some())
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        let mut state = self.state()?;
        state.scope(&table.scope)?;
        if state.tables.contains_key(table) {
            return Ok(false);
        }
        state.tables.insert(table.clone(), Entries::default());
        Ok(true)
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        Ok(self.state()?.table(table)?.get(key))
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        Ok(self.state()?.table(table)?.scan(prefix, after, limit))
    }

    async fn close(&self) -> Result<()> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.commits.send_modify(|commits| *commits += 1);
        Ok(())
    }
}

fn no_event(segment: &SegmentId, offset: u64) -> Error {
    Error::invalid(format!("segment {segment} has no event at offset {offset}"))
}

struct MemoryTransaction {
    store: MemoryStore,
    id: TransactionId,
    appends: Vec<Append>,
    /// The epoch of each stream when events were first staged for it.
    epochs: BTreeMap<StreamId, u32>,
}

#[async_trait]
impl Transaction for MemoryTransaction {
    fn id(&self) -> TransactionId {
        self.id
    }

    async fn stage(&mut self, appends: Vec<Append>) -> Result<()> {
        let commit = Commit::events(appends);
        let state = self.store.state()?;
        state.check(&commit)?;
        for append in commit.appends {
            let epoch = state.stream(&append.stream)?.epoch;
            self.epochs.entry(append.stream.clone()).or_insert(epoch);
            self.appends.push(append);
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>, changes: Vec<TableChange>) -> Result<CommitReceipt> {
        let commit = Commit { appends: std::mem::take(&mut self.appends), changes, ..Commit::default() };
        let now = self.store.clock.since_epoch();
        let mut state = self.store.state()?;
        for (stream, epoch) in &self.epochs {
            if state.stream(stream)?.epoch != *epoch {
                return Err(Error::not_found(format!("stream {stream}, as it was when events were staged,")));
            }
        }
        let receipt = CommitReceipt { pointers: Pointers::default(), ..state.commit(&commit, now)? };
        state.committed.insert(self.id, receipt.clone());
        if state.committed.len() > REMEMBERED_OUTCOMES {
            state.committed.pop_first();
        }
        let commits = state.commits;
        drop(state);
        self.store.commits.send_replace(commits);
        Ok(receipt)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        if let Ok(mut state) = self.store.state() {
            state.open.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn passes_the_conformance_suite() {
        let report =
            crate::conformance::run_all(|| async { std::sync::Arc::new(super::MemoryStore::new()) }).await;
        assert_eq!(report.skipped, [], "the reference implementation supports everything");
    }
}
