//! Fault injection: no acknowledged commit is lost or applied twice, whatever the network does to several
//! stores on the same objects. `KULYA_SEED=n` runs one seed alone, `KULYA_SEEDS=n` a number of seeds.

use super::faulty_storage::FaultyStorage;
use super::{event, instance, memory, orders};
use crate::{ObjectLogStore, Settings};
use kulya_testkit::SeededRng;
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store::model::{self, Step};
use kulya_store::{
    Append, Commit, Condition, ErrorKind, Result, Scope, StreamConfig, StreamStore, TableChange, TableId,
    WriterId, bounded_read,
};
use object_store::ObjectStore;
use object_store::path::Path;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The maximum number of retries after an unknown outcome.
const MAX_ATTEMPTS: usize = 200;

fn seeds(usual: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    match number("KULYA_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("KULYA_SEEDS").unwrap_or(usual)).collect(),
    }
}

/// Runs one simulation with paused time.
fn simulate(seed: u64, world: impl Future<Output = ()>) {
    // displayed when the test fails
    println!("seed {seed}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(world);
}

/// The storage, and each process's faulty connection to it.
struct Cluster {
    objects: Arc<dyn ObjectStore>,
    connections: Vec<Arc<FaultyStorage>>,
    clock: Arc<ManualClock>,
    percent: u64,
}

impl Cluster {
    fn new(rng: &mut SeededRng) -> Self {
        let percent = rng.pick(&[5, 20, 40]);
        Self { objects: memory(), connections: Vec::new(), clock: Arc::default(), percent }
    }

    fn settings(&self) -> Settings {
        Settings {
            clock: self.clock.clone(),
            clock_check_interval: None,
            poll_interval: Duration::from_millis(10),
            checkpoint_every: 3,
            block_size: 3,
            deletion_grace: Duration::ZERO,
            end_check_interval: Duration::ZERO,
            max_attempts: 3,
            cache_bytes: 100,
            ..Settings::new(instance())
        }
    }

    /// Opens a store as another process.
    async fn open(&mut self, rng: &mut SeededRng) -> ObjectLogStore {
        let connection = FaultyStorage::new(&self.objects, rng.next_u64(), self.percent);
        self.connections.push(connection.clone());
        let objects: Arc<dyn ObjectStore> = connection;
        let prefix = Path::from("s");
        retry(|| ObjectLogStore::open(Arc::clone(&objects), &prefix, self.settings())).await
    }

    /// Opens a store without faults.
    async fn open_reliable(&self) -> ObjectLogStore {
        ObjectLogStore::open(Arc::clone(&self.objects), &Path::from("s"), self.settings()).await.unwrap()
    }

    /// Reads everything while no faults are injected: with so many requests one would always fail.
    async fn digest(&self, store: &ObjectLogStore) -> String {
        self.connections.iter().for_each(|connection| connection.set_faults_off(true));
        let digest = model::digest(store).await.unwrap();
        self.connections.iter().for_each(|connection| connection.set_faults_off(false));
        digest
    }

    async fn stop_faults(&self) {
        for connection in &self.connections {
            connection.stop_faults().await;
        }
    }
}

/// Retries until the outcome is known.
async fn retry<T, F: Future<Output = Result<T>>>(call: impl Fn() -> F) -> T {
    for _ in 0..MAX_ATTEMPTS {
        match call().await {
            Ok(answer) => return answer,
            Err(error) if error.kind() == ErrorKind::Unreachable => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("no outcome after {MAX_ATTEMPTS} attempts");
}

#[test]
fn several_stores_match_the_reference_model() {
    let mut unknown = 0;
    let all = seeds(150);
    for seed in &all {
        simulate(*seed, async { unknown += run_sequentially(*seed).await });
    }
    println!("{unknown} responses were lost");
    assert!(all.len() < 100 || unknown > 100, "too few faults: {unknown}");
}

/// Runs steps sequentially, each by one of three stores. A step with an unknown outcome was applied
/// completely or not at all. Returns the number of those.
async fn run_sequentially(seed: u64) -> u64 {
    let mut rng = SeededRng::new(seed);
    let mut cluster = Cluster::new(&mut rng);
    let oracle = MemoryStore::with_clock(cluster.clock.clone());
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(cluster.open(&mut rng).await);
    }
    model::set_up(&oracle).await.unwrap();
    retry(|| model::set_up(&stores[0])).await;
    let mut seed_bytes = [0; 32];
    seed_bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut unknown = 0;
    for _ in 0..25 {
        cluster.clock.advance(Duration::from_millis(13));
        let step: Step = model::any_step().new_tree(&mut runner).unwrap().current();
        let who = rng.index(3);
        match model::apply(&stores[who], &step).await {
            Ok(answer) => assert_eq!(answer, model::apply(&oracle, &step).await.unwrap(), "{step:?}"),
            Err(error) if error.kind() == ErrorKind::Unreachable => {
                unknown += 1;
                // a known later commit settles all earlier ones
                let barrier = Scope::new(&format!("barrier-{unknown}")).unwrap();
                retry(|| stores[seeded_choice(seed, unknown)].create_scope(&barrier)).await;
                let now = cluster.digest(&stores[who]).await;
                if now != model::digest(&oracle).await.unwrap() {
                    model::apply(&oracle, &step).await.unwrap();
                    assert_eq!(now, model::digest(&oracle).await.unwrap(), "{step:?} was applied in part");
                }
            }
            Err(error) => panic!("{step:?}: {error:?}"),
        }
        if rng.one_in(12) {
            stores[who] = cluster.open(&mut rng).await;
        }
    }
    let expected = model::digest(&oracle).await.unwrap();
    for store in &stores {
        assert_eq!(cluster.digest(store).await, expected);
    }
    cluster.stop_faults().await;
    stores.push(cluster.open_reliable().await);
    for store in &stores {
        assert_eq!(model::digest(store).await.unwrap(), expected, "a late put changed something");
    }
    unknown
}

fn seeded_choice(seed: u64, number: u64) -> usize {
    SeededRng::new(seed ^ number << 32).below(3)
}

#[test]
fn several_stores_increment_one_counter() {
    for seed in seeds(150) {
        simulate(seed, run_concurrently(seed));
    }
}

/// The outcomes of the commits.
#[derive(Default)]
struct CommitOutcomes {
    done: BTreeSet<String>,
    refused: BTreeSet<String>,
    unknown: BTreeSet<String>,
}

/// Six tasks on three stores increment one counter by compare-and-set, and write an event with each
/// increment.
async fn run_concurrently(seed: u64) {
    let mut rng = SeededRng::new(seed);
    let mut cluster = Cluster::new(&mut rng);
    let counter = TableId::new("shop", "counter").unwrap();
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(cluster.open(&mut rng).await);
    }
    let make = async || -> Result<()> {
        stores[0].create_scope(&counter.scope).await?;
        stores[0].create_stream(&orders(), StreamConfig::with_segments(1)).await?;
        stores[0].create_table(&counter).await.map(drop)
    };
    retry(make).await;
    // the highest acknowledged count
    let highest = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..6)
        .map(|task| {
            let (store, counter, highest) = (stores[task % 3].clone(), counter.clone(), Arc::clone(&highest));
            tokio::spawn(async move { count(task, &store, &counter, &highest).await })
        })
        .collect();
    let mut outcomes = CommitOutcomes::default();
    for task in tasks {
        let one = task.await.unwrap();
        outcomes.done.extend(one.done);
        outcomes.refused.extend(one.refused);
        outcomes.unknown.extend(one.unknown);
    }
    cluster.stop_faults().await;
    stores.push(cluster.open_reliable().await);
    // settles puts that may still arrive
    stores[3].commit(event("0 the end")).await.unwrap();
    for store in &stores {
        let mut written = BTreeMap::new();
        let events = bounded_read(store, &orders()).await.unwrap();
        for (index, (_, text)) in events.iter().take(events.len() - 1).enumerate() {
            let text = String::from_utf8(text.to_vec()).unwrap();
            let (count, name) = text.split_once(' ').unwrap();
            assert_eq!(count, (index + 1).to_string(), "each count once, in order");
            assert_eq!(written.insert(name.to_owned(), count.to_owned()), None, "{name} was applied twice");
        }
        let last = store.get(&counter, b"n").await.unwrap().map_or(0, |entry| number(&entry.value));
        assert_eq!(last as usize, written.len());
        for name in &outcomes.done {
            assert!(written.contains_key(name), "{name} was acknowledged and is lost");
        }
        for name in written.keys() {
            assert!(!outcomes.refused.contains(name), "{name} was rejected and exists");
            assert!(
                outcomes.done.contains(name) || outcomes.unknown.contains(name),
                "{name} was never written"
            );
        }
    }
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

async fn count(
    task: usize,
    store: &ObjectLogStore,
    counter: &TableId,
    highest: &AtomicU64,
) -> CommitOutcomes {
    let mut outcomes = CommitOutcomes::default();
    let writer = WriterId(task as u128 + 1);
    for round in 0..12u64 {
        let acknowledged = highest.load(Ordering::SeqCst);
        let entry = retry(|| store.get(counter, b"n")).await;
        let now = entry.as_ref().map_or(0, |entry| number(&entry.value));
        assert!(now >= acknowledged, "{acknowledged} was acknowledged before this read, which saw {now}");
        let condition = entry.map_or(Condition::Absent, |entry| Condition::At(entry.version));
        let name = format!("{task}:{round}");
        let next = now + 1;
        let mut commit = Commit::events(vec![Append::keyed(&orders(), "k", format!("{next} {name}"))]);
        commit.changes = vec![TableChange::put(counter, "n", condition, next.to_string())];
        // half of the tasks number their commits and retry until the outcome is known
        let is_numbered = task.is_multiple_of(2);
        if is_numbered {
            commit = commit.with_writer(writer, round + 1);
        }
        for _ in 0..MAX_ATTEMPTS {
            match store.commit(commit.clone()).await {
                Ok(_) => {
                    highest.fetch_max(next, Ordering::SeqCst);
                    outcomes.done.insert(name);
                    break;
                }
                // an earlier attempt was not applied: a stored numbered commit would be a duplicate
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    outcomes.refused.insert(name);
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Unreachable && is_numbered => {}
                Err(error) if error.kind() == ErrorKind::Unreachable => {
                    outcomes.unknown.insert(name);
                    break;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    outcomes
}
