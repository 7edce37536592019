//! The embedded store.

use crate::measure::{Fallible, Watch, resident_of, say_times, written};
use crate::work::{
    BATCH, BATCHERS, PAYLOAD, SEGMENTS, STREAMS, SYNCED, WRITTEN, batch, payload, payloads, stream, streams,
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
/// Batches of one producer that are not answered yet.
const ON_THEIR_WAY: usize = 5;
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
        let watch = Watch::start();
        for first in (0..events).step_by(BATCH as usize) {
            store.commit(Commit::events(batch(first, &streams, &payloads)).durability(durability)).await?;
        }
        watch.say(what, events);
    }
    for (what, events, durability) in [
        ("batches of 1000, 5 on their way, synced", SYNCED, Durability::Synced),
        ("batches of 1000, 5 on their way, page cache", WRITTEN, Durability::Written),
    ] {
        on_their_way(&store, &streams, &payloads, what, events, durability).await?;
    }
    for (what, durability) in [
        ("4 producers of batches of 1000, synced", Durability::Synced),
        ("4 producers of batches of 1000, page cache", Durability::Written),
    ] {
        side_by_side(&store, &streams, &payloads, what, durability).await?;
    }
    producers(&store).await?;
    tails(&store, &streams[0]).await?;
    let (events, pointers) = scan(&store, &streams).await?;
    points(&store, &pointers).await?;
    drop(pointers);
    let (_, bytes) = store.disk_usage()?;
    let began = Instant::now();
    store.close().await?;
    println!("{:<46} {:.3} s", "close, with a checkpoint", began.elapsed().as_secs_f64());
    let payload = events as f64 * PAYLOAD as f64;
    println!("{:<46} {:.3}", "bytes of log per byte of payload", bytes as f64 / payload);
    println!("{:<46} {:.3}", "bytes written per byte of payload", written() as f64 / payload);
    println!("{:<46} {} kB", "resident", resident_of("self"));
    Ok(())
}

/// The same batches from one producer that waits for an answer only when so many are owed, as Kafka's does by default.
async fn on_their_way(
    store: &EmbeddedStore,
    streams: &[StreamId],
    payloads: &[Bytes],
    what: &str,
    events: u64,
    durability: Durability,
) -> Fallible {
    let watch = Watch::start();
    let mut answers = VecDeque::new();
    for first in (0..events).step_by(BATCH as usize) {
        if answers.len() == ON_THEIR_WAY {
            answer(answers.pop_front()).await?;
        }
        let (store, commit) = (store.clone(), Commit::events(batch(first, streams, payloads)));
        answers.push_back(tokio::spawn(async move { store.commit(commit.durability(durability)).await }));
    }
    while !answers.is_empty() {
        answer(answers.pop_front()).await?;
    }
    watch.say(what, events);
    Ok(())
}

async fn answer(owed: Option<tokio::task::JoinHandle<kulya_store::Result<Committed>>>) -> Fallible {
    if let Some(owed) = owed {
        owed.await??;
    }
    Ok(())
}

/// The same batches from several producers at once.
async fn side_by_side(
    store: &EmbeddedStore,
    streams: &[StreamId],
    payloads: &[Bytes],
    what: &str,
    durability: Durability,
) -> Fallible {
    let watch = Watch::start();
    let share = SYNCED / BATCHERS;
    let producers: Vec<_> = (0..BATCHERS)
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
    watch.say(what, SYNCED);
    Ok(())
}

/// Single events from many at once.
async fn producers(store: &EmbeddedStore) -> Fallible {
    let watch = Watch::start();
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
    watch.say("256 producers of single events, synced", PRODUCERS * SINGLES);
    Ok(())
}

/// From a commit's answer, which is a sync, to a waiting reader's having the event.
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
    say_times("append to tail read, above the sync", times);
    Ok(())
}

/// Every event of every segment; gives their number and some pointers.
async fn scan(store: &EmbeddedStore, streams: &[StreamId]) -> Fallible<(u64, Vec<EventPointer>)> {
    let watch = Watch::start();
    let (mut events, mut some) = (0, Vec::new());
    for stream in streams {
        for segment in store.segments(stream).await? {
            let mut offset = segment.head;
            while offset < segment.tail {
                let chunk = store.read(&segment.id, offset, 1 << 20).await?;
                events += chunk.events.len() as u64;
                some.extend(chunk.pointers(&segment.id).step_by(97));
                offset = chunk.next;
            }
        }
    }
    watch.say("scan", events);
    Ok((events, some))
}

async fn points(store: &EmbeddedStore, pointers: &[EventPointer]) -> Fallible {
    let mut times = Vec::with_capacity(POINTS);
    for number in 0..2 * POINTS {
        let pointer = &pointers[number.wrapping_mul(7919) % pointers.len()];
        let began = Instant::now();
        if store.event(pointer).await?.len() != PAYLOAD {
            return Err("a pointer leads to another event".into());
        }
        // warm: the first half is not counted
        if number >= POINTS {
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
    }
    say_times("event by pointer", times);
    Ok(())
}
