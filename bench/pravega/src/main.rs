//! Benchmark of the store on Pravega against the crate pravega-client 0.3.7: both write the same batches to
//! streams with the same configuration on one server, and read them, in turns. `KULYA_TEST_PRAVEGA` is the
//! server's address:
//!
//! `cargo xtask pravega -- cargo run --release --manifest-path bench/Cargo.toml -p kulya-bench-pravega`

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use kulya_store::{
    Append, BoundedSegment, Commit, Scope, StreamConfig, StreamId, StreamStore, TableChange, TableId,
};
use kulya_store::{Condition, WriterId};
use kulya_store_pravega::{PravegaStore, Settings};
use pravega_client::client_factory::ClientFactory;
use pravega_client::event::writer::EventWriter;
use pravega_client_config::ClientConfigBuilder;
use pravega_client_shared::{
    Retention, RetentionType, ScaleType, Scaling, Scope as ClientScope, ScopedStream, Stream,
    StreamConfiguration,
};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Instant;

const BATCH: usize = 1000;
const BATCHES: usize = 200;
const EVENT_BYTES: usize = 100;
const KEYS: usize = 64;
const ROUNDS: usize = 5;

/// Rates in events per second.
#[derive(Default)]
struct Figures {
    kulya: Vec<f64>,
    client: Vec<f64>,
}

impl Figures {
    fn print(&mut self, what: &str) {
        let median = |all: &mut Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let (kulya, client) = (median(&mut self.kulya), median(&mut self.client));
        println!("| {what} | {kulya:.0} | {client:.0} | {:.2} |", kulya / client);
    }
}

fn main() {
    let uri = std::env::var("KULYA_TEST_PRAVEGA").expect("KULYA_TEST_PRAVEGA names a Pravega");
    let host = uri.trim_start_matches("tcp://").to_owned();
    let config = ClientConfigBuilder::default().controller_uri(host).build().expect("a configuration");
    let factory = ClientFactory::new(config);
    factory.runtime().block_on(run(&factory, &uri));
}

async fn run(factory: &ClientFactory, uri: &str) {
    let random = || RandomState::new().hash_one(0);
    let instance = u128::from(random()) << 64 | u128::from(random());
    let store = Arc::new(PravegaStore::open(Settings::new(uri.parse().unwrap(), instance)).await.unwrap());
    let scope = format!("bench{:016x}", random());
    store.create_scope(&Scope::new(&scope).unwrap()).await.unwrap();
    println!("{BATCHES} batches of {BATCH} events of {EVENT_BYTES} bytes, median of {ROUNDS}\n");
    println!("| | kulya events/s | pravega-client events/s | ratio |\n|---|---|---|---|");
    for (segments, in_flight) in [(1, 1), (1, 8), (4, 1), (4, 8)] {
        let (mut writes, mut reads) = (Figures::default(), Figures::default());
        for round in 0..ROUNDS {
            let kulya = StreamId::new(&scope, &format!("kulya-{segments}-{in_flight}-{round}")).unwrap();
            store.create_stream(&kulya, StreamConfig::with_segments(segments)).await.unwrap();
            let client =
                client_stream(factory, &scope, &format!("client-{segments}-{in_flight}-{round}"), segments)
                    .await;
            // alternates which one is first
            for turn in 0..2 {
                if (round + turn) % 2 == 0 {
                    writes.kulya.push(write_kulya(&store, &kulya, in_flight).await);
                    reads.kulya.push(read_kulya(&store, &kulya).await);
                } else {
                    writes.client.push(write_client(factory, &client, in_flight).await);
                    reads.client.push(
                        read_client(factory, &client, &format!("rg{segments}{in_flight}{round}")).await,
                    );
                }
            }
        }
        writes.print(&format!("write, {segments} segments, {in_flight} batches in flight"));
        reads.print(&format!("read, {segments} segments"));
    }
    exactly_once(&store, &scope).await;
}

fn event(n: usize) -> Vec<u8> {
    (0..EVENT_BYTES).map(|i| b'a' + ((n * 31 + i * 7) % 26) as u8).collect()
}

fn rate(started: Instant, batches: usize) -> f64 {
    (batches * BATCH) as f64 / started.elapsed().as_secs_f64()
}

async fn write_kulya(store: &Arc<PravegaStore>, stream: &StreamId, in_flight: usize) -> f64 {
    let started = Instant::now();
    let mut waiting = FuturesOrdered::new();
    for batch in 0..BATCHES {
        let append =
            |n: usize| Append::keyed(stream, (n % KEYS).to_string(), Bytes::from(event(batch * BATCH + n)));
        let commit = Commit::events((0..BATCH).map(append).collect());
        let store = Arc::clone(store);
        waiting.push_back(tokio::spawn(async move { store.commit(commit).await.unwrap() }));
        if waiting.len() >= in_flight {
            let committed = waiting.next().await.unwrap().unwrap();
            assert_eq!(committed.pointers.len(), BATCH);
        }
    }
    while let Some(committed) = waiting.next().await {
        committed.unwrap();
    }
    rate(started, BATCHES)
}

