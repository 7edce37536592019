//! The store in memory: the plainest thing that keeps the contract, and the oracle for the other backends.

use crate::{
    Append, Commit, Committed, Entry, Error, ErrorKind, EventPointer, ReadChunk, Result, Scope, SegmentId,
    SegmentInfo, StreamConfig, StreamId, StreamName, StreamStore, TableChange, TableId, Transaction, Version,
    framing, hash,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A store that lives as long as the value does.
#[derive(Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    /// The number of commits so far: what tail readers wait on.
    commits: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct State {
    scopes: BTreeSet<Scope>,
    streams: BTreeMap<StreamId, Vec<Segment>>,
    tables: BTreeMap<TableId, BTreeMap<Bytes, (Bytes, Version)>>,
    commits: u64,
    /// Where the next event without a key goes.
    unkeyed: u32,
    closed: bool,
}

#[derive(Default)]
struct Segment {
    events: BTreeMap<u64, Bytes>,
    tail: u64,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self { state: Arc::default(), commits: Arc::new(watch::channel(0).0) }
    }

    fn state(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed { Err(Error::new(ErrorKind::Closed, "the store is closed")) } else { Ok(state) }
    }

    fn write(&self, commit: &Commit) -> Result<Committed> {
        let mut state = self.state()?;
        let done = state.commit(commit)?;
        let commits = state.commits;
        drop(state);
        self.commits.send_replace(commits);
        Ok(done)
    }
}

impl State {
    fn scope(&self, scope: &Scope) -> Result<()> {
        if self.scopes.contains(scope) { Ok(()) } else { Err(Error::not_found(format!("scope {scope}"))) }
    }

    fn segments(&self, stream: &StreamId) -> Result<&Vec<Segment>> {
        self.streams.get(stream).ok_or_else(|| Error::not_found(format!("stream {stream}")))
    }

    fn segment(&self, id: &SegmentId) -> Result<&Segment> {
        let segment = self.segments(&id.stream)?.get(id.number as usize).filter(|_| id.epoch == 0);
        segment.ok_or_else(|| Error::not_found(format!("segment {id}")))
    }

    fn table(&self, table: &TableId) -> Result<&BTreeMap<Bytes, (Bytes, Version)>> {
        self.tables.get(table).ok_or_else(|| Error::not_found(table))
    }

    fn check(&self, commit: &Commit) -> Result<()> {
        for append in &commit.appends {
            self.segments(&append.stream)?;
            framing::check_size(&append.stream, append.event.len())?;
        }
        let mut keys = HashSet::new();
        for change in &commit.changes {
            if !keys.insert((&change.table, &change.key)) {
                return Err(Error::invalid(format!("{}: one commit changes a key twice", change.table)));
            }
            let actual = self.table(&change.table)?.get(&change.key).map(|(_, version)| *version);
            if !change.condition.holds(actual) {
                return Err(change.conflict(actual));
            }
        }
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<Committed> {
        self.check(commit)?;
        self.commits += 1;
        let version = Version(self.commits);
        let pointers = commit.appends.iter().map(|append| self.append(append)).collect();
        for change in &commit.changes {
            let table = self.tables.entry(change.table.clone()).or_default();
            match &change.value {
                Some(value) => table.insert(change.key.clone(), (value.clone(), version)),
                None => table.remove(&change.key),
            };
        }
        Ok(Committed { pointers, versions: vec![version; commit.changes.len()] })
    }

    fn append(&mut self, append: &Append) -> EventPointer {
        let segments = self.streams.get_mut(&append.stream).expect("checked before");
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
        segment.events.insert(offset, append.event.clone());
        segment.tail += length;
        EventPointer { segment: append.stream.segment(number), offset, length: length as u32 }
    }
}

#[async_trait]
impl StreamStore for MemoryStore {
    async fn create_scope(&self, scope: &Scope) -> Result<bool> {
        Ok(self.state()?.scopes.insert(scope.clone()))
    }

    async fn scopes(&self) -> Result<Vec<Scope>> {
        Ok(self.state()?.scopes.iter().cloned().collect())
    }

    async fn create_stream(&self, stream: &StreamId, config: StreamConfig) -> Result<bool> {
        config.check(stream)?;
        let mut state = self.state()?;
        state.scope(&stream.scope)?;
        if state.streams.contains_key(stream) {
            return Ok(false);
        }
        state.streams.insert(stream.clone(), (0..config.segments).map(|_| Segment::default()).collect());
        Ok(true)
    }

