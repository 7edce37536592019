//! Tests of the whole store: the contract's conformance suite, several stores on the same objects, and the
//! invariants of the log's objects.

mod alternating;
mod backup;
mod damage;
mod faults;
mod faulty_storage;
mod gaps;
mod log;
mod maintenance;
mod outages;
#[cfg(feature = "s3")]
mod real_s3;

use self::alternating::AlternatingStores;
use crate::{ObjectLogStore, Settings, StoreLocation};
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store::model::{self, Step};
use kulya_store::{
    Append, Commit, Condition, ErrorKind, StreamConfig, StreamId, StreamStore, TableChange, TableId,
};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Returns an instance id that no other store of these tests has.
fn instance() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed).into()
}

fn settings() -> Settings {
    Settings {
        poll_interval: Duration::from_millis(1),
        checkpoint_every: 4,
        block_size: 4,
        deletion_grace: Duration::ZERO,
        end_check_interval: Duration::ZERO,
        maintenance_interval: Duration::from_millis(5),
        clock_check_interval: None,
        ..Settings::new(instance())
    }
}

async fn open(objects: &Arc<dyn ObjectStore>) -> ObjectLogStore {
    ObjectLogStore::open(Arc::clone(objects), &Path::from("a/store"), settings()).await.unwrap()
}

fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

fn orders() -> StreamId {
    StreamId::new("shop", "orders").unwrap()
}

fn positions() -> TableId {
    TableId::new("shop", "positions").unwrap()
}

async fn make(store: &dyn StreamStore) {
    store.create_scope(&orders().scope).await.unwrap();
    store.create_stream(&orders(), StreamConfig::with_segments(2)).await.unwrap();
    store.create_table(&positions()).await.unwrap();
}

fn put(value: impl ToString) -> Commit {
    Commit::changes(vec![TableChange::put(&positions(), "last", Condition::Any, value.to_string())])
}

fn event(text: impl ToString) -> Commit {
    Commit::events(vec![Append::keyed(&orders(), "k", text.to_string())])
}

