//! A cache of recently read index blocks, which are kept packed: unpacking costs a fraction of an index
//! lookup.

use crate::extent::Extent;
use crate::index;
use crate::op::SegmentKey;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The maximum number of cached blocks, about 5 MB.
const MAX_BLOCKS: usize = 4096;

/// Packed blocks with their end offset, by segment and start offset.
type Packed = BTreeMap<(SegmentKey, u64), (u64, Box<[u8]>)>;

#[derive(Default)]
pub(super) struct BlockCache {
    blocks: Mutex<Packed>,
}

impl BlockCache {
    fn lock(&self) -> MutexGuard<'_, Packed> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the block that contains an offset, with its start.
    pub(super) fn find(&self, key: SegmentKey, offset: u64) -> Option<(u64, Vec<Extent>)> {
        let blocks = self.lock();
        let ((segment, start), (end, packed)) = blocks.range(..=(key, offset)).next_back()?;
        let holds = *segment == key && *end > offset;
        holds.then(|| index::unpack(*start, packed)).flatten().map(|extents| (*start, extents))
    }

    /// Inserts a block that has these extents.
    pub(super) fn insert(&self, key: SegmentKey, start: u64, packed: &[u8], extents: &[Extent]) {
        let end = extents.last().map_or(start, Extent::end);
        let mut blocks = self.lock();
        if blocks.len() >= MAX_BLOCKS {
            // any block will do: scans touch all blocks, and random readers are few
            blocks.pop_first();
        }
        blocks.insert((key, start), (end, packed.into()));
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }
}
