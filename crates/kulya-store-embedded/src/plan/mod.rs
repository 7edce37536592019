//! From requests to ops: what a group of requests would do, judged one after the other against the state and
//! what the earlier ones of the group will have done. Nothing here touches the disk or changes the state.

mod layout;

pub(crate) use layout::RUN_BYTES;

use crate::op::{self, Op, SegmentKey};
use crate::state::{State, Stream};
use bytes::Bytes;
use kulya_store::{
    Append, Commit, Committed, Condition, Durability, Error, EventPointer, Result, Scope, SegmentId,
    StreamConfig, StreamCut, StreamId, TableChange, TableId, Version, WriterId, WriterMark, check_changes,
    framing,
};
use layout::{Layout, Streams, choose};
use rustc_hash::FxHashMap;
use std::collections::HashMap;

/// The most bytes of events and values one commit may hold; more is a transaction's business.
const MAX_COMMIT_BYTES: usize = 64 << 20;

/// What somebody asks the committer for.
#[derive(Debug)]
pub(crate) enum Request {
    CreateScope(Scope),
    CreateStream(StreamId, StreamConfig),
    UpdateStream(StreamId, StreamConfig),
    CreateTable(TableId),
    DeleteScope(Scope),
    SealStream(StreamId),
    DeleteStream(StreamId),
    DeleteTable(TableId),
    /// Each offset is known to be the beginning of an event, or the tail.
    Truncate(StreamCut),
    ReserveTransactions {
        up_to: u64,
    },
    Commit(Commit),
    Stage {
        transaction: u64,
        appends: Vec<Append>,
    },
    CommitStaged {
        transaction: u64,
        changes: Vec<TableChange>,
    },
    AbortStaged {
        transaction: u64,
    },
}

impl Request {
    /// What its answer promises. What nobody waits for, and what means nothing before its commit, needs no sync.
    pub(crate) fn durability(&self) -> Durability {
        match self {
            Self::Commit(commit) => commit.durability,
            Self::Stage { .. } | Self::AbortStaged { .. } => Durability::Written,
            _ => Durability::Synced,
        }
    }
}

/// What a request gives.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Whether the thing is new; or, for an end, whether it was there.
    Created(bool),
    Committed(Committed),
}

/// One group's frame under construction, and what it will have changed.
pub(crate) struct Plan<'a> {
    state: &'a State,
    pub(crate) frame: Vec<u8>,
    streams: Streams<'a>,
    tails: FxHashMap<SegmentKey, u64>,
    staged: HashMap<(u64, SegmentKey), u64>,
    versions: HashMap<(u32, Bytes), Option<Version>>,
    writers: HashMap<WriterId, u64>,
    version: u64,
    unkeyed: u32,
    /// Of the commits of this group, in milliseconds since 1970.
    time: u64,
}

impl<'a> Plan<'a> {
    /// `now` in milliseconds since 1970; the time of commits never goes back, whatever the clock does.
    pub(crate) fn new(state: &'a State, unkeyed: u32, now: u64) -> Self {
        let frame = crate::frame::begin();
        Self {
            state,
            frame,
            time: now.max(state.time),
            streams: Streams::default(),
            tails: FxHashMap::default(),
            staged: HashMap::new(),
            versions: HashMap::new(),
            writers: HashMap::new(),
            version: state.version,
            unkeyed,
        }
    }

