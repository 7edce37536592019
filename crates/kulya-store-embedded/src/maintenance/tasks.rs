//! Upkeep: what a store does for itself beside its writers' way. Checkpoints, so that memory and the next opening stay
//! small; retention; sweeping out of the index what nobody can read any more; compaction of files that are mostly that.

use crate::error::index_error;
use crate::log_name::LogName;
use crate::checkpoint::{self, Checkpoint};
use crate::compaction;
use crate::folder::Folder;
use crate::index::{self, Index, IndexChange};
use crate::op::SegmentKey;
use crate::state::{self, Slot, State};
use kulya_store::Result;
use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// The index learns of so many changes at a time when it is swept.
const GC_BATCH_CHANGES: usize = 10_000;

/// What upkeep remembers from one time to the next.
pub(crate) struct Maintenance {
    pub(crate) state: Arc<RwLock<State>>,
    pub(crate) folder: Arc<Folder>,
    /// A log file is about this long.
    pub(crate) file_bytes: u64,
    /// The last checkpoint, and the log files as the index has them.
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

    /// Whether there is anything that the last checkpoint does not know.
    pub(crate) fn is_due(&self) -> bool {
        let sequence = self.read().end.sequence;
        sequence > 0 && self.last.as_ref().is_none_or(|last| last.end.sequence < sequence)
    }

    /// Whether memory holds much that the index should learn, or a log file was filled.
    pub(crate) fn needs_checkpoint(&self) -> bool {
        let state = self.read();
        let written = self.last.as_ref().map_or(0, |last| last.position.file);
        state.needs_checkpoint() || state.position.file != written
    }

    /// How much of the log the next opening would read.
    pub(crate) fn unread(&self) -> u64 {
        let state = self.read();
        match &self.last {
            Some(last) if last.position.file == state.position.file => {
                state.position.length - last.position.length
            }
            _ => state.files.by_id.values().map(|info| info.bytes).sum::<u64>() + state.position.length,
        }
    }

    /// The first half of a checkpoint: what the index does not know yet.
    pub(crate) fn take(&self) -> checkpoint::PendingCheckpoint {
        checkpoint::take(&self.read())
    }

    /// The second half: the log is synced up to there.
    pub(crate) fn keep(&mut self, mut taken: checkpoint::PendingCheckpoint) -> Result<()> {
        self.folder.write_manifest(|known| known.at(&taken))?;
        let index = self.index();
        let replaced = checkpoint::replaced(&*index, &taken).map_err(index_error)?;
        taken.files.remove_live_all(&replaced);
        let mut changes = std::mem::take(&mut taken.changes);
        changes.push(checkpoint::files(&taken.files));
        index.write(changes).map_err(index_error)?;
        self.last = Some(Checkpoint {
            end: taken.end,
            position: taken.position,
            files: std::mem::take(&mut taken.files),
            writers: std::mem::take(&mut taken.writers),
        });
        let mut state = self.write();
        state.files.remove_live_all(&replaced);
        checkpoint::forget(&mut state, taken);
        Ok(())
    }

    /// Takes out of the index what nobody can read any more.
    pub(crate) fn collect_garbage(&mut self) -> Result<()> {
        if self.last.is_none() {
            // the first checkpoint comes before anything is taken out
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
                    // it may have moved on meanwhile
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

    /// Takes out the entries of a range; of extents, those whose block ends at or before an offset.
    fn collect_range(&mut self, from: Vec<u8>, to: Vec<u8>, end: u64) -> Result<()> {
        let index = self.index();
        let mut changes: Vec<IndexChange> = Vec::new();
        let mut lost = Vec::new();
        for entry in index.range(&from, &to) {
            let entry = entry.map_err(index_error)?;
            if index::segment_of(&entry.0).is_some() {
                let (_, block) = state::block(&entry).map_err(index_error)?;
                if block.last().is_some_and(|last| last.end() > end) {
                    break;
                }
                lost.extend(block.iter().map(|extent| (extent.file, extent.size())));
            } else {
                let stored = index::Stored::decode(&entry.1);
                let stored = stored.ok_or_else(|| index_error(index::corrupt()))?;
                let key = entry.0.get(5..).unwrap_or_default();
                lost.push((stored.file, Slot::size(key, &stored.value)));
            }
            changes.push((entry.0.to_vec(), None));
            if changes.len() == GC_BATCH_CHANGES {
                self.remove_collected(&*index, std::mem::take(&mut changes), std::mem::take(&mut lost))?;
            }
        }
        self.remove_collected(&*index, changes, lost)
    }

    fn remove_collected(
        &mut self,
        index: &dyn Index,
        mut changes: Vec<IndexChange>,
        lost: Vec<(u32, u64)>,
    ) -> Result<()> {
        let Some(last) = self.last.as_mut().filter(|_| !changes.is_empty()) else { return Ok(()) };
        last.files.remove_live_all(&lost);
        changes.push(checkpoint::files(&last.files));
        index.write(changes).map_err(index_error)?;
        self.write().files.remove_live_all(&lost);
        Ok(())
    }

    /// Compacts once, if anything is worth it; gives the numbers of the files that are no more.
    pub(crate) fn compact(&mut self) -> Result<Option<Vec<u32>>> {
        let Some(last) = &self.last else { return Ok(None) };
        let in_use: HashSet<u32> = {
            let state = self.read();
            let staged = state.staged.values().flat_map(|staged| &staged.runs).map(|(_, extent)| extent.file);
            // also when it was committed, for as long as the index does not know
            staged.chain(state.transaction_starts.iter().map(|placed| placed.file)).collect()
        };
        let files = last.files.in_order();
        let written = last.files.by_id.get(&last.position.file).map_or(0, |info| info.name.first);
        // what an open transaction has staged stays where it is
        let mut stretches = files.split(|(id, info)| info.name.last >= written || in_use.contains(id));
        let chosen = stretches.find_map(|files| compaction::choose(files, self.file_bytes));
        let Some(chosen) = chosen else { return Ok(None) };
        let name = |id: &u32| Some((*id, last.files.by_id.get(id)?.name));
        let old: Vec<(u32, LogName)> = chosen.iter().filter_map(name).collect();
        let id = self.write().files.reserve();
        let compaction::CompactedFile { info, mut changes } =
            compaction::compact(&self.folder, &self.state, &old, id, last.writers.clone())?;
        let mut files = last.files.clone();
        files.by_id.retain(|id, _| !chosen.contains(id));
        files.by_id.insert(id, info.clone());
        changes.push(checkpoint::files(&files));
        let names: Vec<LogName> = old.iter().map(|(_, name)| *name).collect();
        if let Err(error) = self.folder.write_manifest(|known| known.compacted(&names, &info)) {
            let _ = self.folder.remove_log(info.name);
            return Err(error);
        }
        // readers that find the new place must find the file
        self.write().files.by_id.insert(id, info);
        if let Err(error) = self.index().write(changes) {
            self.write().files.by_id.remove(&id);
            return Err(index_error(error));
        }
        self.write().files.by_id.retain(|id, _| !chosen.contains(id));
        if let Some(last) = &mut self.last {
            last.files = files;
        }
        for (_, name) in old {
            self.folder.remove_log(name)?;
        }
        Ok(Some(chosen))
    }
}
