//! Plans the next log object: each request is checked against the state at the end of the log and the earlier
//! requests in the same object. Pure functions, without I/O.

use crate::record::{
    Batch, Change, CheckpointRecord, CommitRecord, CutRecord, Empty, LeaseRecord, Log, MergeRecord, Name, Op,
    Reclaimed, SegmentName, StreamRecord, WriterMarkRecord,
};
use crate::state::{MAX_RECORDS, State, Stream, record_id};
use bytes::{Bytes, BytesMut};
use kulya_store::log_backend::error::no_event;
use kulya_store::{
    Append, CommitReceipt, Error, EventPointer, Result, Scope, SegmentId, StreamConfig, StreamCut, StreamId,
    TableChange, TableId, Version, WriterId, WriterMark, check_changes, framing, hash,
};
use prost::Message;
use std::collections::HashMap;

/// The size in bytes beyond which a non-empty object takes no more requests.
const OBJECT_BYTES: usize = 4 << 20;
/// The target size of a batch, in bytes: the unit of reading.
const RUN_BYTES: usize = 1 << 20;
/// The maximum size of one commit, in bytes: it becomes one object.
pub(crate) const MAX_BYTES: usize = 256 << 20;

/// A request to the log.
#[derive(Debug)]
pub(crate) enum Request {
    Commit {
        appends: Vec<Append>,
        changes: Vec<TableChange>,
        writer: Option<WriterMark>,
    },
    Begin,
    Stage {
        transaction: u64,
        appends: Vec<Append>,
    },
    CommitStaged {
        transaction: u64,
        changes: Vec<TableChange>,
    },
    Abort(u64),
    CreateScope(Scope),
    DeleteScope(Scope),
    CreateStream(StreamId, StreamConfig),
    UpdateStream(StreamId, StreamConfig),
    SealStream(StreamId),
    DeleteStream(StreamId),
    Truncate(StreamCut),
    CreateTable(TableId),
    DeleteTable(TableId),
    Reclaimed(Reclaimed),
    /// Acquires the maintenance lease until this time, in milliseconds since 1970-01-01 00:00 UTC.
    Lease {
        instance: u128,
        until: u64,
    },
    Merge(Box<MergeRecord>),
    Checkpoint(CheckpointRecord),
}

/// The response to a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Response {
    /// Whether anything changed.
    Changed(bool),
    CommitReceipt(CommitReceipt),
    /// The id of a new transaction, or the epoch of a lease.
    Id(u64),
}

impl Request {
    /// Returns about how many bytes the request takes in an object.
    pub(crate) fn bytes(&self) -> usize {
        let events = |appends: &[Append]| {
            appends.iter().map(|append| append.event.len() + framing::HEADER_BYTES).sum::<usize>()
        };
        let values = |changes: &[TableChange]| {
            let bytes = changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, Bytes::len) + 64);
            bytes.sum::<usize>()
        };
        match self {
            Self::Commit { appends, changes, .. } => events(appends) + values(changes) + 64,
            Self::Stage { appends, .. } => events(appends) + 64,
            Self::CommitStaged { changes, .. } => values(changes) + 64,
            Self::Reclaimed(reclaimed) => reclaimed.objects.len() * 10,
            Self::Merge(merged) => merged.encoded_len(),
            _ => 64,
        }
    }
}

/// The plan for one log object.
pub(crate) struct Plan {
    pub(crate) number: u64,
    time: u64,
    /// The current time in milliseconds; `time` is not before that of the last object.
    now: u64,
    previous: u32,
    ops: Vec<Op>,
    runs: Vec<Run>,
    run_index: HashMap<(SegmentId, u64), usize>,
    versions: HashMap<(TableId, Bytes), Option<Version>>,
    writers: HashMap<WriterId, u64>,
    /// The round-robin counter for events without a routing key.
    unkeyed_count: u32,
    bytes: usize,
    /// Set once a request was accepted whose effect later requests in the same object would have to see.
    closed: bool,
    /// Whether it holds maintenance records only.
    pub(crate) is_maintenance: bool,
    /// The responses for the first requests in the queue, sent once the object is in the log.
    pub(crate) responses: Vec<Result<Response>>,
}

/// Events of one segment, in order; or events staged by one transaction.
struct Run {
    segment: SegmentId,
    transaction: u64,
    start: u64,
    length: u64,
    events: Vec<Bytes>,
}

/// The head of a log object, and its events: one buffer per batch.
pub(crate) struct Layout {
    pub(crate) log: Log,
    pub(crate) events: Vec<Bytes>,
}

