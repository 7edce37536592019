//! A segment: its head and tail, and the extents that are not in the index yet.

use super::recent::RecentExtents;
use crate::extent::Extent;
use std::collections::BTreeMap;

/// The state of a segment.
#[derive(Debug, Default)]
pub(crate) struct Segment {
    /// The extents that are not in the index yet.
    pub(crate) recent: RecentExtents,
    /// The offset of the first readable event.
    pub(crate) head: u64,
    pub(crate) tail: u64,
    /// The offset up to which the index is garbage-collected.
    pub(crate) collected_to: u64,
}

impl Segment {
    /// Adds an extent. Fails with a message if its end overflows, which means damage.
    pub(super) fn add(&mut self, extent: Extent) -> Result<(), String> {
        let end = extent.start.checked_add(extent.length.into());
        self.tail = self.tail.max(end.ok_or("the offset of events overflows")?);
        self.recent.push(extent);
        Ok(())
    }

    /// Returns the offset from which on the index is not needed.
    pub(crate) fn recent_from(&self) -> u64 {
        self.recent.start().unwrap_or(self.tail)
    }

    /// Iterates over the recent extents from the one that contains `offset` on.
    pub(crate) fn recent_at(&self, offset: u64) -> impl Iterator<Item = Extent> + '_ {
        self.recent.at(offset)
    }

    /// Moves the head, and returns what the recent extents before it occupy in the log: file id and bytes.
    pub(super) fn truncate(&mut self, offset: u64) -> BTreeMap<u32, u64> {
        self.head = self.head.max(offset);
        self.tail = self.tail.max(self.head);
        let mut removed = BTreeMap::new();
        self.recent.remove_before(self.head, |extent| {
            *removed.entry(extent.file).or_default() += extent.size();
        });
        removed
    }

    /// Drops the extents before `offset`, which are in the index now.
    pub(crate) fn drop_indexed(&mut self, offset: u64) {
        self.recent.drop_before(offset);
    }
}
