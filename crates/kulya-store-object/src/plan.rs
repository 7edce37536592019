//! Plans the next log object: each request is checked against the state at the end of the log and the earlier
//! requests in the same object. Pure functions, without I/O.

use crate::record::{
    Act, Batch, Change, CheckpointRecord, CommitRecord, CutRecord, GaveBack, LeaseRecord, Log, Mark,
    MergedRecord, Name, Nothing, SegmentName, StreamRecord,
};
use crate::state::{MOST_RECORDS, State, Stream, mark};
use bytes::{Bytes, BytesMut};
use kulya_store::{
    Append, Committed, Error, EventPointer, Result, Scope, SegmentId, StreamConfig, StreamCut, StreamId,
    TableChange, TableId, Version, WriterId, WriterMark, check_changes, framing, hash,
};
use prost::Message;
use std::collections::HashMap;

/// The size in bytes beyond which a non-empty object takes no more requests.
const OBJECT_BYTES: usize = 4 << 20;
/// The target size of a batch, in bytes: the unit of reading.
const RUN_BYTES: usize = 1 << 20;
/// The maximum size of one commit, in bytes: it becomes one object.
pub(crate) const MOST_BYTES: usize = 256 << 20;

/// A request to the log.
#[derive(Debug)]
pub(crate) enum Ask {
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
    GaveBack(GaveBack),
    /// Acquires the maintenance lease until this time, in milliseconds since 1970-01-01 00:00 UTC.
    Lease {
        instance: u128,
        until: u64,
    },
    Merged(Box<MergedRecord>),
    Checkpointed(CheckpointRecord),
}

/// The response to a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    /// Whether anything changed.
    Done(bool),
    Committed(Committed),
    /// The id of a new transaction, or the epoch of a lease.
    Begun(u64),
}

impl Ask {
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
            Self::GaveBack(gave) => gave.objects.len() * 10,
            Self::Merged(merged) => merged.encoded_len(),
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
    acts: Vec<Act>,
    runs: Vec<Run>,
    run_of: HashMap<(SegmentId, u64), usize>,
    versions: HashMap<(TableId, Bytes), Option<Version>>,
    writers: HashMap<WriterId, u64>,
    /// The round-robin counter for events without a routing key.
    unkeyed: u32,
    bytes: usize,
    /// Set once a request was accepted whose effect later requests in the same object would have to see.
    closed: bool,
    /// Whether it holds maintenance records only.
    pub(crate) is_upkeep: bool,
    /// The responses for the first requests in the queue, sent once the object is in the log.
    pub(crate) answers: Vec<Result<Answer>>,
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
pub(crate) struct Laid {
    pub(crate) log: Log,
    pub(crate) events: Vec<Bytes>,
}

enum Verdict {
    Say(Answer),
    Write(Act, Answer),
}

impl Plan {
    /// Creates an empty plan for the object after this state.
    pub(crate) fn new(state: &State, now: u64, unkeyed: u32) -> Self {
        Self {
            number: state.next,
            time: state.time.max(now),
            now,
            previous: state.previous(),
            acts: Vec::new(),
            runs: Vec::new(),
            run_of: HashMap::new(),
            versions: HashMap::new(),
            writers: HashMap::new(),
            unkeyed,
            bytes: 0,
            closed: false,
            is_upkeep: true,
            answers: Vec::new(),
        }
    }

    /// Returns whether the object would be empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.acts.is_empty() && self.runs.is_empty()
    }

    /// Adds the next request of the queue; `false` when it must wait for the next object.
    pub(crate) fn take(&mut self, state: &State, ask: &Ask) -> bool {
        let bytes = ask.bytes();
        let full = self.acts.len() + 1 >= MOST_RECORDS || self.bytes + bytes > OBJECT_BYTES;
        if self.closed || (full && !self.is_empty()) {
            return false;
        }
        self.is_upkeep &=
            matches!(ask, Ask::GaveBack(_) | Ask::Lease { .. } | Ask::Merged(_) | Ask::Checkpointed(_));
        let answer = self.judge(state, ask).map(|verdict| match verdict {
            Verdict::Say(answer) => answer,
            Verdict::Write(act, answer) => {
                self.bytes += bytes;
                self.acts.push(act);
                answer
            }
        });
        self.answers.push(answer);
        true
    }

