//! Cases for events: routing, reading, and idempotent writers.

use super::fixture::{commit_one, kind, stream, table, texts};
use crate::{
    Append, Commit, CommitReceipt, Condition, Consumer, Durability, ErrorKind, EventPointer, SegmentId,
    StreamCut, StreamId, StreamStore, TableChange, Tail, WriterId, bounded_read, chunk_times, framing, hash,
    tail_cut,
};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn routing_keys_select_segments_and_keep_order(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 4).await;
    for round in 0..20 {
        let appends =
            (0..10).map(|key| Append::keyed(&orders, format!("key-{key}"), format!("{key}:{round}")));
        let done = store.commit(Commit::events(appends.collect())).await.expect("committed");
        for (key, pointer) in done.pointers.iter().enumerate() {
            assert_eq!(
                pointer.segment.number,
                hash::segment_of(&format!("key-{key}"), 4),
                "the hash of the key selects the segment"
            );
        }
    }
    let all = texts(&*store, &orders).await;
    assert_eq!(all.len(), 200);
    for key in 0..10 {
        let prefix = format!("{key}:");
        let rounds: Vec<_> =
            all.iter().filter_map(|e| e.strip_prefix(&prefix)).map(|r| r.parse::<i32>()).collect();
        assert_eq!(rounds, (0..20).map(Ok).collect::<Vec<_>>(), "events of one key keep their order");
    }
}

pub(super) async fn unkeyed_events_are_spread_over_segments(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 3).await;
    let appends = (0..100).map(|n| Append::unkeyed(&orders, n.to_string())).collect();
    store.commit(Commit::events(appends)).await.expect("committed");
    let mut all: Vec<i32> =
        texts(&*store, &orders).await.iter().map(|e| e.parse().expect("a number")).collect();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    let segments = store.segments(&orders).await.expect("listed");
    assert!(segments.iter().all(|s| s.tail > 0), "events without a key are spread over segments");
}

pub(super) async fn pointers_read_their_events(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let events: Vec<Bytes> = vec!["".into(), "one".into(), vec![7u8; 100_000].into()];
    let appends = events.iter().map(|e| Append::keyed(&orders, "k", e.clone())).collect();
    let done = store.commit(Commit::events(appends)).await.expect("committed");
    for (pointer, event) in done.pointers.iter().zip(&events) {
        assert_eq!(store.event(&pointer).await.expect("found"), *event);
        let decoded = EventPointer::from_bytes(&pointer.to_bytes()).expect("pointer bytes round-trip");
        assert_eq!(store.event(&decoded).await.expect("found"), *event);
    }
    let read = bounded_read(&*store, &orders).await.expect("read");
    assert_eq!(
        read.into_iter().map(|(p, _)| p).collect::<crate::Pointers>(),
        done.pointers,
        "a read returns the same pointers"
    );
    let second = done.pointers.get(1).expect("one pointer per event");
    let inside = EventPointer { offset: second.offset + 1, ..second.clone() };
    assert_eq!(
        kind(store.event(&inside).await),
        ErrorKind::InvalidInput,
        "an offset inside an event is invalid"
    );
    let beyond = EventPointer { offset: 1 << 40, ..second.clone() };
    assert_eq!(
        kind(store.event(&beyond).await),
        ErrorKind::InvalidInput,
        "an offset after the tail is invalid"
    );
    let long = EventPointer { length: second.length + 1, ..second.clone() };
    assert_eq!(kind(store.event(&long).await), ErrorKind::InvalidInput, "a wrong length is invalid");
}

