//! What the registry remembers, all of it of things that never change: versions, schemas, and schemas made ready to be
//! judged, by incarnation and id; and a group's head by the version of its entry. Whether a group is there, and which of
//! these it counts, is read from the store for each answer; so what is remembered cannot be wrong, only missing.
//!
//! Beside it, the order in which this process changes a group: whoever finds another at it waits, instead of losing to it
//! by compare-and-set time after time.

use crate::records::{Head, SchemaRecord, VersionRecord};
use kulya_schema::{GroupId, Judged, VersionInfo};
use kulya_store::Version;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use tokio::sync::{Mutex, MutexGuard};

/// Of how many bytes about schemas, judged schemas and versions are each remembered.
const SCHEMA_BYTES: u64 = 32 << 20;
const JUDGED_BYTES: u64 = 128 << 20;
/// A list may take half of it: that of a group with 160,000 versions.
const VERSION_BYTES: u64 = 64 << 20;
/// So many heads are remembered.
const HEADS: usize = 10_000;
/// Groups that share a turn; more cost only memory.
const TURNS: usize = 256;
/// A parsed schema takes so many times its text, about, and this much more.
const JUDGED_TIMES: u64 = 6;
const OVERHEAD: u64 = 400;
/// A version.
const VERSION: u64 = 200;

pub(crate) struct Memory {
    pub(crate) heads: Cache<GroupId, (Version, Arc<Head>)>,
    pub(crate) schemas: Cache<(u64, u32), Arc<SchemaRecord>, OfSchema>,
    pub(crate) judged: Cache<JudgedKey, Weighed, OfJudged>,
    pub(crate) versions: Cache<u64, Arc<Versions>, OfVersions>,
    turns: Vec<Mutex<()>>,
    seed: RandomState,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            heads: Cache::new(HEADS),
            schemas: whole(SCHEMA_BYTES, OfSchema),
            judged: whole(JUDGED_BYTES, OfJudged),
            versions: whole(VERSION_BYTES, OfVersions),
            turns: std::iter::repeat_with(Mutex::default).take(TURNS).collect(),
            seed: RandomState::new(),
        }
    }

    /// This process's turn to change a group.
    pub(crate) async fn turn(&self, group: &GroupId) -> Option<MutexGuard<'_, ()>> {
        let number = self.seed.hash_one(group) as usize % TURNS;
        Some(self.turns.get(number)?.lock().await)
    }

    pub(crate) fn keep_judged(&self, key: JudgedKey, judged: Arc<Judged>, bytes: usize) {
        self.judged.insert(key, (judged, bytes as u64 * JUDGED_TIMES + OVERHEAD));
    }
}

/// A cache in one part: in many, what weighs more than a part's share would never be kept.
///
/// Half of it is for what is asked for again and again, and half for what comes new: a check that goes through thousands finds
/// them all the next time, however full the cache was with what nobody needs now. And so many keys of what had to go are known
/// that what comes back is kept.
fn whole<Key: Eq + Hash, Val: Clone, We: Weighter<Key, Val> + Clone>(
    bytes: u64,
    weighter: We,
) -> Cache<Key, Val, We> {
    let lifecycle = DefaultLifecycle::default();
    let options = OptionsBuilder::new()
        .shards(1)
        .hot_allocation(0.5)
        .estimated_items_capacity((bytes / OVERHEAD) as usize)
        .weight_capacity(bytes)
        .build()
        .expect("all that is needed is given");
    Cache::with_options(options, weighter, DefaultHashBuilder::default(), lifecycle)
}

/// The first versions of an incarnation, in id order.
#[derive(Clone, Default)]
pub(crate) struct Versions {
    records: Vec<VersionRecord>,
    /// How many there are of each format and type.
    counts: HashMap<(String, String), u32>,
}

impl Versions {
    pub(crate) fn len(&self) -> u32 {
        self.records.len() as u32
    }

    pub(crate) fn push(&mut self, record: VersionRecord) {
        let key = (record.version.format.clone(), record.version.type_name.clone());
        *self.counts.entry(key).or_default() += 1;
        self.records.push(record);
    }

    /// Those with ids before `end`.
    pub(crate) fn before(&self, end: u32) -> &[VersionRecord] {
        self.records.get(..end as usize).unwrap_or(&self.records)
    }

    /// The version that a schema of this format and type gets next.
    pub(crate) fn next(&self, format: &str, type_name: &str) -> VersionInfo {
        let (format, type_name) = (format.to_owned(), type_name.to_owned());
        let key = (format, type_name);
        let version = self.counts.get(&key).copied().unwrap_or_default();
        let (format, type_name) = key;
        VersionInfo { type_name, format, version, id: self.len() }
    }
}

#[derive(Clone)]
pub(crate) struct OfSchema;

impl Weighter<(u64, u32), Arc<SchemaRecord>> for OfSchema {
    fn weight(&self, _: &(u64, u32), record: &Arc<SchemaRecord>) -> u64 {
        let labels: usize = record.schema.properties.iter().map(|(key, value)| key.len() + value.len()).sum();
        (record.schema.data.len() + record.schema.type_name.len() + labels) as u64 + OVERHEAD
    }
}

/// A judged schema's incarnation and id, and whether it was read as strict rules read it.
pub(crate) type JudgedKey = (u64, u32, bool);

/// A judged schema, and what it weighs.
pub(crate) type Weighed = (Arc<Judged>, u64);

#[derive(Clone)]
pub(crate) struct OfJudged;

impl Weighter<JudgedKey, Weighed> for OfJudged {
    fn weight(&self, _: &JudgedKey, judged: &Weighed) -> u64 {
        judged.1
    }
}

#[derive(Clone)]
pub(crate) struct OfVersions;

impl Weighter<u64, Arc<Versions>> for OfVersions {
    fn weight(&self, _: &u64, versions: &Arc<Versions>) -> u64 {
        versions.records.len() as u64 * VERSION + OVERHEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kulya_schema::decide::Judge;
    use kulya_schema::{Budget, Checkers, Compatibility, Format, Rules, SchemaInfo};

    /// A check against many versions asks for them in one order, time after time: a cache that keeps a part of what fits
    /// would keep none of them.
    #[test]
    fn all_that_fits_is_remembered() {
        let compatibility = Compatibility::Backward;
        let judge = Judge {
            compatibility,
            rules: Rules::Java,
            allow_multiple_types: true,
            checkers: Checkers::default(),
        };
        let judged = Arc::new(Judged::registered(
            &SchemaInfo::new("", Format::Avro, "\"int\""),
            &judge,
            &Budget::default(),
        ));
        let each = |at: u32| (0, at, false);
        // it begins empty, or with more than it holds
        for others in [0, 60_000] {
            let memory = Memory::new();
            let ask = |at: u32| {
                let is_known = memory.judged.get(&each(at)).is_some();
                if !is_known {
                    memory.keep_judged(each(at), Arc::clone(&judged), 850);
                }
                is_known
            };
            (0..others).for_each(|at| _ = ask(100_000 + at));
            (0..10_000).for_each(|at| _ = ask(at));
            assert_eq!((0..10_000).filter(|at| ask(*at)).count(), 10_000, "behind {others}");
        }
    }
}
