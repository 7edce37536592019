//! Captures under load that fail at random moments: the sink before and after a commit, the network, and the
//! process itself. Whatever happened, each transaction's events are stored once, and the tables that are
//! rebuilt from them are the database's.

use crate::proxy::Proxy;
use async_trait::async_trait;
use kulya_cdc::{
    Batch, Capture, CaptureSettings, CdcError, CdcErrorKind, CdcResult, Checkpoint, Sink, StoreSink,
};
use kulya_registry::Registry;
use kulya_store::clock::SystemClock;
use kulya_store::memory::MemoryStore;
use kulya_store::{Scope, StreamId, StreamStore, bounded_read};
use kulya_testkit::SeededRng;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::Notify;

/// The number of seeds; `KULYA_SEEDS` sets another.
const SEEDS: u64 = 12;
/// The number of transactions that are committed while the capture fails once.
const TRANSACTIONS_PER_FAULT: u32 = 12;
/// The number of faults of a seed.
const FAULTS: u32 = 8;

/// A database in which a test changes the tables `acc` and `hist`.
#[async_trait]
pub(crate) trait Workload: Send + Sync {
    /// Runs statements in one transaction.
    async fn transaction(&self, statements: &[String]);
    /// Returns the rows of a table, as id and value.
    async fn rows(&self, table: &str) -> BTreeMap<i64, i64>;
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// The store does not respond, and has not written.
    CommitFails,
    /// The store has written, and its response is lost.
    ResponseIsLost,
    /// The connections to the database are cut during the commit.
    NetworkIsCut,
    /// The process is killed before the commit.
    KilledBefore,
    /// The process is killed after the commit, before its position is confirmed.
    KilledAfter,
}

impl Fault {
    fn random(rng: &mut SeededRng) -> Self {
        rng.pick(&[
            Self::CommitFails,
            Self::ResponseIsLost,
            Self::NetworkIsCut,
            Self::KilledBefore,
            Self::KilledAfter,
        ])
    }
}

/// A sink that fails at a commit.
struct FaultySink {
    sink: StoreSink,
    /// The fault, and the number of commits before it.
    fault: Option<(u64, Fault)>,
    proxy: Proxy,
    killed: Arc<Notify>,
}

