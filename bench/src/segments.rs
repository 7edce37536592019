//! A hundred thousand segments: the worst case of the index, since nearly every event of a batch goes to
//! another segment.

use crate::measure::{Fallible, Stopwatch, resident_of};
use crate::work::{BATCH, batch, payloads, streams};
use kulya_store::{Commit, Durability, StreamStore};
use kulya_store_embedded::EmbeddedStore;
use std::path::Path;
use std::time::Instant;

const EVENTS: u64 = 2_000_000;

pub async fn run(folder: &Path) -> Fallible {
    let path = folder.join("segments");
    let store = EmbeddedStore::open(&path)?;
    let started = Instant::now();
    let streams = streams(&store, 1000, 100).await?;
    println!("{:<46} {:.3} s", "1000 streams of 100 segments created", started.elapsed().as_secs_f64());
    println!("{:<46} {} kB", "resident with empty segments", resident_of("self"));
    let payloads = payloads();
    let stopwatch = Stopwatch::start();
    let mut peak = 0;
    for first in (0..EVENTS).step_by(BATCH as usize) {
        let commit = Commit::events(batch(first.wrapping_mul(7919), &streams, &payloads));
        store.commit(commit.durability(Durability::Written)).await?;
        peak = peak.max(resident_of("self"));
    }
    stopwatch.report("batches of 1000, page cache", EVENTS);
    println!("{:<46} {peak} kB", "resident, peak");
    store.close().await?;
    drop(store);
    let started = Instant::now();
    let store = EmbeddedStore::open(&path)?;
    println!("{:<46} {:.3} s", "open", started.elapsed().as_secs_f64());
    println!("{:<46} {} kB", "resident", resident_of("self"));
    store.close().await?;
    Ok(())
}
