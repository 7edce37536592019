//! Growth to ten million events: the append rate on the way, and the recovery time after a kill with two and
//! with ten million.

use crate::measure::{Fallible, Stopwatch, resident_of};
use crate::work::{BATCH, SEGMENTS, STREAMS, batch, payloads, streams};
use kulya_store::{Commit, Durability, StreamStore};
use kulya_store_embedded::EmbeddedStore;
use std::path::Path;
use std::time::Instant;

const STEPS: [u64; 9] =
    [100_000, 200_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 6_000_000, 8_000_000, 10_000_000];

pub async fn run(folder: &Path) -> Fallible {
    let path = folder.join("growth");
    let store = EmbeddedStore::open(&path)?;
    let streams = streams(&store, STREAMS, SEGMENTS).await?;
    let payloads = payloads();
    let mut written = 0;
    for step in STEPS {
        let stopwatch = Stopwatch::start();
        for first in (written..step).step_by(BATCH as usize) {
            let commit = Commit::events(batch(first, &streams, &payloads));
            // synced now and then, as with pipelined commits
            let durability = if first / BATCH % 100 == 0 { Durability::Synced } else { Durability::Written };
            store.commit(commit.durability(durability)).await?;
        }
        stopwatch.report(&format!("append, {written} to {step}"), step - written);
        written = step;
        if step == 2_000_000 || step == 10_000_000 {
            reopen(&path, &folder.join(format!("killed-{step}")))?;
        }
    }
    println!("{:<46} {} kB", "resident", resident_of("self"));
    store.close().await?;
    Ok(())
}

/// Opens a copy of the folder, which has the state after a kill.
fn reopen(path: &Path, copy: &Path) -> Fallible {
    copy_folder(path, copy)?;
    let started = Instant::now();
    let store = EmbeddedStore::open(copy)?;
    println!("{:<46} {:.3} s", "open after a kill", started.elapsed().as_secs_f64());
    drop(store);
    std::fs::remove_dir_all(copy)?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Fallible {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
