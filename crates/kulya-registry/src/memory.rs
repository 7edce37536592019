//! What the registry remembers, all of it of things that never change: versions, schemas, and schemas made ready to be
//! judged, by incarnation and id. Whether a group is there, and which of these it counts, is read from the store for each
//! answer; so what is remembered cannot be wrong, only missing.

use crate::records::{SchemaRecord, VersionRecord};
use kulya_schema::{Judged, VersionInfo};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::collections::HashMap;
use std::sync::Arc;

/// Of how many bytes about schemas, judged schemas and versions are each remembered.
const SCHEMA_BYTES: u64 = 32 << 20;
const JUDGED_BYTES: u64 = 64 << 20;
const VERSION_BYTES: u64 = 32 << 20;
/// A parsed schema takes so many times its text, about, and this much more.
const JUDGED_TIMES: u64 = 6;
const OVERHEAD: u64 = 400;

pub(crate) struct Memory {
    pub(crate) schemas: Cache<(u64, u32), Arc<SchemaRecord>, OfSchema>,
    /// By incarnation, id, and whether it was read as strict rules read it.
    pub(crate) judged: Cache<(u64, u32, bool), Weighed, OfJudged>,
    pub(crate) versions: Cache<u64, Arc<Versions>, OfVersions>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        // how many there will be about decides only how much is set aside before there are any
        Self {
            schemas: Cache::with_weighter(1_000, SCHEMA_BYTES, OfSchema),
            judged: Cache::with_weighter(1_000, JUDGED_BYTES, OfJudged),
            versions: Cache::with_weighter(100, VERSION_BYTES, OfVersions),
        }
    }

    pub(crate) fn keep_judged(&self, key: (u64, u32, bool), judged: Arc<Judged>, bytes: usize) {
        self.judged.insert(key, (judged, bytes as u64 * JUDGED_TIMES + OVERHEAD));
    }
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

/// A judged schema, and what it weighs.
pub(crate) type Weighed = (Arc<Judged>, u64);

#[derive(Clone)]
pub(crate) struct OfJudged;

impl Weighter<(u64, u32, bool), (Arc<Judged>, u64)> for OfJudged {
    fn weight(&self, _: &(u64, u32, bool), judged: &(Arc<Judged>, u64)) -> u64 {
        judged.1
    }
}

#[derive(Clone)]
pub(crate) struct OfVersions;

impl Weighter<u64, Arc<Versions>> for OfVersions {
    fn weight(&self, _: &u64, versions: &Arc<Versions>) -> u64 {
        versions.records.len() as u64 * OVERHEAD + OVERHEAD
    }
}
