//! Nothing that was acknowledged is lost and nothing is done twice, whatever the network does to several stores on the same
//! objects. `KULYA_SEED=n` runs one seed alone, `KULYA_SEEDS=n` so many.

use super::faulty::Faulty;
use super::{event, instance, memory, orders};
use crate::{ObjectLogStore, Settings};
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store::model::{self, Step};
use kulya_store::{
    Append, Commit, Condition, ErrorKind, Result, Scope, StreamConfig, StreamStore, TableChange, TableId,
    WriterId, bounded_read,
};
use kulya_testkit::SeededRng;
use object_store::ObjectStore;
use object_store::path::Path;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often somebody asks who is told that nobody knows.
const MOST_TRIES: usize = 200;

fn seeds(usual: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    match number("KULYA_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("KULYA_SEEDS").unwrap_or(usual)).collect(),
    }
}

/// Lives through one world; time stands still but for those who wait.
fn live(seed: u64, world: impl Future<Output = ()>) {
    // shown when the test fails
    println!("seed {seed}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(world);
}

/// The storage, and each process's way to it.
struct Cloud {
    objects: Arc<dyn ObjectStore>,
    ways: Vec<Arc<Faulty>>,
    clock: Arc<ManualClock>,
    percent: u64,
}

impl Cloud {
    fn new(rng: &mut SeededRng) -> Self {
        let percent = rng.pick(&[5, 20, 40]);
        Self { objects: memory(), ways: Vec::new(), clock: Arc::default(), percent }
    }

    fn settings(&self) -> Settings {
        Settings {
            clock: self.clock.clone(),
            compare_clocks_every: None,
            poll: Duration::from_millis(10),
            checkpoint_every: 3,
            block: 3,
            grace: Duration::ZERO,
            fresh_for: Duration::ZERO,
            tries: 3,
            cache_bytes: 100,
            ..Settings::new(instance())
        }
    }

    /// One more process.
    async fn open(&mut self, rng: &mut SeededRng) -> ObjectLogStore {
        let way = Faulty::new(&self.objects, rng.next_u64(), self.percent);
        self.ways.push(way.clone());
        let objects: Arc<dyn ObjectStore> = way;
        let prefix = Path::from("s");
        patiently(|| ObjectLogStore::open(Arc::clone(&objects), &prefix, self.settings())).await
    }

    /// One to which nothing happens.
    async fn open_calmly(&self) -> ObjectLogStore {
        ObjectLogStore::open(Arc::clone(&self.objects), &Path::from("s"), self.settings()).await.unwrap()
    }

    /// Everything that can be read, while nothing goes wrong: with so many requests something always would.
    async fn digest(&self, store: &ObjectLogStore) -> String {
        self.ways.iter().for_each(|way| way.quiet(true));
        let digest = model::digest(store).await.unwrap();
        self.ways.iter().for_each(|way| way.quiet(false));
        digest
    }

    async fn calm(&self) {
        for way in &self.ways {
            way.calm().await;
        }
    }
}

/// Asks until somebody knows.
async fn patiently<T, F: Future<Output = Result<T>>>(ask: impl Fn() -> F) -> T {
    for _ in 0..MOST_TRIES {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) if error.kind() == ErrorKind::Unreachable => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("asked {MOST_TRIES} times");
}

#[test]
fn several_stores_do_what_the_oracle_does() {
    let mut unsure = 0;
    let all = seeds(150);
    for seed in &all {
        live(*seed, async { unsure += one_after_another(*seed).await });
    }
    println!("{unsure} answers were lost");
    assert!(all.len() < 100 || unsure > 100, "the faults are too few: {unsure}");
}

/// Steps one after another, each by one of three stores. Where nobody knows whether a step was taken, it was taken whole or
/// not at all. Gives how often that was.
async fn one_after_another(seed: u64) -> u64 {
    let mut rng = SeededRng::new(seed);
    let mut cloud = Cloud::new(&mut rng);
    let oracle = MemoryStore::with_clock(cloud.clock.clone());
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(cloud.open(&mut rng).await);
    }
    model::make(&oracle).await.unwrap();
    patiently(|| model::make(&stores[0])).await;
    let mut seed_bytes = [0; 32];
    seed_bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed_bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut unsure = 0;
    for _ in 0..25 {
        cloud.clock.advance(Duration::from_millis(13));
        let step: Step = model::any_step().new_tree(&mut runner).unwrap().current();
        let who = rng.index(3);
        match model::take(&stores[who], &step).await {
            Ok(answer) => assert_eq!(answer, model::take(&oracle, &step).await.unwrap(), "{step:?}"),
            Err(error) if error.kind() == ErrorKind::Unreachable => {
                unsure += 1;
                // behind a commit that is known everything is settled
                let barrier = Scope::new(&format!("barrier-{unsure}")).unwrap();
                patiently(|| stores[rng_of(seed, unsure)].create_scope(&barrier)).await;
                let now = cloud.digest(&stores[who]).await;
                if now != model::digest(&oracle).await.unwrap() {
                    model::take(&oracle, &step).await.unwrap();
                    assert_eq!(now, model::digest(&oracle).await.unwrap(), "half of {step:?}");
                }
            }
            Err(error) => panic!("{step:?}: {error:?}"),
        }
        if rng.one_in(12) {
            stores[who] = cloud.open(&mut rng).await;
        }
    }
    let expected = model::digest(&oracle).await.unwrap();
    for store in &stores {
        assert_eq!(cloud.digest(store).await, expected);
    }
    cloud.calm().await;
    stores.push(cloud.open_calmly().await);
    for store in &stores {
        assert_eq!(model::digest(store).await.unwrap(), expected, "what came late changed something");
    }
    unsure
}

