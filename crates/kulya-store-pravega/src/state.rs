//! The state built from the journal, in memory: tables, writers, transactions. Every process builds it by
//! applying the blocks in order; nothing else changes it. No I/O.

use crate::block::{
    Block, Checkpoint, EntrySnapshot, Name, Op, OutcomeSnapshot, SnapshotChunk, TransactionSnapshot,
    WriterMarkRecord, corrupt_journal,
};
use kulya_store::log_backend::copy_bytes;
use kulya_store::log_backend::outcomes::{Outcomes, TransactionOutcome};
use kulya_store::log_backend::tables::Tables;
use kulya_store::{
    Entries, Entry, Outcome, Result, Scope, StreamId, StreamName, TableId, TransactionId, Version, WriterId,
    WriterMarks,
};
use std::collections::{BTreeMap, HashMap};

/// The target size of a checkpoint's chunk, in bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// The growth of the journal in bytes after which a transaction without activity is aborted as abandoned.
pub(crate) const ABANDONED_AFTER_BYTES: u64 = 4 << 30;

/// The location of a block in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockLocation {
    pub(crate) offset: u64,
    /// The length in bytes, frame included.
    pub(crate) length: u32,
}

/// The state at one offset of the journal.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The offset after the last applied block.
    pub(crate) applied: u64,
    /// The offset after the last block whose events are all in their segments.
    pub(crate) published: u64,
    /// Stream layouts fetched before this offset are stale: earlier seals are not known.
    layouts_valid_from: u64,
    pub(crate) tables: Tables,
    pub(crate) writers: WriterMarks,
    /// Open transactions, each with the blocks that hold its staged events.
    pub(crate) open: BTreeMap<u64, Vec<BlockLocation>>,
    /// The blocks with staged events of the transactions that the last block commits, needed to finish it.
    pub(crate) committed_parts: Vec<BlockLocation>,
    /// The outcomes of transactions, by id, which increases.
    outcomes: Outcomes,
    /// The offsets at which streams were sealed: layouts fetched earlier are stale.
    sealed: HashMap<StreamId, u64>,
}

impl State {
    /// Applies the block at a location.
    ///
    /// # Errors
    /// `Corrupt` when it holds an unknown or inconsistent record.
    pub(crate) fn apply(&mut self, location: BlockLocation, block: &Block) -> Result<()> {
        self.committed_parts.clear();
        for (index, record) in block.records.iter().enumerate() {
            let id = Block::record_id(location.offset, index);
            match &record.op {
                Some(Op::Commit(commit)) => {
                    for change in &commit.changes {
                        let table = change.table.clone().unwrap_or_default().table()?;
                        let entries =
                            self.tables.get_mut(&table).ok_or_else(|| corrupt_journal(location.offset))?;
                        // copied, since a slice would keep the whole block in memory
                        entries.set(
                            copy_bytes(&change.key),
                            change.value.as_ref().map(copy_bytes),
                            Version(id),
                        );
                    }
                    if let Some(writer) = &commit.writer {
                        self.writers.record(writer.mark());
                    }
                    if let Some(parts) = self.open.remove(&commit.transaction) {
                        self.committed_parts.extend(parts);
                    }
                    if commit.remember_outcome {
                        let changes = commit.changes.len() as u32;
                        let outcome = TransactionOutcome { version: id, changes };
                        self.outcomes.insert(commit.transaction, commit.transaction, outcome);
                    }
                }
                Some(Op::Begin(_)) => _ = self.open.insert(id, Vec::new()),
                Some(Op::Stage(part)) => {
                    if let Some(parts) = self.open.get_mut(&part.transaction) {
                        parts.push(location);
                    }
                }
                Some(Op::Abort(transaction)) => _ = self.open.remove(transaction),
                Some(Op::Seal(stream)) => _ = self.sealed.insert(stream.stream()?, location.offset),
                Some(Op::CreateTable(table)) => _ = self.tables.create(table.table()?),
                Some(Op::DeleteTable(table)) => self.tables.delete(&table.table()?),
                // they repeat the state
                Some(Op::Snapshot(_) | Op::Checkpoint(_)) => {}
                None => return Err(corrupt_journal(location.offset)),
            }
        }
        self.applied = location.offset + u64::from(location.length);
        Ok(())
    }

    /// Returns whether a stream's layout, fetched when the journal was at `as_of`, is still valid.
    pub(crate) fn is_layout_current(&self, stream: &StreamId, as_of: u64) -> bool {
        as_of >= self.layouts_valid_from && self.sealed.get(stream).is_none_or(|sealed| *sealed < as_of)
    }

    /// Returns the entries of a table.
    pub(crate) fn table(&self, table: &TableId) -> Result<&Entries> {
        self.tables.table(table)
    }

    /// Returns the names of the tables in a scope.
    pub(crate) fn tables_of(&self, scope: &Scope) -> Vec<StreamName> {
        self.tables.names_in(scope)
    }

