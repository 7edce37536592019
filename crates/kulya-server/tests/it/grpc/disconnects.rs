//! Connections that are cut anywhere: nothing is written twice, nothing acknowledged is lost, and every
//! result is correct.

use super::proxy::{Direction, Proxy};
use super::{Server, connect, event, make, orders, positions, server_behind_proxy, settings, texts};
use kulya_client::RemoteStore;
use kulya_store::memory::MemoryStore;
use kulya_store::{
    Append, Commit, Condition, ErrorKind, Outcome, StreamStore, TableChange, WriterId, bounded_read,
};
use kulya_store_embedded::EmbeddedStore;
use std::sync::Arc;
use std::time::Duration;

/// The positions, in bytes and per direction, at which the connection of a commit is cut.
fn cuts() -> impl Iterator<Item = (Direction, usize)> {
    (0..400).step_by(7).flat_map(|bytes| [(Direction::ToServer, bytes), (Direction::ToClient, bytes / 2)])
}

#[tokio::test]
async fn an_interrupted_commit_is_written_once() {
    let (store, proxy, remote) = server_behind_proxy().await;
    let mut expected = Vec::new();
    for (number, (direction, bytes)) in cuts().enumerate() {
        proxy.cut_after(direction, bytes);
        // two at a time: each has a session slot of its own
        let (mine, yours) = (format!("mine {number}"), format!("yours {number}"));
        let (mine_done, yours_done) =
            tokio::join!(remote.commit(event("mine", &*mine)), remote.commit(event("yours", &*yours)));
        for (done, text) in [(mine_done, &mine), (yours_done, &yours)] {
            let done = done.unwrap_or_else(|e| panic!("{direction:?} {bytes}: {e}"));
            assert!(!done.duplicate && done.pointers.len() == 1, "{direction:?} {bytes}: {done:?}");
            assert_eq!(
                store.event(&done.pointers.first().unwrap()).await.unwrap(),
                **text,
                "{direction:?} {bytes}"
            );
        }
        expected.push(number.to_string());
    }
    assert!(proxy.cuts() > 50, "the wire was cut: {}", proxy.cuts());
    let found = texts(&store).await;
    for writer in ["mine ", "yours "] {
        let of: Vec<_> = found.iter().filter_map(|text| text.strip_prefix(writer)).collect();
        assert_eq!(of, expected, "each once, and in order");
    }
}

#[tokio::test]
async fn an_interrupted_call_has_its_original_result() {
    let (store, proxy, remote) = server_behind_proxy().await;
    for (number, (direction, bytes)) in cuts().enumerate() {
        proxy.cut_after(direction, bytes);
        // a condition that the first attempt made false
        let change = TableChange::put(&positions(), number.to_string(), Condition::Absent, "v");
        let done = remote.commit(Commit::changes(vec![change])).await.unwrap();
        let entry = remote.get(&positions(), number.to_string().as_bytes()).await.unwrap().unwrap();
        assert_eq!(done.versions, [entry.version], "{direction:?} {bytes}");
        proxy.cut_after(direction, bytes);
        let table = kulya_store::TableId::new("shop", &format!("t{number}")).unwrap();
        assert!(remote.create_table(&table).await.unwrap(), "{direction:?} {bytes}: created now");
        // an event number of the caller
        proxy.cut_after(direction, bytes);
        let numbered = event("k", number.to_string()).by(WriterId(7), number as u64 + 1);
        let done = remote.commit(numbered.clone()).await.unwrap();
        assert!(!done.duplicate && done.pointers.len() == 1, "{direction:?} {bytes}: new the first time");
        proxy.cut_after(direction, bytes);
        assert!(
            remote.commit(numbered).await.unwrap().duplicate,
            "{direction:?} {bytes}: the caller repeats it"
        );
    }
    assert_eq!(texts(&store).await, (0..cuts().count()).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// Two servers on one store: when the connection is cut the other one takes over, as after a restart, without
/// the first one's replay cache.
#[tokio::test]
async fn a_restarted_server_reports_a_lost_response() {
    let store = MemoryStore::new();
    make(&store).await;
    let one = Server::of(Arc::new(store.clone())).await;
    let two = Server::of(Arc::new(store.clone())).await;
    let proxy = Proxy::to(one.address).await;
    let remote = connect(proxy.address).await;
    let (mut expected, mut lost) = (Vec::new(), 0);
    for (number, (direction, bytes)) in cuts().enumerate() {
        proxy.then_to(if number % 2 == 0 { two.address } else { one.address });
        proxy.cut_after(direction, bytes);
        match remote.commit(event("k", number.to_string())).await {
            Ok(done) => {
                assert_eq!(store.event(&done.pointers.first().unwrap()).await.unwrap(), number.to_string());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::AnswerLost, "{error}");
                assert!(error.to_string().contains(&proxy.address.to_string()), "{error}");
                lost += 1;
            }
        }
        expected.push(number.to_string());
    }
    assert!(lost > 0, "at some cut the response was on its way");
    assert_eq!(texts(&store).await, expected, "each once, and in order");
}

/// The same with an embedded store that is closed and reopened: the store itself deduplicates.
#[tokio::test]
async fn a_commit_is_stored_once_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_when_unlocked(folder.path()).await;
    make(&*store).await;
    let mut server = Server::of(store.clone()).await;
    let proxy = Proxy::to(server.address).await;
    let remote = connect(proxy.address).await;
    let mut expected = Vec::new();
    for (number, (direction, bytes)) in cuts().step_by(9).enumerate() {
        let before = proxy.cuts();
        proxy.then_to_nobody();
        proxy.cut_after(direction, bytes);
        let writing = tokio::spawn({
            let remote = remote.clone();
            async move { remote.commit(event("k", number.to_string())).await }
        });
        while proxy.cuts() == before && !writing.is_finished() {
            tokio::task::yield_now().await;
        }
        proxy.cut_now(None);
        server.end().await;
        store.close().await.unwrap();
        drop(store);
        store = open_when_unlocked(folder.path()).await;
        server = Server::of(store.clone()).await;
        proxy.cut_now(Some(server.address));
        match writing.await.unwrap() {
            Ok(done) => {
                assert_eq!(store.event(&done.pointers.first().unwrap()).await.unwrap(), number.to_string())
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::AnswerLost, "{error}"),
        }
        expected.push(number.to_string());
    }
    assert_eq!(texts(&*store).await, expected, "each once, and in order");
}