pub(super) async fn event_times_agree_with_cuts_at_times(store: Arc<impl StreamStore>) {
    const MILLISECOND: Duration = Duration::from_millis(1);
    let orders = stream(&*store, "orders", 2).await;
    let append = |n: i32| Append::keyed(&orders, n.to_string(), format!("event {n}"));
    for n in 0..30 {
        store.commit(Commit::events(vec![append(n), append(n + 1)])).await.expect("committed");
    }
    let mut transaction = store.begin().await.expect("begun");
    transaction.stage((100..110).map(append).collect()).await.expect("staged");
    store.commit(Commit::events(vec![append(200)])).await.expect("committed");
    transaction.commit(vec![]).await.expect("committed");
    let mut events = 0;
    for info in store.segments(&orders).await.expect("listed") {
        let chunk = store.read(&info.id, info.head, 1 << 20).await.expect("read");
        let offsets: Vec<u64> = chunk.events.iter().map(|(at, _)| *at).collect();
        let times = chunk_times(&*store, &info.id, &offsets, chunk.next).await.expect("times");
        assert!(times.is_sorted(), "times do not go back");
        events += times.len();
        for ((offset, _), time) in chunk.events.iter().zip(times) {
            let time = time.expect("each readable event has a time");
            assert_eq!(time.subsec_nanos() % 1_000_000, 0, "times are in milliseconds");
            let at = store.cut_at(&orders, time).await.expect("a cut").offset(&info.id).expect("named");
            assert!(at <= *offset, "an event is after the cut at its own time");
            let after = store.cut_at(&orders, time + MILLISECOND).await.expect("a cut");
            assert!(after.offset(&info.id).expect("named") > *offset, "and before the cut at a later one");
        }
        let whole = store.append_times(&info.id, info.head, info.tail).await.expect("times");
        let (last, _) = chunk.events.last().expect("both segments have events");
        assert_eq!((whole.end(), whole.at(info.tail)), (info.tail, None));
        assert_eq!(whole.at(*last), whole.at(info.tail - 1), "an event has one time");
        let part = store.append_times(&info.id, *last, info.tail).await.expect("times");
        assert_eq!((part.at(*last), part.at(info.head)), (whole.at(*last), None));
        let none = store.append_times(&info.id, info.tail, info.tail).await.expect("times");
        assert_eq!((none.runs().count(), none.end()), (0, info.tail));
        for (from, to) in [(info.tail, info.head), (info.head, info.tail + 1)] {
            assert_eq!(kind(store.append_times(&info.id, from, to).await), ErrorKind::InvalidInput);
        }
        let cut = StreamCut::of(
            &orders,
            store
                .segments(&orders)
                .await
                .expect("listed")
                .iter()
                .map(|segment| (&segment.id, if segment.id == info.id { *last } else { segment.head })),
        );
        store.truncate(&cut).await.expect("truncated");
        let rest = store.append_times(&info.id, info.head, info.tail).await.expect("times");
        let runs: Vec<_> = rest.runs().collect();
        assert_eq!(runs, [(*last, whole.at(*last).expect("known"))], "times start at the head");
    }
    assert_eq!(events, 71);
    let missing = StreamId::new("nowhere", "orders").expect("valid name").segment(0);
    assert_eq!(kind(store.append_times(&missing, 0, 0).await), ErrorKind::NotFound);
}

pub(super) async fn reads_continue_at_the_next_offset(store: Arc<impl StreamStore>) {
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
            assert_eq!(chunk.next, offset, "an empty chunk does not advance");
            break;
        }
        assert!(chunk.events.len() <= 3, "a chunk respects max_bytes");
        offset = chunk.next;
        seen.extend(chunk.events.into_iter().map(|(_, event)| event));
    }
    assert_eq!(seen, (0..50).map(|n| Bytes::from(format!("event {n}"))).collect::<Vec<_>>());
    let large = store.read(&segment, 0, 1).await.expect("read");
    assert_eq!(large.events.len(), 1, "at least one event is returned");
}

pub(super) async fn reads_honour_any_chunk_size(store: Arc<impl StreamStore>) {
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
            assert!(!chunk.events.is_empty(), "there are more than {count} events");
            let framed = store.read_framed(&orders.segment(0), offset, chunk_bytes).await.expect("read");
            assert!(framed.next > offset, "there are more than {count} events");
            for ((at, found), (framed_at, framed)) in
                chunk.events.iter().zip(framed.offsets().zip(framed.payloads()))
            {
                assert_eq!((*at, &**found), (framed_at, framed), "both reads have the same events");
            }
            for (at, found) in chunk.events {
                assert_eq!((at, found), (count as u64 * 108, event(count)));
                count += 1;
            }
            offset = chunk.next;
        }
    }
}

pub(super) async fn invalid_offset_is_rejected(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    store.commit(Commit::events(vec![Append::keyed(&orders, "k", "an event")])).await.expect("committed");
    assert_eq!(kind(store.read(&orders.segment(0), 3, 100).await), ErrorKind::InvalidInput);
    assert_eq!(kind(store.read(&orders.segment(0), 1000, 100).await), ErrorKind::InvalidInput);
    for offset in [3, 1000] {
        let read = store.read_framed(&orders.segment(0), offset, 100).await;
        assert_eq!(kind(read), ErrorKind::InvalidInput);
    }
}

pub(super) async fn waiting_reader_wakes_on_append(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let segment: SegmentId = orders.segment(0);
    let waiting = {
        let (store, segment) = (Arc::clone(&store), segment.clone());
        tokio::spawn(async move { store.wait_for_data(&segment, 0).await })
    };
    tokio::task::yield_now().await;
    store.commit(Commit::events(vec![Append::keyed(&orders, "k", "an event")])).await.expect("committed");
    waiting.await.expect("joined").expect("data is available");
    let chunk = store.read(&segment, 0, 100).await.expect("read");
    assert_eq!(chunk.events.len(), 1, "the event is visible to the reader");
    store.wait_for_data(&segment, 0).await.expect("returns at once");
}

pub(super) async fn tail_returns_every_event_and_ends_when_sealed(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 3).await;
    let mut tail = Tail::from(tail_cut(&*store, &orders).await.expect("exists"));
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
        assert_eq!(tail.cut.offset(&segment), Some(chunk.next), "the cut advances with the returned events");
        seen.extend(chunk.events.into_iter().map(|(_, event)| String::from_utf8_lossy(&event).into_owned()));
    }
    writer.await.expect("joined");
    assert_eq!(tail.cut, tail_cut(&*store, &orders).await.expect("exists"), "the reader ends at the tail");
    seen.sort_by_key(|text| text.parse::<u32>().unwrap_or(u32::MAX));
    assert_eq!(seen, (0..60).map(|n| n.to_string()).collect::<Vec<_>>());
}

