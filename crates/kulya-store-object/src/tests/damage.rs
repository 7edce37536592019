//! Random damage: bytes of objects flipped, zeroed and cut, objects deleted, swapped and put in each other's place. What was
//! acknowledged is read, or named as lost by `examine` and by `repair`; nothing undamaged is given up, and behind a repair the
//! store goes on. `KULYA_SEED=n` runs one seed alone, `KULYA_SEEDS=n` so many:
//! `KULYA_SEEDS=5000 cargo test --release -p kulya-store-object --lib damage`.

use super::{instance, orders, positions};
use crate::{Examined, Location, ObjectLogStore, Settings, examine, repair};
use bytes::Bytes;
use futures::TryStreamExt;
use kulya_store::clock::ManualClock;
use kulya_store::{
    Append, Commit, Condition, ErrorKind, EventPointer, Scope, StreamConfig, StreamId, StreamStore,
    TableChange,
};
use kulya_testkit::SeededRng;
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
        compare_clocks_every: None,
        block: 4,
        grace: Duration::ZERO,
        tries: 1,
        ..Settings::new(instance())
    }
}

#[test]
fn what_was_acknowledged_is_read_or_named_as_lost() {
    let (mut whole, mut opened) = (0, 0);
    let all = seeds(200);
    for seed in &all {
        println!("seed {seed}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let (was_whole, was_opened) = runtime.unwrap().block_on(live(*seed));
        whole += usize::from(was_whole);
        opened += usize::from(was_opened);
    }
    println!("{whole} of {} were whole all the same, {opened} could be opened", all.len());
    assert!(
        all.len() < 100 || (whole < all.len() / 2 && opened > all.len() / 8),
        "the damage is of one kind"
    );
}

/// What was acknowledged.
#[derive(Default)]
struct Known {
    events: BTreeMap<(String, u64), (EventPointer, Bytes)>,
    entries: BTreeMap<u64, String>,
}

/// Whether the damage hit nothing that is needed, and whether the store could be opened.
async fn live(seed: u64) -> (bool, bool) {
    let mut rng = SeededRng::new(seed);
    let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
    let known = write(&objects, &clock, &mut rng).await;
    let touched = damage(&objects, &mut rng).await;
    println!("damaged: {touched:?}");
    let prefix = Path::default();
    let found = match examine(Arc::clone(&objects), &prefix, settings(&clock)).await {
        Ok(found) => found,
        Err(error) => {
            // nothing is left to begin with: said, and nothing is changed
            assert!([ErrorKind::Corrupt, ErrorKind::NotFound].contains(&error.kind()), "{error:?}");
            let is_root = |name: &String| name.starts_with("checkpoint") || name == "FORMAT";
            assert!(touched.iter().any(is_root), "{error} where {touched:?}");
            return (false, false);
        }
    };
    if touched.iter().any(|name| {
        touched.contains(&name.replace("checkpoint/", "checkpoint-copy/")) && name.starts_with("checkpoint/")
    }) {
        // both copies of one: the log before it may be gone, and that is said
        assert!(!found.is_whole());
        return (false, false);
    }
    for name in found.damaged.keys() {
        assert!(touched.contains(name), "{name} is as it was: {touched:?}");
    }
    let opened = ObjectLogStore::open(Arc::clone(&objects), &prefix, settings(&clock)).await;
    let is_opened = opened.is_ok();
    if let Ok(store) = opened {
        // who reads without looking through all of it is told the same
        compare(&store, &known, &found, false).await;
    }
    let repaired = repair(Arc::clone(&objects), &prefix, settings(&clock)).await.unwrap();
    assert_eq!(repaired, found, "what repair says is what was found before");
    let store = ObjectLogStore::open(Arc::clone(&objects), &prefix, settings(&clock)).await.unwrap();
    compare(&store, &known, &found, true).await;
    let again = examine(Arc::clone(&objects), &prefix, settings(&clock)).await.unwrap();
    assert_eq!((again.is_whole(), &again.lost[..]), (true, &[][..]), "{again:?}");
    assert_eq!(again.events, found.events, "a repair gives up no more than was said");
    go_on(&store, &objects, &clock).await;
    (found.is_whole(), is_opened)
}

/// A store that has lived a while: with merged events, several checkpoints, and a log behind the newest.
async fn write(objects: &Arc<dyn ObjectStore>, clock: &Arc<ManualClock>, rng: &mut SeededRng) -> Known {
    let store = ObjectLogStore::open(Arc::clone(objects), &Path::default(), settings(clock)).await.unwrap();
    store.create_scope(&Scope::new("shop").unwrap()).await.unwrap();
    let streams = [orders(), StreamId::new("shop", "returns").unwrap()];
    for stream in &streams {
        store.create_stream(stream, StreamConfig::with_segments(2)).await.unwrap();
    }
    store.create_table(&positions()).await.unwrap();
    let mut known = Known::default();
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
            known.entries.insert(key, n.to_string());
            commit.changes =
                vec![TableChange::put(&positions(), key.to_string(), Condition::Any, n.to_string())];
        }
        let events: Vec<Bytes> = commit.appends.iter().map(|append| append.event.clone()).collect();
        let done = store.commit(commit).await.unwrap();
        for (pointer, event) in done.pointers.iter().zip(events) {
            known.events.insert((pointer.segment.to_string(), pointer.offset), (pointer, event));
        }
        if rng.one_in(12) {
            store.compact().await.unwrap();
        }
    }
    store.close().await.unwrap();
    known
}

