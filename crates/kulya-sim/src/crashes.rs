//! Simulation of crashes: one embedded store on a simulated disk, an oracle in memory, and random steps and
//! faults.
//!
//! The invariant after every crash: the store has exactly the state of the oracle after some step, not before
//! the last durable one and not after the last started one. So everything acknowledged is stored, the rest is
//! stored completely or not at all, order, offsets and pointers are unchanged, transactions are atomic, and a
//! repeated commit returns the same result.

use crate::disk::{Faults, SimDisk};
use crate::index::SimIndex;
use crate::steps::random_group;
use kulya_store::clock::{Clock, ManualClock};
use kulya_store::memory::MemoryStore;
use kulya_store::model::{self, Step};
use kulya_store::{ErrorKind, StreamStore};
use kulya_store_embedded::{Components, EmbeddedStore};
use kulya_testkit::SeededRng;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Small, so that a run has many log files.
const LOG_FILE_BYTES: u64 = 4096;
/// Most steps between two crashes.
const MAX_STEPS: u64 = 30;

/// Totals of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrashReport {
    /// Steps.
    pub steps: u64,
    /// Restarts, most of them after a kill or a power cut.
    pub crashes: u64,
    /// Crashes that lost steps that were not durable.
    pub losses: u64,
    /// Damages in the middle of the log that were detected.
    pub detected_damages: u64,
    /// Runs of maintenance.
    pub maintenance_runs: u64,
    /// Those that compacted log files.
    pub compactions: u64,
    /// Log of the run, one line for each step.
    pub trace: String,
}

impl CrashReport {
    /// Adds the totals of another run, without its trace.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.losses += other.losses;
        self.detected_damages += other.detected_damages;
        self.maintenance_runs += other.maintenance_runs;
        self.compactions += other.compactions;
    }
}

struct Simulation {
    rng: SeededRng,
    disk: SimDisk,
    index: SimIndex,
    store: EmbeddedStore,
    oracle: MemoryStore,
    clock: Arc<ManualClock>,
    /// The steps of the oracle, each with its time.
    taken: Vec<(Duration, Step)>,
    /// The states that the store may have after a crash, with their numbers of steps: that of the last
    /// durable step and those of each later one.
    possible: Vec<(String, usize)>,
    /// A log file and the offset of its last durable frame: damage before it is no torn write.
    durable: Option<(PathBuf, usize)>,
    report: CrashReport,
}

/// Runs a store through `crashes` crashes.
///
/// # Panics
/// If the invariant is violated, with the trace.
pub async fn simulate_crashes(seed: u64, crashes: u64) -> CrashReport {
    let mut rng = SeededRng::new(seed);
    let disk = SimDisk::new(SeededRng::new(rng.u64_below(u64::MAX)));
    let index = SimIndex::new(&disk);
    let clock = Arc::new(ManualClock::default());
    let store = open(&disk, &index, &clock).expect("a store is created on an empty disk");
    let oracle = MemoryStore::with_clock(clock.clone());
    model::make(&store).await.expect("the streams are created");
    model::make(&oracle).await.expect("the streams are created");
    let start = model::digest(&oracle).await.expect("memory can be read");
    let (taken, possible) = (Vec::new(), vec![(start, 0)]);
    let mut simulation = Simulation {
        rng,
        disk,
        index,
        store,
        oracle,
        clock,
        taken,
        possible,
        durable: None,
        report: CrashReport::default(),
    };
    for _ in 0..crashes {
        simulation.take_steps().await;
        simulation.crash().await;
    }
    simulation.report
}

fn open(disk: &SimDisk, index: &SimIndex, clock: &Arc<ManualClock>) -> kulya_store::Result<EmbeddedStore> {
    let components = Components {
        disk: Arc::new(disk.handle()),
        log_file_bytes: LOG_FILE_BYTES,
        inline: true,
        clock: clock.clone(),
        index: Some(Arc::new(index.clone())),
        secret: Some([7; 16]),
        ..Components::default()
    };
    EmbeddedStore::open_with(Path::new("store"), components)
}

/// Formats steps as a line; an event is one byte repeated, and abbreviated.
fn format_steps(group: &[Step], faults: &Faults) -> String {
    let text = format!("{group:?} {faults:?}");
    let mut line = String::new();
    for part in text.split_inclusive(']') {
        match part.rsplit_once('[') {
            Some((before, bytes))
                if bytes.len() > 12 && bytes.bytes().all(|b| b.is_ascii_digit() || b", ]".contains(&b)) =>
            {
                let (byte, count) = (bytes.split(',').next().unwrap_or_default(), bytes.split(',').count());
                let _ = write!(line, "{before}[{byte}; {count}]");
            }
            _ => line.push_str(part),
        }
    }
    line
}

/// Whether an accepted step has certainly written a frame of its own.
fn writes_frame(step: &Step, result: &str) -> bool {
    match step {
        Step::Commit { events, changes, .. } => {
            let is_empty = events.is_empty() && changes.is_empty();
            !is_empty && !result.ends_with("true")
        }
        Step::Transaction { commits, .. } => *commits,
        Step::Create(..) | Step::Seal(_) | Step::Delete(_) => result == "true",
        Step::Truncate(..) => false,
    }
}

