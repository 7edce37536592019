//! A set of ids, stored as ranges, since deletions come in runs.

use serde::{Deserialize, Serialize};

/// A set of ids as sorted inclusive ranges that do not touch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct IdSet(Vec<(u32, u32)>);

impl IdSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= id);
        after.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, last)| id <= *last)
    }

    /// Adds an id; returns `false` when the set already contains it.
    pub(crate) fn insert(&mut self, id: u32) -> bool {
        if self.contains(id) {
            return false;
        }
        let at = self.0.partition_point(|(first, _)| *first <= id);
        self.0.insert(at, (id, id));
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(self.0.len());
        for (first, last) in self.0.drain(..) {
            match merged.last_mut() {
                Some((_, end)) if end.checked_add(1) == Some(first) => *end = last,
                _ => merged.push((first, last)),
            }
        }
        self.0 = merged;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_ids_are_merged_into_one_range() {
        let mut set = IdSet::default();
        for id in [5, 3, 9, 4, 0, 10, u32::MAX] {
            assert!(set.insert(id) && !set.insert(id), "{id}");
        }
        assert_eq!(set.0, [(0, 0), (3, 5), (9, 10), (u32::MAX, u32::MAX)]);
        let contained: Vec<u32> = (0..12).filter(|id| set.contains(*id)).collect();
        assert_eq!(contained, [0, 3, 4, 5, 9, 10]);
    }
}
