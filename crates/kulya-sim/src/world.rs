//! A world: one embedded store on a simulated disk, an oracle in memory, and what happens to them by the rng.
//!
//! The invariant after every crash: the store is exactly what the oracle was after some step, at or behind the last one
//! that was promised to survive, and at or before the last one that was begun. So everything acknowledged is there, what
//! was not acknowledged is there whole or not at all, order and offsets and pointers are as they were, transactions are
//! all or nothing, and a repeated commit gives the same answer as before.

use crate::draw;
use crate::{Faults, SimDisk, SimIndex};
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

/// So short that a world goes through many log files.
const LOG_FILE_BYTES: u64 = 4096;
/// Steps between two crashes, at most.
const MOST_STEPS: u64 = 30;

/// What a world has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Steps that were taken.
    pub steps: u64,
    /// Times that the store ended in other than an orderly way.
    pub crashes: u64,
    /// Crashes after which something that was never promised was gone.
    pub losses: u64,
    /// Damages in the middle that were refused.
    pub refusals: u64,
    /// Times that the store did its upkeep, and those in which log files were compacted.
    pub upkeeps: u64,
    /// See `upkeeps`.
    pub compactions: u64,
    /// Everything that happened, a line each.
    pub trace: String,
}

impl Report {
    /// Adds what another world has seen, but for its trace.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.losses += other.losses;
        self.refusals += other.refusals;
        self.upkeeps += other.upkeeps;
        self.compactions += other.compactions;
    }
}

struct World {
    rng: SeededRng,
    disk: SimDisk,
    index: SimIndex,
    store: EmbeddedStore,
    oracle: MemoryStore,
    clock: Arc<ManualClock>,
    /// The steps that made the oracle what it is, each with the time.
    taken: Vec<(Duration, Step)>,
    /// What the oracle was: first after the last step that is certain, then after each since, with the number of steps.
    possible: Vec<(String, usize)>,
    /// A log file, and where in it the last frame begins that was promised to survive: damage before it is no torn write.
    guarded: Option<(PathBuf, usize)>,
    report: Report,
}

/// Lives through so many crashes; panics, with the trace, when the invariant breaks.
pub async fn live(seed: u64, crashes: u64) -> Report {
    let mut rng = SeededRng::new(seed);
    let disk = SimDisk::new(SeededRng::new(rng.u64_below(u64::MAX)));
    let index = SimIndex::beside(&disk);
    let clock = Arc::new(ManualClock::default());
    let store = open(&disk, &index, &clock).expect("an empty disk takes a store");
    let oracle = MemoryStore::with_clock(clock.clone());
    model::make(&store).await.expect("the world is made");
    model::make(&oracle).await.expect("the world is made");
    let start = model::digest(&oracle).await.expect("memory can be read");
    let (taken, possible) = (Vec::new(), vec![(start, 0)]);
    let mut world = World {
        rng,
        disk,
        index,
        store,
        oracle,
        clock,
        taken,
        possible,
        guarded: None,
        report: Report::default(),
    };
    for _ in 0..crashes {
        world.steps().await;
        world.crash().await;
    }
    world.report
}

fn open(disk: &SimDisk, index: &SimIndex, clock: &Arc<ManualClock>) -> kulya_store::Result<EmbeddedStore> {
    let components = Components {
        disk: Arc::new(disk.owner()),
        log_file_bytes: LOG_FILE_BYTES,
        inline: true,
        clock: clock.clone(),
        index: Some(Arc::new(index.clone())),
        secret: Some([7; 16]),
        ..Components::default()
    };
    EmbeddedStore::open_with(Path::new("store"), components)
}

