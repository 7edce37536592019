//! The runs of open transactions in the index: each chunk is an entry of its own, so that a checkpoint only
//! writes what was staged since the one before, whatever the size of the transaction.

use super::checksum::{add_checksum, verify_checksum};
use crate::index::{self, Index, IndexChange};
use crate::state::{StagedEvents, StagedRuns, State};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io;

/// The number of chunks of each open transaction.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct StagedChunks(BTreeMap<u64, u32>);

impl StagedChunks {
    /// Returns those of a state.
    pub(crate) fn of(state: &State) -> Self {
        let count = |staged: &StagedEvents| staged.runs.chunks().len() as u32;
        Self(state.staged.iter().map(|(transaction, staged)| (*transaction, count(staged))).collect())
    }

    fn of_transaction(&self, transaction: u64) -> u32 {
        self.0.get(&transaction).copied().unwrap_or_default()
    }
}

/// Returns the changes of the index from the last checkpoint, which had `indexed`, to a state.
pub(super) fn changes(state: &State, indexed: &StagedChunks) -> Vec<IndexChange> {
    let mut changes = Vec::new();
    for (transaction, staged) in &state.staged {
        // the last chunk of the checkpoint before may have grown
        let first = indexed.of_transaction(*transaction).saturating_sub(1);
        for (number, chunk) in (0..).zip(staged.runs.chunks()).skip(first as usize) {
            changes.push((index::staged_chunk_key(*transaction, number), Some(add_checksum(chunk))));
        }
    }
    for (transaction, count) in &indexed.0 {
        if !state.staged.contains_key(transaction) {
            let key = |number| index::staged_chunk_key(*transaction, number);
            changes.extend((0..*count).map(|number| (key(number), None)));
        }
    }
    changes
}

/// Reads the open transactions of a checkpoint.
///
/// # Errors
/// I/O errors; `InvalidData` if a chunk is missing or damaged.
pub(super) fn read(index: &dyn Index, indexed: &StagedChunks) -> io::Result<HashMap<u64, StagedEvents>> {
    let chunk = |transaction, number| {
        let stored = index.get(&index::staged_chunk_key(transaction, number))?.ok_or_else(index::corrupt)?;
        Ok(verify_checksum(&stored)?.to_vec())
    };
    let staged = |(transaction, count): (&u64, &u32)| {
        let chunks = (0..*count).map(|number| chunk(*transaction, number));
        let chunks: Vec<Vec<u8>> = chunks.collect::<io::Result<_>>()?;
        let runs = StagedRuns::from_chunks(chunks).ok_or_else(index::corrupt)?;
        Ok((*transaction, StagedEvents { runs, events: 0 }))
    };
    indexed.0.iter().map(staged).collect()
}
