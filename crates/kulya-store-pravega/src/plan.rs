//! What is asked of the journal, and the decision about it: a function of the state and of what the block holds already.

use crate::block::{Act, Change, CommitRecord, MOST_RECORDS, Mark, Name, Nothing, Part, SegmentBatch};
use crate::state::State;
use bytes::Bytes;
use kulya_store::{
    Committed, Error, Result, StreamId, TableChange, TableId, WriterId, WriterMark, check_changes,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Something to be written to the journal, or to be answered from its end.
#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Commit(CommitAsk),
    Begin,
    Part {
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
    /// Nothing but that everything written before is known.
    Sync,
}

/// A commit whose events have their segments.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommitAsk {
    /// One for each segment.
    pub(crate) batches: Vec<SegmentBatch>,
    pub(crate) changes: Vec<TableChange>,
    pub(crate) writer: Option<WriterMark>,
    /// A transaction to be made visible, and whether its outcome is remembered.
    pub(crate) transaction: Option<(u64, bool)>,
    /// Whose layout the batches were made for, and where the journal was then.
    pub(crate) streams: BTreeMap<StreamId, u64>,
}

/// The answer to an [`Ask`].
#[derive(Debug)]
pub(crate) enum Answer {
    /// The record's mark, and where each batch of the commit begins, in their order: those of the block, or those of the
    /// transaction.
    Written {
        mark: u64,
        places: Vec<Option<u64>>,
    },
    /// Nothing had to be written.
    Already,
    Duplicate,
    /// A stream's layout was looked up before the stream was sealed: look it up again.
    Stale,
}

/// What is to be done about an [`Ask`].
#[derive(Debug)]
pub(crate) enum Verdict {
    /// This record goes into the block.
    Write(Act),
    /// Nothing is written. True only of the state that was looked at: one that may be old is brought up to date first.
    Say(Result<Answer>),
    /// It touches what another record of this block touches: it goes into the next one.
    Later,
}

/// What the records of a block touch, so that each decision is true of the state before the block.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    keys: HashSet<(TableId, Bytes)>,
    tables: BTreeSet<TableId>,
    writers: HashSet<WriterId>,
    transactions: HashSet<u64>,
    records: usize,
    /// A block ends with the seal of a stream, because what follows is judged by a state that knows it; and with the
    /// commit of a transaction, whose batches come last.
    ended: bool,
    pub(crate) bytes: usize,
}

impl Touched {
    fn is_full(&self) -> bool {
        self.ended || self.records >= MOST_RECORDS
    }
}

/// Decides about one request, and notes what it touches when it is to be written.
pub(crate) fn decide(state: &State, touched: &mut Touched, ask: &Ask) -> Verdict {
    if touched.is_full() {
        return Verdict::Later;
    }
    let verdict = match ask {
        Ask::Commit(commit) => return decide_commit(state, touched, commit),
        Ask::Begin => Verdict::Write(Act::Begin(Nothing {})),
        Ask::Part { transaction, .. } | Ask::Abort { transaction }
            if touched.transactions.contains(transaction) =>
        {
            Verdict::Later
        }
        Ask::Part { transaction, .. } if !state.open.contains_key(transaction) => {
            Verdict::Say(Err(no_transaction()))
        }
        Ask::Part { transaction, batches } => {
            touched.transactions.insert(*transaction);
            touched.bytes += batches.iter().map(batch_bytes).sum::<usize>();
            Verdict::Write(Act::Part(Part { transaction: *transaction, batches: batches.clone() }))
        }
        Ask::Abort { transaction } if !state.open.contains_key(transaction) => {
            Verdict::Say(Ok(Answer::Already))
        }
        Ask::Abort { transaction } => {
            touched.transactions.insert(*transaction);
            Verdict::Write(Act::Abort(*transaction))
        }
        Ask::Seal { stream } => {
            touched.ended = true;
            Verdict::Write(Act::Seal(Name::of_stream(stream)))
        }
        Ask::CreateTable { table } | Ask::DeleteTable { table } if touches_table(touched, table) => {
            Verdict::Later
        }
        Ask::CreateTable { table } if state.tables.contains_key(table) => Verdict::Say(Ok(Answer::Already)),
        Ask::CreateTable { table } => {
            touched.tables.insert(table.clone());
            Verdict::Write(Act::CreateTable(Name::of_table(table)))
        }
        Ask::DeleteTable { table } if !state.tables.contains_key(table) => Verdict::Say(Ok(Answer::Already)),
        Ask::DeleteTable { table } => {
            touched.tables.insert(table.clone());
            Verdict::Write(Act::DeleteTable(Name::of_table(table)))
        }
        Ask::Sync => Verdict::Say(Ok(Answer::Already)),
    };
    if matches!(verdict, Verdict::Write(_)) {
        touched.records += 1;
    }
    verdict
}

