//! A segment: where it begins and ends, and where its events lie, as far as the index does not know it yet.

use crate::extent::Extent;

#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// What the index does not know yet, in order of `start`, without gaps. While a log is read that was compacted, out
    /// of order and with gaps.
    pub(crate) recent: Vec<Extent>,
    /// Where it begins: what lies before is no longer kept.
    pub(crate) head: u64,
    pub(crate) tail: u64,
    /// The index may still know of events from here on.
    pub(crate) collected_to: u64,
}

impl Segment {
    pub(super) fn add(&mut self, extent: Extent) {
        self.tail = self.tail.max(extent.end());
        self.recent.push(extent);
    }

    /// Where the part begins that the index need not be asked for.
    pub(crate) fn recent_from(&self) -> u64 {
        self.recent.first().map_or(self.tail, |extent| extent.start)
    }

    /// The recent extents from the one that holds `offset` on.
    pub(crate) fn recent_at(&self, offset: u64) -> &[Extent] {
        let first = self.recent.partition_point(|extent| extent.end() <= offset);
        self.recent.get(first..).unwrap_or_default()
    }

    /// Moves the head; gives the recent extents that nobody can read any more.
    pub(super) fn truncate(&mut self, offset: u64) -> Vec<Extent> {
        self.head = self.head.max(offset);
        self.tail = self.tail.max(self.head);
        let head = self.head;
        self.recent.extract_if(.., |extent| extent.end() <= head).collect()
    }

    /// Forgets the extents before `offset`, which the index knows now.
    pub(crate) fn indexed(&mut self, offset: u64) {
        self.recent.retain(|extent| extent.start >= offset);
        if self.recent.len() * 4 < self.recent.capacity() {
            self.recent.shrink_to_fit();
        }
    }
}
