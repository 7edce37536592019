//! The store on Pravega beside the bare client crate (pravega-client 0.3.7): both write the same batches to streams of the
//! same shape on one server, and read what the other one wrote, turn by turn. `KULYA_TEST_PRAVEGA` names the server:
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
    Retention, RetentionType, ScaleType, Scaling, Scope as BareScope, ScopedStream, Stream,
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

/// Events a second.
#[derive(Default)]
struct Figures {
    ours: Vec<f64>,
    bare: Vec<f64>,
}

impl Figures {
    fn show(&mut self, what: &str) {
        let median = |all: &mut Vec<f64>| {
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let (ours, bare) = (median(&mut self.ours), median(&mut self.bare));
        println!("| {what} | {ours:.0} | {bare:.0} | {:.2} |", ours / bare);
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
    let drawn = || RandomState::new().hash_one(0);
    let instance = u128::from(drawn()) << 64 | u128::from(drawn());
    let store = Arc::new(PravegaStore::open(Settings::new(uri.parse().unwrap(), instance)).await.unwrap());
    let scope = format!("bench{:016x}", drawn());
    store.create_scope(&Scope::new(&scope).unwrap()).await.unwrap();
    println!("{BATCHES} batches of {BATCH} events of {EVENT_BYTES} bytes, median of {ROUNDS}\n");
    println!("| | kulya events/s | pravega-client events/s | ratio |\n|---|---|---|---|");
    for (segments, in_flight) in [(1, 1), (1, 8), (4, 1), (4, 8)] {
        let (mut writes, mut reads) = (Figures::default(), Figures::default());
        for round in 0..ROUNDS {
            let ours = StreamId::new(&scope, &format!("ours-{segments}-{in_flight}-{round}")).unwrap();
            store.create_stream(&ours, StreamConfig::with_segments(segments)).await.unwrap();
            let bare =
                bare_stream(factory, &scope, &format!("bare-{segments}-{in_flight}-{round}"), segments).await;
            // who comes first takes turns
            for turn in 0..2 {
                if (round + turn) % 2 == 0 {
                    writes.ours.push(write_ours(&store, &ours, in_flight).await);
                    reads.ours.push(read_ours(&store, &ours).await);
                } else {
                    writes.bare.push(write_bare(factory, &bare, in_flight).await);
                    reads
                        .bare
                        .push(read_bare(factory, &bare, &format!("rg{segments}{in_flight}{round}")).await);
                }
            }
        }
        writes.show(&format!("write, {segments} segments, {in_flight} batches on their way"));
        reads.show(&format!("read, {segments} segments"));
    }
    exactly_once(&store, &scope).await;
}

fn event(n: usize) -> Vec<u8> {
    (0..EVENT_BYTES).map(|i| b'a' + ((n * 31 + i * 7) % 26) as u8).collect()
}

fn rate(begin: Instant, batches: usize) -> f64 {
    (batches * BATCH) as f64 / begin.elapsed().as_secs_f64()
}

async fn write_ours(store: &Arc<PravegaStore>, stream: &StreamId, in_flight: usize) -> f64 {
    let begin = Instant::now();
    let mut waiting = FuturesOrdered::new();
    for batch in 0..BATCHES {
        let append =
            |n: usize| Append::keyed(stream, (n % KEYS).to_string(), Bytes::from(event(batch * BATCH + n)));
        let commit = Commit::events((0..BATCH).map(append).collect());
        let store = Arc::clone(store);
        waiting.push_back(tokio::spawn(async move { store.commit(commit).await.unwrap() }));
        if waiting.len() >= in_flight {
            let done = waiting.next().await.unwrap().unwrap();
            assert_eq!(done.pointers.len(), BATCH);
        }
    }
    while let Some(done) = waiting.next().await {
        done.unwrap();
    }
    rate(begin, BATCHES)
}

async fn read_ours(store: &Arc<PravegaStore>, stream: &StreamId) -> f64 {
    let begin = Instant::now();
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
    rate(begin, BATCHES)
}

fn scoped(scope: &str, name: &str) -> ScopedStream {
    ScopedStream { scope: BareScope::from(scope.to_owned()), stream: Stream::from(name.to_owned()) }
}

fn bare_id(scope: &str, bare: &ScopedStream) -> StreamId {
    StreamId::new(scope, &bare.stream.name).unwrap()
}

async fn bare_stream(factory: &ClientFactory, scope: &str, name: &str, segments: u32) -> ScopedStream {
    let stream =
        ScopedStream { scope: BareScope::from(scope.to_owned()), stream: Stream::from(name.to_owned()) };
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

async fn write_bare(factory: &ClientFactory, stream: &ScopedStream, in_flight: usize) -> f64 {
    let begin = Instant::now();
    let mut writer: EventWriter = factory.create_event_writer(stream.clone());
    let mut waiting = VecDeque::new();
    for batch in 0..BATCHES {
        let mut answers = Vec::with_capacity(BATCH);
        for n in 0..BATCH {
            answers.push(
                writer.write_event_by_routing_key((n % KEYS).to_string(), event(batch * BATCH + n)).await,
            );
        }
        waiting.push_back(answers);
        if waiting.len() >= in_flight {
            for answer in waiting.pop_front().unwrap() {
                answer.await.unwrap().unwrap();
            }
        }
    }
    for answer in waiting.into_iter().flatten() {
        answer.await.unwrap().unwrap();
    }
    rate(begin, BATCHES)
}

async fn read_bare(factory: &ClientFactory, stream: &ScopedStream, group: &str) -> f64 {
    let group = factory.create_reader_group(group.to_owned(), stream.clone()).await;
    let mut reader = group.create_reader("reader".to_owned()).await;
    // making the group is not reading
    let begin = Instant::now();
    let mut count = 0;
    while count < BATCHES * BATCH {
        let Some(mut slice) = reader.acquire_segment().await.unwrap() else { continue };
        for event in slice.by_ref() {
            assert_eq!(event.value.len(), EVENT_BYTES);
            count += 1;
        }
        reader.release_segment(slice).await.unwrap();
    }
    rate(begin, BATCHES)
}

/// What the bare client has no call for: each batch with a position in a table and a writer's number.
async fn exactly_once(store: &Arc<PravegaStore>, scope: &str) {
    let stream = StreamId::new(scope, "once").unwrap();
    store.create_stream(&stream, StreamConfig::with_segments(4)).await.unwrap();
    let table = TableId::new(scope, "positions").unwrap();
    store.create_table(&table).await.unwrap();
    let begin = Instant::now();
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
        "| write with a position, once, 4 segments, 1 batch on its way | {:.0} | | |",
        rate(begin, BATCHES)
    );
}
