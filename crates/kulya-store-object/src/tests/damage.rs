//! Random damage: bytes of objects are flipped, zeroed and truncated, objects deleted, swapped and replaced
//! by each other. Acknowledged events are read, or reported as lost by `verify` and by `repair`; no undamaged
//! event is lost, and after a repair the store works. `KULYA_SEED=n` runs one seed alone, `KULYA_SEEDS=n` a
//! number of seeds: `KULYA_SEEDS=5000 cargo test --release -p kulya-store-object --lib damage`.

use super::{instance, orders, positions};
use crate::{IntegrityReport, ObjectLogStore, Settings, StoreLocation, repair, verify};
use bytes::Bytes;
use futures::TryStreamExt;
use kulya_testkit::SeededRng;
use kulya_store::clock::ManualClock;
use kulya_store::{
    Append, Commit, Condition, ErrorKind, EventPointer, Scope, StreamConfig, StreamId, StreamStore,
    TableChange,
};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

fn seeds(usual: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().unwrap());
    match number("KULYA_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("KULYA_SEEDS").unwrap_or(usual)).collect(),
    }
}

fn settings(clock: &Arc<ManualClock>) -> Settings {
    Settings {
        clock: clock.clone(),
        checkpoint_every: u64::MAX,
        clock_check_interval: None,
        block_size: 4,
        deletion_grace: Duration::ZERO,
        max_attempts: 1,
        ..Settings::new(instance())
    }
}