fn decide_commit(state: &State, touched: &mut Touched, commit: &CommitAsk) -> Verdict {
    if commit.writer.is_some_and(|mark| touched.writers.contains(&mark.writer))
        || commit.transaction.is_some_and(|(name, _)| touched.transactions.contains(&name))
        || commit.changes.iter().any(|change| {
            touched.tables.contains(&change.table)
                || touched.keys.contains(&(change.table.clone(), change.key.clone()))
        })
    {
        return Verdict::Later;
    }
    if commit.writer.is_some_and(|mark| state.writers.has(mark)) {
        return Verdict::Say(Ok(Answer::Duplicate));
    }
    if commit.transaction.is_some_and(|(name, _)| !state.open.contains_key(&name)) {
        return Verdict::Say(Err(no_transaction()));
    }
    if !commit.streams.iter().all(|(stream, as_of)| state.is_current(stream, *as_of)) {
        return Verdict::Say(Ok(Answer::Stale));
    }
    let version = |change: &TableChange| Ok(state.table(&change.table)?.version(&change.key));
    if let Err(error) = check_changes(&commit.changes, version) {
        return Verdict::Say(Err(error));
    }
    touched.records += 1;
    touched.ended = commit.transaction.is_some();
    touched.bytes += commit.bytes();
    touched.keys.extend(commit.changes.iter().map(|change| (change.table.clone(), change.key.clone())));
    touched.writers.extend(commit.writer.map(|mark| mark.writer));
    touched.transactions.extend(commit.transaction.map(|(name, _)| name));
    let change = |change: &TableChange| Change {
        table: Some(Name::of_table(&change.table)),
        key: change.key.clone(),
        value: change.value.clone(),
    };
    let (transaction, remembered) = commit.transaction.unwrap_or_default();
    Verdict::Write(Act::Commit(CommitRecord {
        changes: commit.changes.iter().map(change).collect(),
        writer: commit.writer.map(Mark::of),
        transaction,
        remembered,
    }))
}

fn touches_table(touched: &Touched, table: &TableId) -> bool {
    touched.tables.contains(table) || touched.keys.iter().any(|(other, _)| other == table)
}

fn batch_bytes(batch: &SegmentBatch) -> usize {
    batch.frames.len() + batch.segment.len() + 24
}

impl CommitAsk {
    /// About what it takes in a block.
    pub(crate) fn bytes(&self) -> usize {
        let changes = self
            .changes
            .iter()
            .map(|change| change.key.len() + change.value.as_ref().map_or(0, Bytes::len) + 600);
        self.batches.iter().map(batch_bytes).sum::<usize>() + changes.sum::<usize>() + 64
    }
}

impl Ask {
    /// About what it takes in a block.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Commit(commit) => commit.bytes(),
            Self::Part { batches, .. } => batches.iter().map(batch_bytes).sum(),
            _ => 600,
        }
    }
}

fn no_transaction() -> Error {
    Error::not_found("the transaction, which was open so long without an event that it was forgotten,")
}

/// What a commit gave, from its record's mark.
pub(crate) fn committed(mark: u64, changes: usize) -> Committed {
    Committed { versions: vec![kulya_store::Version(mark); changes], ..Committed::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{Block, Record};
    use crate::state::Place;
    use kulya_store::Condition;

    fn table() -> TableId {
        TableId::new("s", "t").unwrap()
    }

    fn put(condition: Condition) -> Ask {
        let changes = vec![TableChange::put(&table(), "k", condition, "v")];
        Ask::Commit(CommitAsk { changes, ..CommitAsk::default() })
    }

    fn write(state: &mut State, ask: &Ask) {
        let Verdict::Write(act) = decide(state, &mut Touched::default(), ask) else {
            panic!("{ask:?} is written")
        };
        let block = Block { records: vec![Record { act: Some(act) }], ..Block::default() };
        state.apply(Place { offset: state.applied, length: 10 }, &block).unwrap();
    }

    #[test]
    fn what_touches_the_same_waits_for_the_next_block() {
        let mut state = State::default();
        write(&mut state, &Ask::CreateTable { table: table() });
        let mut touched = Touched::default();
        assert!(matches!(decide(&state, &mut touched, &put(Condition::Absent)), Verdict::Write(_)));
        assert!(matches!(decide(&state, &mut touched, &put(Condition::Absent)), Verdict::Later));
        assert!(matches!(decide(&state, &mut touched, &Ask::DeleteTable { table: table() }), Verdict::Later));
        write(&mut state, &put(Condition::Absent));
        let refused = decide(&state, &mut Touched::default(), &put(Condition::Absent));
        assert!(matches!(refused, Verdict::Say(Err(e)) if e.kind() == kulya_store::ErrorKind::Conflict));
    }

    #[test]
    fn a_layout_from_before_the_seal_is_stale() {
        let stream = StreamId::new("s", "t").unwrap();
        let mut state = State::default();
        write(&mut state, &Ask::Begin);
        let commit = |as_of| {
            Ask::Commit(CommitAsk { streams: [(stream.clone(), as_of)].into(), ..CommitAsk::default() })
        };
        assert!(matches!(decide(&state, &mut Touched::default(), &commit(10)), Verdict::Write(_)));
        write(&mut state, &Ask::Seal { stream: stream.clone() });
        assert!(matches!(
            decide(&state, &mut Touched::default(), &commit(10)),
            Verdict::Say(Ok(Answer::Stale))
        ));
        assert!(matches!(decide(&state, &mut Touched::default(), &commit(20)), Verdict::Write(_)));
    }
}
