//! A Pravega that takes what is asked and says nothing: every call has an answer within the settings' patience, and the
//! answer is that Pravega cannot be reached.

use super::fake::FakePravega;
use super::stream;
use crate::{PravegaStore, Settings};
use kulya_store::{
    Append, Commit, Condition, ErrorKind, Result, StreamConfig, StreamId, StreamStore, TableChange, TableId,
    WriterId,
};
use std::time::Duration;

/// The same where Pravega may have what it needs without the part that is silent.
async fn done_or_unreachable<T>(what: &str, call: impl Future<Output = Result<T>>) {
    if let Err(error) = call.await {
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{what}: {error}");
    }
}

async fn unreachable<T>(what: &str, call: impl Future<Output = Result<T>>) {
    let error = call.await.err().unwrap_or_else(|| panic!("{what}: nobody answers"));
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{what}: {error}");
}

/// On a busy machine an answer takes longer than this test's patience.
async fn while_unreachable<T, F: Future<Output = Result<T>>>(mut call: impl FnMut() -> F) -> T {
    loop {
        match call().await {
            Err(error) if error.kind() == ErrorKind::Unreachable => {}
            answer => return answer.unwrap(),
        }
    }
}

async fn every_call_is_answered(controller: bool, segment_store: bool) {
    let pravega = FakePravega::start().await;
    let settings = Settings { patience: Duration::from_millis(500), ..pravega.settings(1) };
    let patient = PravegaStore::open(pravega.settings(2)).await.unwrap();
    let orders = stream(&patient, "orders", 2).await;
    let table = TableId::new("shop", "t").unwrap();
    patient.create_table(&table).await.unwrap();
    let event = || Append::keyed(&orders, "k", "e");
    let pointers = patient.commit(Commit::events(vec![event()])).await.unwrap().pointers;
    let hasty = while_unreachable(|| PravegaStore::open(settings.clone())).await;

    pravega.be_silent(controller, segment_store);
    let change = || TableChange::put(&table, "k", Condition::Any, "v");
    let (segment, pointer) = (orders.segment(0), pointers.get(0).unwrap());
    let [commit, numbered, changes] = [
        Commit::events(vec![event()]),
        Commit::events(vec![event()]).by(WriterId(1), 1),
        Commit::changes(vec![change()]),
    ];
    if controller {
        tokio::join!(
            done_or_unreachable("commit", hasty.commit(commit)),
            done_or_unreachable("numbered", hasty.commit(numbered)),
            done_or_unreachable("changes", hasty.commit(changes)),
            done_or_unreachable("get", hasty.get(&table, b"k")),
            done_or_unreachable("segments", hasty.segments(&orders)),
            done_or_unreachable("read", hasty.read(&segment, 0, 100)),
            unreachable("scopes", hasty.scopes()),
            unreachable("stream", hasty.stream(&orders)),
            unreachable("create", hasty.create_scope(&orders.scope)),
            unreachable("tables", hasty.tables(&orders.scope)),
            unreachable("open", PravegaStore::open(settings.clone())),
        );
    } else {
        tokio::join!(
            unreachable("commit", hasty.commit(commit)),
            unreachable("numbered", hasty.commit(numbered)),
            unreachable("changes", hasty.commit(changes)),
            unreachable("get", hasty.get(&table, b"k")),
            unreachable("scan", hasty.scan(&table, b"", None, 1)),
            unreachable("begin", hasty.begin()),
            unreachable("segments", hasty.segments(&orders)),
            unreachable("read", hasty.read(&segment, 0, 100)),
            unreachable("event", hasty.event(&pointer)),
            unreachable("open", PravegaStore::open(settings.clone())),
        );
    }

    // it speaks again, and the same store goes on
    pravega.be_silent(false, false);
    patient.commit(Commit::changes(vec![change()])).await.unwrap();
    while_unreachable(|| hasty.commit(Commit::events(vec![event()]).by(WriterId(1), 1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_controller_keeps_nobody_waiting() {
    every_call_is_answered(true, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_segment_store_keeps_nobody_waiting() {
    every_call_is_answered(false, true).await;
}

/// A server that is started before Pravega is.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_pravega_and_says_so_in_its_health() {
    let pravega = FakePravega::start().await;
    pravega.be_silent(true, true);
    let settings = Settings { patience: Duration::from_millis(500), ..pravega.settings(1) };
    let (store, away) = PravegaStore::start(settings).await.unwrap();
    assert_eq!(away.unwrap().kind(), ErrorKind::Unreachable);
    unreachable("reach", store.reach()).await;
    unreachable("scopes", store.scopes()).await;
    let health = store.health();
    let worst = health.worst().unwrap();
    assert_eq!((worst.name.as_str(), health.status().is_ready()), ("store.pravega", false));
    assert!(worst.reason.as_ref().unwrap().contains("does not answer"), "{worst:?}");

    pravega.be_silent(false, false);
    while_unreachable(|| store.reach()).await;
    assert!(store.health().status().is_ready(), "{:?}", store.health());
    let orders = StreamId::new("shop", "orders").unwrap();
    while_unreachable(|| store.create_scope(&orders.scope)).await;
    while_unreachable(|| store.create_stream(&orders, StreamConfig::with_segments(1))).await;
    while_unreachable(|| store.commit(Commit::events(vec![Append::keyed(&orders, "k", "e")]))).await;
}
