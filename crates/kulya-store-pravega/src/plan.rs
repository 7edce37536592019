//! Requests to the journal, and the decision about each: a pure function of the state and of the records
//! already in the block.

use crate::block::{
    Change, CommitRecord, Empty, MAX_RECORDS, Name, Op, SegmentBatch, StagedPart, WriterMarkRecord,
};
use crate::state::State;
use bytes::Bytes;
use kulya_store::{
    CommitReceipt, Error, Result, StreamId, TableChange, TableId, WriterId, WriterMark, check_changes,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// A request to the journal.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Commit(CommitRequest),
    Begin,
    Stage {
        transaction: u64,
        batches: Vec<SegmentBatch>,
    },
    Abort {
        transaction: u64,
    },
    Seal {
        stream: StreamId,
    },
    CreateTable {
        table: TableId,
    },
    DeleteTable {
        table: TableId,
    },
    /// Brings the state up to the end of the journal.
    Sync,
}

/// A commit whose events are grouped by segment.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommitRequest {
    /// One batch per segment.
    pub(crate) batches: Vec<SegmentBatch>,
    pub(crate) changes: Vec<TableChange>,
    pub(crate) writer: Option<WriterMark>,
    /// The transaction to commit, and whether its outcome is remembered.
    pub(crate) transaction: Option<(u64, bool)>,
    /// The streams whose layouts were used, and the journal offsets at which these were fetched.
    pub(crate) streams: BTreeMap<StreamId, u64>,
}

/// The response to a [`Request`].
#[derive(Debug)]
pub(crate) enum Response {
    /// The id of the record, and the offset of each batch of the commit in order: those of the block, or
    /// those of the transaction.
    Written {
        record_id: u64,
        offsets: Vec<Option<u64>>,
    },
    /// Nothing had to be written.
    Unchanged,
    Duplicate,
    /// A stream's layout is older than its seal: fetch it again.
    Stale,
}

/// The decision about a [`Request`].
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Adds this record to the block.
    Write(Op),
    /// Responds without writing. Correct only for the state that was used: a stale one is brought up to date
    /// first.
    Respond(Result<Response>),
    /// Defers the request to the next block, since it conflicts with a record of this one.
    Defer,
}

/// What the records of a block write, so that each decision holds for the state before the block.
#[derive(Debug, Default)]
pub(crate) struct WriteSet {
    keys: HashSet<(TableId, Bytes)>,
    tables: BTreeSet<TableId>,
    writers: HashSet<WriterId>,
    transactions: HashSet<u64>,
    records: usize,
    /// Whether the block takes no more records: after the seal of a stream, since later requests depend on
    /// it, and after the commit of a transaction, whose batches come last.
    is_closed: bool,
    pub(crate) bytes: usize,
}

impl WriteSet {
    fn is_full(&self) -> bool {
        self.is_closed || self.records >= MAX_RECORDS
    }
}

/// Decides about one request, and adds what it writes to the write set.
pub(crate) fn decide(state: &State, write_set: &mut WriteSet, request: &Request) -> Verdict {
    if write_set.is_full() {
        return Verdict::Defer;
    }
    let verdict = match request {
        Request::Commit(commit) => return decide_commit(state, write_set, commit),
        Request::Begin => Verdict::Write(Op::Begin(Empty {})),
        Request::Stage { transaction, .. } | Request::Abort { transaction }
            if write_set.transactions.contains(transaction) =>
        {
            Verdict::Defer
        }
        Request::Stage { transaction, .. } if !state.open.contains_key(transaction) => {
            Verdict::Respond(Err(transaction_ended()))
        }
        Request::Stage { transaction, batches } => {
            write_set.transactions.insert(*transaction);
            write_set.bytes += batches.iter().map(batch_bytes).sum::<usize>();
            Verdict::Write(Op::Stage(StagedPart { transaction: *transaction, batches: batches.clone() }))
        }
        Request::Abort { transaction } if !state.open.contains_key(transaction) => {
            Verdict::Respond(Ok(Response::Unchanged))
        }
        Request::Abort { transaction } => {
            write_set.transactions.insert(*transaction);
            Verdict::Write(Op::Abort(*transaction))
        }
        Request::Seal { stream } => {
            write_set.is_closed = true;
            Verdict::Write(Op::Seal(Name::of_stream(stream)))
        }
        Request::CreateTable { table } | Request::DeleteTable { table }
            if conflicts_on_table(write_set, table) =>
        {
            Verdict::Defer
        }
        Request::CreateTable { table } if state.tables.contains(table) => {
            Verdict::Respond(Ok(Response::Unchanged))
        }
        Request::CreateTable { table } => {
            write_set.tables.insert(table.clone());
            Verdict::Write(Op::CreateTable(Name::of_table(table)))
        }
        Request::DeleteTable { table } if !state.tables.contains(table) => {
            Verdict::Respond(Ok(Response::Unchanged))
        }
        Request::DeleteTable { table } => {
            write_set.tables.insert(table.clone());
            Verdict::Write(Op::DeleteTable(Name::of_table(table)))
        }
        Request::Sync => Verdict::Respond(Ok(Response::Unchanged)),
    };
    if matches!(verdict, Verdict::Write(_)) {
        write_set.records += 1;
    }
    verdict
}