impl Simulation {
    fn log(&mut self, what: &str) {
        let _ = writeln!(self.report.trace, "{what}");
    }

    /// Takes steps until a random end or a fault.
    async fn take_steps(&mut self) {
        for _ in 0..self.rng.u64_below(MAX_STEPS) {
            let faults = self.random_faults();
            self.disk.set_faults(faults);
            if self.rng.one_in(6) && !self.maintain(&faults).await {
                return;
            }
            let group = random_group(&mut self.rng);
            self.log(&format_steps(&group, &faults));
            if !self.take(group).await {
                return;
            }
        }
    }

    /// Runs maintenance, which must not change what is read; `false` if the store must be reopened.
    async fn maintain(&mut self, faults: &Faults) -> bool {
        self.report.maintenance_runs += 1;
        let names = |disk: &SimDisk| disk.logs().into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        let before = names(&self.disk);
        let observed = self.observe();
        let result = self.store.maintain().await;
        self.index.set_observer(None);
        let after = names(&self.disk);
        self.log(&format!(
            "maintenance {faults:?}: {result:?}, {} log files, then {}",
            before.len(),
            after.len()
        ));
        self.report.compactions += u64::from(before != after);
        if self.disk.is_powered_off() {
            return false;
        }
        let expected = self.possible.last().map(|(digest, _)| digest.clone());
        let observed = std::mem::take(&mut *observed.lock().unwrap_or_else(PoisonError::into_inner));
        for found in observed.into_iter().chain([model::digest(&self.store).await]) {
            self.ensure(
                found.as_ref().ok() == expected.as_ref(),
                &format!("during or after maintenance the store reads as {found:?}"),
            );
        }
        true
    }

    /// Reads the store during each write of its index; returns the states.
    fn observe(&self) -> Arc<Mutex<Vec<kulya_store::Result<String>>>> {
        let observed: Arc<Mutex<Vec<_>>> = Arc::default();
        let (store, states) = (self.store.clone(), Arc::clone(&observed));
        self.index.set_observer(Some(Box::new(move || {
            let found = futures::executor::block_on(model::digest(&store));
            states.lock().unwrap_or_else(PoisonError::into_inner).push(found);
        })));
        observed
    }

    fn random_faults(&mut self) -> Faults {
        let mut faults = Faults::default();
        match self.rng.u64_below(40) {
            0 | 1 => faults.disk_full = true,
            2 => faults.append_fails = true,
            3 => faults.sync_fails = true,
            4..7 => faults.power_cut_after = Some(1 + self.rng.u64_below(6)),
            _ => {}
        }
        faults
    }

    /// Takes steps concurrently on the store and in order on the oracle; `false` if the store must be
    /// reopened.
    async fn take(&mut self, group: Vec<Step>) -> bool {
        self.report.steps += group.len() as u64;
        self.clock.advance(Duration::from_millis(self.rng.u64_below(8)));
        let before = self.disk.logs();
        let results =
            futures::future::join_all(group.iter().map(|step| model::take(&self.store, step))).await;
        let after = self.disk.logs();
        let full = |result: &kulya_store::Result<_>| matches!(result, Err(e) if e.kind() == ErrorKind::Full);
        if results.iter().all(full) {
            // none of them took effect
            return true;
        }
        let mut is_usable = true;
        let (mut is_durable, mut has_frame) = (false, false);
        for (step, result) in group.iter().zip(results) {
            let expected = model::take(&self.oracle, step).await.expect("memory has no disk");
            match result {
                Ok(found) => {
                    self.ensure(
                        found == expected,
                        &format!("{step:?} returned {found:?} and not {expected:?}"),
                    );
                    let is_synced = !matches!(step, Step::Commit { synced: false, .. });
                    // an abort guarantees nothing
                    let is_committed = !matches!(step, Step::Transaction { commits: false, .. });
                    is_durable |= is_synced && is_committed && !found.refused;
                    has_frame |= is_synced && !found.refused && writes_frame(step, &found.text);
                }
                // the outcome is unknown until the store is reopened
                Err(_) => is_usable = false,
            }
        }
        let now = self.clock.since_epoch();
        self.taken.extend(group.into_iter().map(|step| (now, step)));
        let digest = model::digest(&self.oracle).await.expect("memory can be read");
        if has_frame && is_usable && before.len() == after.len() && before != after {
            self.durable = before.last().cloned();
        }
        if is_durable && is_usable {
            self.possible.clear();
        }
        self.possible.push((digest, self.taken.len()));
        if is_usable {
            let found = model::digest(&self.store).await;
            let expected = self.possible.last().map(|(digest, _)| digest.clone());
            self.ensure(found.as_ref().ok() == expected.as_ref(), &format!("the store reads as {found:?}"));
        }
        is_usable
    }

