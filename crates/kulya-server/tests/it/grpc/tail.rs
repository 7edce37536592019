//! Tails and waits: their events, their backpressure and their end.

use super::{Server, connect, event, make, orders, texts};
use kulya_store::memory::MemoryStore;
use kulya_store::{
    Append, Commit, ErrorKind, StreamConfig, StreamCut, StreamId, StreamStore, Tail, head_cut, tail_cut,
};
use std::sync::Arc;

#[tokio::test]
async fn a_tail_returns_existing_and_new_events() {
    let store = MemoryStore::new();
    make(&store).await;
    store.commit(event("a", "one")).await.unwrap();
    let remote = Server::of(Arc::new(store.clone())).await.connect().await;
    let mut tail = remote.tail(head_cut(&remote, &orders()).await.unwrap(), 1);
    let (segment, chunk) = tail.next().await.unwrap().unwrap();
    assert_eq!((chunk.events.len(), &chunk.events[0].1[..]), (1, &b"one"[..]));
    assert_eq!(tail.cut().offset(&segment), Some(chunk.next));
    for n in 0..20 {
        store.commit(event(&n.to_string(), n.to_string())).await.unwrap();
    }
    store.seal_stream(&orders()).await.unwrap();
    let mut count = 0;
    while let Some((_, chunk)) = tail.next().await.unwrap() {
        assert_eq!(chunk.events.len(), 1, "at most the requested bytes");
        count += 1;
    }
    assert_eq!((count, tail.cut()), (20, &tail_cut(&store, &orders()).await.unwrap()));
}

/// Events that the server has read for a slow client are safe; everything else is truncated meanwhile.
#[tokio::test]
async fn a_slow_reader_has_backpressure() {
    const EVENTS: usize = 64;
    let store = MemoryStore::new();
    make(&store).await;
    let stream = StreamId::new("shop", "large").unwrap();
    store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
    let megabyte = vec![7u8; 1 << 20];
    for _ in 0..EVENTS {
        store.commit(Commit::events(vec![Append::keyed(&stream, "k", megabyte.clone())])).await.unwrap();
    }
    // so that a complete tail ends
    store.seal_stream(&stream).await.unwrap();
    let server = Server::of(Arc::new(store.clone())).await;
    let remote = server.connect().await;
    let mut tail = remote.tail(head_cut(&store, &stream).await.unwrap(), 1 << 20);
    tail.next().await.unwrap().unwrap();
    // a server without backpressure would have read all of it by now
    for n in 0..200 {
        remote.commit(event("k", n.to_string())).await.unwrap();
    }
    store.truncate(&tail_cut(&store, &stream).await.unwrap()).await.unwrap();
    let mut held = 0;
    let error = loop {
        match tail.next().await {
            Ok(chunk) => held += chunk.expect("the server has not read everything").1.events.len(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert!(held <= 8, "{held} MiB were on their way");
    assert_eq!(texts(&remote).await.len(), 200, "a stalled tail blocks no other call");
}

#[tokio::test]
async fn one_client_waits_for_more_segments_than_a_connection_has_streams() {
    let store = MemoryStore::new();
    make(&store).await;
    let wide = StreamId::new("shop", "wide").unwrap();
    store.create_stream(&wide, StreamConfig::with_segments(1000)).await.unwrap();
    let remote = Server::of(Arc::new(store.clone())).await.connect().await;
    let mut tail = Tail::from(tail_cut(&remote, &wide).await.unwrap());
    let coming = tokio::spawn({
        let remote = remote.clone();
        async move { tail.next(&remote, 100).await }
    });
    remote.commit(Commit::events(vec![Append::keyed(&wide, "k", "come")])).await.unwrap();
    let (_, chunk) = coming.await.unwrap().unwrap().unwrap();
    assert_eq!(chunk.events[0].1, "come");
    // and transactions use other connections
    let mut open = Vec::new();
    for _ in 0..210 {
        open.push(remote.begin().await.unwrap());
    }
    remote.commit(event("k", "still")).await.unwrap();
}

#[tokio::test]
async fn a_server_shuts_down_during_a_tail() {
    let store = MemoryStore::new();
    make(&store).await;
    let server = Server::of(Arc::new(store.clone())).await;
    let mut settings = super::settings(server.address);
    settings.patience = std::time::Duration::ZERO;
    let remote = kulya_client::RemoteStore::connect(settings).await.unwrap();
    let mut tail = remote.tail(tail_cut(&remote, &orders()).await.unwrap(), 100);
    store.commit(event("k", "one")).await.unwrap();
    tail.next().await.unwrap().unwrap();
    let following = tokio::spawn(async move { tail.next().await });
    let waiting = tokio::spawn({
        let remote = remote.clone();
        async move { remote.wait_beyond(&orders().segment(0), 1 << 20).await }
    });
    let mut transaction = remote.begin().await.unwrap();
    transaction.stage(vec![Append::keyed(&orders(), "k", "never")]).await.unwrap();
    server.end().await;
    assert_eq!(following.await.unwrap().unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(transaction.commit(vec![]).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(texts(&store).await, ["one"]);
}

#[tokio::test]
async fn closing_a_client_ends_its_calls_and_leaves_the_store_open() {
    let store = MemoryStore::new();
    make(&store).await;
    let server = Server::of(Arc::new(store.clone())).await;
    let remote = server.connect().await;
    let mut tail = remote.tail(tail_cut(&remote, &orders()).await.unwrap(), 100);
    let following = tokio::spawn(async move { tail.next().await });
    let waiting = tokio::spawn({
        let remote = remote.clone();
        async move { remote.wait_beyond(&orders().segment(0), 0).await }
    });
    tokio::task::yield_now().await;
    remote.clone().close().await.unwrap();
    assert_eq!(following.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(remote.scopes().await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(!connect(server.address).await.scopes().await.unwrap().is_empty(), "others go on");
}

#[tokio::test]
async fn a_tail_of_an_unknown_stream_fails() {
    let store = MemoryStore::new();
    make(&store).await;
    let remote = Server::of(Arc::new(store.clone())).await.connect().await;
    let other = StreamId::new("shop", "none").unwrap();
    let cut = StreamCut::of(&other, [(&other.segment(0), 0)]);
    let mut tail = remote.tail(cut.clone(), 100);
    let local = Tail::from(cut).next(&store, 100).await.unwrap_err();
    for _ in 0..2 {
        let error = tail.next().await.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (local.kind(), local.to_string()));
    }
}
