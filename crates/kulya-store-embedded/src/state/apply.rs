//! Applies ops to the state.

use super::segment::Segment;
use super::{Slot, State, Stream, Table, TransactionStart};
use crate::extent::Extent;
use crate::op::{Op, SegmentKey, copy_bytes};
use kulya_store::{
    CommitReceipt, REMEMBERED_OUTCOMES, Scope, StreamId, TableId, Version, WriterId, WriterMark, framing,
};
use std::collections::{BTreeMap, BTreeSet};

impl State {
    /// Applies an op; `file` and `position` locate its events. Fails with a message if the op does not fit
    /// the ops before it, which means damage.
    pub(crate) fn apply(&mut self, op: &Op<'_>, file: u32, position: u64) -> Result<(), String> {
        match op {
            Op::CreateScope { name } => {
                self.scopes.insert(Scope::stored(name).map_err(|e| e.to_string())?);
            }
            Op::CreateStream { id, segments, epoch, retention, scope, name } => {
                let stream = StreamId::stored(scope, name).map_err(|e| e.to_string())?;
                let segments = (0..*segments).map(|_| Segment::default()).collect();
                self.next_stream = self.next_stream.max(id.saturating_add(1));
                self.stream_names.insert(*id, stream.clone());
                let created =
                    Stream { id: *id, epoch: *epoch, sealed: false, retention: *retention, segments };
                self.streams.insert(stream, created);
            }
            Op::UpdateStream { id, retention } => self.stream_mut(*id)?.retention = *retention,
            Op::CreateTable { id, scope, name } => {
                let table = TableId::stored(scope, name).map_err(|e| e.to_string())?;
                self.next_table = self.next_table.max(id.saturating_add(1));
                self.table_names.insert(*id, table.clone());
                self.tables.insert(table, Table { id: *id, recent: BTreeMap::new() });
            }
            Op::Append { segment, start, time, checksum, events } => {
                self.time = self.time.max(*time);
                let (time, length, checksum) = (*time, events.len() as u32, *checksum);
                let extent = Extent { start: *start, time, file, position, length, checksum };
                self.recent.0 += 1;
                self.files.add_live(file, extent.size());
                self.segment_mut(*segment)?.add(extent)?;
            }
            Op::Put { table, version, key, value } => {
                self.version = self.version.max(*version);
                let slot = Slot { version: Version(*version), file, value: Some(copy_bytes(value)) };
                self.recent.1 += key.len() + value.len();
                self.files.add_live(file, Slot::size(key, value));
                self.set(*table, key, slot)?;
            }
            Op::Remove { table, version, key } => {
                self.version = self.version.max(*version);
                self.recent.1 += key.len();
                self.set(*table, key, Slot { version: Version(*version), file, value: None })?;
            }
            Op::Stage { transaction, segment, offset, checksum, events } => {
                self.last_transaction = self.last_transaction.max(*transaction);
                self.segment_mut(*segment)?;
                let (length, checksum) = (events.len() as u32, *checksum);
                let extent = Extent { start: *offset, time: 0, file, position, length, checksum };
                self.files.add_live(file, extent.size());
                let staged = self.staged.entry(*transaction).or_default();
                staged.events += framing::count(events);
                staged.runs.push(*segment, &extent);
            }
            Op::CommitStaged { transaction, version, changes, time, starts } => {
                self.time = self.time.max(*time);
                self.last_transaction = self.last_transaction.max(*transaction);
                self.record_outcome(*transaction, *version, *changes);
                let starts: BTreeMap<SegmentKey, u64> = starts.iter().copied().collect();
                let mut placed = BTreeSet::new();
                for (segment, extent) in self.staged.remove(transaction).unwrap_or_default().runs {
                    let Some(start) = starts.get(&segment) else {
                        return Err(format!(
                            "transaction {transaction} was committed without all of its segments"
                        ));
                    };
                    // one for all of its runs, which alternate with those of other segments
                    if placed.insert((extent.file, segment)) {
                        self.transaction_starts.push(TransactionStart {
                            file: extent.file,
                            transaction: *transaction,
                            segment,
                            start: *start,
                        });
                    }
                    let start =
                        start.checked_add(extent.start).ok_or("the offset of a transaction overflows")?;
                    self.recent.0 += 1;
                    self.segment_mut(segment)?.add(Extent { start, time: *time, ..extent })?;
                }
            }
            Op::AbortStaged { transaction } => {
                self.last_transaction = self.last_transaction.max(*transaction);
                let staged = self.staged.remove(transaction).unwrap_or_default();
                self.release_extents(staged.runs.into_iter().map(|(_, extent)| extent));
            }
            Op::DeleteScope { name } => {
                self.scopes.remove(&Scope::stored(name).map_err(|e| e.to_string())?);
            }
            Op::SealStream { id } => self.stream_mut(*id)?.sealed = true,
            Op::DeleteStream { id } => {
                let epoch = self.stream_mut(*id)?.epoch;
                if let Some(name) = self.stream_names.remove(id) {
                    let deleted = self.streams.remove(&name);
                    let extents = deleted
                        .into_iter()
                        .flat_map(|stream| stream.segments)
                        .flat_map(|segment| segment.recent.into_extents());
                    self.release_extents(extents);
                    self.garbage.streams.insert(*id);
                    self.deleted_epochs.insert(name, epoch);
                }
            }
            Op::Truncate { segment, offset } => {
                let truncated = self.segment_mut(*segment)?.truncate(*offset);
                for (file, bytes) in truncated {
                    self.files.remove_live(file, bytes);
                }
                self.garbage.segments.insert(*segment);
            }
            Op::DeleteTable { id } => {
                self.table_mut(*id)?;
                if let Some(name) = self.table_names.remove(id) {
                    let deleted = self.tables.remove(&name).unwrap_or_default();
                    for (key, slot) in &deleted.recent {
                        self.files.remove_live(
                            slot.file,
                            Slot::size(key, slot.value.as_deref().unwrap_or_default()),
                        );
                    }
                    self.garbage.tables.insert(*id);
                }
            }
            Op::WriterMark { writer, event_number } => {
                self.writers.record(WriterMark { writer: WriterId(*writer), event_number: *event_number });
            }
            Op::ReserveTransactions { up_to } => {
                self.last_transaction = self.last_transaction.max(*up_to);
            }
            Op::DeletedEpoch { epoch, scope, name } => {
                let stream = StreamId::stored(scope, name).map_err(|e| e.to_string())?;
                let last_epoch = self.deleted_epochs.entry(stream).or_default();
                *last_epoch = (*last_epoch).max(*epoch);
            }
            Op::Outcome { transaction, version, changes } => {
                self.record_outcome(*transaction, *version, *changes)
            }
            Op::LostEvents { segment, start, time, length } => {
                self.recent.0 += 1;
                self.segment_mut(*segment)?.add(Extent::lost(*start, *time, *length))?;
            }
            Op::Footer { version, last_transaction, next_stream, next_table, time, .. } => {
                self.version = self.version.max(*version);
                self.last_transaction = self.last_transaction.max(*last_transaction);
                self.next_stream = self.next_stream.max(*next_stream);
                self.next_table = self.next_table.max(*next_table);
                self.time = self.time.max(*time);
            }
        }
        Ok(())
    }