enum Verdict {
    Respond(Response),
    Write(Op, Response),
}

impl Plan {
    /// Creates an empty plan for the object after this state.
    pub(crate) fn new(state: &State, now: u64, unkeyed_count: u32) -> Self {
        Self {
            number: state.next,
            time: state.time.max(now),
            now,
            previous: state.previous(),
            ops: Vec::new(),
            runs: Vec::new(),
            run_index: HashMap::new(),
            versions: HashMap::new(),
            writers: HashMap::new(),
            unkeyed_count,
            bytes: 0,
            closed: false,
            is_maintenance: true,
            responses: Vec::new(),
        }
    }

    /// Returns whether the object would be empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.runs.is_empty()
    }

    /// Adds the next request of the queue; `false` when it must wait for the next object.
    pub(crate) fn add(&mut self, state: &State, request: &Request) -> bool {
        let bytes = request.bytes();
        let full = self.ops.len() + 1 >= MAX_RECORDS || self.bytes + bytes > OBJECT_BYTES;
        if self.closed || (full && !self.is_empty()) {
            return false;
        }
        self.is_maintenance &= matches!(
            request,
            Request::Reclaimed(_) | Request::Lease { .. } | Request::Merge(_) | Request::Checkpoint(_)
        );
        let response = self.decide(state, request).map(|verdict| match verdict {
            Verdict::Respond(response) => response,
            Verdict::Write(op, response) => {
                self.bytes += bytes;
                self.ops.push(op);
                response
            }
        });
        self.responses.push(response);
        true
    }

    fn decide(&mut self, state: &State, request: &Request) -> Result<Verdict> {
        let changed = |op| Ok(Verdict::Write(op, Response::Changed(true)));
        let unchanged = Ok(Verdict::Respond(Response::Changed(false)));
        let verdict = match request {
            Request::Commit { appends, changes, writer } => {
                return self.commit(state, appends, changes, *writer);
            }
            Request::Begin => {
                let id = record_id(self.number, self.ops.len());
                return Ok(Verdict::Write(Op::Begin(Empty {}), Response::Id(id)));
            }
            Request::Stage { transaction, appends } => return self.stage(state, *transaction, appends),
            Request::CommitStaged { transaction, changes } => {
                self.commit_staged(state, *transaction, changes)
            }
            Request::Abort(transaction) if !state.open.contains_key(transaction) => return unchanged,
            Request::Abort(transaction) => changed(Op::Abort(*transaction)),
            Request::CreateScope(scope) if state.scopes.contains(scope) => unchanged,
            Request::CreateScope(scope) => changed(Op::CreateScope(scope.to_string())),
            Request::DeleteScope(scope) if state.is_scope_in_use(scope) => Err(Error::not_empty(scope)),
            Request::DeleteScope(scope) if !state.scopes.contains(scope) => unchanged,
            Request::DeleteScope(scope) => changed(Op::DeleteScope(scope.to_string())),
            Request::CreateStream(stream, config) => {
                state.check_scope(&stream.scope)?;
                if state.has_stream(stream) {
                    unchanged
                } else {
                    changed(Op::CreateStream(StreamRecord::of(stream, config)))
                }
            }
            Request::UpdateStream(stream, config) => {
                config.validate_update(stream, &state.stream(stream)?.config())?;
                changed(Op::UpdateStream(StreamRecord::of(stream, config)))
            }
            Request::SealStream(stream) if state.stream(stream)?.sealed => unchanged,
            Request::SealStream(stream) => changed(Op::SealStream(Name::of_stream(stream))),
            Request::DeleteStream(stream) if !state.has_stream(stream) => unchanged,
            Request::DeleteStream(stream) if !state.stream(stream)?.sealed => Err(Error::not_sealed(stream)),
            Request::DeleteStream(stream) => changed(Op::DeleteStream(Name::of_stream(stream))),
            Request::Truncate(cut) => truncate(state, cut),
            Request::CreateTable(table) => {
                state.check_scope(&table.scope)?;
                if state.has_table(table) {
                    unchanged
                } else {
                    changed(Op::CreateTable(Name::of_table(table)))
                }
            }
            Request::DeleteTable(table) if !state.has_table(table) => unchanged,
            Request::DeleteTable(table) => changed(Op::DeleteTable(Name::of_table(table))),
            Request::Reclaimed(reclaimed) => changed(Op::Reclaimed(reclaimed.clone())),
            Request::Lease { instance, .. }
                if state.lease.instance() != *instance && state.lease.until > self.now =>
            {
                unchanged
            }
            Request::Lease { instance, until } => {
                let epoch = state.lease.epoch + 1;
                let (instance_high, instance_low) = ((*instance >> 64) as u64, *instance as u64);
                let lease = LeaseRecord { epoch, instance_high, instance_low, until: *until };
                Ok(Verdict::Write(Op::Lease(lease), Response::Id(epoch)))
            }
            // another process holds the lease by now: unrecorded maintenance has no effect
            Request::Merge(merged) if merged.epoch != state.lease.epoch => unchanged,
            Request::Merge(merged) => changed(Op::Merge((**merged).clone())),
            Request::Checkpoint(checkpoint)
                if checkpoint.epoch != state.lease.epoch
                    || checkpoint.number <= state.newest_checkpoint() =>
            {
                unchanged
            }
            Request::Checkpoint(checkpoint) => changed(Op::Checkpoint(*checkpoint)),
        };
        // later requests in this object would be checked as if these had not happened
        self.closed |= matches!(verdict, Ok(Verdict::Write(..)));
        verdict
    }

    fn commit(
        &mut self,
        state: &State,
        appends: &[Append],
        changes: &[TableChange],
        writer: Option<WriterMark>,
    ) -> Result<Verdict> {
        let stored = |mark: WriterMark| {
            state.writers.is_duplicate(mark)
                || self.writers.get(&mark.writer).is_some_and(|l| mark.event_number <= *l)
        };
        if writer.is_some_and(stored) {
            return Ok(Verdict::Respond(Response::CommitReceipt(CommitReceipt::duplicate())));
        }
        check_appends(state, appends)?;
        self.check_changes(state, changes)?;
        if let Some(mark) = writer {
            self.writers.insert(mark.writer, mark.event_number);
        }
        let mut pointers = Vec::with_capacity(appends.len());
        for append in appends {
            pointers.push(self.append_event(state, append, 0)?);
        }
        let versions = self.assign_versions(changes);
        if changes.is_empty() && writer.is_none() {
            // the batches say everything: no record is needed
            self.bytes +=
                appends.iter().map(|append| append.event.len() + framing::HEADER_BYTES).sum::<usize>();
            let pointers = pointers.into_iter().collect();
            return Ok(Verdict::Respond(Response::CommitReceipt(CommitReceipt {
                pointers,
                versions,
                duplicate: false,
            })));
        }
        let record = CommitRecord {
            changes: changes.iter().map(Change::of).collect(),
            writer: writer.map(WriterMarkRecord::of),
            transaction: 0,
        };
        let done = CommitReceipt { pointers: pointers.into_iter().collect(), versions, duplicate: false };
        Ok(Verdict::Write(Op::Commit(record), Response::CommitReceipt(done)))
    }

    fn check_changes(&self, state: &State, changes: &[TableChange]) -> Result<()> {
        check_changes(changes, |change| {
            let entries = state.table(&change.table)?;
            let here = (!self.versions.is_empty())
                .then(|| self.versions.get(&(change.table.clone(), change.key.clone())))
                .flatten();
            Ok(here.copied().unwrap_or_else(|| entries.version(&change.key)))
        })
    }

    /// Returns the version of each change, and remembers it for later requests in the same object.
    fn assign_versions(&mut self, changes: &[TableChange]) -> Vec<Version> {
        let version = Version(record_id(self.number, self.ops.len()));
        for change in changes {
            let now = change.value.is_some().then_some(version);
            self.versions.insert((change.table.clone(), change.key.clone()), now);
        }
        vec![version; changes.len()]
    }

    fn stage(&mut self, state: &State, transaction: u64, appends: &[Append]) -> Result<Verdict> {
        if !state.open.contains_key(&transaction) {
            return Err(transaction_ended());
        }
        check_appends(state, appends)?;
        for append in appends {
            self.append_event(state, append, transaction)?;
        }
        // the batches say everything: no record is needed
        self.bytes += appends.iter().map(|append| append.event.len() + framing::HEADER_BYTES).sum::<usize>();
        Ok(Verdict::Respond(Response::Changed(true)))
    }

    fn commit_staged(&mut self, state: &State, transaction: u64, changes: &[TableChange]) -> Result<Verdict> {
        let open = state.open.get(&transaction).ok_or_else(transaction_ended)?;
        let mut streams: Vec<&SegmentId> = open.parts.iter().map(|(segment, _)| segment).collect();
        streams.dedup_by(|left, right| left.stream == right.stream && left.epoch == right.epoch);
        for segment in &streams {
            if state.stream(&segment.stream)?.epoch != segment.epoch {
                let stream = &segment.stream;
                return Err(Error::not_found(format!("stream {stream}, for which the events were staged,")));
            }
        }
        for segment in &streams {
            if state.stream(&segment.stream)?.sealed {
                return Err(Error::sealed(&segment.stream));
            }
        }
        self.check_changes(state, changes)?;
        let versions = self.assign_versions(changes);
        let record =
            CommitRecord { changes: changes.iter().map(Change::of).collect(), writer: None, transaction };
        let done = CommitReceipt { versions, ..CommitReceipt::default() };
        Ok(Verdict::Write(Op::Commit(record), Response::CommitReceipt(done)))
    }

    /// Appends an event to the run of its segment.
    fn append_event(&mut self, state: &State, append: &Append, transaction: u64) -> Result<EventPointer> {
        let stream = state.stream(&append.stream)?;
        let segment = SegmentId {
            stream: append.stream.clone(),
            number: self.segment_of(stream, append),
            epoch: stream.epoch,
        };
        let tail = stream.segments.get(segment.number as usize).map_or(0, |segment| segment.tail);
        let start = if transaction == 0 { tail } else { 0 };
        let next = self.runs.len();
        let run = *self.run_index.entry((segment.clone(), transaction)).or_insert(next);
        if run == next {
            let run = Run { segment: segment.clone(), transaction, start, length: 0, events: Vec::new() };
            self.runs.push(run);
        }
        let length = framing::framed_len(append.event.len());
        let mut offset = start;
        if let Some(run) = self.runs.get_mut(run) {
            offset += run.length;
            run.length += length;
            run.events.push(append.event.clone());
        }
        Ok(EventPointer { segment, offset, length: length as u32 })
    }

    fn segment_of(&mut self, stream: &Stream, append: &Append) -> u32 {
        let segments = stream.segments.len() as u32;
        match &append.routing_key {
            Some(key) => hash::segment_of(key, segments),
            None => {
                self.unkeyed_count = self.unkeyed_count.wrapping_add(1);
                self.unkeyed_count % segments.max(1)
            }
        }
    }

    /// Builds the log object, without its author, and frames the events.
    pub(crate) fn build_layout(&mut self, mut log: Log) -> Layout {
        log.time = self.time;
        log.previous = self.previous;
        log.records = self.ops.drain(..).map(|op| crate::record::Record { op: Some(op) }).collect();
        let mut layout = Layout { log, events: Vec::new() };
        let mut at = 0;
        for run in self.runs.drain(..) {
            let mut start = run.start;
            let mut buffer = BytesMut::with_capacity(run.length.min(2 * RUN_BYTES as u64) as usize);
            let mut events = run.events.iter().peekable();
            while let Some(event) = events.next() {
                framing::put(&mut buffer, event);
                if buffer.len() < RUN_BYTES && events.peek().is_some() {
                    continue;
                }
                let bytes = buffer.split().freeze();
                layout.log.batches.push(Batch {
                    segment: Some(SegmentName::of(&run.segment)),
                    start,
                    at,
                    length: bytes.len() as u32,
                    checksum: crc32c::crc32c(&bytes),
                    transaction: run.transaction,
                });
                if run.transaction == 0 {
                    start += bytes.len() as u64;
                }
                at += bytes.len() as u64;
                layout.events.push(bytes);
            }
        }
        layout
    }
}

fn check_appends(state: &State, appends: &[Append]) -> Result<()> {
    for append in appends {
        if state.stream(&append.stream)?.sealed {
            return Err(Error::sealed(&append.stream));
        }
        framing::check_size(&append.stream, append.event.len())?;
    }
    Ok(())
}

fn truncate(state: &State, cut: &StreamCut) -> Result<Verdict> {
    let segment_infos = state.segment_infos(&cut.stream)?;
    cut.check(&segment_infos)?;
    if let Some((id, offset)) =
        cut.offsets().zip(&segment_infos).find(|((_, o), info)| *o > info.tail).map(|(p, _)| p)
    {
        return Err(no_event(&id, offset));
    }
    if !cut.offsets().zip(&segment_infos).any(|((_, offset), info)| offset > info.head) {
        return Ok(Verdict::Respond(Response::Changed(false)));
    }
    let offsets = cut.offsets().map(|(_, offset)| offset).collect();
    let record = CutRecord { stream: Some(Name::of_stream(&cut.stream)), offsets };
    Ok(Verdict::Write(Op::Truncate(record), Response::Changed(true)))
}

fn transaction_ended() -> Error {
    Error::not_found("the transaction, which has ended or was aborted as abandoned,")
}
