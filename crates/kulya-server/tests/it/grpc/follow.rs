//! Followers: what they get, what the server holds for one that is slow, and how they end.

use super::{Server, connect, event, make, orders, texts};
use kulya_store::memory::MemoryStore;
use kulya_store::{
    Append, Commit, ErrorKind, StreamConfig, StreamCut, StreamId, StreamStore, Tail, head_cut, tail_cut,
};
use std::sync::Arc;

#[tokio::test]
async fn a_tail_gives_what_is_there_and_what_comes() {
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
        assert_eq!(chunk.events.len(), 1, "no more than was asked for");
        count += 1;
    }
    assert_eq!((count, tail.cut()), (20, &tail_cut(&store, &orders()).await.unwrap()));
}

/// What the server has read for a slow client it cannot lose any more; everything else is truncated under its hands.
#[tokio::test]
async fn a_slow_reader_does_not_make_the_server_read_on() {
    const EVENTS: usize = 64;
    let store = MemoryStore::new();
    make(&store).await;
    let stream = StreamId::new("shop", "large").unwrap();
    store.create_stream(&stream, StreamConfig::with_segments(1)).await.unwrap();
    let megabyte = vec![7u8; 1 << 20];
    for _ in 0..EVENTS {
        store.commit(Commit::events(vec![Append::keyed(&stream, "k", megabyte.clone())])).await.unwrap();
    }
    // so that a tail that gives everything ends
    store.seal_stream(&stream).await.unwrap();
    let server = Server::of(Arc::new(store.clone())).await;
    let remote = server.connect().await;
    let mut tail = remote.tail(head_cut(&store, &stream).await.unwrap(), 1 << 20);
    tail.next().await.unwrap().unwrap();
    // a server that reads on by itself would have all of it by now
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
    assert_eq!(texts(&remote).await.len(), 200, "a stalled tail holds up nobody else");
}

#[tokio::test]
async fn more_segments_are_waited_at_than_a_connection_has_calls() {
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
    // and transactions have connections of their own
    let mut open = Vec::new();
    for _ in 0..210 {
        open.push(remote.begin().await.unwrap());
    }
    remote.commit(event("k", "still")).await.unwrap();
}

#[tokio::test]
async fn a_server_ends_while_it_is_followed() {
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
async fn a_closed_client_ends_whoever_waits_and_leaves_the_store_open() {
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
async fn a_tail_of_what_is_not_there_is_refused() {
    let store = MemoryStore::new();
    make(&store).await;
    let remote = Server::of(Arc::new(store.clone())).await.connect().await;
    let other = StreamId::new("shop", "none").unwrap();
    let cut = StreamCut::of(&other, [(&other.segment(0), 0)]);
    let mut tail = remote.tail(cut.clone(), 100);
    let local = Tail::from(cut).next(&store, 100).await.unwrap_err();
    for _ in 0..2 {
        let refused = tail.next().await.unwrap_err();
        assert_eq!((refused.kind(), refused.to_string()), (local.kind(), local.to_string()));
    }
}
