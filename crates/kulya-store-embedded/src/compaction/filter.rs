//! Which of a file's changes to the catalog and the tables are kept.

use crate::error::index_error;
use crate::op::Op;
use crate::state::{self, State};
use kulya_store::{Result, WriterId, WriterMarks};
use std::collections::{HashMap, HashSet};

/// What is known of the files that are compacted together.
#[derive(Default)]
pub(crate) struct OpFilter {
    /// Whether nothing comes before them.
    from_the_start: bool,
    /// Each writer's last number at the checkpoint.
    writers: WriterMarks,
    /// Streams and tables that were both made and deleted in them.
    gone_streams: HashSet<u32>,
    gone_tables: HashSet<u32>,
    made_streams: HashSet<u32>,
    made_tables: HashSet<u32>,
    /// How often a scope was made or deleted in them.
    scopes: HashMap<String, usize>,
    /// How many of these were passed already.
    passed: HashMap<String, usize>,
}

impl OpFilter {
    pub(crate) fn new(writers: WriterMarks, from_the_start: bool) -> Self {
        Self { writers, from_the_start, ..Self::default() }
    }

    /// The first reading: what was made and deleted.
    pub(crate) fn note(&mut self, op: &Op<'_>) {
        match op {
            Op::CreateStream { id, .. } => drop(self.made_streams.insert(*id)),
            Op::CreateTable { id, .. } => drop(self.made_tables.insert(*id)),
            Op::DeleteStream { id } if self.made_streams.contains(id) => drop(self.gone_streams.insert(*id)),
            Op::DeleteTable { id } if self.made_tables.contains(id) => drop(self.gone_tables.insert(*id)),
            Op::CreateScope { name } | Op::DeleteScope { name } => {
                *self.scopes.entry((*name).to_owned()).or_default() += 1;
            }
            _ => {}
        }
    }

    /// The second reading: an op as it shall stand in the new file; `None` for one that is of no use any more, and for
    /// events, which are kept another way. A deletion is kept for as long as an older file may hold what it deletes.
    pub(crate) fn kept<'a>(&mut self, op: &Op<'a>, state: &State) -> Result<Option<Op<'a>>> {
        let stays = match op {
            Op::CreateScope { name } | Op::DeleteScope { name } => {
                let passed = self.passed.entry((*name).to_owned()).or_default();
                *passed += 1;
                let is_last = self.scopes.get(*name) == Some(passed);
                let is_deletion = matches!(op, Op::DeleteScope { .. });
                is_last && !(is_deletion && self.from_the_start)
            }
            Op::CreateStream { id, epoch, scope, name, .. } => {
                if self.gone_streams.contains(id) {
                    return Ok(Some(Op::DeletedEpoch { epoch: *epoch, scope, name }));
                }
                true
            }
            Op::UpdateStream { id, .. } | Op::SealStream { id } | Op::DeleteStream { id } => {
                !self.gone_streams.contains(id)
            }
            Op::CreateTable { id, .. } | Op::DeleteTable { id } => !self.gone_tables.contains(id),
            Op::Truncate { segment, offset } => {
                state.segment_at(*segment).is_some_and(|segment| segment.head == *offset)
            }
            Op::LostEvents { segment, start, length, .. } => {
                let end = start.saturating_add(u64::from(*length));
                state.segment_at(*segment).is_some_and(|segment| segment.head < end)
            }
            Op::Put { table, version, key, .. } => {
                state.table_names.contains_key(table)
                    && self.indexed_version(*table, key, state)?.is_some_and(|indexed| indexed == *version)
            }
            Op::Remove { table, version, key } => {
                state.table_names.contains_key(table)
                    && !self.from_the_start
                    && self.indexed_version(*table, key, state)?.is_none_or(|indexed| indexed < *version)
            }
            Op::WriterMark { writer, event_number } => {
                self.writers.last(WriterId(*writer)) == Some(*event_number)
            }
            Op::CommitStaged { transaction, version, changes, .. } if self.from_the_start => {
                let outcome = Op::Outcome { transaction: *transaction, version: *version, changes: *changes };
                return Ok(state.outcomes.contains_key(transaction).then_some(outcome));
            }
            Op::CommitStaged { .. } => true,
            Op::Outcome { transaction, .. } => state.outcomes.contains_key(transaction),
            // of each name, the last epoch would do; they are few and small
            Op::DeletedEpoch { .. } => true,
            Op::AbortStaged { .. } | Op::ReserveTransactions { .. } | Op::Footer { .. } => false,
            Op::Append { .. } | Op::Stage { .. } => false,
        };
        Ok(stays.then(|| op.clone()))
    }

    fn indexed_version(&self, table: u32, key: &[u8], state: &State) -> Result<Option<u64>> {
        let slot = state::indexed_slot(&*state.index, table, key).map_err(index_error)?;
        Ok(slot.map(|slot| slot.version.0))
    }
}
