//! The embedded store beside fjall used directly for events, in one run, with the machine's load beside the figures:
//!
//! ```sh
//! cargo run --release --manifest-path bench/Cargo.toml -- [FOLDER]
//! ```
//!
//! Events of 100 bytes go to 16 streams of 4 segments, a thousand a commit. In fjall an event's key is its segment and its
//! offset. CPU is the whole process's, so a line's figure is that of what ran in it.

use bytes::Bytes;
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use kulya_store::{
    Append, Commit, Durability, EventPointer, StreamConfig, StreamId, StreamStore, framing, hash,
};
use kulya_store_embedded::EmbeddedStore;
use std::path::{Path, PathBuf};
use std::time::Instant;

const STREAMS: u64 = 16;
const SEGMENTS: u32 = 4;
const BATCH: u64 = 1000;
const PAYLOAD: usize = 100;
/// Events of the synced runs, and of those into the page cache.
const SYNCED: u64 = 500_000;
const WRITTEN: u64 = 2_000_000;
const PRODUCERS: u64 = 256;
const SINGLES: u64 = 100;
const POINTS: usize = 20_000;

type Fallible<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Fallible {
    let parent = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(parent)?;
    println!("load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    println!("{:<44} {:>12} {:>10} {:>12}", "", "events/s", "MB/s", "CPU µs/event");
    own(folder.path()).await?;
    fjall(folder.path())?;
    println!("load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    Ok(())
}

/// Seconds of CPU that this process has had.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// Says how fast it was.
struct Watch(Instant, f64);

impl Watch {
    fn start() -> Self {
        Self(Instant::now(), cpu())
    }

    fn say(&self, what: &str, events: u64) {
        let (seconds, cpu) = (self.0.elapsed().as_secs_f64(), cpu() - self.1);
        let rate = events as f64 / seconds;
        let megabytes = rate * PAYLOAD as f64 / 1e6;
        println!("{what:<44} {rate:>12.0} {megabytes:>10.1} {:>12.2}", cpu * 1e6 / events as f64);
    }
}

fn payload(number: u64) -> Bytes {
    let mut bytes = vec![b'A'; PAYLOAD];
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for byte in &mut bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = b'A' + (state % 26) as u8;
    }
    bytes.into()
}

fn stream(number: u64) -> StreamId {
    StreamId::new("bench", &format!("stream-{}", number % STREAMS)).expect("a right name")
}

fn batch(first: u64, streams: &[StreamId], payloads: &[Bytes]) -> Vec<Append> {
    (first..first + BATCH)
        .map(|number| {
            let stream = &streams[(number % STREAMS) as usize];
            Append::keyed(stream, (number % 1000).to_string(), payloads[(number % 1024) as usize].clone())
        })
        .collect()
}

async fn own(folder: &Path) -> Fallible {
    let path = folder.join("own");
    let store = EmbeddedStore::open(&path)?;
    let streams: Vec<StreamId> = (0..STREAMS).map(stream).collect();
    let payloads: Vec<Bytes> = (0..1024).map(payload).collect();
    store.create_scope(&streams[0].scope).await?;
    for stream in &streams {
        store.create_stream(stream, StreamConfig::with_segments(SEGMENTS)).await?;
    }
    for (what, events, durability) in [
        ("own: batches of 1000, synced", SYNCED, Durability::Synced),
        ("own: batches of 1000, page cache", WRITTEN, Durability::Written),
    ] {
        let watch = Watch::start();
        for first in (0..events).step_by(BATCH as usize) {
            store.commit(Commit::events(batch(first, &streams, &payloads)).durability(durability)).await?;
        }
        watch.say(what, events);
    }
    let watch = Watch::start();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let (store, stream, event) = (store.clone(), stream(producer), payload(producer));
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
    watch.say("own: 256 producers of single events, synced", PRODUCERS * SINGLES);

    let watch = Watch::start();
    let (mut events, mut some) = (0, Vec::new());
    for stream in &streams {
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
    watch.say("own: scan", events);
    let by_pointer = |pointer| {
        let store = store.clone();
        async move { store.event(&pointer).await.map(|event| event.len()) }
    };
    points("own", &some, by_pointer).await?;
    drop(some);
    store.close().await?;
    drop(store);
    let began = Instant::now();
    let store = EmbeddedStore::open(&path)?;
    println!("{:<44} {:>9.3} s", format!("own: open with {events} events"), began.elapsed().as_secs_f64());
    let (_, bytes) = store.disk_usage()?;
    println!(
        "{:<44} {:>12.3}",
        "own: bytes on disk per byte of payload",
        bytes as f64 / (events as f64 * PAYLOAD as f64)
    );
    say_memory("own: resident");
    Ok(())
}

/// The median and the 99th of a hundred, in microseconds.
async fn points<F, E>(who: &str, pointers: &[EventPointer], read: impl Fn(EventPointer) -> F) -> Fallible
where
    F: Future<Output = Result<usize, E>>,
    E: std::error::Error + 'static,
{
    let mut times = Vec::with_capacity(POINTS);
    for number in 0..POINTS {
        let pointer = pointers[number.wrapping_mul(7919) % pointers.len()].clone();
        let began = Instant::now();
        if read(pointer).await? != PAYLOAD {
            return Err("a pointer leads to another event".into());
        }
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times[POINTS * part / 100];
    println!("{:<44} p50 {:.1} µs, p99 {:.1} µs", format!("{who}: event by pointer"), at(50), at(99));
    Ok(())
}

fn say_memory(what: &str) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default().to_owned();
    println!("{what:<44} {}", line.trim_start_matches("VmRSS:").trim());
}

fn fjall(folder: &Path) -> Fallible {
    let path = folder.join("fjall");
    let payloads: Vec<Bytes> = (0..1024).map(payload).collect();
    let database = Database::builder(&path).open()?;
    let keyspace = database.keyspace("events", KeyspaceCreateOptions::default)?;
    let mut tails = vec![0u64; (STREAMS * u64::from(SEGMENTS)) as usize];
    let mut write = |first: u64, synced: bool| -> Fallible {
        let mut batch = database.batch();
        for number in first..first + BATCH {
            let segment = hash::segment_of(&(number % 1000).to_string(), SEGMENTS);
            let segment = number % STREAMS * u64::from(SEGMENTS) + u64::from(segment);
            let tail = &mut tails[segment as usize];
            let key = [segment.to_be_bytes(), tail.to_be_bytes()].concat();
            let event = &payloads[(number % 1024) as usize];
            *tail += framing::framed_len(event.len());
            batch.insert(&keyspace, key, event.as_ref());
        }
        batch.commit()?;
        if synced {
            database.persist(PersistMode::SyncData)?;
        }
        Ok(())
    };
    for (what, events, synced) in [
        ("fjall: batches of 1000, synced", SYNCED, true),
        ("fjall: batches of 1000, page cache", WRITTEN, false),
    ] {
        let watch = Watch::start();
        for first in (0..events).step_by(BATCH as usize) {
            write(first, synced)?;
        }
        watch.say(what, events);
    }
    let watch = Watch::start();
    let mut events = 0;
    for entry in keyspace.iter() {
        let (_, value) = entry.into_inner()?;
        events += u64::from(value.len() == PAYLOAD);
    }
    watch.say("fjall: scan", events);
    drop((keyspace, database));
    let began = Instant::now();
    let database = Database::builder(&path).open()?;
    let _keyspace = database.keyspace("events", KeyspaceCreateOptions::default)?;
    println!("{:<44} {:>9.3} s", format!("fjall: open with {events} events"), began.elapsed().as_secs_f64());
    Ok(())
}