    /// Returns the outcome of a transaction.
    pub(crate) fn outcome(&self, transaction: TransactionId) -> Outcome {
        let Ok(id) = u64::try_from(transaction.0) else { return Outcome::Unknown };
        match self.outcomes.get(id) {
            _ if self.open.contains_key(&id) => Outcome::Open,
            Some(outcome) => outcome.into(),
            None => Outcome::Unknown,
        }
    }

    /// Returns the last sequence number of a writer.
    pub(crate) fn last_event_number(&self, writer: WriterId) -> Option<u64> {
        self.writers.last(writer)
    }

    /// Returns transactions that were abandoned by their process.
    pub(crate) fn abandoned_transactions(&self) -> Vec<u64> {
        let last_activity = |id: u64, parts: &[BlockLocation]| {
            parts.last().map_or((id - 1) >> 12, |location| location.offset)
        };
        let abandoned = self
            .open
            .iter()
            .filter(|(id, parts)| last_activity(**id, parts) + ABANDONED_AFTER_BYTES < self.applied);
        abandoned.map(|(id, _)| *id).collect()
    }

    /// Returns the first offset that is still needed once a checkpoint of this state exists.
    pub(crate) fn first_needed_offset(&self) -> u64 {
        let parts = self.open.values().flat_map(|parts| parts.first()).map(|location| location.offset);
        parts.fold(self.applied, u64::min)
    }

    /// Returns the whole state in chunks. Inverse of [`State::restore`].
    pub(crate) fn snapshot_chunks(&self) -> Vec<SnapshotChunk> {
        let mut writer = ChunkWriter::new(self.applied);
        for (table, entries) in self.tables.iter() {
            writer.chunk_for(64).tables.push(Name::of_table(table));
            for Entry { key, value, version } in entries.iter() {
                let entry = EntrySnapshot::new(table, &key, &value, version);
                writer.chunk_for(key.len() + value.len() + 100).entries.push(entry);
            }
        }
        self.writers
            .oldest_first()
            .for_each(|mark| writer.chunk_for(32).writers.push(WriterMarkRecord::of(mark)));
        for (transaction, TransactionOutcome { version, changes }) in self.outcomes.iter_from(0) {
            let outcome = OutcomeSnapshot { transaction, version, changes };
            writer.chunk_for(32).outcomes.push(outcome);
        }
        for (transaction, parts) in &self.open {
            let (offsets, lengths) = parts.iter().map(|location| (location.offset, location.length)).unzip();
            let transaction = TransactionSnapshot { transaction: *transaction, offsets, lengths };
            writer.chunk_for(32 + parts.len() * 13).open.push(transaction);
        }
        writer.chunks
    }

    /// Restores the state from all chunks of a checkpoint in order.
    ///
    /// # Errors
    /// `InvalidInput` when a name is not valid.
    pub(crate) fn restore(checkpoint: &Checkpoint, chunks: &[SnapshotChunk]) -> Result<Self> {
        let at = checkpoint.at;
        let mut state = Self { applied: at, published: at, layouts_valid_from: at, ..Self::default() };
        for chunk in chunks {
            for table in &chunk.tables {
                state.tables.create(table.table()?);
            }
            for entry in &chunk.entries {
                let table = entry.table.clone().unwrap_or_default().table()?;
                let entries = state.tables.create(table);
                entries.set(copy_bytes(&entry.key), Some(copy_bytes(&entry.value)), Version(entry.version));
            }
            chunk.writers.iter().for_each(|writer| state.writers.record(writer.mark()));
            for OutcomeSnapshot { transaction, version, changes } in &chunk.outcomes {
                let outcome = TransactionOutcome { version: *version, changes: *changes };
                state.outcomes.insert(*transaction, *transaction, outcome);
            }
            for open in &chunk.open {
                let locations = open.offsets.iter().zip(&open.lengths);
                let locations =
                    locations.map(|(offset, length)| BlockLocation { offset: *offset, length: *length });
                state.open.insert(open.transaction, locations.collect());
            }
        }
        Ok(state)
    }
}

/// Splits the state into chunks.
struct ChunkWriter {
    at: u64,
    /// The approximate size of the last chunk, in bytes.
    size: usize,
    chunks: Vec<SnapshotChunk>,
}

impl ChunkWriter {
    fn new(at: u64) -> Self {
        Self { at, size: 0, chunks: vec![SnapshotChunk { at, ..SnapshotChunk::default() }] }
    }

    /// Returns the chunk that has space for this many bytes.
    fn chunk_for(&mut self, bytes: usize) -> &mut SnapshotChunk {
        if self.size > 0 && self.size + bytes > CHUNK_BYTES {
            let number = self.chunks.len() as u32;
            self.chunks.push(SnapshotChunk { at: self.at, number, ..SnapshotChunk::default() });
            self.size = 0;
        }
        self.size += bytes;
        self.chunks.last_mut().expect("there is a first chunk")
    }
}
