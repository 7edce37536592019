//! The maintenance tasks: checkpoints, so that memory and recovery time stay bounded; garbage collection,
//! which removes unreadable entries from the index; and compaction of log files that are mostly dead.

use crate::checkpoint::{self, Checkpoint};
use crate::compaction;
use crate::error::index_error;
use crate::folder::Folder;
use crate::index::{self, Index, IndexChange};
use crate::log_name::LogName;
use crate::op::SegmentKey;
use crate::state::{self, Slot, State};
use kulya_store::Result;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The number of index entries that garbage collection removes in one batch.
const GC_BATCH_CHANGES: usize = 10_000;

/// The state of maintenance.
pub(crate) struct Maintenance {
    pub(crate) state: Arc<RwLock<State>>,
    pub(crate) folder: Arc<Folder>,
    /// The target size of a log file, in bytes.
    pub(crate) file_bytes: u64,
    /// The last checkpoint.
    pub(crate) last: Option<Checkpoint>,
}

impl Maintenance {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn index(&self) -> Arc<dyn Index> {
        Arc::clone(&self.read().index)
    }

    /// Returns whether anything was written since the last checkpoint.
    pub(crate) fn is_due(&self) -> bool {
        let sequence = self.read().end.sequence;
        sequence > 0 && self.last.as_ref().is_none_or(|last| last.end.sequence < sequence)
    }

    /// Returns whether a checkpoint should be pending: much is not in the index, or a log file was filled.
    pub(crate) fn needs_checkpoint(&self) -> bool {
        let state = self.read();
        let current = self.last.as_ref().map_or(0, |last| last.position.file);
        state.needs_checkpoint() || state.position.file != current
    }

    /// Returns how many bytes of the log the next opening would replay.
    pub(crate) fn unread_bytes(&self) -> u64 {
        let state = self.read();
        match &self.last {
            Some(last) if last.position.file == state.position.file => {
                state.position.length - last.position.length
            }
            _ => state.files.by_id.values().map(|info| info.bytes).sum::<u64>() + state.position.length,
        }
    }

    /// First half of a checkpoint: copies what is not in the index.
    pub(crate) fn prepare_checkpoint(&self) -> checkpoint::PendingCheckpoint {
        let none = checkpoint::StagedChunks::default();
        let indexed = self.last.as_ref().map_or(&none, |last| &last.staged);
        let state = self.read();
        checkpoint::prepare(&state).with_staged(&state, indexed)
    }

    /// Second half of a checkpoint, after the log is synced up to it: writes it to the index.
    pub(crate) fn complete_checkpoint(&mut self, mut pending: checkpoint::PendingCheckpoint) -> Result<()> {
        self.folder.write_manifest(|manifest| manifest.with_checkpoint(&pending))?;
        let index = self.index();
        let replaced = checkpoint::replaced_entries(&*index, &pending).map_err(index_error)?;
        pending.files.remove_live_all(&replaced);
        let mut changes = std::mem::take(&mut pending.changes);
        changes.push(checkpoint::record_change(&pending.record));
        changes.push(checkpoint::files_change(&pending.files));
        index.write(changes).map_err(index_error)?;
        self.last = Some(Checkpoint {
            end: pending.end,
            position: pending.position,
            files: std::mem::take(&mut pending.files),
            writers: std::mem::take(&mut pending.writers),
            staged: pending.record.staged.clone(),
        });
        let mut state = self.write();
        state.files.remove_live_all(&replaced);
        checkpoint::drop_indexed(&mut state, pending);
        Ok(())
    }

    /// Removes entries from the index that are no longer readable.
    pub(crate) fn collect_garbage(&mut self) -> Result<()> {
        if self.last.is_none() {
            // nothing is removed before the first checkpoint
            return Ok(());
        }
        let (segments, streams, tables) = {
            let state = self.read();
            let head = |key: &SegmentKey| Some((*key, state.segment_at(*key)?.head));
            let segments: Vec<_> = state.garbage.segments.iter().filter_map(head).collect();
            let streams: Vec<u32> = state.garbage.streams.iter().copied().collect();
            let tables: Vec<u32> = state.garbage.tables.iter().copied().collect();
            (segments, streams, tables)
        };
        for (key, head) in segments {
            self.collect_range(index::block_key(key, 0), index::block_key(key, head), head)?;
            let mut state = self.write();
            let is_done = match state.segment_mut(key) {
                Ok(segment) => {
                    segment.collected_to = head;
                    // the head may have moved since
                    segment.head == head
                }
                Err(_) => true,
            };
            if is_done {
                state.garbage.segments.remove(&key);
            }
        }
        for stream in streams {
            let (from, to) = index::stream_range(stream);
            self.collect_range(from, to, u64::MAX)?;
            self.write().garbage.streams.remove(&stream);
        }
        for table in tables {
            let (from, to) = index::table_range(table);
            self.collect_range(from, to, u64::MAX)?;
            self.write().garbage.tables.remove(&table);
        }
        Ok(())
    }

