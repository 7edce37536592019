//! What the journal says, in memory: tables, writers, transactions. Built by applying its blocks in order, by every process
//! alike; nothing else changes it, and nothing here waits.

use crate::block::{
    Act, Block, Checkpoint, EntryPiece, Mark, Name, OpenPiece, OutcomePiece, Piece, unreadable,
};
use bytes::Bytes;
use kulya_store::{
    Committed, Entries, Entry, Error, Outcome, REMEMBERED_OUTCOMES, Result, Scope, StreamId, StreamName,
    TableId, TransactionId, Version, WriterId, WriterMarks,
};
use std::collections::{BTreeMap, HashMap};

/// A piece of a checkpoint is about this large.
const PIECE_BYTES: usize = 1 << 20;
/// An open transaction that staged nothing while the journal grew by so much has been left by its process.
pub(crate) const LEFT_BEHIND_BYTES: u64 = 4 << 30;

/// Where a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    /// Its frame included.
    pub(crate) length: u32,
}

/// A transaction's outcome, small: so many changes, all of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Done {
    version: u64,
    changes: u32,
}

/// The state at one offset of the journal.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Behind the last block that is in here.
    pub(crate) applied: u64,
    /// Behind the last block whose events are where they belong.
    pub(crate) landed: u64,
    /// Layouts of streams that were looked up before this are not believed: what was sealed before is not known.
    layouts_from: u64,
    pub(crate) tables: BTreeMap<TableId, Entries>,
    pub(crate) writers: WriterMarks,
    /// Open transactions, each with where its parts stand.
    pub(crate) open: BTreeMap<u64, Vec<Place>>,
    /// The parts of the transactions that the last block commits: who finishes that block needs them.
    pub(crate) just_committed: Vec<Place>,
    /// By name, which rises: the first are the oldest.
    done: BTreeMap<u64, Done>,
    /// Where streams were sealed: a layout that was looked up before that is no longer true.
    sealed: HashMap<StreamId, u64>,
}

impl State {
    /// Takes over the block that stands at an offset.
    pub(crate) fn apply(&mut self, place: Place, block: &Block) -> Result<()> {
        self.just_committed.clear();
        for (index, record) in block.records.iter().enumerate() {
            let mark = Block::mark(place.offset, index);
            match &record.act {
                Some(Act::Commit(commit)) => {
                    for change in &commit.changes {
                        let table = change.table.clone().unwrap_or_default().table()?;
                        let entries = self.tables.get_mut(&table).ok_or_else(|| unreadable(place.offset))?;
                        // the block's bytes would be kept whole for one small value
                        entries.set(owned(&change.key), change.value.as_ref().map(owned), Version(mark));
                    }
                    if let Some(writer) = &commit.writer {
                        self.writers.store(writer.mark());
                    }
                    if let Some(parts) = self.open.remove(&commit.transaction) {
                        self.just_committed.extend(parts);
                    }
                    if commit.remembered {
                        let done = Done { version: mark, changes: commit.changes.len() as u32 };
                        self.done.insert(commit.transaction, done);
                        if self.done.len() > REMEMBERED_OUTCOMES {
                            self.done.pop_first();
                        }
                    }
                }
                Some(Act::Begin(_)) => _ = self.open.insert(mark, Vec::new()),
                Some(Act::Part(part)) => {
                    if let Some(parts) = self.open.get_mut(&part.transaction) {
                        parts.push(place);
                    }
                }
                Some(Act::Abort(transaction)) => _ = self.open.remove(transaction),
                Some(Act::Seal(stream)) => _ = self.sealed.insert(stream.stream()?, place.offset),
                Some(Act::CreateTable(table)) => _ = self.tables.entry(table.table()?).or_default(),
                Some(Act::DeleteTable(table)) => _ = self.tables.remove(&table.table()?),
                // they repeat what is here
                Some(Act::Piece(_) | Act::Checkpoint(_)) => {}
                None => return Err(unreadable(place.offset)),
            }
        }
        self.applied = place.offset + u64::from(place.length);
        Ok(())
    }