async fn read_kulya(store: &Arc<PravegaStore>, stream: &StreamId) -> f64 {
    let started = Instant::now();
    let mut readers = Vec::new();
    for segment in store.segments(stream).await.unwrap() {
        let store = Arc::clone(store);
        readers.push(tokio::spawn(async move {
            let (mut reader, mut count) = (BoundedSegment::new(segment), 0);
            while let Some(chunk) = reader.next(&*store, 1 << 20).await.unwrap() {
                count += chunk.events.iter().filter(|(_, event)| event.len() == EVENT_BYTES).count();
            }
            count
        }));
    }
    let mut count = 0;
    for reader in readers {
        count += reader.await.unwrap();
    }
    assert_eq!(count, BATCHES * BATCH);
    rate(started, BATCHES)
}

fn scoped(scope: &str, name: &str) -> ScopedStream {
    ScopedStream { scope: ClientScope::from(scope.to_owned()), stream: Stream::from(name.to_owned()) }
}

fn client_stream_id(scope: &str, client: &ScopedStream) -> StreamId {
    StreamId::new(scope, &client.stream.name).unwrap()
}

async fn client_stream(factory: &ClientFactory, scope: &str, name: &str, segments: u32) -> ScopedStream {
    let stream =
        ScopedStream { scope: ClientScope::from(scope.to_owned()), stream: Stream::from(name.to_owned()) };
    let scaling = Scaling {
        scale_type: ScaleType::FixedNumSegments,
        target_rate: 0,
        scale_factor: 0,
        min_num_segments: segments as i32,
    };
    let retention = Retention { retention_type: RetentionType::None, retention_param: 0 };
    let config = StreamConfiguration { scoped_stream: stream.clone(), scaling, retention, tags: None };
    factory.controller_client().create_stream(&config).await.unwrap();
    stream
}

async fn write_client(factory: &ClientFactory, stream: &ScopedStream, in_flight: usize) -> f64 {
    let started = Instant::now();
    let mut writer: EventWriter = factory.create_event_writer(stream.clone());
    let mut waiting = VecDeque::new();
    for batch in 0..BATCHES {
        let mut acknowledgements = Vec::with_capacity(BATCH);
        for n in 0..BATCH {
            acknowledgements.push(
                writer.write_event_by_routing_key((n % KEYS).to_string(), event(batch * BATCH + n)).await,
            );
        }
        waiting.push_back(acknowledgements);
        if waiting.len() >= in_flight {
            for acknowledgement in waiting.pop_front().unwrap() {
                acknowledgement.await.unwrap().unwrap();
            }
        }
    }
    for acknowledgement in waiting.into_iter().flatten() {
        acknowledgement.await.unwrap().unwrap();
    }
    rate(started, BATCHES)
}

async fn read_client(factory: &ClientFactory, stream: &ScopedStream, group: &str) -> f64 {
    let group = factory.create_reader_group(group.to_owned(), stream.clone()).await;
    let mut reader = group.create_reader("reader".to_owned()).await;
    // without the creation of the group
    let started = Instant::now();
    let mut count = 0;
    while count < BATCHES * BATCH {
        let Some(mut slice) = reader.acquire_segment().await.unwrap() else { continue };
        for event in slice.by_ref() {
            assert_eq!(event.value.len(), EVENT_BYTES);
            count += 1;
        }
        reader.release_segment(slice).await.unwrap();
    }
    rate(started, BATCHES)
}

/// Measures exactly-once writes, which the client crate does not support: each batch with a position in a
/// table and a sequence number of its writer.
async fn exactly_once(store: &Arc<PravegaStore>, scope: &str) {
    let stream = StreamId::new(scope, "once").unwrap();
    store.create_stream(&stream, StreamConfig::with_segments(4)).await.unwrap();
    let table = TableId::new(scope, "positions").unwrap();
    store.create_table(&table).await.unwrap();
    let started = Instant::now();
    for batch in 0..BATCHES {
        let append =
            |n: usize| Append::keyed(&stream, (n % KEYS).to_string(), Bytes::from(event(batch * BATCH + n)));
        let commit = Commit {
            appends: (0..BATCH).map(append).collect(),
            changes: vec![TableChange::put(&table, "position", Condition::Any, batch.to_string())],
            ..Commit::default()
        };
        store.commit(commit.by(WriterId(1), batch as u64)).await.unwrap();
    }
    println!(
        "| write with a position, once, 4 segments, 1 batch in flight | {:.0} | | |",
        rate(started, BATCHES)
    );
}