    async fn streams(&self, scope: &Scope) -> Result<Vec<StreamName>> {
        let state = self.state()?;
        state.scope(scope)?;
        Ok(state.streams.keys().filter(|s| s.scope == *scope).map(|s| s.name.clone()).collect())
    }

    async fn segments(&self, stream: &StreamId) -> Result<Vec<SegmentInfo>> {
        let state = self.state()?;
        let segments = state.segments(stream)?;
        let count = segments.len() as f64;
        let info = |(number, segment): (usize, &Segment)| SegmentInfo {
            id: stream.segment(number as u32),
            key_range: number as f64 / count..(number + 1) as f64 / count,
            head: 0,
            tail: segment.tail,
        };
        Ok(segments.iter().enumerate().map(info).collect())
    }

    async fn read(&self, segment: &SegmentId, offset: u64, max_bytes: usize) -> Result<ReadChunk> {
        let state = self.state()?;
        let found = state.segment(segment)?;
        if offset != found.tail && !found.events.contains_key(&offset) {
            return Err(Error::invalid(format!("no event of segment {segment} begins at offset {offset}")));
        }
        let mut chunk = ReadChunk { events: Vec::new(), next: offset };
        for (at, event) in found.events.range(offset..) {
            let next = at + framing::framed_len(event.len());
            if !chunk.events.is_empty() && next - offset > max_bytes as u64 {
                break;
            }
            chunk.events.push((*at, event.clone()));
            chunk.next = next;
        }
        Ok(chunk)
    }

    async fn wait_beyond(&self, segment: &SegmentId, offset: u64) -> Result<()> {
        let mut commits = self.commits.subscribe();
        loop {
            commits.borrow_and_update();
            if self.state()?.segment(segment)?.tail > offset {
                return Ok(());
            }
            let _ = commits.changed().await;
        }
    }

    async fn event(&self, pointer: &EventPointer) -> Result<Bytes> {
        let state = self.state()?;
        let event = state.segment(&pointer.segment)?.events.get(&pointer.offset);
        match event {
            Some(event) if framing::framed_len(event.len()) == u64::from(pointer.length) => Ok(event.clone()),
            _ => Err(Error::invalid(format!("no event stands at {pointer}"))),
        }
    }

    async fn commit(&self, commit: Commit) -> Result<Committed> {
        self.write(&commit)
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        drop(self.state()?);
        Ok(Box::new(Staged { store: self.clone(), appends: Vec::new() }))
    }

    async fn create_table(&self, table: &TableId) -> Result<bool> {
        let mut state = self.state()?;
        state.scope(&table.scope)?;
        if state.tables.contains_key(table) {
            return Ok(false);
        }
        state.tables.insert(table.clone(), BTreeMap::new());
        Ok(true)
    }

    async fn get(&self, table: &TableId, key: &[u8]) -> Result<Option<Entry>> {
        let state = self.state()?;
        let found = state.table(table)?.get_key_value(key);
        Ok(found.map(|(key, (value, version))| Entry {
            key: key.clone(),
            value: value.clone(),
            version: *version,
        }))
    }

    async fn scan(
        &self,
        table: &TableId,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        let state = self.state()?;
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let entries = state.table(table)?.range::<[u8], _>((from, Bound::Unbounded));
        let entry = |(k, (v, n)): (&Bytes, &(Bytes, Version))| Entry {
            key: k.clone(),
            value: v.clone(),
            version: *n,
        };
        Ok(entries.take_while(|(key, _)| key.starts_with(prefix)).take(limit).map(entry).collect())
    }

    async fn close(&self) -> Result<()> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.commits.send_modify(|commits| *commits += 1);
        Ok(())
    }
}

struct Staged {
    store: MemoryStore,
    appends: Vec<Append>,
}

#[async_trait]
impl Transaction for Staged {
    async fn stage(&mut self, appends: Vec<Append>) -> Result<()> {
        let commit = Commit::events(appends);
        self.store.state()?.check(&commit)?;
        self.appends.extend(commit.appends);
        Ok(())
    }

    async fn commit(self: Box<Self>, changes: Vec<TableChange>) -> Result<Committed> {
        let done = self.store.write(&Commit { appends: self.appends, changes })?;
        Ok(Committed { pointers: Vec::new(), ..done })
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn keeps_the_contract() {
        crate::conformance::all(|| async { std::sync::Arc::new(super::MemoryStore::new()) }).await;
    }
}
