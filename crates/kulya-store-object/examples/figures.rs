//! Benchmark: prints the throughput of commits and the latency of reads on several storages: `cargo run
//! --release -p kulya-store-object --example figures`. With `KULYA_TEST_S3` (`cargo xtask s3 -- …`) also on
//! an S3-compatible server.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use kulya_store::{Commit, Condition, Scope, StreamStore, TableChange, TableId};
use kulya_store_object::{ObjectLogStore, Settings, StoreLocation};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The approximate latency of an S3 request within a region.
const REQUEST: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("file://{}", directory.path().display());
    let slow =
        ThrottleConfig { wait_get_per_call: REQUEST, wait_put_per_call: REQUEST, ..Default::default() };
    let variable = |name: &str| name.contains("_KEY").then(|| "kulya".to_owned());
    println!(
        "| | commits/s, 1 at a time | 64 at a time | 64 at a time on each of 3 stores | get p50 | get p99 |"
    );
    println!("|---|---|---|---|---|---|");
    measure("memory", &StoreLocation::from_url("memory://", |_| None).unwrap(), 2000).await;
    measure("local directory, synced", &StoreLocation::from_url(&url, |_| None).unwrap(), 500).await;
    let objects: Arc<dyn ObjectStore> = Arc::new(ThrottledStore::new(InMemory::new(), slow));
    let prefix = object_store::path::Path::default();
    measure("memory, 20 ms a request", &StoreLocation { objects, prefix }, 50).await;
    if let Ok(url) = std::env::var("KULYA_TEST_S3") {
        measure("moto, an S3 in Python", &StoreLocation::from_url(&url, variable).unwrap(), 200).await;
    }
}

async fn open(location: &StoreLocation, instance: u128) -> ObjectLogStore {
    let StoreLocation { objects, prefix } = location.clone();
    ObjectLogStore::open(objects, &prefix, Settings::new(instance)).await.unwrap()
}

async fn measure(name: &str, location: &StoreLocation, count: usize) {
    let stores = [open(location, 1).await, open(location, 2).await, open(location, 3).await];
    let table = TableId::new("shop", "numbers").unwrap();
    stores[0].create_scope(&Scope::new("shop").unwrap()).await.unwrap();
    stores[0].create_table(&table).await.unwrap();
    let one = commits(&stores[..1], &table, 1, count).await;
    let many = commits(&stores[..1], &table, 64, count * 16).await;
    let several = commits(&stores, &table, 64, count * 16).await;
    let mut times = Vec::new();
    for n in 0..count {
        let start = Instant::now();
        stores[n % 3].get(&table, b"0").await.unwrap();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let (p50, p99) = (times[count / 2], times[count * 99 / 100]);
    println!("| {name} | {one:.0} | {many:.0} | {several:.0} | {p50:.1?} | {p99:.1?} |");
}

/// Measures commits per second with a number of concurrent writers per store.
async fn commits(stores: &[ObjectLogStore], table: &TableId, writers: usize, count: usize) -> f64 {
    let each = count / (writers * stores.len());
    let start = Instant::now();
    let tasks: Vec<_> = (0..writers * stores.len())
        .map(|writer| {
            let (store, table) = (stores[writer % stores.len()].clone(), table.clone());
            tokio::spawn(async move {
                for n in 0..each {
                    let value = format!("{n:0100}");
                    let change = TableChange::put(&table, writer.to_string(), Condition::Any, value);
                    store.commit(Commit::changes(vec![change])).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    (each * writers * stores.len()) as f64 / start.elapsed().as_secs_f64()
}