    pub(crate) fn record_outcome(&mut self, transaction: u64, version: u64, changes: u32) {
        // bounded: a receipt has one version per change, and the changes were in one frame
        let changes = (changes as usize).min(crate::frame::MAX_BODY_BYTES / 16);
        let versions = vec![Version(version); changes];
        self.outcomes.insert(transaction, CommitReceipt { versions, ..CommitReceipt::default() });
        if self.outcomes.len() > REMEMBERED_OUTCOMES {
            self.outcomes.pop_first();
        }
    }

    /// Sets the last change of a key, and releases the change that it replaces if that is in memory.
    fn set(&mut self, table: u32, key: &[u8], slot: Slot) -> Result<(), String> {
        let before = self.table_mut(table)?.recent.insert(copy_bytes(key), slot);
        if let Some(Slot { file, value: Some(value), .. }) = before {
            self.files.remove_live(file, Slot::size(key, &value));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::TemporaryIndex;
    use kulya_store::Retention;
    use std::sync::Arc;

    const KEYS: [SegmentKey; 2] = [SegmentKey { stream: 0, number: 0 }, SegmentKey { stream: 0, number: 1 }];

    /// Returns a state whose transaction 7 has staged 10 bytes for two segments in turn, `rounds` times in
    /// each of two log files.
    fn staged(rounds: u64) -> State {
        let mut state = State::new(Arc::new(TemporaryIndex::default()));
        let retention = Retention::default();
        let create =
            Op::CreateStream { id: 0, segments: 2, epoch: 0, retention, scope: "shop", name: "orders" };
        state.apply(&create, 0, 0).unwrap();
        for round in 0..2 * rounds {
            for segment in KEYS {
                let (offset, events) = (10 * round, [0; 10].as_slice());
                let op = Op::Stage { transaction: 7, segment, offset, checksum: 1, events };
                state.apply(&op, (round / rounds) as u32, 100 * round).unwrap();
            }
        }
        state
    }

    fn commit(starts: &[(SegmentKey, u64)]) -> Op<'static> {
        Op::CommitStaged { transaction: 7, version: 0, changes: 0, time: 5, starts: starts.to_vec() }
    }

    #[test]
    fn transaction_has_one_start_for_a_segment_in_a_log_file() {
        let mut state = staged(50);
        state.apply(&commit(&[(KEYS[0], 0), (KEYS[1], 40)]), 1, 0).unwrap();
        let placed: Vec<_> =
            state.transaction_starts.iter().map(|of| (of.file, of.segment, of.start)).collect();
        assert_eq!(placed, [(0, KEYS[0], 0), (0, KEYS[1], 40), (1, KEYS[0], 0), (1, KEYS[1], 40)]);
        assert_eq!(state.recent.0, 200);
        assert!(state.staged.is_empty());
        assert_eq!(state.segment_at(KEYS[1]).unwrap().tail, 40 + 1000);
    }

    #[test]
    fn offsets_that_overflow_are_rejected() {
        let events = [0; 10].as_slice();
        let append = Op::Append { segment: KEYS[0], start: u64::MAX - 5, time: 0, checksum: 1, events };
        assert!(staged(1).apply(&append, 0, 0).unwrap_err().contains("overflows"));
        for start in [u64::MAX, u64::MAX - 15] {
            let starts = [(KEYS[0], start), (KEYS[1], 0)];
            assert!(staged(1).apply(&commit(&starts), 1, 0).unwrap_err().contains("overflows"));
        }
    }
}