async fn texts(store: &dyn StreamStore) -> Vec<String> {
    let events = kulya_store::bounded_read(store, &orders()).await.unwrap();
    events.into_iter().map(|(_, event)| String::from_utf8(event.to_vec()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_in_memory() {
    let report = kulya_store::conformance::run_all(|| async { Arc::new(open(&memory()).await) }).await;
    assert_eq!(report.skipped, [], "no case is skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_in_a_local_directory() {
    let directory = tempfile::tempdir().unwrap();
    let count = AtomicU64::new(0);
    let report = kulya_store::conformance::run_all(|| {
        let path = directory.path().join(count.fetch_add(1, Ordering::Relaxed).to_string());
        let url = format!("file://{}", path.display());
        async move {
            let StoreLocation { objects, prefix } = StoreLocation::from_url(&url, |_| None).unwrap();
            Arc::new(ObjectLogStore::open(objects, &prefix, settings()).await.unwrap())
        }
    })
    .await;
    assert_eq!(report.skipped, [], "no case is skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_on_the_same_objects_conform() {
    // no object of a store that lags behind is deleted: its outcome would be unknown, and the cases do not
    // retry
    let open = async |objects: &Arc<dyn ObjectStore>| {
        let settings = Settings { deletion_grace: Duration::from_secs(3600), ..settings() };
        ObjectLogStore::open(Arc::clone(objects), &Path::from("a/store"), settings).await.unwrap()
    };
    let report = kulya_store::conformance::run_all(|| async {
        let objects = memory();
        Arc::new(AlternatingStores::new(open(&objects).await, open(&objects).await))
    })
    .await;
    assert_eq!(report.skipped, [], "no case is skipped");
}

#[tokio::test]
async fn a_second_store_sees_everything_and_so_does_one_opened_later() {
    let objects = memory();
    let (one, two) = (open(&objects).await, open(&objects).await);
    make(&one).await;
    let mut versions = Vec::new();
    for n in 0..50 {
        let store = if n % 3 == 0 { &two } else { &one };
        store.commit(event(n)).await.unwrap();
        versions.extend(store.commit(put(n)).await.unwrap().versions);
        let other = if n % 3 == 0 { &one } else { &two };
        let entry = other.get(&positions(), b"last").await.unwrap().unwrap();
        assert_eq!(entry.value, n.to_string(), "a commit is visible to the other store at once");
    }
    assert!(versions.is_sorted_by(|left, right| left < right), "versions increase across stores");
    let expected: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!((texts(&one).await, texts(&two).await), (expected.clone(), expected.clone()));
    drop((one, two));
    let three = open(&objects).await;
    assert_eq!(texts(&three).await, expected);
}

#[tokio::test]
async fn another_stores_commit_wakes_a_tail_reader() {
    let objects = memory();
    let (one, two) = (open(&objects).await, open(&objects).await);
    make(&one).await;
    let pointer = one.commit(event("first")).await.unwrap().pointers.first().unwrap();
    let end = pointer.offset + u64::from(pointer.length);
    let (segment, waiter) = (pointer.segment.clone(), two.clone());
    let waiting = tokio::spawn(async move { waiter.wait_for_data(&segment, end).await });
    tokio::task::yield_now().await;
    one.commit(event("second")).await.unwrap();
    waiting.await.unwrap().unwrap();
    let segment = pointer.segment.clone();
    let waiting = tokio::spawn(async move { two.wait_for_data(&segment, 2 * end + 1).await });
    tokio::task::yield_now().await;
    one.seal_stream(&orders()).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Sealed);
}

#[cfg(feature = "s3")]
#[tokio::test]
async fn an_unreachable_server_is_reported() {
    // bound and closed again: nobody listens there
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("s3://bucket/prefix?endpoint=http://{address}&region=us-east-1");
    let key = |name: &str| name.contains("_KEY").then(|| "kulya".to_owned());
    let StoreLocation { objects, prefix } = StoreLocation::from_url(&url, key).unwrap();
    let settings =
        Settings { max_attempts: 2, retry_backoff: Duration::from_millis(1), ..Settings::new(instance()) };
    let error = ObjectLogStore::open(objects, &prefix, settings).await.err().expect("connection refused");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    let text = error.to_string();
    assert!(text.contains("prefix/FORMAT") && text.contains("does not answer"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Two stores on the same objects take turns, and one is reopened now and then.
    #[test]
    fn matches_the_reference_model(steps in prop::collection::vec((model::any_step(), 0u8..8), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(compare(&steps))?;
    }
}

async fn compare(steps: &[(Step, u8)]) -> Result<(), TestCaseError> {
    let clock = Arc::new(ManualClock::default());
    let oracle = MemoryStore::with_clock(clock.clone());
    let objects = memory();
    let open = async || {
        let settings = Settings { clock: clock.clone(), ..settings() };
        ObjectLogStore::open(Arc::clone(&objects), &Path::default(), settings).await.unwrap()
    };
    let mut stores = [open().await, open().await];
    model::set_up(&oracle).await.unwrap();
    model::set_up(&stores[0]).await.unwrap();
    for (step, who) in steps {
        clock.advance(Duration::from_millis(17));
        let expected = model::apply(&oracle, step).await.unwrap();
        let index = usize::from(who % 2);
        prop_assert_eq!(model::apply(&stores[index], step).await.unwrap(), expected, "{:?}", step);
        if who / 2 == 0 {
            stores[index] = open().await;
        }
    }
    for store in &stores {
        prop_assert_eq!(model::digest(store).await.unwrap(), model::digest(&oracle).await.unwrap());
    }
    prop_assert_eq!(model::digest(&open().await).await.unwrap(), model::digest(&oracle).await.unwrap());
    Ok(())
}