impl FaultySink {
    async fn die(&mut self) -> CdcResult<()> {
        self.killed.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Sink for FaultySink {
    async fn position(&mut self) -> CdcResult<Option<Checkpoint>> {
        self.sink.position().await
    }

    async fn stage(&mut self, batch: Batch) -> CdcResult<()> {
        self.sink.stage(batch).await
    }

    async fn commit(&mut self, batch: Batch, checkpoint: &Checkpoint) -> CdcResult<()> {
        let fault = match &mut self.fault {
            Some((0, fault)) => Some(*fault),
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        if fault.is_some() {
            self.fault = None;
        }
        let unreachable = || Err(CdcError::new(CdcErrorKind::Unreachable, "injected fault"));
        match fault {
            Some(Fault::CommitFails) => return unreachable(),
            Some(Fault::KilledBefore) => return self.die().await,
            Some(Fault::NetworkIsCut) => self.proxy.cut(),
            _ => {}
        }
        self.sink.commit(batch, checkpoint).await?;
        match fault {
            Some(Fault::ResponseIsLost) => unreachable(),
            Some(Fault::KilledAfter) => self.die().await,
            _ => Ok(()),
        }
    }
}

/// Returns the statements of a transaction: inserts, updates, changes of keys and deletes in both tables.
fn statements(rng: &mut SeededRng, next_id: &mut i64) -> Vec<String> {
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

/// Captures a workload with all the faults of a number of seeds. `create` makes the tables again and returns
/// the settings of their capture.
pub(crate) async fn captures_survive_faults<W>(create: impl AsyncFn(u64) -> (Arc<W>, CaptureSettings))
where
    W: Workload + 'static,
{
    let seeds = std::env::var("KULYA_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        let (workload, settings) = create(seed).await;
        run(seed, workload, settings).await;
    }
}

async fn run<W: Workload + 'static>(seed: u64, workload: Arc<W>, mut settings: CaptureSettings) {
    let mut rng = SeededRng::new(seed);
    settings.transaction_metadata = true;
    settings.segments = 2;
    let store = MemoryStore::new();
    let (proxy, url) = Proxy::before(&settings.url).await;
    let through_proxy = CaptureSettings { url, ..settings.clone() };
    let sink = async || {
        let registry = Registry::new(store.clone(), SystemClock).unwrap();
        StoreSink::new(store.clone(), registry, settings.store_settings().unwrap()).await.unwrap()
    };
    let mut writes = SeededRng::new(seed ^ 0x5eed);
    let mut next_id = 1000;
    for _ in 0..FAULTS {
        let transactions: Vec<_> =
            (0..TRANSACTIONS_PER_FAULT).map(|_| statements(&mut writes, &mut next_id)).collect();
        let writer = tokio::spawn({
            let workload = Arc::clone(&workload);
            async move {
                for transaction in transactions {
                    workload.transaction(&transaction).await;
                }
            }
        });
        let fault = Some((rng.u64_below(6), Fault::random(&mut rng)));
        let killed = Arc::new(Notify::new());
        let mut sink =
            FaultySink { sink: sink().await, fault, proxy: proxy.clone(), killed: Arc::clone(&killed) };
        let capture = Capture::from(through_proxy.clone()).until_caught_up().run(&mut sink);
        tokio::select! {
            result = capture => result.unwrap_or_else(|e| panic!("seed {seed}, {fault:?}: {e:?}")),
            () = killed.notified() => {}
        }
        writer.await.unwrap();
    }
    let mut last = sink().await;
    Capture::from(settings.clone()).until_caught_up().run(&mut last).await.unwrap();
    check(seed, &store, &*workload, &settings).await;
}

/// Returns the events of the capture's streams by name, in the order of each segment.
async fn events(store: &MemoryStore, scope: &str) -> HashMap<String, Vec<Value>> {
    let mut found = HashMap::new();
    for name in store.streams(&Scope::new(scope).unwrap()).await.unwrap() {
        let stream = StreamId::new(scope, name.as_str()).unwrap();
        let events = bounded_read(store, &stream).await.unwrap();
        let events = events.iter().map(|(_, event)| serde_json::from_slice(event).unwrap());
        found.insert(name.as_str().to_owned(), events.collect());
    }
    found
}

async fn check(seed: u64, store: &MemoryStore, workload: &dyn Workload, settings: &CaptureSettings) {
    let events = events(store, &settings.store_settings().unwrap().scope).await;
    let mut counts: HashMap<String, u64> = HashMap::new();
    let id = |value: &Value| {
        let id = value.as_str().unwrap();
        // PostgreSQL's are followed by a log position
        id.split_once(':').filter(|(xid, _)| !xid.contains('-')).map_or(id, |(xid, _)| xid).to_owned()
    };
    for table in ["acc", "hist"] {
        let suffix = format!(".{table}");
        let (_, changes) = events.iter().find(|(name, _)| name.ends_with(&suffix)).unwrap();
        let mut rows = BTreeMap::new();
        for change in changes {
            let row = |image: &str| Some((change[image]["id"].as_i64()?, change[image]["v"].as_i64()));
            match change["op"].as_str().unwrap() {
                "d" => assert!(
                    rows.remove(&row("before").unwrap().0).is_some(),
                    "seed {seed}: {table} loses a row that it has not: {change}"
                ),
                op => {
                    let (id, v) = row("after").unwrap();
                    let earlier = rows.insert(id, v.unwrap());
                    assert_eq!(earlier.is_some(), op == "u", "seed {seed}: {table} {change}");
                }
            }
            if change["op"] != "r" {
                *counts.entry(id(&change["transaction"]["id"])).or_default() += 1;
            }
        }
        assert_eq!(rows, workload.rows(table).await, "seed {seed}: table {table}");
    }
    let (_, boundaries) = events.iter().find(|(name, _)| name.ends_with(".transaction")).unwrap();
    assert!(!boundaries.is_empty(), "seed {seed}: no transaction was captured from the log");
    let mut ends: HashMap<String, u64> = HashMap::new();
    for end in boundaries.iter().filter(|boundary| boundary["status"] == "END") {
        let earlier = ends.insert(id(&end["id"]), end["event_count"].as_u64().unwrap());
        assert_eq!(earlier, None, "seed {seed}: a transaction is stored twice: {end}");
    }
    ends.retain(|_, count| *count > 0);
    assert_eq!(ends, counts, "seed {seed}: the events of each transaction");
}