    /// Removes the entries of a range; of extents, only blocks that end at or before an offset.
    fn collect_range(&mut self, from: Vec<u8>, to: Vec<u8>, end: u64) -> Result<()> {
        let index = self.index();
        let mut changes: Vec<IndexChange> = Vec::new();
        // of each log file: a block has many extents
        let mut released: BTreeMap<u32, u64> = BTreeMap::new();
        for entry in index.range(&from, &to) {
            let entry = entry.map_err(index_error)?;
            if index::segment_of(&entry.0).is_some() {
                let (_, block) = state::block(&entry).map_err(index_error)?;
                if block.last().is_some_and(|last| last.end() > end) {
                    break;
                }
                for extent in block {
                    *released.entry(extent.file).or_default() += extent.size();
                }
            } else {
                let stored = index::StoredEntry::decode(&entry.1);
                let stored = stored.ok_or_else(|| index_error(index::corrupt()))?;
                let key = entry.0.get(5..).unwrap_or_default();
                *released.entry(stored.file).or_default() += Slot::size(key, &stored.value);
            }
            changes.push((entry.0.to_vec(), None));
            if changes.len() == GC_BATCH_CHANGES {
                self.remove_collected(&*index, std::mem::take(&mut changes), std::mem::take(&mut released))?;
            }
        }
        self.remove_collected(&*index, changes, released)
    }

    fn remove_collected(
        &mut self,
        index: &dyn Index,
        mut changes: Vec<IndexChange>,
        released: BTreeMap<u32, u64>,
    ) -> Result<()> {
        let released = Vec::from_iter(released);
        let Some(last) = self.last.as_mut().filter(|_| !changes.is_empty()) else { return Ok(()) };
        last.files.remove_live_all(&released);
        changes.push(checkpoint::files_change(&last.files));
        index.write(changes).map_err(index_error)?;
        self.write().files.remove_live_all(&released);
        Ok(())
    }

    /// Runs one compaction if any is worthwhile, and returns the ids of the files that it removed.
    pub(crate) fn compact(&mut self) -> Result<Option<Vec<u32>>> {
        let Some(last) = &self.last else { return Ok(None) };
        let in_use: HashSet<u32> = {
            let state = self.read();
            let staged = state.staged.values().flat_map(|staged| staged.runs.files());
            // also those of committed transactions that are not in the index yet
            staged.chain(state.transaction_starts.iter().map(|placed| placed.file)).collect()
        };
        let files = last.files.in_order();
        let current = last.files.by_id.get(&last.position.file).map_or(0, |info| info.name.first);
        // files with staged events of open transactions are not compacted
        let mut candidates = files.split(|(id, info)| info.name.last >= current || in_use.contains(id));
        let selected = candidates.find_map(|files| compaction::select_files(files, self.file_bytes));
        let Some(selected) = selected else { return Ok(None) };
        let name = |id: &u32| Some((*id, last.files.by_id.get(id)?.name));
        let old: Vec<(u32, LogName)> = selected.iter().filter_map(name).collect();
        let id = self.write().files.reserve();
        let compaction::CompactedFile { info, mut changes } =
            compaction::compact(&self.folder, &self.state, &old, id, last.writers.clone())?;
        let mut files = last.files.clone();
        files.by_id.retain(|id, _| !selected.contains(id));
        files.by_id.insert(id, info.clone());
        changes.push(checkpoint::files_change(&files));
        let names: Vec<LogName> = old.iter().map(|(_, name)| *name).collect();
        if let Err(error) = self.folder.write_manifest(|manifest| manifest.with_compaction(&names, &info)) {
            let _ = self.folder.remove_log(info.name);
            return Err(error);
        }
        // readers that find the new extents must find the file
        self.write().files.by_id.insert(id, info);
        if let Err(error) = self.index().write(changes) {
            self.write().files.by_id.remove(&id);
            return Err(index_error(error));
        }
        self.write().files.by_id.retain(|id, _| !selected.contains(id));
        if let Some(last) = &mut self.last {
            last.files = files;
        }
        for (_, name) in old {
            self.folder.remove_log(name)?;
        }
        Ok(Some(selected))
    }
}
