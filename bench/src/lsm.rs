//! fjall used directly: an event's key is its segment and its offset.

use crate::measure::{Fallible, Watch, resident_of, written};
use crate::work::{BATCH, BATCHERS, PAYLOAD, SEGMENTS, STREAMS, SYNCED, WRITTEN, payloads};
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
        let watch = Watch::start();
        for first in (0..count).step_by(BATCH as usize) {
            events.write(first..first + BATCH, synced)?;
        }
        watch.say(what, count);
    }
    side_by_side(&events)?;
    let mut events = producers(events)?;
    let watch = Watch::start();
    let mut count = 0;
    for entry in events.keyspace.iter() {
        let (_, value) = entry.into_inner()?;
        count += u64::from(value.len() == PAYLOAD);
    }
    watch.say("scan", count);
    events.payloads.clear();
    drop(events);
    let began = Instant::now();
    let database = Database::builder(&path).open()?;
    let _keyspace = database.keyspace("events", KeyspaceCreateOptions::default)?;
    println!("{:<46} {:.3} s", format!("open with {count} events"), began.elapsed().as_secs_f64());
    let payload = count as f64 * PAYLOAD as f64;
    println!("{:<46} {:.3}", "bytes written per byte of payload", written() as f64 / payload);
    println!("{:<46} {} kB", "resident", resident_of("self"));
    Ok(())
}

/// The same batches from several producers at once, each with segments of its own.
fn side_by_side(events: &Events) -> Fallible {
    let watch = Watch::start();
    let share = SYNCED / BATCHERS;
    let producers: Vec<_> = (0..BATCHERS)
        .map(|producer| {
            let mut own = Events {
                database: events.database.clone(),
                keyspace: events.keyspace.clone(),
                // behind everything that was written so far, and apart from each other
                tails: vec![(producer + 1) << 40; events.tails.len()],
                payloads: events.payloads.clone(),
            };
            std::thread::spawn(move || {
                let mut batches = (0..share).step_by(BATCH as usize);
                batches.try_for_each(|first| own.write(first..first + BATCH, true)).map_err(|e| e.to_string())
            })
        })
        .collect();
    for producer in producers {
        producer.join().map_err(|_| "a producer failed")??;
    }
    watch.say("4 producers of batches of 1000, synced", SYNCED);
    Ok(())
}

/// Single events from many at once, behind the same kind of front as the store's: one thread takes what waits, writes it
/// as one batch, syncs, and answers.
fn producers(mut events: Events) -> Fallible<Events> {
    let watch = Watch::start();
    let (requests, queue) = mpsc::channel::<(u64, tokio::sync::oneshot::Sender<()>)>();
    let front = std::thread::spawn(move || {
        while let Ok(first) = queue.recv() {
            let mut waiting = vec![first];
            waiting.extend(queue.try_iter());
            if events.write(waiting.iter().map(|(number, _)| *number), true).is_err() {
                return None;
            }
            for (_, answer) in waiting {
                let _ = answer.send(());
            }
        }
        Some(events)
    });
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let requests = requests.clone();
            tokio::spawn(async move {
                for _ in 0..SINGLES {
                    let (answer, answered) = tokio::sync::oneshot::channel();
                    if requests.send((producer, answer)).is_err() || answered.await.is_err() {
                        return Err("the front ended");
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
    watch.say("256 producers of single events, synced", PRODUCERS * SINGLES);
    front.join().ok().flatten().ok_or_else(|| "the front failed".into())
}
