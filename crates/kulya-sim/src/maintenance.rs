//! Maintenance with the store's own threads, as in a server, on a multi-threaded runtime. The order of
//! threads is not part of the seed, so that a seed is not one history. The invariant of all of them: a stream
//! without retention has every event, a stream with retention has its latest events without a gap, the disk
//! usage is bounded by the retained data, and no background task failed or panicked.

use crate::disk::SimDisk;
use crate::index::SimIndex;
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

/// Small, so that a run has many log files.
const LOG_FILE_BYTES: u64 = 4096;
/// Retention of one stream by size and of another by age.
const RETENTION_BYTES: u64 = 3000;
const RETENTION_AGE: Duration = Duration::from_secs(5);
/// Disk usage beyond the retained data, in bytes: files that are half garbage, and the last ones.
const SLACK_BYTES: u64 = 12 * LOG_FILE_BYTES;

/// Totals of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MaintenanceReport {
    /// Times that the store was opened.
    pub restarts: u64,
    /// Acknowledged events.
    pub events: u64,
    /// Truncations by retention.
    pub truncations: u64,
    /// Compacted log files.
    pub compactions: u64,
}

struct Simulation {
    rng: SeededRng,
    disk: SimDisk,
    index: SimIndex,
    clock: Arc<ManualClock>,
    report: MaintenanceReport,
    /// Time of each event by its number; every stream gets every event.
    times: Vec<Duration>,
}

/// Runs a store with `restarts` restarts.
///
/// # Panics
/// If the invariant is violated.
pub async fn simulate_maintenance(seed: u64, restarts: u64) -> MaintenanceReport {
    let mut rng = SeededRng::new(seed);
    let disk = SimDisk::new(SeededRng::new(rng.u64_below(u64::MAX)));
    let index = SimIndex::new(&disk);
    let clock = Arc::new(ManualClock::at(Duration::from_secs(1000)));
    let mut simulation =
        Simulation { rng, disk, index, clock, report: MaintenanceReport::default(), times: Vec::new() };
    for _ in 0..restarts {
        simulation.run_once(seed).await;
    }
    simulation.report
}

fn stream(name: &str) -> StreamId {
    StreamId::new("world", name).expect("a valid name")
}

const STREAMS: [(&str, Retention); 3] = [
    ("all", Retention { age: None, bytes: None }),
    ("few", Retention { age: None, bytes: Some(RETENTION_BYTES) }),
    ("young", Retention { age: Some(RETENTION_AGE), bytes: None }),
];

impl Simulation {
    fn open(&self) -> EmbeddedStore {
        let components = Components {
            disk: Arc::new(self.disk.handle()),
            log_file_bytes: LOG_FILE_BYTES,
            clock: self.clock.clone(),
            index: Some(Arc::new(self.index.clone())),
            maintenance_interval: Duration::from_millis(1),
            ..Components::default()
        };
        EmbeddedStore::open_with(Path::new("store"), components).expect("the store opens")
    }

    async fn run_once(&mut self, seed: u64) {
        let store = self.open();
        self.report.restarts += 1;
        store.create_scope(&stream("all").scope).await.expect("the disk works");
        for (name, retention) in STREAMS {
            let config = StreamConfig::with_segments(1).retention(retention);
            store.create_stream(&stream(name), config).await.expect("the disk works");
        }
        self.check_streams(&store, seed).await;
        for _ in 0..self.rng.u64_below(80) {
            self.append(&store).await;
            if self.rng.one_in(20) {
                store.maintain().await.expect("maintenance succeeds");
                self.check_streams(&store, seed).await;
            }
        }
        store.maintain().await.expect("maintenance succeeds");
        self.check_streams(&store, seed).await;
        self.check_disk_usage(&store, seed).await;
        let health = store.health();
        assert_eq!(health.worst(), None, "seed {seed}");
        assert_eq!(counter(&health, "panics") + counter(&health, "failures"), 0, "seed {seed}: {health:?}");
        self.report.truncations += counter(&health, "truncations");
        self.report.compactions += counter(&health, "compactions");
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

    /// Appends the next event to every stream in one commit.
    async fn append(&mut self, store: &EmbeddedStore) {
        let number = self.times.len();
        let event = format!("{number} {}", "x".repeat(self.rng.u64_below(200) as usize));
        let appends = STREAMS.map(|(name, _)| Append::keyed(&stream(name), "k", event.clone()));
        self.clock.advance(Duration::from_millis(self.rng.u64_below(200)));
        self.times.push(self.clock.since_epoch());
        store.commit(Commit::events(appends.into())).await.expect("the disk works");
        self.report.events += 1;
    }

    /// Checks that every stream has its latest events without a gap.
    async fn check_streams(&self, store: &EmbeddedStore, seed: u64) {
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
                self.times.len().checked_sub(numbers.len() + 1).and_then(|deleted| self.times.get(deleted));
            let oldest = oldest.copied().unwrap_or_default();
            match retention {
                Retention { age: None, bytes: None } => {
                    assert_eq!(from, 0, "seed {seed}: {name} has every event")
                }
                // not more was deleted than necessary
                Retention { age: None, bytes: Some(_) } => {
                    assert!(
                        from == 0 || bytes + 3 * 220 >= RETENTION_BYTES,
                        "seed {seed}: {name} has {bytes} bytes"
                    );
                }
                Retention { .. } => {
                    assert!(
                        oldest + RETENTION_AGE <= self.clock.since_epoch(),
                        "seed {seed}: {name} lost events that are too young"
                    );
                }
            }
        }
    }

    /// Checks that maintenance has left little beyond the retained data.
    async fn check_disk_usage(&self, store: &EmbeddedStore, seed: u64) {
        let mut retained = 0;
        for (name, retention) in STREAMS {
            let read = read(store, name).await;
            let bytes: u64 = read.iter().map(|(pointer, _)| u64::from(pointer.length)).sum();
            assert!(retention.bytes.is_none_or(|max| bytes <= max), "seed {seed}: {name} has {bytes} bytes");
            retained += bytes;
        }
        let on_disk: u64 = self.disk.logs().into_iter().map(|(_, length)| length as u64).sum();
        assert!(
            on_disk <= 2 * retained + SLACK_BYTES,
            "seed {seed}: {on_disk} bytes of log for {retained} bytes of events"
        );
    }
}

/// Reads a stream; retention may truncate it meanwhile.
async fn read(store: &EmbeddedStore, name: &str) -> Vec<(EventPointer, Bytes)> {
    bounded_read(store, &stream(name)).await.expect("it can be read")
}

fn counter(health: &Health, name: &str) -> u64 {
    let component = health.component("store.maintenance");
    let counters = component.map(|component| component.counters.as_slice()).unwrap_or_default();
    counters.iter().find(|(found, _)| *found == name).map_or(0, |(_, count)| *count)
}
