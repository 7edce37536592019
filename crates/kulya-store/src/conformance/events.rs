//! Events: where they go, how they are read, and who may repeat them.

use super::{committed, kind, stream, table, texts};
use crate::{
    Append, Commit, Committed, Condition, Durability, ErrorKind, EventPointer, SegmentId, StreamStore,
    TableChange, Tail, WriterId, bounded_read, framing, hash, tail_cut,
};
use bytes::Bytes;
use std::sync::Arc;

pub(super) async fn keys_choose_segments_and_keep_order(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 4).await;
    for round in 0..20 {
        let appends =
            (0..10).map(|key| Append::keyed(&orders, format!("key-{key}"), format!("{key}:{round}")));
        let done = store.commit(Commit::events(appends.collect())).await.expect("committed");
        for (key, pointer) in done.pointers.iter().enumerate() {
            assert_eq!(
                pointer.segment.number,
                hash::segment_of(&format!("key-{key}"), 4),
                "the key's hash decides"
            );
        }
    }
    let all = texts(&*store, &orders).await;
    assert_eq!(all.len(), 200);
    for key in 0..10 {
        let prefix = format!("{key}:");
        let rounds: Vec<_> =
            all.iter().filter_map(|e| e.strip_prefix(&prefix)).map(|r| r.parse::<i32>()).collect();
        assert_eq!(rounds, (0..20).map(Ok).collect::<Vec<_>>(), "events of one key stay in order");
    }
}

pub(super) async fn events_without_a_key_are_all_kept(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 3).await;
    let appends = (0..100).map(|n| Append::unkeyed(&orders, n.to_string())).collect();
    store.commit(Commit::events(appends)).await.expect("committed");
    let mut all: Vec<i32> =
        texts(&*store, &orders).await.iter().map(|e| e.parse().expect("a number")).collect();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    let segments = store.segments(&orders).await.expect("listed");
    assert!(segments.iter().all(|s| s.tail > 0), "events without a key are spread");
}

pub(super) async fn pointers_lead_back(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let events: Vec<Bytes> = vec!["".into(), "one".into(), vec![7u8; 100_000].into()];
    let appends = events.iter().map(|e| Append::keyed(&orders, "k", e.clone())).collect();
    let done = store.commit(Commit::events(appends)).await.expect("committed");
    for (pointer, event) in done.pointers.iter().zip(&events) {
        assert_eq!(store.event(&pointer).await.expect("found"), *event);
        let again = EventPointer::from_bytes(&pointer.to_bytes()).expect("pointer bytes read back");
        assert_eq!(store.event(&again).await.expect("found"), *event);
    }
    let read = bounded_read(&*store, &orders).await.expect("read");
    assert_eq!(
        read.into_iter().map(|(p, _)| p).collect::<crate::Pointers>(),
        done.pointers,
        "a read gives the same pointers"
    );
    let second = done.pointers.get(1).expect("each event has one");
    let off = EventPointer { offset: second.offset + 1, ..second.clone() };
    assert_eq!(kind(store.event(&off).await), ErrorKind::InvalidInput, "inside an event is nowhere");
    let beyond = EventPointer { offset: 1 << 40, ..second.clone() };
    assert_eq!(kind(store.event(&beyond).await), ErrorKind::InvalidInput, "behind the tail is nowhere");
    let long = EventPointer { length: second.length + 1, ..second.clone() };
    assert_eq!(kind(store.event(&long).await), ErrorKind::InvalidInput, "another length is another event");
}

pub(super) async fn reads_go_on_where_they_ended(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    for n in 0..50 {
        store
            .commit(Commit::events(vec![Append::keyed(&orders, "k", format!("event {n}"))]))
            .await
            .expect("committed");
    }
    let segment = orders.segment(0);
    let (mut offset, mut seen) = (0, Vec::new());
    loop {
        let chunk = store.read(&segment, offset, 40).await.expect("read");
        if chunk.events.is_empty() {
            assert_eq!(chunk.next, offset, "an empty chunk stays where it is");
            break;
        }
        assert!(chunk.events.len() <= 3, "a chunk keeps to the size asked");
        offset = chunk.next;
        seen.extend(chunk.events.into_iter().map(|(_, event)| event));
    }
    assert_eq!(seen, (0..50).map(|n| Bytes::from(format!("event {n}"))).collect::<Vec<_>>());
    let large = store.read(&segment, 0, 1).await.expect("read");
    assert_eq!(large.events.len(), 1, "one event comes even when it is larger than asked");
}

pub(super) async fn many_events_are_read_in_chunks_of_any_size(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let event = |n: usize| Bytes::from(format!("{n:0100}"));
    for batch in 0..10 {
        let append = |n: usize| Append::keyed(&orders, "k", event(batch * 3000 + n));
        store.commit(Commit::events((0..3000).map(append).collect())).await.expect("committed");
    }
    for chunk_bytes in [1 << 30, 1 << 20, 100_001] {
        let (mut offset, mut count) = (0, 0);
        while count < 30_000 {
            let chunk = store.read(&orders.segment(0), offset, chunk_bytes).await.expect("read");
            assert!(!chunk.events.is_empty(), "there is more behind {count} events");
            for (at, found) in chunk.events {
                assert_eq!((at, found), (count as u64 * 108, event(count)));
                count += 1;
            }
            offset = chunk.next;
        }
    }
}

pub(super) async fn a_wrong_offset_is_refused(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    store.commit(Commit::events(vec![Append::keyed(&orders, "k", "an event")])).await.expect("committed");
    assert_eq!(kind(store.read(&orders.segment(0), 3, 100).await), ErrorKind::InvalidInput);
    assert_eq!(kind(store.read(&orders.segment(0), 1000, 100).await), ErrorKind::InvalidInput);
}