/// A call that runs on without its client may keep the store open for a moment.
async fn open_when_unlocked(folder: &std::path::Path) -> Arc<EmbeddedStore> {
    loop {
        match EmbeddedStore::open(folder) {
            Ok(store) => return Arc::new(store),
            Err(error) if error.kind() == ErrorKind::Locked => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_commit_of_a_cancelled_caller_is_atomic() {
    let (store, proxy, remote) = server_behind_proxy().await;
    for number in 0..100usize {
        if number % 5 == 0 {
            proxy.cut_after(Direction::ToClient, number);
        }
        let patience = async {
            for _ in 0..number % 23 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            done = remote.commit(event("k", format!("{number:03}"))) => assert!(!done.unwrap().duplicate),
            () = patience => {}
        }
    }
    remote.commit(event("k", "100")).await.unwrap();
    let found = texts(&store).await;
    let mut once = found.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), found.len(), "no duplicates: {found:?}");
    assert!(found.contains(&"100".to_owned()));
}

#[tokio::test]
async fn a_tail_resumes_after_a_disconnect() {
    let (store, proxy, remote) = server_behind_proxy().await;
    let mut tail = remote.tail(kulya_store::head_cut(&remote, &orders()).await.unwrap(), 1 << 16);
    let mut seen = Vec::new();
    for (number, (direction, bytes)) in cuts().enumerate() {
        proxy.cut_after(direction, bytes);
        // not through the proxy: only the tail is cut
        store.commit(event("k", number.to_string())).await.unwrap();
        let (_, chunk) = tail.next().await.unwrap().unwrap();
        seen.extend(chunk.events.into_iter().map(|(_, event)| String::from_utf8(event.to_vec()).unwrap()));
    }
    assert_eq!(seen, texts(&store).await, "each once, and in order");
    store.seal_stream(&orders()).await.unwrap();
    assert_eq!(tail.next().await.unwrap(), None);
    assert_eq!(tail.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_wait_survives_a_disconnect() {
    let (store, proxy, remote) = server_behind_proxy().await;
    let segment = orders().segment(kulya_store::hash::segment_of("k", 2));
    let waiting = {
        let (remote, segment) = (remote.clone(), segment.clone());
        tokio::spawn(async move { remote.wait_beyond(&segment, 0).await })
    };
    for _ in 0..3 {
        remote.scopes().await.unwrap();
        proxy.cut_now(proxy.server());
    }
    store.commit(event("k", "come")).await.unwrap();
    waiting.await.unwrap().unwrap();
}

/// Polls until the server has noticed that the transaction's client has disconnected.
async fn closed_outcome(store: &dyn StreamStore, id: kulya_store::TransactionId) -> Outcome {
    loop {
        match store.outcome(id).await.unwrap() {
            Outcome::Open => tokio::task::yield_now().await,
            outcome => return outcome,
        }
    }
}

#[tokio::test]
async fn a_transaction_of_a_disconnected_client_is_aborted() {
    let (store, proxy, remote) = server_behind_proxy().await;
    let append = || vec![Append::keyed(&orders(), "k", "never")];
    // dropped
    let mut dropped = remote.begin().await.unwrap();
    dropped.stage(append()).await.unwrap();
    let id = dropped.id();
    assert_eq!(store.outcome(id).await.unwrap(), Outcome::Open);
    drop(dropped);
    assert_eq!(closed_outcome(&store, id).await, Outcome::Unknown);
    // disconnected
    let mut cut = remote.begin().await.unwrap();
    cut.stage(append()).await.unwrap();
    proxy.cut_now(proxy.server());
    assert_eq!(closed_outcome(&store, cut.id()).await, Outcome::Unknown);
    let error = cut.stage(append()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("begin it again"), "{error}");
    let id = cut.id();
    assert_eq!(cut.commit(vec![]).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(remote.outcome(id).await.unwrap(), Outcome::Unknown);
    assert!(texts(&store).await.is_empty());
    assert!(remote.begin().await.unwrap().commit(vec![]).await.is_ok(), "the next one succeeds");
}

#[tokio::test]
async fn an_interrupted_transaction_commit_has_a_correct_outcome() {
    let (store, proxy, remote) = server_behind_proxy().await;
    let mut expected = Vec::new();
    for (number, (direction, bytes)) in cuts().enumerate() {
        let mut transaction = remote.begin().await.unwrap();
        transaction.stage(vec![Append::keyed(&orders(), "k", number.to_string())]).await.unwrap();
        let id = transaction.id();
        proxy.cut_after(direction, bytes / 4);
        let change = TableChange::put(&positions(), "k", Condition::Any, "v");
        match transaction.commit(vec![change]).await {
            Ok(done) => {
                assert_eq!(done.versions.len(), 1);
                expected.push(number.to_string());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
                assert_eq!(closed_outcome(&store, id).await, Outcome::Unknown, "{direction:?} {bytes}");
            }
        }
    }
    assert!(!expected.is_empty() && expected.len() < cuts().count(), "{}", expected.len());
    assert_eq!(texts(&store).await, expected);
}

#[tokio::test]
async fn a_client_reconnects_to_a_restarted_server() {
    let store = MemoryStore::new();
    make(&store).await;
    let server = Server::of(Arc::new(store.clone())).await;
    let proxy = Proxy::to(server.address).await;
    let retrying = connect(proxy.address).await;
    let mut failing = settings(proxy.address);
    failing.patience = Duration::ZERO;
    let failing = RemoteStore::connect(failing).await.unwrap();
    retrying.commit(event("k", "before")).await.unwrap();
    let mut tail = retrying.tail(kulya_store::tail_cut(&store, &orders()).await.unwrap(), 100);

    proxy.cut_now(None);
    server.end().await;
    for _ in 0..2 {
        let error = failing.commit(event("k", "never")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.to_string().contains(&proxy.address.to_string()), "{error}");
        assert_eq!(failing.scopes().await.unwrap_err().kind(), ErrorKind::Unreachable);
        let segment = orders().segment(0);
        assert_eq!(failing.wait_beyond(&segment, 1 << 20).await.unwrap_err().kind(), ErrorKind::Unreachable);
        assert_eq!(failing.begin().await.err().unwrap().kind(), ErrorKind::Unreachable);
    }
    let writing = tokio::spawn({
        let retrying = retrying.clone();
        async move { retrying.commit(event("k", "after")).await }
    });
    tokio::task::yield_now().await;
    let again = Server::of(Arc::new(store.clone())).await;
    proxy.cut_now(Some(again.address));
    writing.await.unwrap().unwrap();
    assert_eq!(texts(&failing).await, ["before", "after"]);
    let (_, chunk) = tail.next().await.unwrap().unwrap();
    assert_eq!(chunk.events[0].1, "after");
    assert_eq!(bounded_read(&retrying, &orders()).await.unwrap().len(), 2);
}
