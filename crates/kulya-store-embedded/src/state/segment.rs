//! A segment: its head and tail, and the extents that are not in the index yet.

use crate::extent::Extent;

/// The state of a segment.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// Extents that are not in the index yet, in order of `start` and without gaps; while compacted files
    /// are read, out of order and with gaps.
    pub(crate) recent: Vec<Extent>,
    /// The offset of the first readable event.
    pub(crate) head: u64,
    pub(crate) tail: u64,
    /// The offset up to which the index is garbage-collected.
    pub(crate) collected_to: u64,
}

impl Segment {
    pub(super) fn add(&mut self, extent: Extent) {
        self.tail = self.tail.max(extent.end());
        self.recent.push(extent);
    }

    /// Returns the offset from which on the index is not needed.
    pub(crate) fn recent_from(&self) -> u64 {
        self.recent.first().map_or(self.tail, |extent| extent.start)
    }

    /// Returns the recent extents from the one that contains `offset` on.
    pub(crate) fn recent_at(&self, offset: u64) -> &[Extent] {
        let first = self.recent.partition_point(|extent| extent.end() <= offset);
        self.recent.get(first..).unwrap_or_default()
    }

    /// Moves the head, and returns the recent extents before it.
    pub(super) fn truncate(&mut self, offset: u64) -> Vec<Extent> {
        self.head = self.head.max(offset);
        self.tail = self.tail.max(self.head);
        let head = self.head;
        self.recent.extract_if(.., |extent| extent.end() <= head).collect()
    }

    /// Drops the extents before `offset`, which are in the index now.
    pub(crate) fn drop_indexed(&mut self, offset: u64) {
        self.recent.retain(|extent| extent.start >= offset);
        if self.recent.len() * 4 < self.recent.capacity() {
            self.recent.shrink_to_fit();
        }
    }
}
