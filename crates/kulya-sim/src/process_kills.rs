//! Real processes that are killed: a child process takes steps on a store in a real folder, reports each, and
//! is killed at a random moment. The store must have the state after the last reported step or the next one:
//! a killed process loses nothing.

use crate::steps::random_step;
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store::{StreamStore, model};
use kulya_store_embedded::{Components, EmbeddedStore};
use kulya_testkit::SeededRng;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Small, so that log files are filled, indexed and compacted all the time.
const LOG_FILE_BYTES: u64 = 4096;
/// Most steps of a child before the kill.
const MAX_STEPS: u64 = 40;
/// Longest time from the last awaited step to the kill.
const MAX_MICROSECONDS: u64 = 2000;

/// Totals of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KillReport {
    /// Children that were killed.
    pub kills: u64,
    /// Steps in the store.
    pub steps: u64,
    /// Steps in the store that were not reported before the kill.
    pub unreported: u64,
}

fn step(seed: u64, number: u64) -> model::Step {
    random_step(&mut SeededRng::new(seed.wrapping_mul(1_000_003).wrapping_add(number)))
}

fn open(folder: &Path, clock: &Arc<ManualClock>) -> kulya_store::Result<EmbeddedStore> {
    let clock = clock.clone();
    EmbeddedStore::open_with(
        folder,
        Components { clock, log_file_bytes: LOG_FILE_BYTES, ..Components::default() },
    )
}

/// Runs the child process: takes the steps of a seed from number `from` on, and prints the number of each
/// completed one.
pub async fn run_child(folder: &Path, seed: u64, from: u64) {
    let clock = Arc::new(ManualClock::default());
    let store = open(folder, &clock).expect("the folder opens");
    for number in from.. {
        clock.set(Duration::from_millis(number));
        model::take(&store, &step(seed, number)).await.expect("the disk works");
        // the parent has exited
        if writeln!(std::io::stdout(), "{number}").is_err() {
            return;
        }
    }
}

/// Runs and kills a child on a folder `times` times, and checks the store after each kill. `program` is run
/// with the arguments `child FOLDER SEED FROM`.
///
/// # Panics
/// If the store has a wrong state.
pub async fn simulate_kills(program: &Path, folder: &Path, seed: u64, times: u64) -> KillReport {
    let mut rng = SeededRng::new(seed);
    let clock = Arc::new(ManualClock::default());
    let oracle = MemoryStore::with_clock(clock.clone());
    model::make(&oracle).await.expect("the streams are created");
    let store = open(folder, &clock).expect("a new folder opens");
    model::make(&store).await.expect("the streams are created");
    store.close().await.expect("the store closes");
    // releases the lock
    drop(store);
    let mut total = KillReport::default();
    for _ in 0..times {
        let moment = (rng.u64_below(MAX_STEPS), Duration::from_micros(rng.u64_below(MAX_MICROSECONDS)));
        let reported = run_and_kill(program, folder, seed, total.steps, moment);
        let mut taken = total.steps;
        let apply = async |number: u64| {
            clock.set(Duration::from_millis(number));
            model::take(&oracle, &step(seed, number)).await.expect("memory has no disk");
        };
        while taken < reported {
            apply(taken).await;
            taken += 1;
        }
        let store = open(folder, &clock)
            .unwrap_or_else(|error| panic!("seed {seed}, after step {reported}: {error}"));
        let found = model::digest(&store).await.expect("the store is read");
        if found != model::digest(&oracle).await.expect("memory can be read") {
            apply(taken).await;
            taken += 1;
            total.unreported += 1;
            let expected = model::digest(&oracle).await.expect("memory can be read");
            assert_eq!(
                found, expected,
                "seed {seed}: neither the state after step {reported} nor after the next one"
            );
        }
        store.verify().await.unwrap_or_else(|error| panic!("seed {seed}, after step {reported}: {error}"));
        store.close().await.expect("the store closes");
        total.steps = taken;
        total.kills += 1;
    }
    total
}

/// Runs a child until it has reported `steps` steps and `more` time has passed, then kills it; returns the
/// number of reported steps.
fn run_and_kill(program: &Path, folder: &Path, seed: u64, from: u64, (steps, more): (u64, Duration)) -> u64 {
    let mut child = Command::new(program)
        .arg("child")
        .arg(folder)
        .args([seed.to_string(), from.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines =
        BufReader::new(child.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
    let awaited = lines.by_ref().take(steps as usize).last();
    let sleep = {
        #[expect(
            clippy::disallowed_methods,
            reason = "not a wait for an event: any moment will do, and this varies them"
        )]
        std::thread::sleep
    };
    sleep(more);
    child.kill().expect("the child is killed");
    // it went on reporting until the kill; a truncated line is not a valid number
    let last = lines.last().or(awaited).and_then(|line| line.parse::<u64>().ok());
    child.wait().expect("the child has exited");
    last.map_or(from, |number| number + 1)
}
