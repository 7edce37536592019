//! A world as a server has it: the store's own threads, its maintenance by itself and when it is asked for, on a runtime of
//! several workers. Chance decides what is done and when it ends, and threads decide the rest, so that a seed is not one
//! history; what must hold, holds in all of them: what is kept for ever is all there, streams with a limit have their
//! latest part whole, the log is about as long as what it holds, and nothing beside failed or panicked.

use crate::{SimDisk, SimIndex};
use bytes::Bytes;
use kulya_store::clock::{Clock, ManualClock};
use kulya_store::{
    Append, Commit, EventPointer, Health, Retention, StreamConfig, StreamId, StreamStore, bounded_read,
};
use kulya_store_embedded::{Components, EmbeddedStore};
use kulya_testkit::SeededRng;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// So short that a life goes through many log files.
const LOG_FILE_BYTES: u64 = 4096;
/// What the one stream keeps, in bytes, and the other, in time.
const KEPT_BYTES: u64 = 3000;
const KEPT_TIME: Duration = Duration::from_secs(5);
/// The log is never longer than this behind what the streams hold: files that are half dead, and the last ones.
const SLACK_BYTES: u64 = 12 * LOG_FILE_BYTES;

/// What the worlds have seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Times that the store was opened again.
    pub lives: u64,
    /// Events that were acknowledged.
    pub events: u64,
    /// Times that retention let something go.
    pub truncations: u64,
    /// Log files that were compacted.
    pub compactions: u64,
}

struct World {
    rng: SeededRng,
    disk: SimDisk,
    index: SimIndex,
    clock: Arc<ManualClock>,
    seen: Maintained,
    /// When each event was appended, by its number: every stream gets each.
    times: Vec<Duration>,
}

/// Lives so many lives, each on a runtime as the program has it. Panics when the invariant breaks.
pub async fn live_maintained(seed: u64, lives: u64) -> Maintained {
    let mut rng = SeededRng::new(seed);
    let disk = SimDisk::new(SeededRng::new(rng.u64_below(u64::MAX)));
    let index = SimIndex::beside(&disk);
    let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
    let mut world = World { rng, disk, index, clock, seen: Maintained::default(), times: Vec::new() };
    for _ in 0..lives {
        world.life(seed).await;
    }
    world.seen
}

fn stream(name: &str) -> StreamId {
    StreamId::new("world", name).expect("it is a name")
}

const STREAMS: [(&str, Retention); 3] = [
    ("all", Retention { age: None, bytes: None }),
    ("few", Retention { age: None, bytes: Some(KEPT_BYTES) }),
    ("young", Retention { age: Some(KEPT_TIME), bytes: None }),
];

impl World {
    fn open(&self) -> EmbeddedStore {
        let components = Components {
            disk: Arc::new(self.disk.owner()),
            log_file_bytes: LOG_FILE_BYTES,
            clock: self.clock.clone(),
            index: Some(Arc::new(self.index.clone())),
            maintenance_interval: Duration::from_millis(1),
            ..Components::default()
        };
        EmbeddedStore::open_with(Path::new("store"), components).expect("the store opens")
    }

    async fn life(&mut self, seed: u64) {
        let store = self.open();
        self.seen.lives += 1;
        store.create_scope(&stream("all").scope).await.expect("the disk works");
        for (name, retention) in STREAMS {
            let config = StreamConfig::with_segments(1).retention(retention);
            store.create_stream(&stream(name), config).await.expect("the disk works");
        }
        self.look(&store, seed).await;
        for _ in 0..self.rng.u64_below(80) {
            self.append(&store).await;
            if self.rng.one_in(20) {
                store.maintain().await.expect("the maintenance works");
                self.look(&store, seed).await;
            }
        }
        store.maintain().await.expect("the maintenance works");
        self.look(&store, seed).await;
        self.weigh(&store, seed).await;
        let health = store.health();
        assert_eq!(health.worst(), None, "seed {seed}");
        assert_eq!(counter(&health, "panics") + counter(&health, "failures"), 0, "seed {seed}: {health:?}");
        self.seen.truncations += counter(&health, "truncations");
        self.seen.compactions += counter(&health, "compactions");
        match self.rng.u64_below(3) {
            0 => store.close().await.expect("it closes"),
            1 => self.disk.kill(),
            _ => self.disk.cut_power(),
        }
        drop(store);
        self.disk.kill();
        if self.rng.one_in(4) {
            self.index.lose_all();
        }
    }