fn decide_commit(state: &State, write_set: &mut WriteSet, commit: &CommitRequest) -> Verdict {
    if commit.writer.is_some_and(|mark| write_set.writers.contains(&mark.writer))
        || commit.transaction.is_some_and(|(name, _)| write_set.transactions.contains(&name))
        || commit.changes.iter().any(|change| {
            write_set.tables.contains(&change.table)
                || write_set.keys.contains(&(change.table.clone(), change.key.clone()))
        })
    {
        return Verdict::Defer;
    }
    if commit.writer.is_some_and(|mark| state.writers.is_duplicate(mark)) {
        return Verdict::Respond(Ok(Response::Duplicate));
    }
    if commit.transaction.is_some_and(|(name, _)| !state.open.contains_key(&name)) {
        return Verdict::Respond(Err(transaction_ended()));
    }
    if !commit.streams.iter().all(|(stream, as_of)| state.is_layout_current(stream, *as_of)) {
        return Verdict::Respond(Ok(Response::Stale));
    }
    let version = |change: &TableChange| Ok(state.table(&change.table)?.version(&change.key));
    if let Err(error) = check_changes(&commit.changes, version) {
        return Verdict::Respond(Err(error));
    }
    write_set.records += 1;
    write_set.is_closed = commit.transaction.is_some();
    write_set.bytes += commit.bytes();
    write_set.keys.extend(commit.changes.iter().map(|change| (change.table.clone(), change.key.clone())));
    write_set.writers.extend(commit.writer.map(|mark| mark.writer));
    write_set.transactions.extend(commit.transaction.map(|(name, _)| name));
    let (transaction, remember_outcome) = commit.transaction.unwrap_or_default();
    Verdict::Write(Op::Commit(CommitRecord {
        changes: commit.changes.iter().map(Change::of).collect(),
        writer: commit.writer.map(WriterMarkRecord::of),
        transaction,
        remember_outcome,
    }))
}

fn conflicts_on_table(write_set: &WriteSet, table: &TableId) -> bool {
    write_set.tables.contains(table) || write_set.keys.iter().any(|(other, _)| other == table)
}

fn batch_bytes(batch: &SegmentBatch) -> usize {
    batch.frames.len() + batch.segment.len() + 24
}

impl CommitRequest {
    /// Returns about how many bytes it takes in a block.
    pub(crate) fn bytes(&self) -> usize {
        let changes = self
            .changes
            .iter()
            .map(|change| change.key.len() + change.value.as_ref().map_or(0, Bytes::len) + 600);
        self.batches.iter().map(batch_bytes).sum::<usize>() + changes.sum::<usize>() + 64
    }
}

impl Request {
    /// Returns about how many bytes it takes in a block.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Commit(commit) => commit.bytes(),
            Self::Stage { batches, .. } => batches.iter().map(batch_bytes).sum(),
            _ => 600,
        }
    }
}

fn transaction_ended() -> Error {
    Error::not_found("the transaction, which has ended or was aborted as abandoned,")
}

/// Returns the size of a table change, in bytes.
pub(crate) fn change_bytes(change: &TableChange) -> usize {
    change.key.len() + change.value.as_ref().map_or(0, Bytes::len)
}

/// Returns the result of a commit, from the id of its record.
pub(crate) fn committed(record_id: u64, changes: usize) -> CommitReceipt {
    CommitReceipt { versions: vec![kulya_store::Version(record_id); changes], ..CommitReceipt::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{Block, Record};
    use crate::state::BlockLocation;
    use kulya_store::Condition;

    fn table() -> TableId {
        TableId::new("s", "t").unwrap()
    }

    fn put(condition: Condition) -> Request {
        let changes = vec![TableChange::put(&table(), "k", condition, "v")];
        Request::Commit(CommitRequest { changes, ..CommitRequest::default() })
    }

    fn write(state: &mut State, request: &Request) {
        let Verdict::Write(op) = decide(state, &mut WriteSet::default(), request) else {
            panic!("{request:?} is written")
        };
        let block = Block { records: vec![Record { op: Some(op) }], ..Block::default() };
        state.apply(BlockLocation { offset: state.applied, length: 10 }, &block).unwrap();
    }

    #[test]
    fn conflicting_requests_wait_for_the_next_block() {
        let mut state = State::default();
        write(&mut state, &Request::CreateTable { table: table() });
        let mut write_set = WriteSet::default();
        assert!(matches!(decide(&state, &mut write_set, &put(Condition::Absent)), Verdict::Write(_)));
        assert!(matches!(decide(&state, &mut write_set, &put(Condition::Absent)), Verdict::Defer));
        assert!(matches!(
            decide(&state, &mut write_set, &Request::DeleteTable { table: table() }),
            Verdict::Defer
        ));
        write(&mut state, &put(Condition::Absent));
        let refused = decide(&state, &mut WriteSet::default(), &put(Condition::Absent));
        assert!(matches!(refused, Verdict::Respond(Err(e)) if e.kind() == kulya_store::ErrorKind::Conflict));
    }

    #[test]
    fn a_layout_older_than_the_seal_is_stale() {
        let stream = StreamId::new("s", "t").unwrap();
        let mut state = State::default();
        write(&mut state, &Request::Begin);
        let commit = |as_of| {
            Request::Commit(CommitRequest {
                streams: [(stream.clone(), as_of)].into(),
                ..CommitRequest::default()
            })
        };
        assert!(matches!(decide(&state, &mut WriteSet::default(), &commit(10)), Verdict::Write(_)));
        write(&mut state, &Request::Seal { stream: stream.clone() });
        assert!(matches!(
            decide(&state, &mut WriteSet::default(), &commit(10)),
            Verdict::Respond(Ok(Response::Stale))
        ));
        assert!(matches!(decide(&state, &mut WriteSet::default(), &commit(20)), Verdict::Write(_)));
    }
}
