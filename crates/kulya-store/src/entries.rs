//! A table's entries in memory: what backends keep that have no better place for them.

use crate::{Entry, Version};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Keys in order, each with its value and version.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Entries(BTreeMap<Bytes, (Bytes, Version)>);

impl Entries {
    /// Sets a value, or with `None` removes the entry.
    pub fn set(&mut self, key: Bytes, value: Option<Bytes>, version: Version) {
        match value {
            Some(value) => _ = self.0.insert(key, (value, version)),
            None => _ = self.0.remove(&key),
        }
    }

    /// The version under a key.
    pub fn version(&self, key: &[u8]) -> Option<Version> {
        self.0.get(key).map(|(_, version)| *version)
    }

    /// The entry under a key.
    pub fn get(&self, key: &[u8]) -> Option<Entry> {
        self.0.get_key_value(key).map(entry)
    }

    /// At most `limit` entries whose key begins with `prefix` and lies beyond `after`, in key order.
    pub fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Entry> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let entries = self.0.range::<[u8], _>((from, Bound::Unbounded));
        entries.take_while(|(key, _)| key.starts_with(prefix)).take(limit).map(entry).collect()
    }

    /// All of them, in key order.
    pub fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        self.0.iter().map(entry)
    }
}

fn entry((key, (value, version)): (&Bytes, &(Bytes, Version))) -> Entry {
    Entry { key: key.clone(), value: value.clone(), version: *version }
}
