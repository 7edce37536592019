//! The entries of a table in memory, for backends that do not keep tables elsewhere.

use crate::{Entry, Version};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;

/// An ordered map of keys to values and versions.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Entries(BTreeMap<Bytes, (Bytes, Version)>);

impl Entries {
    /// Sets the value of a key, or removes the entry with `None`.
    pub fn set(&mut self, key: Bytes, value: Option<Bytes>, version: Version) {
        match value {
            Some(value) => _ = self.0.insert(key, (value, version)),
            None => _ = self.0.remove(&key),
        }
    }

    /// Returns the version of a key.
    pub fn version(&self, key: &[u8]) -> Option<Version> {
        self.0.get(key).map(|(_, version)| *version)
    }

    /// Returns the entry of a key.
    pub fn get(&self, key: &[u8]) -> Option<Entry> {
        self.0.get_key_value(key).map(entry)
    }

    /// Returns at most `limit` entries whose key starts with `prefix` and is greater than `after`, in key
    /// order.
    pub fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Entry> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let entries = self.0.range::<[u8], _>((from, Bound::Unbounded));
        entries.take_while(|(key, _)| key.starts_with(prefix)).take(limit).map(entry).collect()
    }

    /// Iterates over all entries in key order.
    pub fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        self.0.iter().map(entry)
    }
}

fn entry((key, (value, version)): (&Bytes, &(Bytes, Version))) -> Entry {
    Entry { key: key.clone(), value: value.clone(), version: *version }
}
