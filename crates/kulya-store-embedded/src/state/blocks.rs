//! Blocks of the index that were read of late, unpacked.

use super::Extent;
use crate::op::SegmentKey;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many are kept: about 10 MB.
const MOST_BLOCKS: usize = 2048;

pub(super) type Block = Arc<[Extent]>;

#[derive(Default)]
pub(super) struct Blocks {
    kept: Mutex<BTreeMap<(SegmentKey, u64), Block>>,
}

impl Blocks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(SegmentKey, u64), Block>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The block that holds an offset, with its start.
    pub(super) fn find(&self, key: SegmentKey, offset: u64) -> Option<(u64, Block)> {
        let kept = self.lock();
        let ((segment, start), block) = kept.range(..=(key, offset)).next_back()?;
        let holds = *segment == key && block.last().is_some_and(|last| last.end() > offset);
        holds.then(|| (*start, Arc::clone(block)))
    }

    pub(super) fn keep(&self, key: SegmentKey, start: u64, extents: Vec<Extent>) -> Block {
        let block: Block = extents.into();
        let mut kept = self.lock();
        if kept.len() >= MOST_BLOCKS {
            // which one goes matters little: a scan passes all of them, and few readers jump
            kept.pop_first();
        }
        kept.insert((key, start), Arc::clone(&block));
        block
    }

    pub(super) fn forget(&self) {
        self.lock().clear();
    }
}
