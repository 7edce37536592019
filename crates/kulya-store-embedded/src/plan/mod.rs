//! Plans a group commit: turns requests into ops, checking each against the state and the earlier requests
//! of the group. Planning does no I/O and does not change the state.

mod layout;

pub(crate) use layout::{Batch, EventLayout, RUN_BYTES, Targets};

use crate::op::{self, Op, SegmentKey};
use crate::state::State;
use bytes::Bytes;
use kulya_store::{
    Condition, Durability, Error, Result, Scope, SegmentId, StreamConfig, StreamCut, StreamId, TableChange,
    TableId, Version, WriterId, WriterMark, check_changes,
};
use layout::{MAX_COMMIT_BYTES, Run, Streams};
use rustc_hash::FxHashMap;
use std::collections::HashMap;

/// A request to the committer.
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
    /// Each offset has been checked to be an event boundary or the tail.
    Truncate(StreamCut),
    ReserveTransactions {
        up_to: u64,
    },
    Commit {
        batch: Batch,
        changes: Vec<TableChange>,
        writer: Option<WriterMark>,
        durability: Durability,
    },
    Stage {
        transaction: u64,
        batch: Batch,
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
    /// Returns the durability of the request when it is acknowledged. Requests that nobody waits for, and
    /// staged events, need no sync.
    pub(crate) fn durability(&self) -> Durability {
        match self {
            Self::Commit { durability, .. } => *durability,
            Self::Stage { .. } | Self::AbortStaged { .. } => Durability::Written,
            _ => Durability::Synced,
        }
    }
}

/// The response to a request.
#[derive(Debug)]
pub(crate) enum Response {
    /// Whether something was created or, for a deletion, deleted.
    Created(bool),
    Committed {
        /// The offset of each run of the batch in its segment.
        starts: Vec<u64>,
        versions: Vec<Version>,
        duplicate: bool,
    },
}

impl Response {
    /// Creates a response without content.
    fn empty() -> Self {
        Self::Committed { starts: Vec::new(), versions: Vec::new(), duplicate: false }
    }
}

/// The plan of a group: its frame, and the changes that the frame makes.
pub(crate) struct Plan<'a> {
    state: &'a State,
    pub(crate) frame: Vec<u8>,
    /// The number of events to count for the frame.
    pub(crate) events: u64,
    streams: Streams<'a>,
    tails: FxHashMap<SegmentKey, u64>,
    staged: HashMap<(u64, SegmentKey), u64>,
    versions: HashMap<(u32, Bytes), Option<Version>>,
    writers: HashMap<WriterId, u64>,
    version: u64,
    /// The time of the group's commits, in milliseconds since 1970.
    time: u64,
}

impl<'a> Plan<'a> {
    /// Creates an empty plan; `now` is in milliseconds since 1970. Commit times never decrease, even if the
    /// clock does. The frame is built in `buffer`.
    pub(crate) fn new(state: &'a State, buffer: Vec<u8>, now: u64) -> Self {
        let frame = crate::frame::reset_buffer(buffer);
        Self {
            state,
            frame,
            events: 0,
            time: now.max(state.time),
            streams: Streams::default(),
            tails: FxHashMap::default(),
            staged: HashMap::new(),
            versions: HashMap::new(),
            writers: HashMap::new(),
            version: state.version,
        }
    }

