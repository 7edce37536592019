//! A least-recently-used cache of events, bounded in bytes.

use crate::state::Location;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// A least-recently-used cache of framed events.
pub(crate) struct Cache {
    capacity: usize,
    entries: Mutex<LruEntries>,
}

#[derive(Default)]
struct LruEntries {
    /// By object number and offset: the bytes and when they were last used.
    by_location: HashMap<(u64, u64), (Bytes, u64)>,
    by_use: BTreeMap<u64, (u64, u64)>,
    uses: u64,
    bytes: usize,
}

impl Cache {
    /// Creates a cache that holds at most `capacity` bytes.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, entries: Mutex::default() }
    }

    /// Returns the events at a location and marks them as used.
    pub(crate) fn get(&self, location: &Location) -> Option<Bytes> {
        let entries = &mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (location.object, location.at);
        let (bytes, used) = entries.by_location.get_mut(&key)?;
        entries.by_use.remove(used);
        entries.uses += 1;
        *used = entries.uses;
        entries.by_use.insert(entries.uses, key);
        Some(bytes.clone())
    }

    /// Returns whether the events at a location are cached, without marking them as used.
    pub(crate) fn contains(&self, location: &Location) -> bool {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.by_location.contains_key(&(location.object, location.at))
    }

    /// Adds events and evicts the least recently used ones; ignores events larger than the capacity.
    pub(crate) fn put(&self, object: u64, at: u64, bytes: Bytes) {
        if bytes.len() > self.capacity {
            return;
        }
        let entries = &mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.uses += 1;
        entries.bytes += bytes.len();
        entries.by_use.insert(entries.uses, (object, at));
        if let Some((old, used)) = entries.by_location.insert((object, at), (bytes, entries.uses)) {
            entries.bytes -= old.len();
            entries.by_use.remove(&used);
        }
        while entries.bytes > self.capacity
            && let Some((_, key)) = entries.by_use.pop_first()
        {
            if let Some((evicted, _)) = entries.by_location.remove(&key) {
                entries.bytes -= evicted.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_events_are_evicted_first() {
        let cache = Cache::new(30);
        let location = |object| Location { object, at: 0, length: 10, checksum: 0 };
        for object in 0..3 {
            cache.put(object, 0, vec![0; 10].into());
        }
        assert!(cache.get(&location(0)).is_some());
        cache.put(3, 0, vec![0; 10].into());
        cache.put(3, 0, vec![1; 10].into());
        let cached: Vec<bool> = (0..4).map(|object| cache.get(&location(object)).is_some()).collect();
        assert_eq!(cached, [true, false, true, true]);
        cache.put(4, 0, vec![0; 31].into());
        assert!(cache.get(&location(4)).is_none(), "events larger than the capacity are not cached");
    }
}