#[test]
fn acknowledged_events_are_read_or_reported_as_lost() {
    let (mut intact, mut opened) = (0, 0);
    let all = seeds(200);
    for seed in &all {
        println!("seed {seed}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let (was_intact, was_opened) = runtime.unwrap().block_on(run_seed(*seed));
        intact += usize::from(was_intact);
        opened += usize::from(was_opened);
    }
    println!("{intact} of {} were intact all the same, {opened} could be opened", all.len());
    assert!(
        all.len() < 100 || (intact < all.len() / 2 && opened > all.len() / 8),
        "the damage is too uniform"
    );
}

/// The acknowledged events and entries.
#[derive(Default)]
struct Acknowledged {
    events: BTreeMap<(String, u64), (EventPointer, Bytes)>,
    entries: BTreeMap<u64, String>,
}

/// Runs one seed. Returns whether the damage hit nothing that is needed, and whether the store could be
/// opened.
async fn run_seed(seed: u64) -> (bool, bool) {
    let mut rng = SeededRng::new(seed);
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
    let acknowledged = write(&objects, &clock, &mut rng).await;
    let damaged = damage(&objects, &mut rng).await;
    println!("damaged: {damaged:?}");
    let prefix = Path::default();
    let found = match verify(Arc::clone(&objects), &prefix, settings(&clock)).await {
        Ok(found) => found,
        Err(error) => {
            // no state is left: this is reported, and nothing is changed
            assert!([ErrorKind::Corrupt, ErrorKind::NotFound].contains(&error.kind()), "{error:?}");
            let is_root = |name: &String| name.starts_with("checkpoint") || name == "FORMAT";
            assert!(damaged.iter().any(is_root), "{error} where {damaged:?}");
            return (false, false);
        }
    };
    if damaged.iter().any(|name| {
        damaged.contains(&name.replace("checkpoint/", "checkpoint-copy/")) && name.starts_with("checkpoint/")
    }) {
        // both copies of a checkpoint: the log before it may be deleted, and that is reported
        assert!(!found.is_intact());
        return (false, false);
    }
    for name in found.damaged.keys() {
        assert!(damaged.contains(name), "{name} was not damaged: {damaged:?}");
    }
    let opened = ObjectLogStore::open(Arc::clone(&objects), &prefix, settings(&clock)).await;
    let is_opened = opened.is_ok();
    if let Ok(store) = opened {
        // a reader that does not verify everything gets the same result
        assert_contents(&store, &acknowledged, &found, false).await;
    }
    let repaired = repair(Arc::clone(&objects), &prefix, settings(&clock)).await.unwrap();
    assert_eq!(repaired, found, "repair reports what verification found");
    let store = ObjectLogStore::open(Arc::clone(&objects), &prefix, settings(&clock)).await.unwrap();
    assert_contents(&store, &acknowledged, &found, true).await;
    let verified = verify(Arc::clone(&objects), &prefix, settings(&clock)).await.unwrap();
    assert_eq!((verified.is_intact(), &verified.lost[..]), (true, &[][..]), "{verified:?}");
    assert_eq!(verified.events, found.events, "a repair loses no more than was reported");
    assert_usable(&store, &objects, &clock).await;
    (found.is_intact(), is_opened)
}

/// Writes a store with merged events, several checkpoints, and log objects after the newest.
async fn write(objects: &Arc<dyn ObjectStore>, clock: &Arc<ManualClock>, rng: &mut SeededRng) -> Acknowledged {
    let store = ObjectLogStore::open(Arc::clone(objects), &Path::default(), settings(clock)).await.unwrap();
    store.create_scope(&Scope::new("shop").unwrap()).await.unwrap();
    let streams = [orders(), StreamId::new("shop", "returns").unwrap()];
    for stream in &streams {
        store.create_stream(stream, StreamConfig::with_segments(2)).await.unwrap();
    }
    store.create_table(&positions()).await.unwrap();
    let mut acknowledged = Acknowledged::default();
    let commits = 5 + rng.u64_below(60);
    for n in 0..commits {
        clock.advance(Duration::from_millis(rng.u64_below(20)));
        let mut commit = Commit::default();
        for _ in 0..rng.u64_below(4) {
            let text = format!("{n} {}", "x".repeat(rng.u64_below(300) as usize));
            commit.appends.push(Append::keyed(&streams[rng.index(2)], rng.u64_below(5).to_string(), text));
        }
        if rng.one_in(2) {
            let key = rng.u64_below(8);
            acknowledged.entries.insert(key, n.to_string());
            commit.changes =
                vec![TableChange::put(&positions(), key.to_string(), Condition::Any, n.to_string())];
        }
        let events: Vec<Bytes> = commit.appends.iter().map(|append| append.event.clone()).collect();
        let done = store.commit(commit).await.unwrap();
        for (pointer, event) in done.pointers.iter().zip(events) {
            acknowledged.events.insert((pointer.segment.to_string(), pointer.offset), (pointer, event));
        }
        if rng.one_in(12) {
            store.compact().await.unwrap();
        }
    }
    store.close().await.unwrap();
    acknowledged
}

/// Damages some objects and returns their names.
async fn damage(objects: &Arc<dyn ObjectStore>, rng: &mut SeededRng) -> BTreeSet<String> {
    let found: Vec<object_store::ObjectMeta> = objects.list(None).try_collect().await.unwrap();
    let mut names: Vec<Path> = found.into_iter().map(|meta| meta.location).collect();
    names.retain(|name| !name.as_ref().starts_with("closed"));
    names.sort();
    // the loss of the last log objects cannot be detected
    let last = names.iter().rfind(|name| name.as_ref().starts_with("log")).cloned();
    let mut damaged = BTreeSet::new();
    for _ in 0..1 + rng.u64_below(3) {
        let name = names[rng.index(names.len())].clone();
        let Ok(got) = objects.get(&name).await else { continue };
        let mut bytes = got.bytes().await.unwrap().to_vec();
        let before = bytes.clone();
        let from = rng.index(bytes.len().max(1));
        match rng.u64_below(6) {
            0 | 1 if !bytes.is_empty() => bytes[from] ^= 1 << rng.u64_below(8),
            2 => bytes.iter_mut().skip(from).take(1 + rng.u64_below(200) as usize).for_each(|byte| *byte = 0),
            3 => bytes.truncate(from),
            4 if Some(&name) != last.as_ref() => {
                objects.delete(&name).await.unwrap();
                damaged.insert(name.to_string());
                continue;
            }
            _ => {
                let other = names[rng.index(names.len())].clone();
                if let Ok(got) = objects.get(&other).await {
                    bytes = got.bytes().await.unwrap().to_vec();
                    objects.put(&other, before.clone().into()).await.unwrap();
                    if bytes != before {
                        damaged.insert(other.to_string());
                    }
                }
            }
        }
        if bytes != before {
            objects.put(&name, bytes.into()).await.unwrap();
            damaged.insert(name.to_string());
        }
    }
    damaged
}

/// Asserts that each acknowledged event is read unchanged or reported as lost, and that entries are unchanged
/// where no loss is reported.
async fn assert_contents(
    store: &ObjectLogStore,
    acknowledged: &Acknowledged,
    found: &IntegrityReport,
    is_repaired: bool,
) {
    let is_lost = |pointer: &EventPointer| {
        let range = |lost: &crate::LostRange| {
            lost.segment == pointer.segment && lost.from <= pointer.offset && pointer.offset < lost.to
        };
        found.lost.iter().any(range)
    };
    for (pointer, event) in acknowledged.events.values() {
        match store.event(pointer).await {
            Ok(read) => {
                assert_eq!(read, event, "{pointer} has changed");
                assert!(!is_lost(pointer), "{pointer} is read though it is reported as lost");
            }
            Err(error) => assert!(
                is_lost(pointer) || is_unknown(found, &error),
                "{pointer} is neither read nor reported as lost: {error}"
            ),
        }
    }
    if found.unrecoverable.is_empty() {
        for (key, value) in &acknowledged.entries {
            let entry = store.get(&positions(), key.to_string().as_bytes()).await.unwrap().unwrap();
            assert_eq!(entry.value, value.as_bytes());
        }
    }
    if is_repaired && let Ok(read) = kulya_store::bounded_read(store, &orders()).await {
        let expected = acknowledged
            .events
            .values()
            .filter(|(pointer, _)| pointer.segment.stream == orders() && !is_lost(pointer));
        let at_end = found.unrecoverable.len();
        assert!(read.len() == expected.count() || at_end > 0, "{} events of orders are read", read.len());
    }
}

/// Returns whether a stream, or its end, may be among losses of unknown extent: its last objects are damaged,
/// so that no later one names its offsets.
fn is_unknown(found: &IntegrityReport, error: &kulya_store::Error) -> bool {
    !found.unrecoverable.is_empty() && [ErrorKind::NotFound, ErrorKind::InvalidInput].contains(&error.kind())
}

/// Asserts that a repaired store is written, merged and opened like any other.
async fn assert_usable(store: &ObjectLogStore, objects: &Arc<dyn ObjectStore>, clock: &Arc<ManualClock>) {
    let stream = StreamId::new("shop", "after").unwrap();
    store.create_scope(&stream.scope).await.unwrap();
    store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
    let mut pointers = Vec::new();
    for n in 0..5 {
        let commit = Commit::events(vec![Append::keyed(&stream, "k", n.to_string())]);
        pointers.extend(store.commit(commit).await.unwrap().pointers.iter());
        store.compact().await.unwrap();
    }
    let copy = StoreLocation { objects: Arc::new(InMemory::new()), prefix: Path::default() };
    store.backup(&copy).await.unwrap();
    for objects in [objects, &copy.objects] {
        let store =
            ObjectLogStore::open(Arc::clone(objects), &Path::default(), settings(clock)).await.unwrap();
        for (n, pointer) in pointers.iter().enumerate() {
            assert_eq!(store.event(pointer).await.unwrap(), n.to_string());
        }
    }
}
