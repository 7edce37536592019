//! Blocks of the index that were read of late, packed as they lie there: to unpack one costs a fraction of finding it.

use crate::extent::Extent;
use crate::index;
use crate::op::SegmentKey;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many are kept: about 5 MB.
const MAX_BLOCKS: usize = 4096;

/// By where they begin; each with where it ends.
type Packed = BTreeMap<(SegmentKey, u64), (u64, Box<[u8]>)>;

#[derive(Default)]
pub(super) struct Blocks {
    kept: Mutex<Packed>,
}

impl Blocks {
    fn lock(&self) -> MutexGuard<'_, Packed> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The block that holds an offset, with its start.
    pub(super) fn find(&self, key: SegmentKey, offset: u64) -> Option<(u64, Vec<Extent>)> {
        let kept = self.lock();
        let ((segment, start), (end, packed)) = kept.range(..=(key, offset)).next_back()?;
        let holds = *segment == key && *end > offset;
        holds.then(|| index::unpack(*start, packed)).flatten().map(|extents| (*start, extents))
    }

    /// Keeps a block that has these extents.
    pub(super) fn keep(&self, key: SegmentKey, start: u64, packed: &[u8], extents: &[Extent]) {
        let end = extents.last().map_or(start, Extent::end);
        let mut kept = self.lock();
        if kept.len() >= MAX_BLOCKS {
            // which one goes matters little: a scan passes all of them, and few readers jump
            kept.pop_first();
        }
        kept.insert((key, start), (end, packed.into()));
    }

    pub(super) fn forget(&self) {
        self.lock().clear();
    }
}