/// Steps as a line; an event is one byte repeated, and shown so.
fn shown(group: &[Step], faults: &Faults) -> String {
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

/// Whether a step that was not refused has certainly written a frame of its own.
fn surely_writes(step: &Step, answer: &str) -> bool {
    match step {
        Step::Commit { events, changes, .. } => {
            let says_nothing = events.is_empty() && changes.is_empty();
            !says_nothing && !answer.ends_with("true")
        }
        Step::Transaction { commits, .. } => *commits,
        Step::Create(..) | Step::Seal(_) | Step::Delete(_) => answer == "true",
        Step::Truncate(..) => false,
    }
}

impl World {
    fn note(&mut self, what: &str) {
        let _ = writeln!(self.report.trace, "{what}");
    }

    /// Takes steps until chance, or a fault, ends it.
    async fn steps(&mut self) {
        for _ in 0..self.rng.u64_below(MOST_STEPS) {
            let faults = self.draw_faults();
            self.disk.faults(faults);
            if self.rng.one_in(6) && !self.maintain(&faults).await {
                return;
            }
            let group = draw::group(&mut self.rng);
            self.note(&shown(&group, &faults));
            if !self.take(group).await {
                return;
            }
        }
    }

    /// The store's upkeep, of which nobody may notice anything; `false` when the store must be opened again.
    async fn maintain(&mut self, faults: &Faults) -> bool {
        self.report.upkeeps += 1;
        let names = |disk: &SimDisk| disk.logs().into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        let before = names(&self.disk);
        let seen = self.watch();
        let done = self.store.maintain().await;
        self.index.watch(None);
        let after = names(&self.disk);
        self.note(&format!("upkeep {faults:?}: {done:?}, {} log files, then {}", before.len(), after.len()));
        self.report.compactions += u64::from(before != after);
        if self.disk.is_dead() {
            return false;
        }
        let expected = self.possible.last().map(|(digest, _)| digest.clone());
        let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        for found in seen.into_iter().chain([model::digest(&self.store).await]) {
            self.ensure(
                found.as_ref().ok() == expected.as_ref(),
                &format!("in the midst of upkeep or after it the store reads as {found:?}"),
            );
        }
        true
    }

    /// Has the store read whenever its index is written to; gives what it read as.
    fn watch(&self) -> Arc<Mutex<Vec<kulya_store::Result<String>>>> {
        let seen: Arc<Mutex<Vec<_>>> = Arc::default();
        let (store, noted) = (self.store.clone(), Arc::clone(&seen));
        self.index.watch(Some(Box::new(move || {
            let found = futures::executor::block_on(model::digest(&store));
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(found);
        })));
        seen
    }

    fn draw_faults(&mut self) -> Faults {
        let mut faults = Faults::default();
        match self.rng.u64_below(40) {
            0 | 1 => faults.full = true,
            2 => faults.broken_append = true,
            3 => faults.broken_sync = true,
            4..7 => faults.dies_after = Some(1 + self.rng.u64_below(6)),
            _ => {}
        }
        faults
    }

    /// Takes steps at the same time on the store, one after the other on the oracle; `false` when the store must be
    /// opened again.
    async fn take(&mut self, group: Vec<Step>) -> bool {
        self.report.steps += group.len() as u64;
        self.clock.advance(Duration::from_millis(self.rng.u64_below(8)));
        let before = self.disk.logs();
        let answers =
            futures::future::join_all(group.iter().map(|step| model::take(&self.store, step))).await;
        let after = self.disk.logs();
        let full = |answer: &kulya_store::Result<_>| matches!(answer, Err(e) if e.kind() == ErrorKind::Full);
        if answers.iter().all(full) {
            // nothing of it happened
            return true;
        }
        let mut goes_on = true;
        let (mut is_certain, mut is_framed) = (false, false);
        for (step, answer) in group.iter().zip(answers) {
            let expected = model::take(&self.oracle, step).await.expect("memory has no disk");
            match answer {
                Ok(found) => {
                    self.ensure(found == expected, &format!("{step:?} gave {found:?} and not {expected:?}"));
                    let asks = !matches!(step, Step::Commit { synced: false, .. });
                    // an abort promises nothing, and what changes nothing needs no promise
                    let ends = !matches!(step, Step::Transaction { commits: false, .. });
                    is_certain |= asks && ends && !found.refused;
                    is_framed |= asks && !found.refused && surely_writes(step, &found.text);
                }
                // the outcome is unknown until the store is opened again
                Err(_) => goes_on = false,
            }
        }
        let now = self.clock.since_epoch();
        self.taken.extend(group.into_iter().map(|step| (now, step)));
        let digest = model::digest(&self.oracle).await.expect("memory can be read");
        if is_framed && goes_on && before.len() == after.len() && before != after {
            self.guarded = before.last().cloned();
        }
        if is_certain && goes_on {
            self.possible.clear();
        }
        self.possible.push((digest, self.taken.len()));
        if goes_on {
            let found = model::digest(&self.store).await;
            let expected = self.possible.last().map(|(digest, _)| digest.clone());
            self.ensure(found.as_ref().ok() == expected.as_ref(), &format!("the store reads as {found:?}"));
        }
        goes_on
    }

    fn ensure(&self, holds: bool, what: &str) {
        assert!(holds, "{what}\n{}", self.report.trace);
    }

    /// The store ends, in one way or another, and is opened again.
    async fn crash(&mut self) {
        self.report.crashes += 1;
        let how = self.rng.u64_below(4);
        match how {
            0 => {
                self.disk.faults(Faults::default());
                self.note("an orderly end");
                let _ = self.store.close().await;
                self.disk.kill();
            }
            1 => {
                self.note("killed");
                self.disk.kill();
            }
            _ => {
                self.note("the power is cut");
                self.disk.cut_power();
            }
        }
        match self.rng.u64_below(8) {
            0 => self.index.lose_all(),
            1 => self.index.lose_last_write(),
            _ => {}
        }
        if self.rng.one_in(2) {
            self.damage().await;
        }
        let mut opened = None;
        for _ in 0..5 {
            if self.rng.one_in(6) {
                let dies_after = Some(1 + self.rng.u64_below(4));
                self.disk.faults(Faults { dies_after, ..Faults::default() });
            }
            match open(&self.disk, &self.index, &self.clock) {
                Ok(store) => {
                    self.disk.faults(Faults::default());
                    opened = Some(store);
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Failed => {
                    self.note("the power is cut while it opens");
                    self.disk.cut_power();
                }
                Err(error) => panic!("it does not open: {error}\n{}", self.report.trace),
            }
        }
        self.store = match opened {
            Some(store) => store,
            None => open(&self.disk, &self.index, &self.clock)
                .unwrap_or_else(|e| panic!("it does not open: {e}\n{}", self.report.trace)),
        };
        self.settle().await;
    }

    /// Finds which of the possible states the store is in, and makes the oracle that.
    async fn settle(&mut self) {
        let found = model::digest(&self.store).await;
        let found = found.unwrap_or_else(|e| panic!("it cannot be read: {e}\n{}", self.report.trace));
        let place = self.possible.iter().rposition(|(digest, _)| *digest == found);
        let Some(place) = place else {
            let states: Vec<_> = self.possible.iter().map(|(digest, _)| digest).collect();
            panic!("the store is\n{found}\nand none of\n{states:#?}\n{}", self.report.trace);
        };
        if place + 1 < self.possible.len() {
            self.report.losses += 1;
        }
        let steps = self.possible.get(place).map_or(0, |(_, steps)| *steps);
        self.note(&format!("open again, as after step {steps} of {}", self.taken.len()));
        if steps < self.taken.len() {
            self.taken.truncate(steps);
            let now = self.clock.since_epoch();
            self.oracle = MemoryStore::with_clock(self.clock.clone());
            model::make(&self.oracle).await.expect("the world is made");
            for (time, step) in &self.taken {
                self.clock.set(*time);
                model::take(&self.oracle, step).await.expect("memory has no disk");
            }
            self.clock.set(now);
        }
        // what was read after opening is certain: opening has synced it
        self.possible = vec![(found, steps)];
    }

    /// A bit flips in the middle of what was synced: the store does not open, or a verification finds it; and whatever is
    /// read is right or refused. The last frame's damage is left out: it cannot be told from a torn write.
    async fn damage(&mut self) {
        let logs = self.disk.logs();
        let file = self.rng.u64_below(logs.len() as u64) as usize;
        let Some((path, length)) = logs.get(file) else { return };
        let length = match &self.guarded {
            _ if file + 1 < logs.len() => *length,
            Some((guarded, length)) if guarded == path => *length,
            _ => 0,
        };
        if length == 0 {
            return;
        }
        let (byte, bit) = (self.rng.u64_below(length as u64) as usize, self.rng.next_u8());
        self.disk.flip(path, byte, bit);
        let refused = match open(&self.disk, &self.index, &self.clock) {
            Ok(store) => {
                let found = model::digest(&store).await;
                let is_right = match &found {
                    Ok(digest) => self.possible.iter().any(|(possible, _)| possible == digest),
                    Err(error) => error.kind() == ErrorKind::Corrupt,
                };
                self.ensure(is_right, &format!("a damaged store reads as {found:?}"));
                store.verify().await.err()
            }
            Err(error) => Some(error),
        };
        let refused = refused.map(|error| error.kind());
        if refused.is_none() && !self.disk.logs().iter().any(|(left, _)| left == path) {
            // a power cut may bring it back, and an index that has lost its last write be content with it
            self.disk.flip(path, byte, bit);
            self.disk.kill();
            self.note("a damaged file that a compaction had left behind was removed");
            return;
        }
        let what =
            format!("byte {byte} of {length} in {} is damaged, and it says {refused:?}", path.display());
        self.ensure(refused == Some(ErrorKind::Corrupt), &what);
        self.disk.flip(path, byte, bit);
        self.disk.kill();
        self.report.refusals += 1;
        self.note("a flipped bit was refused");
    }
}