    /// The next event, to every stream at once.
    async fn append(&mut self, store: &EmbeddedStore) {
        let number = self.times.len();
        let event = format!("{number} {}", "x".repeat(self.rng.u64_below(200) as usize));
        let appends = STREAMS.map(|(name, _)| Append::keyed(&stream(name), "k", event.clone()));
        self.clock.advance(Duration::from_millis(self.rng.u64_below(200)));
        self.times.push(self.clock.since_epoch());
        store.commit(Commit::events(appends.into())).await.expect("the disk works");
        self.seen.events += 1;
    }

    /// Every stream has its latest part, whole.
    async fn look(&self, store: &EmbeddedStore, seed: u64) {
        for (name, retention) in STREAMS {
            let read = read(store, name).await;
            let number = |event: &[u8]| {
                String::from_utf8_lossy(event).split(' ').next().and_then(|number| number.parse().ok())
            };
            let numbers: Vec<usize> = read.iter().filter_map(|(_, event)| number(event)).collect();
            let from = self.times.len() - numbers.len();
            assert!(
                numbers.iter().copied().eq(from..self.times.len()),
                "seed {seed}: {name} has {numbers:?}"
            );
            let bytes: u64 = read.iter().map(|(pointer, _)| u64::from(pointer.length)).sum();
            let oldest =
                self.times.len().checked_sub(numbers.len() + 1).and_then(|gone| self.times.get(gone));
            let oldest = oldest.copied().unwrap_or_default();
            match retention {
                Retention { age: None, bytes: None } => assert_eq!(from, 0, "seed {seed}: {name} keeps all"),
                // no more went than had to
                Retention { age: None, bytes: Some(_) } => {
                    assert!(
                        from == 0 || bytes + 3 * 220 >= KEPT_BYTES,
                        "seed {seed}: {name} has {bytes} bytes"
                    );
                }
                Retention { .. } => {
                    assert!(
                        oldest + KEPT_TIME <= self.clock.since_epoch(),
                        "seed {seed}: {name} lost the young"
                    );
                }
            }
        }
    }

    /// Nothing is kept that need not be: right after maintenance.
    async fn weigh(&self, store: &EmbeddedStore, seed: u64) {
        let mut held = 0;
        for (name, retention) in STREAMS {
            let read = read(store, name).await;
            let bytes: u64 = read.iter().map(|(pointer, _)| u64::from(pointer.length)).sum();
            assert!(
                retention.bytes.is_none_or(|most| bytes <= most),
                "seed {seed}: {name} has {bytes} bytes"
            );
            held += bytes;
        }
        let on_disk: u64 = self.disk.logs().into_iter().map(|(_, length)| length as u64).sum();
        assert!(
            on_disk <= 2 * held + SLACK_BYTES,
            "seed {seed}: {on_disk} bytes of log hold {held} of events"
        );
    }
}

/// All of a stream, however often retention lets go of what is just being read.
async fn read(store: &EmbeddedStore, name: &str) -> Vec<(EventPointer, Bytes)> {
    bounded_read(store, &stream(name)).await.expect("it can be read")
}

fn counter(health: &Health, name: &str) -> u64 {
    let component = health.component("store.maintenance");
    let counters = component.map(|component| component.counters.as_slice()).unwrap_or_default();
    counters.iter().find(|(found, _)| *found == name).map_or(0, |(_, count)| *count)
}