    /// Returns whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.frame.len() == crate::frame::HEADER_BYTES
    }

    /// Returns whether a request must be the only one of its group: the planning of others does not see
    /// what it creates, nor the length of a transaction that it commits.
    pub(crate) fn is_exclusive(request: &Request) -> bool {
        !matches!(request, Request::Commit { .. } | Request::Stage { .. })
    }

    /// Adds the ops of a request, or rejects it and adds nothing. Computes the layout of a batch that has
    /// none, or whose layout refers to a deleted stream; `next_unkeyed` returns the number of an event
    /// without a key.
    pub(crate) fn add(
        &mut self,
        request: &mut Request,
        next_unkeyed: impl FnMut() -> u32,
    ) -> Result<Response> {
        match request {
            Request::CreateScope(scope) => {
                let is_new = !self.state.scopes.contains(scope);
                Ok(self.create(is_new, &Op::CreateScope { name: scope.as_str() }))
            }
            Request::CreateStream(stream, config) => {
                config.validate(stream)?;
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
                config.validate_update(stream, &found.config())?;
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
                None => Ok(Response::Created(false)),
            },
            Request::DeleteTable(table) => match self.state.tables.get(table) {
                Some(found) => Ok(self.create(true, &Op::DeleteTable { id: found.id })),
                None => Ok(Response::Created(false)),
            },
            Request::Truncate(cut) => self.truncate(cut),
            Request::ReserveTransactions { up_to } => {
                Ok(self.create(true, &Op::ReserveTransactions { up_to: *up_to }))
            }
            Request::Commit { batch, changes, writer, .. } => {
                if writer.is_some_and(|mark| self.is_duplicate(mark)) {
                    return Ok(Response::Committed {
                        starts: Vec::new(),
                        versions: Vec::new(),
                        duplicate: true,
                    });
                }
                self.ensure_layout(batch, next_unkeyed)?;
                let checked = self.check_changes(changes)?;
                let starts = self.append(batch);
                self.events += batch.appends.len() as u64;
                let versions = self.put_changes(changes, checked);
                if let Some(WriterMark { writer, event_number }) = *writer {
                    op::encode(&mut self.frame, &Op::WriterMark { writer: writer.0, event_number });
                    self.writers.insert(writer, event_number);
                }
                Ok(Response::Committed { starts, versions, duplicate: false })
            }
            Request::Stage { transaction, batch } => {
                self.ensure_layout(batch, next_unkeyed)?;
                self.stage(*transaction, batch);
                self.events += batch.appends.len() as u64;
                Ok(Response::empty())
            }
            Request::CommitStaged { transaction, changes } => {
                let starts = self.state.staged_starts(*transaction)?;
                // the events count again with the commit
                self.events += self.state.staged.get(transaction).map_or(0, |staged| staged.events);
                let checked = self.check_changes(changes)?;
                let version = self.version + u64::from(!changes.is_empty());
                let changed = changes.len() as u32;
                let (transaction, time) = (*transaction, self.time);
                let op = Op::CommitStaged { transaction, version, changes: changed, time, starts };
                op::encode(&mut self.frame, &op);
                let versions = self.put_changes(changes, checked);
                Ok(Response::Committed { starts: Vec::new(), versions, duplicate: false })
            }
            Request::AbortStaged { transaction } => {
                op::encode(&mut self.frame, &Op::AbortStaged { transaction: *transaction });
                Ok(Response::empty())
            }
        }
    }

    fn create(&mut self, is_new: bool, op: &Op<'_>) -> Response {
        if is_new {
            op::encode(&mut self.frame, op);
        }
        Response::Created(is_new)
    }

    /// Returns whether a writer's commit is stored, or in this group already.
    fn is_duplicate(&self, mark: WriterMark) -> bool {
        match self.writers.get(&mark.writer) {
            Some(pending) => mark.event_number <= *pending,
            None => self.state.writers.is_duplicate(mark),
        }
    }

    fn truncate(&mut self, cut: &StreamCut) -> Result<Response> {
        let stream = self.state.stream(&cut.stream)?;
        for (SegmentId { number, .. }, offset) in cut.offsets() {
            if stream.segments.get(number as usize).is_some_and(|segment| offset > segment.head) {
                let segment = SegmentKey { stream: stream.id, number };
                op::encode(&mut self.frame, &Op::Truncate { segment, offset });
            }
        }
        Ok(Response::Created(true))
    }

    /// Computes the layout of a batch if it is missing, and checks that its streams exist and are not sealed.
    fn ensure_layout(&mut self, batch: &mut Batch, next_unkeyed: impl FnMut() -> u32) -> Result<()> {
        let Batch { appends, layout } = batch;
        let mut exists = |run: &Run| self.streams.find(self.state, run.segment.stream).is_some();
        if !layout.as_ref().is_some_and(|layout| layout.runs(appends).all(|(run, _)| exists(run))) {
            let targets = Targets::find(self.state, appends)?;
            *layout = Some(EventLayout::new(&targets, appends, next_unkeyed));
        }
        for (run, _) in batch.runs() {
            if let Some((name, stream)) = self.streams.find(self.state, run.segment.stream)
                && stream.sealed
            {
                return Err(Error::sealed(name));
            }
        }
        Ok(())
    }

    /// Appends runs, each at the tail of its segment, and returns their offsets.
    fn append(&mut self, batch: &Batch) -> Vec<u64> {
        let mut starts = Vec::new();
        for (run, events) in batch.runs() {
            let Run { segment, length, checksum, .. } = *run;
            let tail = match self.tails.get_mut(&segment) {
                Some(tail) => tail,
                None => {
                    let found = self.streams.find(self.state, segment.stream);
                    let found = found.and_then(|(_, stream)| stream.segments.get(segment.number as usize));
                    self.tails.entry(segment).or_insert(found.map_or(0, |segment| segment.tail))
                }
            };
            let start = *tail;
            *tail += u64::from(length);
            let op = Op::Append { segment, start, time: self.time, checksum, events: &[] };
            op::encode_with_events(&mut self.frame, &op, events);
            starts.push(start);
        }
        starts
    }

    /// Stages runs, each after those that the transaction has staged for its segment.
    fn stage(&mut self, transaction: u64, batch: &Batch) {
        for (run, events) in batch.runs() {
            let Run { segment, length, checksum, .. } = *run;
            let staged_before = || self.state.staged_length(transaction, segment);
            let end = self.staged.entry((transaction, segment)).or_insert_with(staged_before);
            let offset = *end;
            *end += u64::from(length);
            let op = Op::Stage { transaction, segment, offset, checksum, events: &[] };
            op::encode_with_events(&mut self.frame, &op, events);
        }
    }

    /// Checks every condition, and returns the table id of each change.
    fn check_changes(&self, changes: &[TableChange]) -> Result<Vec<u32>> {
        let total: usize = changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, Bytes::len)).sum();
        if total > MAX_COMMIT_BYTES {
            return Err(Error::invalid(format!(
                "table changes of {total} bytes exceed the maximum of {MAX_COMMIT_BYTES} bytes"
            )));
        }
        let mut ids = Vec::with_capacity(changes.len());
        check_changes(changes, |change| {
            let table = self.state.table(&change.table)?;
            ids.push(table.id);
            if change.condition == Condition::Any {
                // no lookup is needed
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
            op::encode(&mut self.frame, &op);
            let current = change.value.as_ref().map(|_| Version(version));
            self.versions.insert((table, change.key.clone()), current);
        }
        vec![Version(version); changes.len()]
    }
}
