//! Tests against a real Pravega. Each test has its own namespace.

mod journal;
mod outage;

use crate::{PravegaStore, Settings};
use kulya_store::{
    Append, Commit, Condition, ErrorKind, Scope, StreamConfig, StreamId, StreamStore, TableChange, TableId,
    WriterId, bounded_read,
};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// Returns a variable that `cargo xtask test` sets when it starts the servers.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run cargo xtask test"))
}

fn random() -> u64 {
    RandomState::new().hash_one(0)
}

fn instance() -> u128 {
    u128::from(random()) << 64 | u128::from(random())
}

/// Returns settings with a unique namespace.
fn settings() -> Settings {
    let controller = variable("KULYA_TEST_PRAVEGA").parse().unwrap();
    // a real Pravega on a busy machine is slow
    let timeout = Duration::from_secs(60);
    Settings { namespace: format!("t{:016x}.", random()), timeout, ..Settings::new(controller, instance()) }
}

/// Returns settings of another process on the same namespace.
fn another_process(settings: &Settings) -> Settings {
    Settings { instance: instance(), ..settings.clone() }
}

async fn open(settings: Settings) -> Arc<PravegaStore> {
    Arc::new(PravegaStore::open(settings).await.unwrap())
}

async fn stream(store: &PravegaStore, name: &str, segments: u32) -> StreamId {
    let stream = StreamId::new("shop", name).unwrap();
    store.create_scope(&stream.scope).await.unwrap();
    store.create_stream(&stream, StreamConfig::with_segments(segments)).await.unwrap();
    stream
}

async fn table(store: &PravegaStore) -> TableId {
    let table = TableId::new("shop", "positions").unwrap();
    store.create_scope(&table.scope).await.unwrap();
    store.create_table(&table).await.unwrap();
    table
}

/// Returns the text of every event, sorted.
async fn texts(store: &PravegaStore, stream: &StreamId) -> Vec<String> {
    let events = bounded_read(store, stream).await.unwrap();
    let mut texts: Vec<_> =
        events.into_iter().map(|(_, event)| String::from_utf8_lossy(&event).into_owned()).collect();
    texts.sort();
    texts
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Pravega: cargo xtask test"]
async fn conforms() {
    let report = kulya_store::conformance::run_all(|| open(settings())).await;
    println!("{} cases ran", report.run_count);
    for (case, capability, reason) in &report.skipped {
        println!("skipped: {case} needs {capability:?}: {reason}");
    }
    let skipped: Vec<_> = report.skipped.iter().map(|(case, _, _)| *case).collect();
    assert_eq!(
        skipped,
        [
            "recreated_stream_has_a_higher_epoch",
            "retention_combines_age_and_size",
            "cut_at_time_skips_no_later_event",
            "event_times_agree_with_cuts_at_times"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Pravega: cargo xtask test"]
async fn two_processes_agree() {
    let settings = settings();
    let (one, two) = (open(settings.clone()).await, open(another_process(&settings)).await);
    let orders = stream(&one, "orders", 3).await;
    let counter = table(&one).await;
    assert_eq!(
        two.get(&counter, b"n").await.unwrap(),
        None,
        "a table created by one process exists for the other"
    );
    let count = |store: Arc<PravegaStore>, name: &'static str| {
        let (orders, counter) = (orders.clone(), counter.clone());
        tokio::spawn(async move {
            for n in 0..20 {
                loop {
                    let entry = store.get(&counter, b"n").await.unwrap();
                    let condition =
                        entry.as_ref().map_or(Condition::Absent, |entry| Condition::At(entry.version));
                    let now: u32 =
                        entry.map_or(0, |entry| String::from_utf8_lossy(&entry.value).parse().unwrap());
                    let keys = ["a", "key-1", "x"]
                        .map(|key| Append::keyed(&orders, key, format!("{name} {n} {key}")));
                    let mut commit = Commit::events(keys.to_vec());
                    commit.changes = vec![TableChange::put(&counter, "n", condition, (now + 1).to_string())];
                    match store.commit(commit).await {
                        Ok(done) => {
                            let event = store.event(&done.pointers.get(1).unwrap()).await.unwrap();
                            assert_eq!(event, format!("{name} {n} key-1"), "pointers are exact");
                            break;
                        }
                        Err(error) if error.kind() == ErrorKind::Conflict => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        })
    };
    let (left, right) = tokio::join!(count(one.clone(), "one"), count(two.clone(), "two"));
    left.unwrap();
    right.unwrap();
    assert_eq!(one.get(&counter, b"n").await.unwrap().unwrap().value, "40");
    let all = texts(&two, &orders).await;
    assert_eq!(all.len(), 120);
    assert!(all.windows(2).all(|pair| pair[0] != pair[1]), "no event was written twice");
    let read = bounded_read(&*one, &orders).await.unwrap();
    for writer in ["one", "two"] {
        let rounds = read.iter().filter_map(|(_, event)| {
            let text = String::from_utf8_lossy(event).into_owned();
            text.strip_prefix(&format!("{writer} "))?.strip_suffix(" a")?.parse::<u32>().ok()
        });
        assert!(rounds.eq(0..20), "events of one key stay in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Pravega: cargo xtask test"]
async fn a_large_commit_is_atomic() {
    let store = open(settings()).await;
    let orders = stream(&store, "orders", 4).await;
    let positions = table(&store).await;
    let event = |n: usize| format!("{n:08}").repeat(2000);
    let commit = |number, condition| {
        let appends = (0..1000).map(|n| Append::keyed(&orders, n.to_string(), event(n)));
        let changes = vec![TableChange::put(&positions, "p", condition, "1")];
        Commit { appends: appends.collect(), changes, ..Commit::default() }.with_writer(WriterId(1), number)
    };
    let done = store.commit(commit(1, Condition::Absent)).await.unwrap();
    assert_eq!((done.pointers.len(), done.versions.len()), (1000, 1));
    for n in [0, 1, 499, 500, 998, 999] {
        assert_eq!(store.event(&done.pointers.get(n).unwrap()).await.unwrap(), event(n));
    }
    assert!(store.commit(commit(1, Condition::Any)).await.unwrap().duplicate);
    assert_eq!(store.commit(commit(2, Condition::Absent)).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(texts(&store, &orders).await.len(), 1000, "a rejected commit wrote no event");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a real Pravega: cargo xtask test"]
async fn a_namespace_sees_nothing_of_another() {
    let (one, two) = (open(settings()).await, open(settings()).await);
    let orders = stream(&one, "orders", 1).await;
    assert!(one.scopes().await.unwrap().contains(&orders.scope));
    assert!(!two.scopes().await.unwrap().contains(&orders.scope));
    assert_eq!(two.stream(&orders).await.unwrap_err().kind(), ErrorKind::NotFound);
    table(&one).await;
    assert_eq!(one.streams(&Scope::system("_kulya")).await.unwrap(), [], "the journal is not listed");
}
