//! Benchmark of the embedded store.

use crate::measure::{Fallible, Stopwatch, print_latencies, resident_of, written};
use crate::work::{
    BATCH, BATCH_PRODUCERS, PAYLOAD, SEGMENTS, STREAMS, SYNCED, WRITTEN, batch, payload, payloads, stream,
    streams,
};
use bytes::Bytes;
use kulya_store::{Append, Commit, Committed, Durability, EventPointer, StreamId, StreamStore};
use kulya_store_embedded::EmbeddedStore;
use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

const PRODUCERS: u64 = 256;
const SINGLES: u64 = 200;
const POINTS: usize = 20_000;
/// Unacknowledged batches of one producer.
const MAX_IN_FLIGHT: usize = 5;
const TAILS: usize = 2000;

pub async fn run(folder: &Path) -> Fallible {
    let path = folder.join("own");
    let store = EmbeddedStore::open(&path)?;
    let streams = streams(&store, STREAMS, SEGMENTS).await?;
    let payloads = payloads();
    for (what, events, durability) in [
        ("batches of 1000, synced", SYNCED, Durability::Synced),
        ("batches of 1000, page cache", WRITTEN, Durability::Written),
    ] {
        let stopwatch = Stopwatch::start();
        for first in (0..events).step_by(BATCH as usize) {
            store.commit(Commit::events(batch(first, &streams, &payloads)).durability(durability)).await?;
        }
        stopwatch.report(what, events);
    }
    for (what, events, durability) in [
        ("batches of 1000, 5 in flight, synced", SYNCED, Durability::Synced),
        ("batches of 1000, 5 in flight, page cache", WRITTEN, Durability::Written),
    ] {
        in_flight(&store, &streams, &payloads, what, events, durability).await?;
    }
    for (what, durability) in [
        ("4 producers of batches of 1000, synced", Durability::Synced),
        ("4 producers of batches of 1000, page cache", Durability::Written),
    ] {
        concurrent_batches(&store, &streams, &payloads, what, durability).await?;
    }
    producers(&store).await?;
    tails(&store, &streams[0]).await?;
    let (events, pointers) = scan(&store, &streams).await?;
    points(&store, &pointers).await?;
    drop(pointers);
    let (_, bytes) = store.disk_usage()?;
    let started = Instant::now();
    store.close().await?;
    println!("{:<46} {:.3} s", "close, with a checkpoint", started.elapsed().as_secs_f64());
    let payload = events as f64 * PAYLOAD as f64;
    println!("{:<46} {:.3}", "bytes of log per byte of payload", bytes as f64 / payload);
    println!("{:<46} {:.3}", "bytes written per byte of payload", written() as f64 / payload);
    println!("{:<46} {} kB", "resident", resident_of("self"));
    Ok(())
}

/// Writes the same batches from one producer with up to 5 unacknowledged ones, as Kafka's does by default.
async fn in_flight(
    store: &EmbeddedStore,
    streams: &[StreamId],
    payloads: &[Bytes],
    what: &str,
    events: u64,
    durability: Durability,
) -> Fallible {
    let stopwatch = Stopwatch::start();
    let mut commits = VecDeque::new();
    for first in (0..events).step_by(BATCH as usize) {
        if commits.len() == MAX_IN_FLIGHT {
            finish(commits.pop_front()).await?;
        }
        let (store, commit) = (store.clone(), Commit::events(batch(first, streams, payloads)));
        commits.push_back(tokio::spawn(async move { store.commit(commit.durability(durability)).await }));
    }
    while !commits.is_empty() {
        finish(commits.pop_front()).await?;
    }
    stopwatch.report(what, events);
    Ok(())
}

async fn finish(commit: Option<tokio::task::JoinHandle<kulya_store::Result<Committed>>>) -> Fallible {
    if let Some(commit) = commit {
        commit.await??;
    }
    Ok(())
}