    /// Whether a stream's layout, looked up when the journal was at `as_of`, is still true.
    pub(crate) fn is_current(&self, stream: &StreamId, as_of: u64) -> bool {
        as_of >= self.layouts_from && self.sealed.get(stream).is_none_or(|sealed| *sealed < as_of)
    }

    pub(crate) fn table(&self, table: &TableId) -> Result<&Entries> {
        self.tables.get(table).ok_or_else(|| Error::not_found(table))
    }

    pub(crate) fn tables_of(&self, scope: &Scope) -> Vec<StreamName> {
        self.tables.keys().filter(|table| table.scope == *scope).map(|table| table.name.clone()).collect()
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

    /// Transactions that their process has left behind.
    pub(crate) fn left_behind(&self) -> Vec<u64> {
        let idle = |name: u64, parts: &[Place]| parts.last().map_or((name - 1) >> 12, |place| place.offset);
        let left =
            self.open.iter().filter(|(name, parts)| idle(**name, parts) + LEFT_BEHIND_BYTES < self.applied);
        left.map(|(name, _)| *name).collect()
    }

    /// The first offset that is still needed when a checkpoint of this state is there.
    pub(crate) fn needed_from(&self) -> u64 {
        let parts = self.open.values().flat_map(|parts| parts.first()).map(|place| place.offset);
        parts.fold(self.applied, u64::min)
    }

    /// The whole state in pieces, to be read back by [`State::restore`].
    pub(crate) fn pieces(&self) -> Vec<Piece> {
        let mut pieces =
            Pieces { at: self.applied, size: 0, done: vec![Piece { at: self.applied, ..Piece::default() }] };
        for (table, entries) in &self.tables {
            pieces.with(64).tables.push(Name::of_table(table));
            for Entry { key, value, version } in entries.iter() {
                let piece = EntryPiece::new(table, &key, &value, version);
                pieces.with(key.len() + value.len() + 100).entries.push(piece);
            }
        }
        self.writers.in_order().for_each(|mark| pieces.with(32).writers.push(Mark::of(mark)));
        for (transaction, Done { version, changes }) in &self.done {
            let outcome = OutcomePiece { transaction: *transaction, version: *version, changes: *changes };
            pieces.with(32).outcomes.push(outcome);
        }
        for (transaction, parts) in &self.open {
            let (offsets, lengths) = parts.iter().map(|place| (place.offset, place.length)).unzip();
            let piece = OpenPiece { transaction: *transaction, offsets, lengths };
            pieces.with(32 + parts.len() * 13).open.push(piece);
        }
        pieces.done
    }

    /// The state that a checkpoint wrote down, from all its pieces in order.
    pub(crate) fn restore(checkpoint: &Checkpoint, pieces: &[Piece]) -> Result<Self> {
        let at = checkpoint.at;
        let mut state = Self { applied: at, landed: at, layouts_from: at, ..Self::default() };
        for piece in pieces {
            for table in &piece.tables {
                state.tables.insert(table.table()?, Entries::default());
            }
            for entry in &piece.entries {
                let table = entry.table.clone().unwrap_or_default().table()?;
                let entries = state.tables.entry(table).or_default();
                entries.set(owned(&entry.key), Some(owned(&entry.value)), Version(entry.version));
            }
            piece.writers.iter().for_each(|writer| state.writers.store(writer.mark()));
            for OutcomePiece { transaction, version, changes } in &piece.outcomes {
                state.done.insert(*transaction, Done { version: *version, changes: *changes });
            }
            for open in &piece.open {
                let places = open.offsets.iter().zip(&open.lengths);
                let places = places.map(|(offset, length)| Place { offset: *offset, length: *length });
                state.open.insert(open.transaction, places.collect());
            }
        }
        Ok(state)
    }
}

struct Pieces {
    at: u64,
    size: usize,
    done: Vec<Piece>,
}

impl Pieces {
    /// The piece that has room for so many bytes.
    fn with(&mut self, bytes: usize) -> &mut Piece {
        if self.size > 0 && self.size + bytes > PIECE_BYTES {
            self.done.push(Piece { at: self.at, number: self.done.len() as u32, ..Piece::default() });
            self.size = 0;
        }
        self.size += bytes;
        self.done.last_mut().expect("there is a first piece")
    }
}

fn owned(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
