//! Connections that are cut anywhere: nothing is written twice, nothing acknowledged is missing, and every answer is
//! true.

use super::proxy::{Proxy, Way};
use super::{Server, connect, event, make, orders, positions, settings, texts, wired};
use kulya_client::RemoteStore;
use kulya_store::memory::MemoryStore;
use kulya_store::{
    Append, Commit, Condition, ErrorKind, Outcome, StreamStore, TableChange, WriterId, bounded_read,
};
use kulya_store_embedded::EmbeddedStore;
use std::sync::Arc;
use std::time::Duration;

/// Where a commit and its answer are cut, in bytes: both ways, through the whole conversation and beyond.
fn cuts() -> impl Iterator<Item = (Way, usize)> {
    (0..400).step_by(7).flat_map(|bytes| [(Way::ToServer, bytes), (Way::ToClient, bytes / 2)])
}

#[tokio::test]
async fn a_cut_commit_is_written_once_and_answered_truly() {
    let (store, proxy, remote) = wired().await;
    let mut expected = Vec::new();
    for (number, (way, bytes)) in cuts().enumerate() {
        proxy.cut_after(way, bytes);
        // two at once: each is on a lane of its own
        let (mine, yours) = (format!("mine {number}"), format!("yours {number}"));
        let (mine_done, yours_done) =
            tokio::join!(remote.commit(event("mine", &*mine)), remote.commit(event("yours", &*yours)));
        for (done, text) in [(mine_done, &mine), (yours_done, &yours)] {
            let done = done.unwrap_or_else(|e| panic!("{way:?} {bytes}: {e}"));
            assert!(!done.duplicate && done.pointers.len() == 1, "{way:?} {bytes}: {done:?}");
            assert_eq!(
                store.event(&done.pointers.first().unwrap()).await.unwrap(),
                **text,
                "{way:?} {bytes}"
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
async fn whatever_a_cut_call_did_is_told_as_if_nothing_had_happened() {
    let (store, proxy, remote) = wired().await;
    for (number, (way, bytes)) in cuts().enumerate() {
        proxy.cut_after(way, bytes);
        // a condition that the first try made false
        let change = TableChange::put(&positions(), number.to_string(), Condition::Absent, "v");
        let done = remote.commit(Commit::changes(vec![change])).await.unwrap();
        let entry = remote.get(&positions(), number.to_string().as_bytes()).await.unwrap().unwrap();
        assert_eq!(done.versions, [entry.version], "{way:?} {bytes}");
        proxy.cut_after(way, bytes);
        let table = kulya_store::TableId::new("shop", &format!("t{number}")).unwrap();
        assert!(remote.create_table(&table).await.unwrap(), "{way:?} {bytes}: it is new");
        // a number of the caller's own
        proxy.cut_after(way, bytes);
        let numbered = event("k", number.to_string()).by(WriterId(7), number as u64 + 1);
        let done = remote.commit(numbered.clone()).await.unwrap();
        assert!(!done.duplicate && done.pointers.len() == 1, "{way:?} {bytes}: the first time it is new");
        proxy.cut_after(way, bytes);
        assert!(remote.commit(numbered).await.unwrap().duplicate, "{way:?} {bytes}: the caller repeats it");
    }
    assert_eq!(texts(&store).await, (0..cuts().count()).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// Two servers on one store: when the connection is cut the other one takes over, as after a restart, and knows nothing
/// of the first one's answers.
#[tokio::test]
async fn a_server_that_was_restarted_says_that_its_answer_is_lost() {
    let store = MemoryStore::new();
    make(&store).await;
    let one = Server::of(Arc::new(store.clone())).await;
    let two = Server::of(Arc::new(store.clone())).await;
    let proxy = Proxy::to(one.address).await;
    let remote = connect(proxy.address).await;
    let (mut expected, mut lost) = (Vec::new(), 0);
    for (number, (way, bytes)) in cuts().enumerate() {
        proxy.then_to(if number % 2 == 0 { two.address } else { one.address });
        proxy.cut_after(way, bytes);
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
    assert!(lost > 0, "at some cut the answer was on its way");
    assert_eq!(texts(&store).await, expected, "each once, and in order");
}

/// The same with a folder behind that was closed and opened again: what the store itself remembers.
#[tokio::test]
async fn a_commit_is_stored_once_though_everything_is_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open_when_free(folder.path()).await;
    make(&*store).await;
    let mut server = Server::of(store.clone()).await;
    let proxy = Proxy::to(server.address).await;
    let remote = connect(proxy.address).await;
    let mut expected = Vec::new();
    for (number, (way, bytes)) in cuts().step_by(9).enumerate() {
        let before = proxy.cuts();
        proxy.then_to_nobody();
        proxy.cut_after(way, bytes);
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
        store = open_when_free(folder.path()).await;
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

/// A call that was carried on without its client may hold the store for a moment.
async fn open_when_free(folder: &std::path::Path) -> Arc<EmbeddedStore> {
    loop {
        match EmbeddedStore::open(folder) {
            Ok(store) => return Arc::new(store),
            Err(error) if error.kind() == ErrorKind::Locked => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_commit_whose_caller_has_gone_is_there_once_or_not_at_all() {
    let (store, proxy, remote) = wired().await;
    for number in 0..100usize {
        if number % 5 == 0 {
            proxy.cut_after(Way::ToClient, number);
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
    assert_eq!(once.len(), found.len(), "nothing is there twice: {found:?}");
    assert!(found.contains(&"100".to_owned()));
}

#[tokio::test]
async fn a_tail_goes_on_behind_a_cut() {
    let (store, proxy, remote) = wired().await;
    let mut tail = remote.tail(kulya_store::head_cut(&remote, &orders()).await.unwrap(), 1 << 16);
    let mut seen = Vec::new();
    for (number, (way, bytes)) in cuts().enumerate() {
        proxy.cut_after(way, bytes);
        // not through the wire: the tail alone is cut
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
async fn a_wait_outlives_a_cut() {
    let (store, proxy, remote) = wired().await;
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

/// Asks until the server has seen that the transaction's client is gone.
async fn closed_outcome(store: &dyn StreamStore, id: kulya_store::TransactionId) -> Outcome {
    loop {
        match store.outcome(id).await.unwrap() {
            Outcome::Open => tokio::task::yield_now().await,
            outcome => return outcome,
        }
    }
}

#[tokio::test]
async fn a_transaction_whose_client_is_gone_leaves_nothing() {
    let (store, proxy, remote) = wired().await;
    let append = || vec![Append::keyed(&orders(), "k", "never")];
    // dropped
    let mut dropped = remote.begin().await.unwrap();
    dropped.stage(append()).await.unwrap();
    let id = dropped.id();
    assert_eq!(store.outcome(id).await.unwrap(), Outcome::Open);
    drop(dropped);
    assert_eq!(closed_outcome(&store, id).await, Outcome::Unknown);
    // cut off
    let mut cut = remote.begin().await.unwrap();
    cut.stage(append()).await.unwrap();
    proxy.cut_now(proxy.server());
    assert_eq!(closed_outcome(&store, cut.id()).await, Outcome::Unknown);
    let refused = cut.stage(append()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unreachable);
    assert!(refused.to_string().contains("begin it again"), "{refused}");
    let id = cut.id();
    assert_eq!(cut.commit(vec![]).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(remote.outcome(id).await.unwrap(), Outcome::Unknown);
    assert!(texts(&store).await.is_empty());
    assert!(remote.begin().await.unwrap().commit(vec![]).await.is_ok(), "the next one goes well");
}

#[tokio::test]
async fn a_transaction_whose_commit_is_cut_is_there_or_not_as_it_says() {
    let (store, proxy, remote) = wired().await;
    let mut expected = Vec::new();
    for (number, (way, bytes)) in cuts().enumerate() {
        let mut transaction = remote.begin().await.unwrap();
        transaction.stage(vec![Append::keyed(&orders(), "k", number.to_string())]).await.unwrap();
        let id = transaction.id();
        proxy.cut_after(way, bytes / 4);
        let change = TableChange::put(&positions(), "k", Condition::Any, "v");
        match transaction.commit(vec![change]).await {
            Ok(done) => {
                assert_eq!(done.versions.len(), 1);
                expected.push(number.to_string());
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
                assert_eq!(closed_outcome(&store, id).await, Outcome::Unknown, "{way:?} {bytes}");
            }
        }
    }
    assert!(!expected.is_empty() && expected.len() < cuts().count(), "{}", expected.len());
    assert_eq!(texts(&store).await, expected);
}

#[tokio::test]
async fn a_server_that_was_gone_is_found_again() {
    let store = MemoryStore::new();
    make(&store).await;
    let server = Server::of(Arc::new(store.clone())).await;
    let proxy = Proxy::to(server.address).await;
    let patient = connect(proxy.address).await;
    let mut impatient = settings(proxy.address);
    impatient.patience = Duration::ZERO;
    let impatient = RemoteStore::connect(impatient).await.unwrap();
    patient.commit(event("k", "before")).await.unwrap();
    let mut tail = patient.tail(kulya_store::tail_cut(&store, &orders()).await.unwrap(), 100);

    proxy.cut_now(None);
    server.end().await;
    for _ in 0..2 {
        let refused = impatient.commit(event("k", "never")).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unreachable);
        assert!(refused.to_string().contains(&proxy.address.to_string()), "{refused}");
        assert_eq!(impatient.scopes().await.unwrap_err().kind(), ErrorKind::Unreachable);
        let segment = orders().segment(0);
        assert_eq!(
            impatient.wait_beyond(&segment, 1 << 20).await.unwrap_err().kind(),
            ErrorKind::Unreachable
        );
        assert_eq!(impatient.begin().await.err().unwrap().kind(), ErrorKind::Unreachable);
    }
    let writing = tokio::spawn({
        let patient = patient.clone();
        async move { patient.commit(event("k", "after")).await }
    });
    tokio::task::yield_now().await;
    let again = Server::of(Arc::new(store.clone())).await;
    proxy.cut_now(Some(again.address));
    writing.await.unwrap().unwrap();
    assert_eq!(texts(&impatient).await, ["before", "after"]);
    let (_, chunk) = tail.next().await.unwrap().unwrap();
    assert_eq!(chunk.events[0].1, "after");
    assert_eq!(bounded_read(&patient, &orders()).await.unwrap().len(), 2);
}