pub(super) async fn reopened_consumer_continues_at_its_committed_position(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    for n in 0..10 {
        let append = Append::keyed(&orders, n.to_string(), n.to_string());
        store.commit(Commit::events(vec![append])).await.expect("committed");
    }
    store.seal_stream(&orders).await.expect("sealed");
    let store: Arc<dyn StreamStore> = store;
    let mut committed = Vec::new();
    let mut consumer = Consumer::open(Arc::clone(&store), "billing", &orders).await.expect("opened");
    for _ in 0..5 {
        let (_, event) = consumer.try_next().await.expect("read").expect("ten events");
        committed.push(event);
    }
    consumer.commit().await.expect("committed");
    let (_, returned) = consumer.try_next().await.expect("read").expect("ten events");
    drop(consumer);

    let mut consumer = Consumer::open(store, "billing", &orders).await.expect("opened");
    let mut rest = Vec::new();
    while let Some((_, event)) = consumer.try_next().await.expect("read") {
        rest.push(event);
    }
    assert!(rest.contains(&returned), "an event after the committed position is returned again");
    let mut all: Vec<Bytes> = committed.into_iter().chain(rest).collect();
    all.sort();
    assert_eq!(all, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
}

pub(super) async fn oversized_event_is_rejected_atomically(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let largest = Bytes::from(vec![1u8; framing::MAX_EVENT_BYTES]);
    let done = store.commit(Commit::events(vec![Append::keyed(&orders, "k", largest.clone())])).await;
    let pointer =
        done.expect("the largest event is accepted").pointers.first().expect("one pointer per event");
    assert_eq!(store.event(&pointer).await.expect("found").len(), largest.len());
    let over = Bytes::from(vec![1u8; framing::MAX_EVENT_BYTES + 1]);
    let both = vec![Append::keyed(&orders, "k", "small"), Append::keyed(&orders, "k", over)];
    assert_eq!(kind(store.commit(Commit::events(both)).await), ErrorKind::InvalidInput);
    assert_eq!(
        bounded_read(&*store, &orders).await.expect("read").len(),
        1,
        "the other event is not written either"
    );
}

pub(super) async fn duplicate_commit_writes_nothing(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let positions = table(&*store, "positions").await;
    let (one, two) = (WriterId(7 << 100), WriterId(8));
    assert_eq!(store.last_event_number(one).await.expect("looked up"), None, "a new writer has no number");
    let commit = |writer, number: u64| {
        let commit = Commit {
            appends: vec![Append::keyed(&orders, "k", format!("{writer}:{number}"))],
            changes: vec![TableChange::put(&positions, "last", Condition::Any, number.to_string())],
            ..Commit::default()
        };
        store.commit(commit.with_writer(writer, number))
    };
    let first = commit(one, 10).await.expect("committed");
    assert!(!first.duplicate && first.pointers.len() == 1);
    commit(two, 10).await.expect("another writer has its own numbers");
    assert_eq!(commit(one, 10).await.expect("repeated"), CommitReceipt::duplicate());
    assert_eq!(commit(one, 9).await.expect("an older one"), CommitReceipt::duplicate());
    assert!(!commit(one, 11).await.expect("the next one").duplicate);
    assert_eq!(texts(&*store, &orders).await.len(), 3, "duplicates write no event");
    let last = store.get(&positions, b"last").await.expect("read").expect("exists");
    assert_eq!(last.value, "11", "duplicates change no table");
    assert_eq!(store.last_event_number(one).await.expect("looked up"), Some(11));
    let rejected = Commit {
        changes: vec![TableChange::put(&positions, "last", Condition::Absent, "x")],
        ..Commit::default()
    };
    assert_eq!(kind(store.commit(rejected.with_writer(one, 12)).await), ErrorKind::Conflict);
    assert_eq!(
        store.last_event_number(one).await.expect("looked up"),
        Some(11),
        "a rejected commit is not recorded"
    );
    // two concurrent commits with one number, as from a retry that is too early
    let (left, right) = tokio::join!(commit(one, 20), commit(one, 20));
    let duplicates = [left, right].map(|done| done.expect("committed").duplicate);
    assert!(duplicates[0] != duplicates[1], "exactly one of two is a duplicate");
    assert_eq!(texts(&*store, &orders).await.len(), 4);
}

pub(super) async fn unsynced_commits_are_visible(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    for n in 0..20 {
        let durability = if n % 5 == 4 { Durability::Synced } else { Durability::Written };
        let commit = Commit::events(vec![Append::keyed(&orders, "k", n.to_string())]).durability(durability);
        let pointer = commit_one(&*store, commit).await;
        assert_eq!(store.event(&pointer).await.expect("found"), n.to_string());
    }
    assert_eq!(texts(&*store, &orders).await, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}