    fn judge(&mut self, state: &State, ask: &Ask) -> Result<Verdict> {
        let changed = |act| Ok(Verdict::Write(act, Answer::Done(true)));
        let as_it_was = Ok(Verdict::Say(Answer::Done(false)));
        let verdict = match ask {
            Ask::Commit { appends, changes, writer } => return self.commit(state, appends, changes, *writer),
            Ask::Begin => {
                let name = mark(self.number, self.acts.len());
                return Ok(Verdict::Write(Act::Begin(Nothing {}), Answer::Begun(name)));
            }
            Ask::Stage { transaction, appends } => return self.stage(state, *transaction, appends),
            Ask::CommitStaged { transaction, changes } => self.commit_staged(state, *transaction, changes),
            Ask::Abort(transaction) if !state.open.contains_key(transaction) => return as_it_was,
            Ask::Abort(transaction) => changed(Act::Abort(*transaction)),
            Ask::CreateScope(scope) if state.scopes.contains(scope) => as_it_was,
            Ask::CreateScope(scope) => changed(Act::CreateScope(scope.to_string())),
            Ask::DeleteScope(scope) if state.is_used(scope) => Err(Error::not_empty(scope)),
            Ask::DeleteScope(scope) if !state.scopes.contains(scope) => as_it_was,
            Ask::DeleteScope(scope) => changed(Act::DeleteScope(scope.to_string())),
            Ask::CreateStream(stream, config) => {
                state.check_scope(&stream.scope)?;
                if state.has_stream(stream) {
                    as_it_was
                } else {
                    changed(Act::CreateStream(StreamRecord::of(stream, config)))
                }
            }
            Ask::UpdateStream(stream, config) => {
                config.check_update(stream, &state.stream(stream)?.config())?;
                changed(Act::UpdateStream(StreamRecord::of(stream, config)))
            }
            Ask::SealStream(stream) if state.stream(stream)?.sealed => as_it_was,
            Ask::SealStream(stream) => changed(Act::SealStream(Name::of_stream(stream))),
            Ask::DeleteStream(stream) if !state.has_stream(stream) => as_it_was,
            Ask::DeleteStream(stream) if !state.stream(stream)?.sealed => Err(Error::not_sealed(stream)),
            Ask::DeleteStream(stream) => changed(Act::DeleteStream(Name::of_stream(stream))),
            Ask::Truncate(cut) => truncate(state, cut),
            Ask::CreateTable(table) => {
                state.check_scope(&table.scope)?;
                if state.has_table(table) {
                    as_it_was
                } else {
                    changed(Act::CreateTable(Name::of_table(table)))
                }
            }
            Ask::DeleteTable(table) if !state.has_table(table) => as_it_was,
            Ask::DeleteTable(table) => changed(Act::DeleteTable(Name::of_table(table))),
            Ask::GaveBack(gave) => changed(Act::GaveBack(gave.clone())),
            Ask::Lease { instance, .. }
                if state.lease.instance() != *instance && state.lease.until > self.now =>
            {
                as_it_was
            }
            Ask::Lease { instance, until } => {
                let epoch = state.lease.epoch + 1;
                let (instance_high, instance_low) = ((*instance >> 64) as u64, *instance as u64);
                let lease = LeaseRecord { epoch, instance_high, instance_low, until: *until };
                Ok(Verdict::Write(Act::Lease(lease), Answer::Begun(epoch)))
            }
            // another process holds the lease by now: unrecorded maintenance has no effect
            Ask::Merged(merged) if merged.epoch != state.lease.epoch => as_it_was,
            Ask::Merged(merged) => changed(Act::Merged((**merged).clone())),
            Ask::Checkpointed(checkpoint)
                if checkpoint.epoch != state.lease.epoch
                    || checkpoint.number <= state.newest_checkpoint() =>
            {
                as_it_was
            }
            Ask::Checkpointed(checkpoint) => changed(Act::Checkpointed(*checkpoint)),
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
            state.writers.has(mark) || self.writers.get(&mark.writer).is_some_and(|l| mark.event_number <= *l)
        };
        if writer.is_some_and(stored) {
            return Ok(Verdict::Say(Answer::Committed(Committed::duplicate())));
        }
        check_appends(state, appends)?;
        self.check_changes(state, changes)?;
        if let Some(mark) = writer {
            self.writers.insert(mark.writer, mark.event_number);
        }
        let mut pointers = Vec::with_capacity(appends.len());
        for append in appends {
            pointers.push(self.lay(state, append, 0)?);
        }
        let versions = self.change(changes);
        if changes.is_empty() && writer.is_none() {
            // the batches say everything: no record is needed
            self.bytes +=
                appends.iter().map(|append| append.event.len() + framing::HEADER_BYTES).sum::<usize>();
            let pointers = pointers.into_iter().collect();
            return Ok(Verdict::Say(Answer::Committed(Committed { pointers, versions, duplicate: false })));
        }
        let record = CommitRecord {
            changes: changes.iter().map(Change::of).collect(),
            writer: writer.map(Mark::of),
            transaction: 0,
        };
        let done = Committed { pointers: pointers.into_iter().collect(), versions, duplicate: false };
        Ok(Verdict::Write(Act::Commit(record), Answer::Committed(done)))
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

    fn change(&mut self, changes: &[TableChange]) -> Vec<Version> {
        let version = Version(mark(self.number, self.acts.len()));
        for change in changes {
            let now = change.value.is_some().then_some(version);
            self.versions.insert((change.table.clone(), change.key.clone()), now);
        }
        vec![version; changes.len()]
    }

    fn stage(&mut self, state: &State, transaction: u64, appends: &[Append]) -> Result<Verdict> {
        if !state.open.contains_key(&transaction) {
            return Err(over());
        }
        check_appends(state, appends)?;
        for append in appends {
            self.lay(state, append, transaction)?;
        }
        // the batches say all: there is no record
        self.bytes += appends.iter().map(|append| append.event.len() + framing::HEADER_BYTES).sum::<usize>();
        Ok(Verdict::Say(Answer::Done(true)))
    }

    fn commit_staged(&mut self, state: &State, transaction: u64, changes: &[TableChange]) -> Result<Verdict> {
        let open = state.open.get(&transaction).ok_or_else(over)?;
        let mut streams: Vec<&SegmentId> = open.parts.iter().map(|(segment, _)| segment).collect();
        streams.dedup_by(|left, right| left.stream == right.stream && left.epoch == right.epoch);
        for segment in &streams {
            if state.stream(&segment.stream)?.epoch != segment.epoch {
                let stream = &segment.stream;
                return Err(Error::not_found(format!(
                    "stream {stream}, for which the events were staged,"
                )));
            }
        }
        for segment in &streams {
            if state.stream(&segment.stream)?.sealed {
                return Err(Error::sealed(&segment.stream));
            }
        }
        self.check_changes(state, changes)?;
        let versions = self.change(changes);
        let record =
            CommitRecord { changes: changes.iter().map(Change::of).collect(), writer: None, transaction };
        let done = Committed { versions, ..Committed::default() };
        Ok(Verdict::Write(Act::Commit(record), Answer::Committed(done)))
    }

    /// Appends an event to the run of its segment.
    fn lay(&mut self, state: &State, append: &Append, transaction: u64) -> Result<EventPointer> {
        let stream = state.stream(&append.stream)?;
        let segment = SegmentId {
            stream: append.stream.clone(),
            number: self.segment_of(stream, append),
            epoch: stream.epoch,
        };
        let tail = stream.segments.get(segment.number as usize).map_or(0, |segment| segment.tail);
        let start = if transaction == 0 { tail } else { 0 };
        let next = self.runs.len();
        let run = *self.run_of.entry((segment.clone(), transaction)).or_insert(next);
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
                self.unkeyed = self.unkeyed.wrapping_add(1);
                self.unkeyed % segments.max(1)
            }
        }
    }

    /// Builds the log object, without its author, and frames the events.
    pub(crate) fn lay_out(&mut self, mut log: Log) -> Laid {
        log.time = self.time;
        log.previous = self.previous;
        log.records = self.acts.drain(..).map(|act| crate::record::Record { act: Some(act) }).collect();
        let mut laid = Laid { log, events: Vec::new() };
        let mut at = 0;
        for run in self.runs.drain(..) {
            let mut start = run.start;
            let mut piece = BytesMut::with_capacity(run.length.min(2 * RUN_BYTES as u64) as usize);
            let mut events = run.events.iter().peekable();
            while let Some(event) = events.next() {
                framing::put(&mut piece, event);
                if piece.len() < RUN_BYTES && events.peek().is_some() {
                    continue;
                }
                let bytes = piece.split().freeze();
                laid.log.batches.push(Batch {
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
                laid.events.push(bytes);
            }
        }
        laid
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
    let infos = state.infos(&cut.stream)?;
    cut.check(&infos)?;
    if let Some((id, offset)) =
        cut.offsets().zip(&infos).find(|((_, o), info)| *o > info.tail).map(|(p, _)| p)
    {
        return Err(no_event(&id, offset));
    }
    if !cut.offsets().zip(&infos).any(|((_, offset), info)| offset > info.head) {
        return Ok(Verdict::Say(Answer::Done(false)));
    }
    let offsets = cut.offsets().map(|(_, offset)| offset).collect();
    let record = CutRecord { stream: Some(Name::of_stream(&cut.stream)), offsets };
    Ok(Verdict::Write(Act::Truncate(record), Answer::Done(true)))
}

pub(crate) fn no_event(segment: &SegmentId, offset: u64) -> Error {
    Error::invalid(format!("no event of segment {segment} begins at offset {offset}"))
}

fn over() -> Error {
    Error::not_found("the transaction, which has ended or was aborted as abandoned,")
}