    /// Whether any request so far has something to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.frame.len() == crate::frame::HEADER_BYTES
    }

    /// How many events without a key were spread so far.
    pub(crate) fn unkeyed(&self) -> u32 {
        self.unkeyed
    }

    /// Whether a request must be alone in its group: what it creates is not seen by the others' planning, and a
    /// staged transaction's length is not known to it.
    pub(crate) fn stands_alone(request: &Request) -> bool {
        !matches!(request, Request::Commit(_) | Request::Stage { .. })
    }

    /// Adds a request's ops, or refuses it and adds nothing.
    pub(crate) fn add(&mut self, request: &Request) -> Result<Reply> {
        match request {
            Request::CreateScope(scope) => {
                let is_new = !self.state.scopes.contains(scope);
                Ok(self.create(is_new, &Op::CreateScope { name: scope.as_str() }))
            }
            Request::CreateStream(stream, config) => {
                config.check(stream)?;
                self.state.scope(&stream.scope)?;
                let op = Op::CreateStream {
                    id: self.state.next_stream_id(),
                    segments: config.segments,
                    epoch: self.state.next_epoch(stream),
                    retention: config.retention,
                    scope: stream.scope.as_str(),
                    name: stream.name.as_str(),
                };
                Ok(self.create(!self.state.streams.contains_key(stream), &op))
            }
            Request::UpdateStream(stream, config) => {
                let found = self.state.stream(stream)?;
                config.check_update(stream, &found.config())?;
                let is_new = found.retention != config.retention;
                Ok(self.create(is_new, &Op::UpdateStream { id: found.id, retention: config.retention }))
            }
            Request::CreateTable(table) => {
                self.state.scope(&table.scope)?;
                let op = Op::CreateTable {
                    id: self.state.next_table_id(),
                    scope: table.scope.as_str(),
                    name: table.name.as_str(),
                };
                Ok(self.create(!self.state.tables.contains_key(table), &op))
            }
            Request::DeleteScope(scope) => {
                if !self.state.is_empty(scope) {
                    return Err(Error::not_empty(scope));
                }
                Ok(self.create(self.state.scopes.contains(scope), &Op::DeleteScope { name: scope.as_str() }))
            }
            Request::SealStream(stream) => {
                let found = self.state.stream(stream)?;
                Ok(self.create(!found.sealed, &Op::SealStream { id: found.id }))
            }
            Request::DeleteStream(stream) => match self.state.streams.get(stream) {
                Some(found) if !found.sealed => Err(Error::not_sealed(stream)),
                Some(found) => Ok(self.create(true, &Op::DeleteStream { id: found.id })),
                None => Ok(Reply::Created(false)),
            },
            Request::DeleteTable(table) => match self.state.tables.get(table) {
                Some(found) => Ok(self.create(true, &Op::DeleteTable { id: found.id })),
                None => Ok(Reply::Created(false)),
            },
            Request::Truncate(cut) => self.truncate(cut),
            Request::ReserveTransactions { up_to } => {
                Ok(self.create(true, &Op::ReserveTransactions { up_to: *up_to }))
            }
            Request::Commit(commit) => {
                if commit.writer.is_some_and(|mark| self.is_stored(mark)) {
                    return Ok(Reply::Committed(Committed::duplicate()));
                }
                let streams = self.check_appends(&commit.appends)?;
                let changes = self.check_changes(&commit.changes)?;
                let pointers = self.append(&commit.appends, &streams);
                let versions = self.put_changes(&commit.changes, changes);
                if let Some(WriterMark { writer, event_number }) = commit.writer {
                    op::put(&mut self.frame, &Op::WriterMark { writer: writer.0, event_number });
                    self.writers.insert(writer, event_number);
                }
                Ok(Reply::Committed(Committed { pointers, versions, duplicate: false }))
            }
            Request::Stage { transaction, appends } => {
                let streams = self.check_appends(appends)?;
                self.stage(*transaction, appends, &streams);
                Ok(Reply::Committed(Committed::default()))
            }
            Request::CommitStaged { transaction, changes } => {
                let starts = self.state.staged_starts(*transaction)?;
                let checked = self.check_changes(changes)?;
                let version = self.version + u64::from(!changes.is_empty());
                let changed = changes.len() as u32;
                let (transaction, time) = (*transaction, self.time);
                let op = Op::CommitStaged { transaction, version, changes: changed, time, starts };
                op::put(&mut self.frame, &op);
                let versions = self.put_changes(changes, checked);
                Ok(Reply::Committed(Committed { versions, ..Committed::default() }))
            }
            Request::AbortStaged { transaction } => {
                op::put(&mut self.frame, &Op::AbortStaged { transaction: *transaction });
                Ok(Reply::Committed(Committed::default()))
            }
        }
    }

    fn create(&mut self, is_new: bool, op: &Op<'_>) -> Reply {
        if is_new {
            op::put(&mut self.frame, op);
        }
        Reply::Created(is_new)
    }

    /// Whether a writer's commit is stored, or will be by this group.
    fn is_stored(&self, mark: WriterMark) -> bool {
        match self.writers.get(&mark.writer) {
            Some(pending) => mark.event_number <= *pending,
            None => self.state.writers.has(mark),
        }
    }

    fn truncate(&mut self, cut: &StreamCut) -> Result<Reply> {
        let stream = self.state.stream(&cut.stream)?;
        for (SegmentId { number, .. }, offset) in cut.offsets() {
            if stream.segments.get(number as usize).is_some_and(|segment| offset > segment.head) {
                let segment = SegmentKey { stream: stream.id, number };
                op::put(&mut self.frame, &Op::Truncate { segment, offset });
            }
        }
        Ok(Reply::Created(true))
    }

    /// Looks at every append before anything moves; gives each one's stream.
    fn check_appends(&mut self, appends: &[Append]) -> Result<Vec<&'a Stream>> {
        let total: usize = appends.iter().map(|append| append.event.len() + framing::HEADER_BYTES).sum();
        if total > MAX_COMMIT_BYTES.max(framing::MAX_EVENT_BYTES + framing::HEADER_BYTES) {
            return Err(Error::invalid(format!(
                "a commit of {total} bytes is larger than {MAX_COMMIT_BYTES}: use a transaction"
            )));
        }
        let mut streams = Vec::with_capacity(appends.len());
        for append in appends {
            let stream = self.streams.find(self.state, &append.stream)?;
            if stream.sealed {
                return Err(Error::sealed(&append.stream));
            }
            framing::check_size(&append.stream, append.event.len())?;
            streams.push(stream);
        }
        Ok(streams)
    }

    /// Appends events, each where its segment ends then; gives a pointer to each.
    fn append(&mut self, appends: &[Append], streams: &[&Stream]) -> Vec<EventPointer> {
        let mut layout = Layout::with_capacity(appends.len());
        let mut pointers = Vec::with_capacity(appends.len());
        for (append, stream) in appends.iter().zip(streams) {
            let key = choose(stream, append, &mut self.unkeyed);
            let settled = || stream.segments.get(key.number as usize).map_or(0, |segment| segment.tail);
            let tail = self.tails.entry(key).or_insert_with(settled);
            let length = layout.place(key, *tail, &append.event);
            pointers.push(EventPointer {
                segment: SegmentId { stream: append.stream.clone(), number: key.number, epoch: stream.epoch },
                offset: *tail,
                length: length as u32,
            });
            *tail += length;
        }
        let time = self.time;
        layout.write(&mut self.frame, appends, |run| Op::Append {
            segment: run.segment,
            start: run.start,
            time,
            checksum: 0,
            events: &[],
        });
        pointers
    }

    /// The same for a transaction, whose runs begin where what it has staged for their segment ends.
    fn stage(&mut self, transaction: u64, appends: &[Append], streams: &[&Stream]) {
        let mut layout = Layout::with_capacity(appends.len());
        for (append, stream) in appends.iter().zip(streams) {
            let key = choose(stream, append, &mut self.unkeyed);
            let settled = || self.state.staged_length(transaction, key);
            let place = self.staged.entry((transaction, key)).or_insert_with(settled);
            *place += layout.place(key, *place, &append.event);
        }
        layout.write(&mut self.frame, appends, |run| Op::Stage {
            transaction,
            segment: run.segment,
            place: run.start,
            checksum: 0,
            events: &[],
        });
    }

    /// Judges every condition; gives each change's table id.
    fn check_changes(&self, changes: &[TableChange]) -> Result<Vec<u32>> {
        let total: usize = changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, Bytes::len)).sum();
        if total > MAX_COMMIT_BYTES {
            return Err(Error::invalid(format!(
                "table changes of {total} bytes are larger than {MAX_COMMIT_BYTES}"
            )));
        }
        let mut ids = Vec::with_capacity(changes.len());
        check_changes(changes, |change| {
            let table = self.state.table(&change.table)?;
            ids.push(table.id);
            if change.condition == Condition::Any {
                // it holds for whatever a look-up would find
                return Ok(None);
            }
            if let Some(pending) = self.versions.get(&(table.id, change.key.clone())) {
                return Ok(*pending);
            }
            let slot = self.state.slot(table, &change.key)?.filter(|slot| slot.value.is_some());
            Ok(slot.map(|slot| slot.version))
        })?;
        Ok(ids)
    }

    fn put_changes(&mut self, changes: &[TableChange], tables: Vec<u32>) -> Vec<Version> {
        if changes.is_empty() {
            return Vec::new();
        }
        self.version += 1;
        let version = self.version;
        for (change, table) in changes.iter().zip(tables) {
            let op = match &change.value {
                Some(value) => Op::Put { table, version, key: &change.key, value },
                None => Op::Remove { table, version, key: &change.key },
            };
            op::put(&mut self.frame, &op);
            let now = change.value.as_ref().map(|_| Version(version));
            self.versions.insert((table, change.key.clone()), now);
        }
        vec![Version(version); changes.len()]
    }
}
