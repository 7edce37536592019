//! Real processes, killed: a child takes steps on a folder of the machine's own file system, says so after each, and is
//! ended by the system at some moment. What it leaves must be what its steps made, up to the last that it spoke of or one
//! more: a process that is killed has lost nothing that it wrote.

use crate::draw;
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

/// So short that log files are filled, indexed and compacted all the time.
const LOG_FILE_BYTES: u64 = 4096;
/// Steps that a child lives, at most, after its opening.
const MOST_STEPS: u64 = 40;
/// And so long after the last step that was waited for.
const MOST_MICROSECONDS: u64 = 2000;

/// What a child has lived through, and what it left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kills {
    /// Children that were killed.
    pub kills: u64,
    /// Steps that were taken, and are there.
    pub steps: u64,
    /// Steps that were there without having been spoken of.
    pub unspoken: u64,
}

fn step(seed: u64, number: u64) -> model::Step {
    draw::step(&mut SeededRng::new(seed.wrapping_mul(1_000_003).wrapping_add(number)))
}

fn open(folder: &Path, clock: &Arc<ManualClock>) -> kulya_store::Result<EmbeddedStore> {
    let clock = clock.clone();
    EmbeddedStore::open_with(
        folder,
        Components { clock, log_file_bytes: LOG_FILE_BYTES, ..Components::default() },
    )
}

/// The child's life: takes the steps of a seed from one on, and prints the number of each that is done.
pub async fn child(folder: &Path, seed: u64, from: u64) {
    let clock = Arc::new(ManualClock::default());
    let store = open(folder, &clock).expect("the folder opens");
    for number in from.. {
        clock.set(Duration::from_millis(number));
        model::take(&store, &step(seed, number)).await.expect("the disk works");
        // nobody reads any more: the parent has ended
        if writeln!(std::io::stdout(), "{number}").is_err() {
            return;
        }
    }
}

/// Lets a child live on a folder, kills it, and looks at what it left; again and again. `program` is run with the
/// arguments `child FOLDER SEED FROM`. Panics when the store is not what it must be.
pub async fn kill(program: &Path, folder: &Path, seed: u64, times: u64) -> Kills {
    let mut rng = SeededRng::new(seed);
    let clock = Arc::new(ManualClock::default());
    let oracle = MemoryStore::with_clock(clock.clone());
    model::make(&oracle).await.expect("the world is made");
    let store = open(folder, &clock).expect("a new folder opens");
    model::make(&store).await.expect("the world is made");
    store.close().await.expect("it closes");
    // its owner lets the folder go
    drop(store);
    let mut total = Kills::default();
    for _ in 0..times {
        let moment = (rng.u64_below(MOST_STEPS), Duration::from_micros(rng.u64_below(MOST_MICROSECONDS)));
        let spoken = live(program, folder, seed, total.steps, moment);
        let mut taken = total.steps;
        let take = async |number: u64| {
            clock.set(Duration::from_millis(number));
            model::take(&oracle, &step(seed, number)).await.expect("memory has no disk");
        };
        while taken < spoken {
            take(taken).await;
            taken += 1;
        }
        let store =
            open(folder, &clock).unwrap_or_else(|error| panic!("seed {seed}, after step {spoken}: {error}"));
        let found = model::digest(&store).await.expect("it can be read");
        if found != model::digest(&oracle).await.expect("memory can be read") {
            take(taken).await;
            taken += 1;
            total.unspoken += 1;
            let expected = model::digest(&oracle).await.expect("memory can be read");
            assert_eq!(
                found, expected,
                "seed {seed}: neither after step {spoken} nor after the one behind it"
            );
        }
        store.verify().await.unwrap_or_else(|error| panic!("seed {seed}, after step {spoken}: {error}"));
        store.close().await.expect("it closes");
        total.steps = taken;
        total.kills += 1;
    }
    total
}

/// Runs a child until it has spoken so often and a moment more, then kills it; gives how many steps it has spoken of in
/// all.
fn live(program: &Path, folder: &Path, seed: u64, from: u64, (steps, more): (u64, Duration)) -> u64 {
    let mut child = Command::new(program)
        .arg("child")
        .arg(folder)
        .args([seed.to_string(), from.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let heard = lines.by_ref().take(steps as usize).last();
    let pass = {
        #[expect(
            clippy::disallowed_methods,
            reason = "nothing is waited for: any moment will do, and this makes them differ"
        )]
        std::thread::sleep
    };
    pass(more);
    child.kill().expect("it can be killed");
    // it has spoken on until it was dead; a line that was cut short is no number of the right kind
    let last = lines.last().or(heard).and_then(|line| line.parse::<u64>().ok());
    child.wait().expect("it has ended");
    last.map_or(from, |number| number + 1)
}
