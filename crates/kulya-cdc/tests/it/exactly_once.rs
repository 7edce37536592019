//! What a capture must hold, whatever fails: each transaction's events are stored once, and the tables that
//! are rebuilt from them are the database's.

use async_trait::async_trait;
use kulya_cdc::CaptureSettings;
use kulya_store::{Scope, StreamId, StreamStore, bounded_read};
use kulya_testkit::SeededRng;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// A database in which a test changes the tables `acc` and `hist`.
#[async_trait]
pub(crate) trait Workload: Send + Sync {
    /// Runs statements in one transaction. An error leaves open whether it was committed.
    async fn transaction(&self, statements: &[String]) -> Result<(), String>;
    /// Returns the rows of a table, as id and value.
    async fn rows(&self, table: &str) -> BTreeMap<i64, i64>;
    /// Drops the tables.
    async fn drop_tables(&self);
}

/// Returns the statements of a transaction: inserts, updates, changes of keys and deletes in both tables.
pub(crate) fn statements(rng: &mut SeededRng, next_id: &mut i64) -> Vec<String> {
    let count = 1 + rng.u64_below(5);
    let mut statements = Vec::new();
    for _ in 0..count {
        let id = 1 + rng.u64_below(20);
        let value = rng.u64_below(1000);
        statements.push(match rng.u64_below(6) {
            0 => format!("UPDATE acc SET v = {value} WHERE id = {id}"),
            1 => format!("UPDATE acc SET v = v + 1 WHERE id < {id}"),
            2 => format!("DELETE FROM hist WHERE id % 7 = {}", rng.u64_below(7)),
            3 => {
                *next_id += 1;
                format!("UPDATE hist SET id = {} WHERE id = {}", *next_id, *next_id - 2)
            }
            _ => {
                *next_id += 1;
                format!("INSERT INTO hist (id, v) VALUES ({}, {value})", *next_id)
            }
        });
    }
    statements
}

/// Returns the events of the capture's streams by name, in the order of each segment.
async fn events(store: &dyn StreamStore, scope: &str) -> HashMap<String, Vec<Value>> {
    let mut found = HashMap::new();
    for name in store.streams(&Scope::new(scope).unwrap()).await.unwrap() {
        found.insert(name.as_str().to_owned(), events_of(store, scope, name.as_str()).await);
    }
    found
}

async fn events_of(store: &dyn StreamStore, scope: &str, name: &str) -> Vec<Value> {
    let stream = StreamId::new(scope, name).unwrap();
    let events = bounded_read(store, &stream).await.unwrap();
    events.iter().map(|(_, event)| serde_json::from_slice(event).unwrap()).collect()
}

/// Returns the operation by which a row of `acc` was stored with a value; `None` if there is none.
pub(crate) async fn stored_by(
    store: &dyn StreamStore,
    settings: &CaptureSettings,
    value: i64,
) -> Option<String> {
    let scope = settings.store_settings().unwrap().scope;
    let streams = store.streams(&Scope::new(&scope).unwrap()).await.ok()?;
    let name = streams.iter().find(|name| name.as_str().ends_with(".acc"))?;
    let events = events_of(store, &scope, name.as_str()).await;
    let event = events.iter().find(|event| event["after"]["v"] == value)?;
    event["op"].as_str().map(str::to_owned)
}

/// Checks the streams of a capture with transaction metadata against the database. Returns the number of
/// transactions that were captured from the log.
pub(crate) async fn check(
    label: &str,
    store: &dyn StreamStore,
    workload: &dyn Workload,
    settings: &CaptureSettings,
) -> usize {
    let events = events(store, &settings.store_settings().unwrap().scope).await;
    let mut counts: HashMap<String, u64> = HashMap::new();
    let id = |value: &Value| {
        let id = value.as_str().unwrap();
        // PostgreSQL's are followed by a log position
        id.split_once(':').filter(|(xid, _)| !xid.contains('-')).map_or(id, |(xid, _)| xid).to_owned()
    };
    for table in ["acc", "hist"] {
        let suffix = format!(".{table}");
        // a table without rows may have no stream yet
        let changes = events.iter().find(|(name, _)| name.ends_with(&suffix));
        let changes = changes.map_or(&[][..], |(_, changes)| changes);
        let mut rows = BTreeMap::new();
        for change in changes {
            let row = |image: &str| Some((change[image]["id"].as_i64()?, change[image]["v"].as_i64()));
            match change["op"].as_str().unwrap() {
                "d" => assert!(
                    rows.remove(&row("before").unwrap().0).is_some(),
                    "{label}: {table} loses a row that it has not: {change}"
                ),
                op => {
                    let (id, v) = row("after").unwrap();
                    let earlier = rows.insert(id, v.unwrap());
                    assert_eq!(earlier.is_some(), op == "u", "{label}: {table} {change}");
                }
            }
            if change["op"] != "r" {
                *counts.entry(id(&change["transaction"]["id"])).or_default() += 1;
            }
        }
        assert_eq!(rows, workload.rows(table).await, "{label}: table {table}");
    }
    let boundaries = events.iter().find(|(name, _)| name.ends_with(".transaction"));
    let boundaries = boundaries.map_or(&[][..], |(_, boundaries)| boundaries);
    let mut ends: HashMap<String, u64> = HashMap::new();
    for end in boundaries.iter().filter(|boundary| boundary["status"] == "END") {
        let earlier = ends.insert(id(&end["id"]), end["event_count"].as_u64().unwrap());
        assert_eq!(earlier, None, "{label}: a transaction is stored twice: {end}");
    }
    ends.retain(|_, count| *count > 0);
    assert_eq!(ends, counts, "{label}: the events of each transaction");
    ends.len()
}