    fn ensure(&self, condition: bool, what: &str) {
        assert!(condition, "{what}\n{}", self.report.trace);
    }

    /// Closes the store, kills it or cuts the power, then reopens it.
    async fn crash(&mut self) {
        self.report.crashes += 1;
        let kind = self.rng.u64_below(4);
        match kind {
            0 => {
                self.disk.set_faults(Faults::default());
                self.log("closed");
                let _ = self.store.close().await;
                self.disk.kill();
            }
            1 => {
                self.log("killed");
                self.disk.kill();
            }
            _ => {
                self.log("power cut");
                self.disk.cut_power();
            }
        }
        match self.rng.u64_below(8) {
            0 => self.index.lose_all(),
            1 => self.index.lose_last_write(),
            _ => {}
        }
        if self.rng.one_in(2) {
            self.flip_bit().await;
        }
        let mut opened = None;
        for _ in 0..5 {
            if self.rng.one_in(6) {
                let power_cut_after = Some(1 + self.rng.u64_below(4));
                self.disk.set_faults(Faults { power_cut_after, ..Faults::default() });
            }
            match open(&self.disk, &self.index, &self.clock) {
                Ok(store) => {
                    self.disk.set_faults(Faults::default());
                    opened = Some(store);
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Failed => {
                    self.log("power cut during recovery");
                    self.disk.cut_power();
                }
                Err(error) => panic!("recovery failed: {error}\n{}", self.report.trace),
            }
        }
        self.store = match opened {
            Some(store) => store,
            None => open(&self.disk, &self.index, &self.clock)
                .unwrap_or_else(|e| panic!("recovery failed: {e}\n{}", self.report.trace)),
        };
        self.match_oracle().await;
    }

    /// Finds which of the possible states the store has, and resets the oracle to it.
    async fn match_oracle(&mut self) {
        let found = model::digest(&self.store).await;
        let found = found.unwrap_or_else(|e| panic!("the store cannot be read: {e}\n{}", self.report.trace));
        let index = self.possible.iter().rposition(|(digest, _)| *digest == found);
        let Some(index) = index else {
            let states: Vec<_> = self.possible.iter().map(|(digest, _)| digest).collect();
            panic!("the store is\n{found}\nand none of\n{states:#?}\n{}", self.report.trace);
        };
        if index + 1 < self.possible.len() {
            self.report.losses += 1;
        }
        let steps = self.possible.get(index).map_or(0, |(_, steps)| *steps);
        self.log(&format!("reopened with the state after step {steps} of {}", self.taken.len()));
        if steps < self.taken.len() {
            self.taken.truncate(steps);
            let now = self.clock.since_epoch();
            self.oracle = MemoryStore::with_clock(self.clock.clone());
            model::make(&self.oracle).await.expect("the streams are created");
            for (time, step) in &self.taken {
                self.clock.set(*time);
                model::take(&self.oracle, step).await.expect("memory has no disk");
            }
            self.clock.set(now);
        }
        // what was read after recovery is durable: recovery syncs the log
        self.possible = vec![(found, steps)];
    }

    /// Flips a bit of the synced log: recovery or verification must detect it, and reads return correct data
    /// or an error. The last frame is left out: its damage cannot be told from a torn write.
    async fn flip_bit(&mut self) {
        let logs = self.disk.logs();
        let file = self.rng.u64_below(logs.len() as u64) as usize;
        let Some((path, length)) = logs.get(file) else { return };
        let length = match &self.durable {
            _ if file + 1 < logs.len() => *length,
            Some((durable, length)) if durable == path => *length,
            _ => 0,
        };
        if length == 0 {
            return;
        }
        let (byte, bit) = (self.rng.u64_below(length as u64) as usize, self.rng.next_u8());
        self.disk.flip_bit(path, byte, bit);
        let error = match open(&self.disk, &self.index, &self.clock) {
            Ok(store) => {
                let found = model::digest(&store).await;
                let is_correct = match &found {
                    Ok(digest) => self.possible.iter().any(|(possible, _)| possible == digest),
                    Err(error) => error.kind() == ErrorKind::Corrupt,
                };
                self.ensure(is_correct, &format!("a damaged store reads as {found:?}"));
                store.verify().await.err()
            }
            Err(error) => Some(error),
        };
        let detected = error.map(|error| error.kind());
        if detected.is_none() && !self.disk.logs().iter().any(|(remaining, _)| remaining == path) {
            // a power cut may restore the file for an index that has lost its last write
            self.disk.flip_bit(path, byte, bit);
            self.disk.kill();
            self.log("a damaged file without live data was deleted");
            return;
        }
        let what = format!(
            "byte {byte} of {length} in {} is damaged, and the error is {detected:?}",
            path.display()
        );
        self.ensure(detected == Some(ErrorKind::Corrupt), &what);
        self.disk.flip_bit(path, byte, bit);
        self.disk.kill();
        self.report.detected_damages += 1;
        self.log("a flipped bit was detected");
    }
}