/// Damages some objects; gives their names.
async fn damage(objects: &Arc<dyn ObjectStore>, rng: &mut SeededRng) -> BTreeSet<String> {
    let found: Vec<object_store::ObjectMeta> = objects.list(None).try_collect().await.unwrap();
    let mut names: Vec<Path> = found.into_iter().map(|meta| meta.location).collect();
    names.retain(|name| !name.as_ref().starts_with("closed"));
    names.sort();
    // that the log's last objects are gone nobody can know
    let last = names.iter().rfind(|name| name.as_ref().starts_with("log")).cloned();
    let mut touched = BTreeSet::new();
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
                touched.insert(name.to_string());
                continue;
            }
            _ => {
                let other = names[rng.index(names.len())].clone();
                if let Ok(got) = objects.get(&other).await {
                    bytes = got.bytes().await.unwrap().to_vec();
                    objects.put(&other, before.clone().into()).await.unwrap();
                    if bytes != before {
                        touched.insert(other.to_string());
                    }
                }
            }
        }
        if bytes != before {
            objects.put(&name, bytes.into()).await.unwrap();
            touched.insert(name.to_string());
        }
    }
    touched
}

/// Each event that was acknowledged is read as it was, or said to be lost; each entry is as it was, where nothing is said.
async fn compare(store: &ObjectLogStore, known: &Known, found: &Examined, is_repaired: bool) {
    let is_lost = |pointer: &EventPointer| {
        let range = |lost: &crate::Lost| {
            lost.segment == pointer.segment && lost.from <= pointer.offset && pointer.offset < lost.to
        };
        found.lost.iter().any(range)
    };
    for (pointer, event) in known.events.values() {
        match store.event(pointer).await {
            Ok(read) => {
                assert_eq!(read, event, "{pointer} is another one");
                assert!(!is_lost(pointer), "{pointer} is read though it is said to be lost");
            }
            Err(error) => assert!(
                is_lost(pointer) || is_unknown(found, &error),
                "{pointer} is neither read nor said to be lost: {error}"
            ),
        }
    }
    if found.left_out.is_empty() {
        for (key, value) in &known.entries {
            let entry = store.get(&positions(), key.to_string().as_bytes()).await.unwrap().unwrap();
            assert_eq!(entry.value, value.as_bytes());
        }
    }
    if is_repaired && let Ok(read) = kulya_store::bounded_read(store, &orders()).await {
        let expected = known
            .events
            .values()
            .filter(|(pointer, _)| pointer.segment.stream == orders() && !is_lost(pointer));
        let at_end = found.left_out.len();
        assert!(read.len() == expected.count() || at_end > 0, "{} events of orders are read", read.len());
    }
}

/// Whether a stream, or the end of one, may be among what nobody knows: its last objects are damaged, so that no later one says
/// where its events would have stood.
fn is_unknown(found: &Examined, error: &kulya_store::Error) -> bool {
    !found.left_out.is_empty() && [ErrorKind::NotFound, ErrorKind::InvalidInput].contains(&error.kind())
}

/// A repaired store is written, merged and opened like any other.
async fn go_on(store: &ObjectLogStore, objects: &Arc<dyn ObjectStore>, clock: &Arc<ManualClock>) {
    let stream = StreamId::new("shop", "after").unwrap();
    store.create_scope(&stream.scope).await.unwrap();
    store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
    let mut made = Vec::new();
    for n in 0..5 {
        let commit = Commit::events(vec![Append::keyed(&stream, "k", n.to_string())]);
        made.extend(store.commit(commit).await.unwrap().pointers.iter());
        store.compact().await.unwrap();
    }
    let copy = Location { objects: Arc::new(InMemory::new()), prefix: Path::default() };
    store.backup(&copy).await.unwrap();
    for objects in [objects, &copy.objects] {
        let store =
            ObjectLogStore::open(Arc::clone(objects), &Path::default(), settings(clock)).await.unwrap();
        for (n, pointer) in made.iter().enumerate() {
            assert_eq!(store.event(pointer).await.unwrap(), n.to_string());
        }
    }
}
