//! Decides which changes of the catalog and the tables a compaction retains.

use crate::error::index_error;
use crate::op::Op;
use crate::state::{self, State};
use kulya_store::{Result, WriterId, WriterMarks};
use std::collections::{HashMap, HashSet};

/// Filters the ops of the files that are compacted together, in two passes: the first observes all ops, the
/// second filters them.
#[derive(Default)]
pub(crate) struct OpFilter {
    /// Whether the files are the start of the log.
    is_log_start: bool,
    /// Each writer's last number at the checkpoint.
    writers: WriterMarks,
    /// Streams and tables that were both created and deleted in these files.
    deleted_streams: HashSet<u32>,
    deleted_tables: HashSet<u32>,
    created_streams: HashSet<u32>,
    created_tables: HashSet<u32>,
    /// The number of times each scope was created or deleted in these files.
    scope_changes: HashMap<String, usize>,
    /// How many of these changes the second pass has seen.
    seen_scope_changes: HashMap<String, usize>,
}

impl OpFilter {
    pub(crate) fn new(writers: WriterMarks, is_log_start: bool) -> Self {
        Self { writers, is_log_start, ..Self::default() }
    }

    /// First pass: observes an op.
    pub(crate) fn observe(&mut self, op: &Op<'_>) {
        match op {
            Op::CreateStream { id, .. } => drop(self.created_streams.insert(*id)),
            Op::CreateTable { id, .. } => drop(self.created_tables.insert(*id)),
            Op::DeleteStream { id } if self.created_streams.contains(id) => {
                self.deleted_streams.insert(*id);
            }
            Op::DeleteTable { id } if self.created_tables.contains(id) => {
                self.deleted_tables.insert(*id);
            }
            Op::CreateScope { name } | Op::DeleteScope { name } => {
                *self.scope_changes.entry((*name).to_owned()).or_default() += 1;
            }
            _ => {}
        }
    }

    /// Second pass: returns the op for the new file, or `None` if it is obsolete or an event, which is
    /// written separately. A deletion is retained for as long as an older file may hold what it deletes.
    pub(crate) fn filter<'a>(&mut self, op: &Op<'a>, state: &State) -> Result<Option<Op<'a>>> {
        let is_retained = match op {
            Op::CreateScope { name } | Op::DeleteScope { name } => {
                let seen = self.seen_scope_changes.entry((*name).to_owned()).or_default();
                *seen += 1;
                let is_last = self.scope_changes.get(*name) == Some(seen);
                let is_deletion = matches!(op, Op::DeleteScope { .. });
                is_last && !(is_deletion && self.is_log_start)
            }
            Op::CreateStream { id, epoch, scope, name, .. } => {
                if self.deleted_streams.contains(id) {
                    return Ok(Some(Op::DeletedEpoch { epoch: *epoch, scope, name }));
                }
                true
            }
            Op::UpdateStream { id, .. } | Op::SealStream { id } | Op::DeleteStream { id } => {
                !self.deleted_streams.contains(id)
            }
            Op::CreateTable { id, .. } | Op::DeleteTable { id } => !self.deleted_tables.contains(id),
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
                    && !self.is_log_start
                    && self.indexed_version(*table, key, state)?.is_none_or(|indexed| indexed < *version)
            }
            Op::WriterMark { writer, event_number } => {
                self.writers.last(WriterId(*writer)) == Some(*event_number)
            }
            Op::CommitStaged { transaction, version, changes, .. } if self.is_log_start => {
                let outcome = Op::Outcome { transaction: *transaction, version: *version, changes: *changes };
                return Ok(state.outcomes.contains_key(transaction).then_some(outcome));
            }
            Op::CommitStaged { .. } => true,
            Op::Outcome { transaction, .. } => state.outcomes.contains_key(transaction),
            // the last epoch of each name would suffice, but these ops are few and small
            Op::DeletedEpoch { .. } => true,
            Op::AbortStaged { .. } | Op::ReserveTransactions { .. } | Op::Footer { .. } => false,
            Op::Append { .. } | Op::Stage { .. } => false,
        };
        Ok(is_retained.then(|| op.clone()))
    }

    fn indexed_version(&self, table: u32, key: &[u8], state: &State) -> Result<Option<u64>> {
        let slot = state::indexed_slot(&*state.index, table, key).map_err(index_error)?;
        Ok(slot.map(|slot| slot.version.0))
    }
}