/// Writes the same batches from several concurrent producers.
async fn concurrent_batches(
    store: &EmbeddedStore,
    streams: &[StreamId],
    payloads: &[Bytes],
    what: &str,
    durability: Durability,
) -> Fallible {
    let stopwatch = Stopwatch::start();
    let share = SYNCED / BATCH_PRODUCERS;
    let producers: Vec<_> = (0..BATCH_PRODUCERS)
        .map(|producer| {
            let (store, streams, payloads) = (store.clone(), streams.to_vec(), payloads.to_vec());
            tokio::spawn(async move {
                for first in (0..share).step_by(BATCH as usize) {
                    let commit = Commit::events(batch(producer + first, &streams, &payloads));
                    store.commit(commit.durability(durability)).await?;
                }
                Ok::<_, kulya_store::Error>(())
            })
        })
        .collect();
    for producer in producers {
        producer.await??;
    }
    stopwatch.report(what, SYNCED);
    Ok(())
}

/// Writes single events from many concurrent producers.
async fn producers(store: &EmbeddedStore) -> Fallible {
    let stopwatch = Stopwatch::start();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (store, stream, event) = (store.clone(), stream(producer % STREAMS), payload(producer));
            tokio::spawn(async move {
                for _ in 0..SINGLES {
                    let append = Append::keyed(&stream, producer.to_string(), event.clone());
                    store.commit(Commit::events(vec![append])).await?;
                }
                Ok::<_, kulya_store::Error>(())
            })
        })
        .collect();
    for producer in producers {
        producer.await??;
    }
    stopwatch.report("256 producers of single events, synced", PRODUCERS * SINGLES);
    Ok(())
}

/// Measures the time from an acknowledged commit until a waiting reader has the event.
async fn tails(store: &EmbeddedStore, stream: &StreamId) -> Fallible {
    let mut times = Vec::with_capacity(TAILS);
    for number in 0..TAILS {
        let key = "a tail's key";
        let segment =
            store.segments(stream).await?.swap_remove(kulya_store::hash::segment_of(key, SEGMENTS) as usize);
        let reader = {
            let store = store.clone();
            tokio::spawn(async move {
                store.wait_beyond(&segment.id, segment.tail).await?;
                let chunk = store.read(&segment.id, segment.tail, 1 << 16).await?;
                Ok::<_, kulya_store::Error>((Instant::now(), chunk.events.len()))
            })
        };
        tokio::task::yield_now().await;
        store.commit(Commit::events(vec![Append::keyed(stream, key, payload(number as u64))])).await?;
        let synced = Instant::now();
        let (read, events) = reader.await??;
        if events != 1 {
            return Err("the tail's reader has not read its event".into());
        }
        times.push(read.saturating_duration_since(synced).as_secs_f64() * 1e6);
    }
    print_latencies("append to tail read, above the sync", times);
    Ok(())
}

/// Reads every event of every segment; returns their number and a sample of pointers.
async fn scan(store: &EmbeddedStore, streams: &[StreamId]) -> Fallible<(u64, Vec<EventPointer>)> {
    let stopwatch = Stopwatch::start();
    let (mut events, mut sample) = (0, Vec::new());
    for stream in streams {
        for segment in store.segments(stream).await? {
            let mut offset = segment.head;
            while offset < segment.tail {
                let chunk = store.read(&segment.id, offset, 1 << 20).await?;
                events += chunk.events.len() as u64;
                sample.extend(chunk.pointers(&segment.id).step_by(97));
                offset = chunk.next;
            }
        }
    }
    stopwatch.report("scan", events);
    Ok((events, sample))
}

async fn points(store: &EmbeddedStore, pointers: &[EventPointer]) -> Fallible {
    let mut times = Vec::with_capacity(POINTS);
    for number in 0..2 * POINTS {
        let pointer = &pointers[number.wrapping_mul(7919) % pointers.len()];
        let started = Instant::now();
        if store.event(pointer).await?.len() != PAYLOAD {
            return Err("a pointer returns another event".into());
        }
        // the first half is the warm-up
        if number >= POINTS {
            times.push(started.elapsed().as_secs_f64() * 1e6);
        }
    }
    print_latencies("event by pointer", times);
    Ok(())
}
