//! Errors: the store's own are preserved, and an address without Kulya gives one clear error.

use super::{Server, event, make, orders, positions, settings};
use axum::Router;
use kulya_client::RemoteStore;
use kulya_store::fault::FaultyStore;
use kulya_store::memory::MemoryStore;
use kulya_store::{
    Append, Commit, Condition, Error, ErrorKind, StreamId, StreamStore, TableChange, bounded_read, framing,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

async fn error(address: SocketAddr) -> Error {
    let mut settings = settings(address);
    settings.retry_timeout = Duration::ZERO;
    let error = RemoteStore::connect(settings).await.err().unwrap();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    error
}

#[tokio::test]
async fn an_address_without_kulya_is_one_clear_error() {
    // a port that was free a moment ago
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(error(free).await.kind(), ErrorKind::Unreachable);

    // a server that accepts the connection and never responds
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(error(silent.local_addr().unwrap()).await.kind(), ErrorKind::Unreachable);

    // a server of another protocol
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = other.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = other.accept().await.unwrap();
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    assert_eq!(error(address).await.kind(), ErrorKind::Unreachable);

    // an HTTP server without a store
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = web.local_addr().unwrap();
    tokio::spawn(axum::serve(web, Router::new()).into_future());
    let error = error(address).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("has no stream store"), "{error}");
}

/// Calls both stores and expects equal errors.
macro_rules! same {
    ($local:expr, $remote:expr, |$store:ident| $call:expr) => {{
        let local = {
            let $store = &$local;
            $call.await.err().unwrap()
        };
        let remote = {
            let $store = &$remote;
            $call.await.err().unwrap()
        };
        assert_eq!((remote.kind(), remote.to_string()), (local.kind(), local.to_string()));
    }};
}

#[tokio::test]
async fn the_errors_of_the_store_are_preserved() {
    let store = Arc::new(FaultyStore::failing_after(MemoryStore::new(), 1000, ErrorKind::Full));
    let remote = Server::of(store.clone()).await.connect().await;
    make(&remote).await;
    let key = vec![0xff; 100];
    let put = || TableChange::put(&positions(), key.clone(), Condition::Absent, "v");
    remote.commit(Commit::changes(vec![put()])).await.unwrap();
    same!(*store, remote, |s| s.commit(Commit::changes(vec![put()])));
    same!(*store, remote, |s| s.read(&orders().segment(9), 0, 1));
    same!(*store, remote, |s| s.read(&orders().segment(0), 5, 1));
    same!(*store, remote, |s| s.append_times(&orders().segment(0), 0, 5));
    let missing = StreamId::new("shop", "missing").unwrap();
    same!(*store, remote, |s| s.tails(&[orders(), missing.clone()]));
    let many = vec![orders(); 60_000];
    same!(*store, remote, |s| s.tails(&many));
    same!(*store, remote, |s| s.delete_stream(&orders()));
    same!(*store, remote, |s| s.delete_scope(&orders().scope));
    let over = vec![1; framing::MAX_EVENT_BYTES + 1];
    same!(*store, remote, |s| s.commit(Commit::events(vec![Append::keyed(&orders(), "k", over.clone())])));
    store.allow(0);
    same!(*store, remote, |s| s.commit(event("k", "e")));
    same!(*store, remote, |s| s.create_scope(&orders().scope));
    store.allow(1000);
    remote.seal_stream(&orders()).await.unwrap();
    same!(*store, remote, |s| s.commit(event("k", "e")));
    same!(*store, remote, |s| s.wait_for_data(&orders().segment(0), 0));
    store.close().await.unwrap();
    same!(*store, remote, |s| s.commit(event("k", "e")));
    same!(*store, remote, |s| s.outcome(kulya_store::TransactionId(1)));
}

#[tokio::test]
async fn too_large_commits_are_rejected_before_they_are_sent() {
    let remote = Server::of(Arc::new(MemoryStore::new())).await.connect().await;
    make(&remote).await;
    let largest = bytes::Bytes::from(vec![3; framing::MAX_EVENT_BYTES]);
    let commit = |events: usize| {
        let append = |n: usize| Append::keyed(&orders(), n.to_string(), largest.clone());
        Commit::events((0..events).map(append).collect())
    };
    let done = remote.commit(commit(7)).await.unwrap();
    assert_eq!(done.pointers.len(), 7);
    let error = remote.commit(commit(9)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("use a transaction"), "{error}");
    let read = bounded_read(&remote, &orders()).await.unwrap();
    assert!(read.len() == 7 && read.iter().all(|(_, event)| *event == largest));
    let mut transaction = remote.begin().await.unwrap();
    assert_eq!(transaction.stage(commit(9).appends).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    transaction.stage(commit(1).appends).await.unwrap();
    transaction.commit(vec![]).await.unwrap();
    // many small entries
    let many = (0..200_000).map(|n: u32| Append::keyed(&orders(), n.to_string(), "")).collect();
    assert_eq!(remote.commit(Commit::events(many)).await.unwrap().pointers.len(), 200_000);
    // entries that are larger than a reply of a scan
    let large = |key: &str| TableChange::put(&positions(), key.to_owned(), Condition::Any, vec![1; 3 << 20]);
    remote.commit(Commit::changes(["a", "b", "c"].map(large).to_vec())).await.unwrap();
    let small = (0..5000).map(|n: u32| TableChange::put(&positions(), n.to_string(), Condition::Any, "v"));
    remote.commit(Commit::changes(small.collect())).await.unwrap();
    assert_eq!(remote.scan(&positions(), b"", None, usize::MAX).await.unwrap().len(), 5003);
    assert_eq!(remote.scan(&positions(), b"", None, 0).await.unwrap().len(), 0);
}
