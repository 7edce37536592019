//! The registry's caches. All but one hold immutable data, by incarnation and id: versions, schemas, and
//! schemas prepared for comparison. Group records are cached by the version of their entry. Each request
//! reads the group's entry from the store, so a cache can lack data and never has stale data.
//!
//! The module also has this process's locks of groups: changes of one group wait for each other instead of
//! failing by compare-and-set again and again.

use crate::records::{GroupRecord, SchemaRecord, VersionRecord};
use kulya_schema::{GroupId, PreparedSchema, VersionInfo};
use kulya_store::Version;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// Capacities of the caches of schemas and of prepared schemas, in bytes (estimated).
const SCHEMA_CACHE_BYTES: u64 = 32 << 20;
const PREPARED_CACHE_BYTES: u64 = 128 << 20;
/// Capacity of the cache of version lists, in bytes (estimated). One list can take half of it: 160,000
/// versions.
const VERSION_CACHE_BYTES: u64 = 64 << 20;
/// Capacity of the cache of group records.
const MAX_GROUPS: usize = 10_000;
/// Number of locks, which groups share by their hash.
const GROUP_LOCKS: usize = 256;
/// The estimated size of a prepared schema: a multiple of its text, and a constant in bytes.
const PREPARED_FACTOR: u64 = 6;
const OVERHEAD_BYTES: u64 = 400;
/// The estimated size of a version, in bytes.
const VERSION_BYTES: u64 = 200;