fn rng_of(seed: u64, number: u64) -> usize {
    SeededRng::new(seed ^ number << 32).below(3)
}

#[test]
fn several_stores_count_together() {
    for seed in seeds(150) {
        live(seed, at_once(seed));
    }
}

/// What became of each commit of the counting.
#[derive(Default)]
struct Told {
    done: BTreeSet<String>,
    refused: BTreeSet<String>,
    unknown: BTreeSet<String>,
}

/// Six tasks on three stores move one counter by compare-and-set, and write an event with each move.
async fn at_once(seed: u64) {
    let mut rng = SeededRng::new(seed);
    let mut cloud = Cloud::new(&mut rng);
    let counter = TableId::new("shop", "counter").unwrap();
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(cloud.open(&mut rng).await);
    }
    let make = async || -> Result<()> {
        stores[0].create_scope(&counter.scope).await?;
        stores[0].create_stream(&orders(), StreamConfig::with_segments(1)).await?;
        stores[0].create_table(&counter).await.map(drop)
    };
    patiently(make).await;
    // the highest count that somebody was told
    let highest = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..6)
        .map(|task| {
            let (store, counter, highest) = (stores[task % 3].clone(), counter.clone(), Arc::clone(&highest));
            tokio::spawn(async move { count(task, &store, &counter, &highest).await })
        })
        .collect();
    let mut told = Told::default();
    for task in tasks {
        let one = task.await.unwrap();
        told.done.extend(one.done);
        told.refused.extend(one.refused);
        told.unknown.extend(one.unknown);
    }
    cloud.calm().await;
    stores.push(cloud.open_calmly().await);
    // settles what may still come
    stores[3].commit(event("0 the end")).await.unwrap();
    for store in &stores {
        let mut written = BTreeMap::new();
        let events = bounded_read(store, &orders()).await.unwrap();
        for (place, (_, text)) in events.iter().take(events.len() - 1).enumerate() {
            let text = String::from_utf8(text.to_vec()).unwrap();
            let (count, name) = text.split_once(' ').unwrap();
            assert_eq!(count, (place + 1).to_string(), "each count once, in order");
            assert_eq!(written.insert(name.to_owned(), count.to_owned()), None, "{name} was done twice");
        }
        let last = store.get(&counter, b"n").await.unwrap().map_or(0, |entry| number(&entry.value));
        assert_eq!(last as usize, written.len());
        for name in &told.done {
            assert!(written.contains_key(name), "{name} was acknowledged and is lost");
        }
        for name in written.keys() {
            assert!(!told.refused.contains(name), "{name} was refused and is there");
            assert!(told.done.contains(name) || told.unknown.contains(name), "nobody wrote {name}");
        }
    }
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

async fn count(task: usize, store: &ObjectLogStore, counter: &TableId, highest: &AtomicU64) -> Told {
    let mut told = Told::default();
    let writer = WriterId(task as u128 + 1);
    for turn in 0..12u64 {
        let known = highest.load(Ordering::SeqCst);
        let entry = patiently(|| store.get(counter, b"n")).await;
        let now = entry.as_ref().map_or(0, |entry| number(&entry.value));
        assert!(now >= known, "{known} was told before this read, which saw {now}");
        let condition = entry.map_or(Condition::Absent, |entry| Condition::At(entry.version));
        let name = format!("{task}:{turn}");
        let next = now + 1;
        let mut commit = Commit::events(vec![Append::keyed(&orders(), "k", format!("{next} {name}"))]);
        commit.changes = vec![TableChange::put(counter, "n", condition, next.to_string())];
        // half of them number what they write, and ask again until they know
        let is_numbered = task.is_multiple_of(2);
        if is_numbered {
            commit = commit.by(writer, turn + 1);
        }
        for _ in 0..MOST_TRIES {
            match store.commit(commit.clone()).await {
                Ok(_) => {
                    highest.fetch_max(next, Ordering::SeqCst);
                    told.done.insert(name);
                    break;
                }
                // of an earlier try nobody knows; a numbered one that was stored would be a repetition
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    told.refused.insert(name);
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Unreachable && is_numbered => {}
                Err(error) if error.kind() == ErrorKind::Unreachable => {
                    told.unknown.insert(name);
                    break;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    told
}
