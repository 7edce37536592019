//! Benchmark of fjall used directly: an event's key is its segment and its offset.

use crate::measure::{Fallible, Stopwatch, resident_of, written};
use crate::work::{BATCH, BATCH_PRODUCERS, PAYLOAD, SEGMENTS, STREAMS, SYNCED, WRITTEN, payloads};
use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use kulya_store::{framing, hash};
use std::path::Path;
use std::sync::mpsc;
use std::time::Instant;

const PRODUCERS: u64 = 256;
const SINGLES: u64 = 200;

struct Events {
    database: Database,
    keyspace: Keyspace,
    tails: Vec<u64>,
    payloads: Vec<Bytes>,
}

impl Events {
    fn write(&mut self, numbers: impl Iterator<Item = u64>, synced: bool) -> Fallible {
        let mut batch = self.database.batch();
        for number in numbers {
            let segment = hash::segment_of(&(number % 1000).to_string(), SEGMENTS);
            let segment = number % STREAMS * u64::from(SEGMENTS) + u64::from(segment);
            let tail = &mut self.tails[segment as usize];
            let key = [segment.to_be_bytes(), tail.to_be_bytes()].concat();
            let event = &self.payloads[(number % 1024) as usize];
            *tail += framing::framed_len(event.len());
            batch.insert(&self.keyspace, key, event.as_ref());
        }
        batch.commit()?;
        if synced {
            self.database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    }
}

pub fn run(folder: &Path) -> Fallible {
    let path = folder.join("fjall");
    let database = Database::builder(&path).open()?;
    let keyspace = database.keyspace("events", KeyspaceCreateOptions::default)?;
    let tails = vec![0u64; (STREAMS * u64::from(SEGMENTS)) as usize];
    let mut events = Events { database, keyspace, tails, payloads: payloads() };
    for (what, count, synced) in
        [("batches of 1000, synced", SYNCED, true), ("batches of 1000, page cache", WRITTEN, false)]
    {
        let stopwatch = Stopwatch::start();
        for first in (0..count).step_by(BATCH as usize) {
            events.write(first..first + BATCH, synced)?;
        }
        stopwatch.report(what, count);
    }
    concurrent_batches(&events)?;
    let mut events = producers(events)?;
    let stopwatch = Stopwatch::start();
    let mut count = 0;
    for entry in events.keyspace.iter() {
        let (_, value) = entry.into_inner()?;
        count += u64::from(value.len() == PAYLOAD);
    }
    stopwatch.report("scan", count);
    events.payloads.clear();
    drop(events);
    let started = Instant::now();
    let database = Database::builder(&path).open()?;
    let _keyspace = database.keyspace("events", KeyspaceCreateOptions::default)?;
    println!("{:<46} {:.3} s", format!("open with {count} events"), started.elapsed().as_secs_f64());
    let payload = count as f64 * PAYLOAD as f64;
    println!("{:<46} {:.3}", "bytes written per byte of payload", written() as f64 / payload);
    println!("{:<46} {} kB", "resident", resident_of("self"));
    Ok(())
}

/// Writes the same batches from several concurrent producers, each with its own segments.
fn concurrent_batches(events: &Events) -> Fallible {
    let stopwatch = Stopwatch::start();
    let share = SYNCED / BATCH_PRODUCERS;
    let producers: Vec<_> = (0..BATCH_PRODUCERS)
        .map(|producer| {
            let mut events = Events {
                database: events.database.clone(),
                keyspace: events.keyspace.clone(),
                // behind all earlier events, and disjoint
                tails: vec![(producer + 1) << 40; events.tails.len()],
                payloads: events.payloads.clone(),
            };
            std::thread::spawn(move || {
                let mut batches = (0..share).step_by(BATCH as usize);
                batches
                    .try_for_each(|first| events.write(first..first + BATCH, true))
                    .map_err(|e| e.to_string())
            })
        })
        .collect();
    for producer in producers {
        producer.join().map_err(|_| "a producer failed")??;
    }
    stopwatch.report("4 producers of batches of 1000, synced", SYNCED);
    Ok(())
}

/// Writes single events from many concurrent producers with the same group commit as the store's: one thread
/// writes the waiting events as one batch, syncs, and acknowledges.
fn producers(mut events: Events) -> Fallible<Events> {
    let stopwatch = Stopwatch::start();
    let (requests, queue) = mpsc::channel::<(u64, tokio::sync::oneshot::Sender<()>)>();
    let writer = std::thread::spawn(move || {
        while let Ok(first) = queue.recv() {
            let mut waiting = vec![first];
            waiting.extend(queue.try_iter());
            if events.write(waiting.iter().map(|(number, _)| *number), true).is_err() {
                return None;
            }
            for (_, acknowledge) in waiting {
                let _ = acknowledge.send(());
            }
        }
        Some(events)
    });
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let requests = requests.clone();
            tokio::spawn(async move {
                for _ in 0..SINGLES {
                    let (acknowledge, acknowledged) = tokio::sync::oneshot::channel();
                    if requests.send((producer, acknowledge)).is_err() || acknowledged.await.is_err() {
                        return Err("the writer ended");
                    }
                }
                Ok(())
            })
        })
        .collect();
    drop(requests);
    tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(async {
            for producer in producers {
                producer.await??;
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        })
    })?;
    stopwatch.report("256 producers of single events, synced", PRODUCERS * SINGLES);
    writer.join().ok().flatten().ok_or_else(|| "the writer failed".into())
}
