//! A Pravega that accepts requests and does not respond: every call fails within the timeout, with
//! `Unreachable`.

use super::fake::FakePravega;
use super::stream;
use crate::{PravegaStore, Settings};
use kulya_store::{
    Append, Commit, Condition, ErrorKind, Result, StreamConfig, StreamId, StreamStore, TableChange, TableId,
    WriterId,
};
use std::time::Duration;

/// For calls that may succeed without the unresponsive part.
async fn done_or_unreachable<T>(what: &str, call: impl Future<Output = Result<T>>) {
    if let Err(error) = call.await {
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{what}: {error}");
    }
}

async fn unreachable<T>(what: &str, call: impl Future<Output = Result<T>>) {
    let error = call.await.err().unwrap_or_else(|| panic!("{what}: expected an error"));
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{what}: {error}");
}

/// Retries, since on a busy machine a response may take longer than this test's timeout.
async fn while_unreachable<T, F: Future<Output = Result<T>>>(mut call: impl FnMut() -> F) -> T {
    loop {
        match call().await {
            Err(error) if error.kind() == ErrorKind::Unreachable => {}
            outcome => return outcome.unwrap(),
        }
    }
}

async fn check_timeouts(controller: bool, segment_store: bool) {
    let pravega = FakePravega::start().await;
    let settings = Settings { timeout: Duration::from_millis(500), ..pravega.settings(1) };
    let patient = PravegaStore::open(pravega.settings(2)).await.unwrap();
    let orders = stream(&patient, "orders", 2).await;
    let table = TableId::new("shop", "t").unwrap();
    patient.create_table(&table).await.unwrap();
    let event = || Append::keyed(&orders, "k", "e");
    let pointers = patient.commit(Commit::events(vec![event()])).await.unwrap().pointers;
    let impatient = while_unreachable(|| PravegaStore::open(settings.clone())).await;

    pravega.set_unresponsive(controller, segment_store);
    let change = || TableChange::put(&table, "k", Condition::Any, "v");
    let (segment, pointer) = (orders.segment(0), pointers.get(0).unwrap());
    let [commit, numbered, changes] = [
        Commit::events(vec![event()]),
        Commit::events(vec![event()]).with_writer(WriterId(1), 1),
        Commit::changes(vec![change()]),
    ];
    if controller {
        tokio::join!(
            done_or_unreachable("commit", impatient.commit(commit)),
            done_or_unreachable("numbered", impatient.commit(numbered)),
            done_or_unreachable("changes", impatient.commit(changes)),
            done_or_unreachable("get", impatient.get(&table, b"k")),
            done_or_unreachable("segments", impatient.segments(&orders)),
            done_or_unreachable("read", impatient.read(&segment, 0, 100)),
            unreachable("scopes", impatient.scopes()),
            unreachable("stream", impatient.stream(&orders)),
            unreachable("create", impatient.create_scope(&orders.scope)),
            unreachable("tables", impatient.tables(&orders.scope)),
            unreachable("open", PravegaStore::open(settings.clone())),
        );
    } else {
        tokio::join!(
            unreachable("commit", impatient.commit(commit)),
            unreachable("numbered", impatient.commit(numbered)),
            unreachable("changes", impatient.commit(changes)),
            unreachable("get", impatient.get(&table, b"k")),
            unreachable("scan", impatient.scan(&table, b"", None, 1)),
            unreachable("begin", impatient.begin()),
            unreachable("segments", impatient.segments(&orders)),
            unreachable("read", impatient.read(&segment, 0, 100)),
            unreachable("event", impatient.event(&pointer)),
            unreachable("open", PravegaStore::open(settings.clone())),
        );
    }

    // it responds again, and the same store works
    pravega.set_unresponsive(false, false);
    patient.commit(Commit::changes(vec![change()])).await.unwrap();
    while_unreachable(|| impatient.commit(Commit::events(vec![event()]).with_writer(WriterId(1), 1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_time_out_when_the_controller_does_not_respond() {
    check_timeouts(true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_time_out_when_the_segment_store_does_not_respond() {
    check_timeouts(false, true).await;
}

/// A server that starts before Pravega does.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_reports_an_unavailable_pravega_in_its_health() {
    let pravega = FakePravega::start().await;
    pravega.set_unresponsive(true, true);
    let settings = Settings { timeout: Duration::from_millis(500), ..pravega.settings(1) };
    let (store, unavailable) = PravegaStore::start(settings).await.unwrap();
    assert_eq!(unavailable.unwrap().kind(), ErrorKind::Unreachable);
    unreachable("reach", store.ping()).await;
    unreachable("scopes", store.scopes()).await;
    let health = store.health();
    let worst = health.worst().unwrap();
    assert_eq!((worst.name.as_str(), health.status().is_ready()), ("store.pravega", false));
    assert!(worst.reason.as_ref().unwrap().contains("does not answer"), "{worst:?}");

    pravega.set_unresponsive(false, false);
    while_unreachable(|| store.ping()).await;
    assert!(store.health().status().is_ready(), "{:?}", store.health());
    let orders = StreamId::new("shop", "orders").unwrap();
    while_unreachable(|| store.create_scope(&orders.scope)).await;
    while_unreachable(|| store.create_stream(&orders, StreamConfig::with_segments(1))).await;
    while_unreachable(|| store.commit(Commit::events(vec![Append::keyed(&orders, "k", "e")]))).await;
}
