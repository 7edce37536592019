//! Keys as numbers: a hash table from the bytes of a key to a slot, in flat vectors.
//!
//! An operator keeps what belongs to a key in vectors of its own, by slot. The table knows which slots
//! changed since the last commit.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::mem::size_of;

/// The number of a key, until the key is removed.
pub(crate) type Slot = u32;

/// Keys and their slots.
///
/// Hashes are seeded at random, as the keys come from outside; nothing that is visible depends on them.
#[derive(Default)]
pub(crate) struct KeyTable {
    slots: HashTable<Slot>,
    hasher: DefaultHashBuilder,
    keys: Vec<Span>,
    bytes: Vec<u8>,
    /// Bytes of removed keys.
    unused_bytes: usize,
    free: Vec<Slot>,
    dirty: Vec<Slot>,
    /// Keys that were removed since the last commit, and may have been inserted again.
    removed: Vec<Box<[u8]>>,
}

#[derive(Clone, Copy, Default)]
struct Span {
    start: usize,
    length: u32,
    is_live: bool,
    is_dirty: bool,
}

/// Keys are moved together when this many bytes and the half of all are unused.
const MIN_UNUSED_BYTES: usize = 4096;

impl KeyTable {
    /// The number of keys.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// One more than the largest slot there was: the length of vectors by slot.
    pub(crate) fn slot_count(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn key(&self, slot: Slot) -> &[u8] {
        let span = &self.keys[slot as usize];
        &self.bytes[span.start..span.start + span.length as usize]
    }

    pub(crate) fn find(&self, key: &[u8]) -> Option<Slot> {
        let hash = self.hasher.hash_one(key);
        self.slots.find(hash, |slot| bytes_of(&self.keys, &self.bytes, *slot) == key).copied()
    }

    /// The key's slot, and whether the key is new.
    pub(crate) fn insert(&mut self, key: &[u8]) -> (Slot, bool) {
        let hash = self.hasher.hash_one(key);
        let Self { slots, hasher, keys, bytes, .. } = self;
        if let Some(slot) = slots.find(hash, |slot| bytes_of(keys, bytes, *slot) == key) {
            return (*slot, false);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            keys.push(Span::default());
            (keys.len() - 1) as Slot
        });
        let is_dirty = keys[slot as usize].is_dirty;
        keys[slot as usize] = Span { start: bytes.len(), length: key.len() as u32, is_live: true, is_dirty };
        bytes.extend_from_slice(key);
        slots.insert_unique(hash, slot, |slot| hasher.hash_one(bytes_of(keys, bytes, *slot)));
        (slot, true)
    }

    /// Removes a key; its slot may be given to another.
    pub(crate) fn remove(&mut self, slot: Slot) {
        self.removed.push(self.key(slot).into());
        self.remove_quietly(slot);
    }

    /// Removes a key that was never stored.
    pub(crate) fn remove_quietly(&mut self, slot: Slot) {
        let hash = self.hasher.hash_one(self.key(slot));
        if let Ok(entry) = self.slots.find_entry(hash, |other| *other == slot) {
            entry.remove();
        }
        let span = &mut self.keys[slot as usize];
        span.is_live = false;
        self.unused_bytes += span.length as usize;
        span.length = 0;
        self.free.push(slot);
        if self.unused_bytes > MIN_UNUSED_BYTES && self.unused_bytes > self.bytes.len() / 2 {
            self.move_together();
        }
    }

    fn move_together(&mut self) {
        let mut bytes = Vec::with_capacity(self.bytes.len() - self.unused_bytes);
        for span in self.keys.iter_mut().filter(|span| span.is_live) {
            let start = bytes.len();
            bytes.extend_from_slice(&self.bytes[span.start..span.start + span.length as usize]);
            span.start = start;
        }
        for span in self.keys.iter_mut().filter(|span| !span.is_live) {
            span.start = 0;
        }
        self.bytes = bytes;
        self.unused_bytes = 0;
    }

    /// The slots of all keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> {
        let spans = self.keys.iter().enumerate();
        spans.filter(|(_, span)| span.is_live).map(|(slot, _)| slot as Slot)
    }

    /// Notes that what belongs to the key changed.
    pub(crate) fn mark_dirty(&mut self, slot: Slot) {
        let span = &mut self.keys[slot as usize];
        if !std::mem::replace(&mut span.is_dirty, true) {
            self.dirty.push(slot);
        }
    }

    /// Takes the keys that were removed and the slots that changed since the last call, to be stored in this
    /// order.
    pub(crate) fn take_dirty(&mut self) -> (Vec<Box<[u8]>>, Vec<Slot>) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for slot in &dirty {
            self.keys[*slot as usize].is_dirty = false;
        }
        dirty.retain(|slot| self.keys[*slot as usize].is_live);
        (std::mem::take(&mut self.removed), dirty)
    }

    /// Forgets what changed, after entries were restored.
    pub(crate) fn clear_dirty(&mut self) {
        self.take_dirty();
    }

    pub(crate) fn size_bytes(&self) -> usize {
        self.slots.capacity() * (size_of::<Slot>() + 1)
            + self.keys.capacity() * size_of::<Span>()
            + self.bytes.capacity()
            + (self.free.capacity() + self.dirty.capacity()) * size_of::<Slot>()
            + self.removed.iter().map(|key| key.len() + size_of::<Box<[u8]>>()).sum::<usize>()
    }
}

fn bytes_of<'a>(keys: &[Span], bytes: &'a [u8], slot: Slot) -> &'a [u8] {
    let span = &keys[slot as usize];
    &bytes[span.start..span.start + span.length as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn keys_are_found_until_they_are_removed(steps in proptest::collection::vec((0u8..40, any::<bool>()), 0..400)) {
            let mut table = KeyTable::default();
            let mut expected: BTreeMap<Vec<u8>, Slot> = BTreeMap::new();
            for (number, is_inserted) in steps {
                let key = vec![number; 200];
                match expected.get(&key).copied() {
                    Some(slot) if !is_inserted => {
                        table.remove(slot);
                        expected.remove(&key);
                    }
                    Some(slot) => prop_assert_eq!(table.insert(&key), (slot, false)),
                    None if is_inserted => {
                        let (slot, is_new) = table.insert(&key);
                        prop_assert!(is_new && !expected.values().any(|other| *other == slot));
                        expected.insert(key, slot);
                    }
                    None => prop_assert_eq!(table.find(&key), None),
                }
                for (key, slot) in &expected {
                    prop_assert_eq!(table.find(key), Some(*slot));
                    prop_assert_eq!(table.key(*slot), key.as_slice());
                }
                prop_assert_eq!(table.len(), expected.len());
                prop_assert_eq!(table.iter().count(), expected.len());
            }
        }
    }
}