pub(super) async fn a_tail_wakes_its_reader(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let segment: SegmentId = orders.segment(0);
    let waiting = {
        let (store, segment) = (Arc::clone(&store), segment.clone());
        tokio::spawn(async move { store.wait_beyond(&segment, 0).await })
    };
    tokio::task::yield_now().await;
    store.commit(Commit::events(vec![Append::keyed(&orders, "k", "an event")])).await.expect("committed");
    waiting.await.expect("joined").expect("woken");
    let chunk = store.read(&segment, 0, 100).await.expect("read");
    assert_eq!(chunk.events.len(), 1, "a woken reader finds the event");
    store.wait_beyond(&segment, 0).await.expect("does not wait for what is there");
}

pub(super) async fn a_tail_gives_every_event_and_ends_when_sealed(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 3).await;
    let mut tail = Tail::from(tail_cut(&*store, &orders).await.expect("there"));
    let writer = {
        let (store, orders) = (Arc::clone(&store), orders.clone());
        tokio::spawn(async move {
            for n in 0..60 {
                let append = Append::keyed(&orders, (n % 11).to_string(), n.to_string());
                store.commit(Commit::events(vec![append])).await.expect("committed");
            }
            store.seal_stream(&orders).await.expect("sealed");
        })
    };
    let mut seen = Vec::new();
    while let Some((segment, chunk)) = tail.next(&*store, 1 << 20).await.expect("followed") {
        assert_eq!(tail.cut.offset(&segment), Some(chunk.next), "the cut moves with what was given");
        seen.extend(chunk.events.into_iter().map(|(_, event)| String::from_utf8_lossy(&event).into_owned()));
    }
    writer.await.expect("joined");
    assert_eq!(tail.cut, tail_cut(&*store, &orders).await.expect("there"), "it ends at the end");
    seen.sort_by_key(|text| text.parse::<u32>().unwrap_or(u32::MAX));
    assert_eq!(seen, (0..60).map(|n| n.to_string()).collect::<Vec<_>>());
}

pub(super) async fn a_large_event_is_refused_whole(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let largest = Bytes::from(vec![1u8; framing::MAX_EVENT_BYTES]);
    let done = store.commit(Commit::events(vec![Append::keyed(&orders, "k", largest.clone())])).await;
    let pointer = done.expect("the largest event is taken").pointers.first().expect("each event has one");
    assert_eq!(store.event(&pointer).await.expect("found").len(), largest.len());
    let over = Bytes::from(vec![1u8; framing::MAX_EVENT_BYTES + 1]);
    let both = vec![Append::keyed(&orders, "k", "small"), Append::keyed(&orders, "k", over)];
    assert_eq!(kind(store.commit(Commit::events(both)).await), ErrorKind::InvalidInput);
    assert_eq!(
        bounded_read(&*store, &orders).await.expect("read").len(),
        1,
        "its neighbour was not written either"
    );
}

pub(super) async fn a_repeated_commit_writes_nothing(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let positions = table(&*store, "positions").await;
    let (one, two) = (WriterId(7 << 100), WriterId(8));
    assert_eq!(store.last_event_number(one).await.expect("asked"), None, "a new writer has written nothing");
    let commit = |writer, number: u64| {
        let commit = Commit {
            appends: vec![Append::keyed(&orders, "k", format!("{writer}:{number}"))],
            changes: vec![TableChange::put(&positions, "last", Condition::Any, number.to_string())],
            ..Commit::default()
        };
        store.commit(commit.by(writer, number))
    };
    let first = commit(one, 10).await.expect("committed");
    assert!(!first.duplicate && first.pointers.len() == 1);
    commit(two, 10).await.expect("another writer has its own numbers");
    assert_eq!(commit(one, 10).await.expect("repeated"), Committed::duplicate());
    assert_eq!(commit(one, 9).await.expect("an older one"), Committed::duplicate());
    assert!(!commit(one, 11).await.expect("the next one").duplicate);
    assert_eq!(texts(&*store, &orders).await.len(), 3, "repetitions wrote no event");
    let last = store.get(&positions, b"last").await.expect("read").expect("there");
    assert_eq!(last.value, "11", "repetitions changed no table");
    assert_eq!(store.last_event_number(one).await.expect("asked"), Some(11));
    let refused = Commit {
        changes: vec![TableChange::put(&positions, "last", Condition::Absent, "x")],
        ..Commit::default()
    };
    assert_eq!(kind(store.commit(refused.by(one, 12)).await), ErrorKind::Conflict);
    assert_eq!(
        store.last_event_number(one).await.expect("asked"),
        Some(11),
        "a refused commit counts for nothing"
    );
    // sent twice at once, as by a retry that was too quick
    let (left, right) = tokio::join!(commit(one, 20), commit(one, 20));
    let duplicates = [left, right].map(|done| done.expect("committed").duplicate);
    assert!(duplicates[0] != duplicates[1], "exactly one of two wrote");
    assert_eq!(texts(&*store, &orders).await.len(), 4);
}

pub(super) async fn written_is_seen_and_synced_later(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    for n in 0..20 {
        let durability = if n % 5 == 4 { Durability::Synced } else { Durability::Written };
        let commit = Commit::events(vec![Append::keyed(&orders, "k", n.to_string())]).durability(durability);
        let pointer = committed(&*store, commit).await;
        assert_eq!(store.event(&pointer).await.expect("found"), n.to_string());
    }
    assert_eq!(texts(&*store, &orders).await, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}