pub(crate) struct RegistryCache {
    pub(crate) groups: Cache<GroupId, (Version, Arc<GroupRecord>)>,
    pub(crate) schemas: Cache<(u64, u32), Arc<SchemaRecord>, SchemaWeighter>,
    pub(crate) prepared: Cache<PreparedKey, WeightedSchema, PreparedWeighter>,
    pub(crate) versions: Cache<u64, Arc<VersionList>, VersionsWeighter>,
    group_locks: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl RegistryCache {
    pub(crate) fn new() -> Self {
        Self {
            groups: Cache::new(MAX_GROUPS),
            schemas: unsharded(SCHEMA_CACHE_BYTES, SchemaWeighter),
            prepared: unsharded(PREPARED_CACHE_BYTES, PreparedWeighter),
            versions: unsharded(VERSION_CACHE_BYTES, VersionsWeighter),
            group_locks: std::iter::repeat_with(Mutex::default).take(GROUP_LOCKS).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Waits for this process's lock of a group. It is held while the group is changed; other processes are
    /// not excluded.
    pub(crate) async fn lock_group(&self, group: &GroupId) -> Option<MutexGuard<'_, ()>> {
        let index = self.hasher.hash_one(group) as usize % GROUP_LOCKS;
        Some(self.group_locks.get(index)?.lock().await)
    }

    /// Caches a prepared schema whose text has `bytes` bytes.
    pub(crate) fn insert_prepared(&self, key: PreparedKey, prepared: Arc<PreparedSchema>, bytes: usize) {
        self.prepared.insert(key, (prepared, bytes as u64 * PREPARED_FACTOR + OVERHEAD_BYTES));
    }
}

/// Creates a cache of one shard: with several, an entry larger than a shard's share would never be cached.
///
/// Half of the capacity is for hot entries and half for new ones, so that a check of thousands of versions
/// finds all of them at the next check, even when the cache was full of unrelated entries. The ghost list
/// (keys of evicted entries) is large enough that an entry that comes back becomes hot.
fn unsharded<Key: Eq + Hash, Val: Clone, We: Weighter<Key, Val> + Clone>(
    bytes: u64,
    weighter: We,
) -> Cache<Key, Val, We> {
    let lifecycle = DefaultLifecycle::default();
    let options = OptionsBuilder::new()
        .shards(1)
        .hot_allocation(0.5)
        .estimated_items_capacity((bytes / OVERHEAD_BYTES) as usize)
        .weight_capacity(bytes)
        .build()
        .expect("all required options are set");
    Cache::with_options(options, weighter, DefaultHashBuilder::default(), lifecycle)
}

/// The versions of an incarnation from id 0 on, in id order, deleted ones included.
#[derive(Clone, Default)]
pub(crate) struct VersionList {
    records: Vec<VersionRecord>,
    /// The number of versions by format and type.
    counts: HashMap<(String, String), u32>,
}

impl VersionList {
    pub(crate) fn len(&self) -> u32 {
        self.records.len() as u32
    }

    pub(crate) fn push(&mut self, record: VersionRecord) {
        let key = (record.version.format.clone(), record.version.type_name.clone());
        *self.counts.entry(key).or_default() += 1;
        self.records.push(record);
    }

    /// Returns the versions whose ids are less than `end`.
    pub(crate) fn up_to(&self, end: u32) -> &[VersionRecord] {
        self.records.get(..end as usize).unwrap_or(&self.records)
    }

    /// Returns the version that the next schema of a format and type gets.
    pub(crate) fn next_version(&self, format: &str, type_name: &str) -> VersionInfo {
        let (format, type_name) = (format.to_owned(), type_name.to_owned());
        let key = (format, type_name);
        let version = self.counts.get(&key).copied().unwrap_or_default();
        let (format, type_name) = key;
        VersionInfo { type_name, format, version, id: self.len() }
    }
}

#[derive(Clone)]
pub(crate) struct SchemaWeighter;

impl Weighter<(u64, u32), Arc<SchemaRecord>> for SchemaWeighter {
    fn weight(&self, _: &(u64, u32), record: &Arc<SchemaRecord>) -> u64 {
        let properties: usize =
            record.schema.properties.iter().map(|(key, value)| key.len() + value.len()).sum();
        let references: usize = record
            .references
            .iter()
            .map(|reference| reference.name.len() + reference.namespace.len() + reference.group.len() + 100)
            .sum();
        let bytes = record.schema.data.len() + record.schema.type_name.len() + properties + references;
        bytes as u64 + OVERHEAD_BYTES
    }
}

/// The incarnation and id of a prepared schema, and whether it was prepared for strict rules.
pub(crate) type PreparedKey = (u64, u32, bool);

/// A prepared schema and its estimated size in bytes.
pub(crate) type WeightedSchema = (Arc<PreparedSchema>, u64);

#[derive(Clone)]
pub(crate) struct PreparedWeighter;

impl Weighter<PreparedKey, WeightedSchema> for PreparedWeighter {
    fn weight(&self, _: &PreparedKey, prepared: &WeightedSchema) -> u64 {
        prepared.1
    }
}

#[derive(Clone)]
pub(crate) struct VersionsWeighter;

impl Weighter<u64, Arc<VersionList>> for VersionsWeighter {
    fn weight(&self, _: &u64, versions: &Arc<VersionList>) -> u64 {
        versions.records.len() as u64 * VERSION_BYTES + OVERHEAD_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_schema::compatibility::CompatibilityContext;
    use kulya_schema::{Budget, Checkers, Compatibility, Format, Rules, SchemaInfo};

    /// Checks against many versions look them up in the same order each time: a cache that evicted some of
    /// what fits would hit none of them.
    #[test]
    fn a_scan_that_fits_is_cached_completely() {
        let compatibility = Compatibility::Backward;
        let context = CompatibilityContext {
            compatibility,
            rules: Rules::Java,
            allow_multiple_types: true,
            checkers: Checkers::default(),
        };
        let prepared = Arc::new(PreparedSchema::from_registered(
            &SchemaInfo::new("", Format::Avro, "\"int\""),
            &context,
            &Budget::default(),
        ));
        let key = |at: u32| (0, at, false);
        // an empty cache, and one full of other entries
        for others in [0, 60_000] {
            let cache = RegistryCache::new();
            let look_up = |at: u32| {
                let is_cached = cache.prepared.get(&key(at)).is_some();
                if !is_cached {
                    cache.insert_prepared(key(at), Arc::clone(&prepared), 850);
                }
                is_cached
            };
            (0..others).for_each(|at| _ = look_up(100_000 + at));
            (0..10_000).for_each(|at| _ = look_up(at));
            assert_eq!((0..10_000).filter(|at| look_up(*at)).count(), 10_000, "after {others}");
        }
    }
}
