//! A least-recently-used cache of events, bounded in bytes.

use crate::state::Place;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// A least-recently-used cache of framed events.
pub(crate) struct Cache {
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By object number and offset: the bytes and when they were last used.
    by_place: HashMap<(u64, u64), (Bytes, u64)>,
    by_use: BTreeMap<u64, (u64, u64)>,
    uses: u64,
    bytes: usize,
}

impl Cache {
    /// Creates a cache that holds at most `capacity` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, kept: Mutex::default() }
    }

    /// Returns the events at a location and marks them as used.
    pub(crate) fn get(&self, place: &Place) -> Option<Bytes> {
        let kept = &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (place.object, place.at);
        let (bytes, used) = kept.by_place.get_mut(&key)?;
        kept.by_use.remove(used);
        kept.uses += 1;
        *used = kept.uses;
        kept.by_use.insert(kept.uses, key);
        Some(bytes.clone())
    }

    /// Returns whether the events at a location are cached, without marking them as used.
    pub(crate) fn has(&self, place: &Place) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.by_place.contains_key(&(place.object, place.at))
    }

    /// Adds events and evicts the least recently used ones; ignores events larger than the capacity.
    pub(crate) fn put(&self, object: u64, at: u64, bytes: Bytes) {
        if bytes.len() > self.most {
            return;
        }
        let kept = &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        kept.bytes += bytes.len();
        kept.by_use.insert(kept.uses, (object, at));
        if let Some((old, used)) = kept.by_place.insert((object, at), (bytes, kept.uses)) {
            kept.bytes -= old.len();
            kept.by_use.remove(&used);
        }
        while kept.bytes > self.most
            && let Some((_, key)) = kept.by_use.pop_first()
        {
            if let Some((gone, _)) = kept.by_place.remove(&key) {
                kept.bytes -= gone.len();
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
        let place = |object| Place { object, at: 0, length: 10, checksum: 0 };
        for object in 0..3 {
            cache.put(object, 0, vec![0; 10].into());
        }
        assert!(cache.get(&place(0)).is_some());
        cache.put(3, 0, vec![0; 10].into());
        cache.put(3, 0, vec![1; 10].into());
        let cached: Vec<bool> = (0..4).map(|object| cache.get(&place(object)).is_some()).collect();
        assert_eq!(cached, [true, false, true, true]);
        cache.put(4, 0, vec![0; 31].into());
        assert!(cache.get(&place(4)).is_none(), "events larger than the capacity are not cached");
    }
}
