//! The contract as functions: each takes an empty store and panics, with the sentence that is broken, when the
//! store does not keep it. A backend's test is one call of [`all`]; the oracle is
//! [`MemoryStore`](crate::memory::MemoryStore).

use crate::{
    Append, Commit, Committed, Condition, Durability, ErrorKind, EventPointer, Outcome, Scope, SegmentId,
    StreamConfig, StreamCut, StreamId, StreamStore, TableChange, TableId, TransactionId, WriterId,
    bounded_read, framing, hash, head_cut, tail_cut,
};
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;

/// Runs every function of the suite, each on a store that `fresh` makes; returns how many there were.
pub async fn all<F, S>(fresh: impl Fn() -> F) -> usize
where
    F: Future<Output = Arc<S>>,
    S: StreamStore,
{
    let mut ran = 0;
    macro_rules! run {
        ($($case:ident),* $(,)?) => { $( $case(fresh().await).await; ran += 1; )* };
    }
    run!(
        scopes_and_streams_are_listed,
        what_is_not_there_is_not_found,
        keys_choose_segments_and_keep_order,
        events_without_a_key_are_all_kept,
        pointers_lead_back,
        reads_go_on_where_they_ended,
        a_wrong_offset_is_refused,
        a_tail_wakes_its_reader,
        tables_compare_and_set,
        tables_are_ordered_and_paged,
        a_commit_is_all_or_nothing,
        a_large_event_is_refused_whole,
        a_transaction_is_seen_at_its_commit,
        a_transaction_dropped_leaves_nothing,
        a_transaction_with_a_broken_condition_leaves_nothing,
        transactions_and_commits_interleave,
        concurrent_writers_lose_nothing,
        a_repeated_commit_writes_nothing,
        written_is_seen_and_synced_later,
        a_transactions_outcome_is_remembered,
        a_sealed_stream_takes_no_events,
        a_deleted_stream_comes_back_as_another,
        a_sealed_or_deleted_stream_fails_open_transactions,
        a_truncated_stream_begins_at_its_cut,
        a_wrong_cut_is_refused_whole,
        tables_are_listed_and_deleted,
        an_empty_scope_can_be_deleted,
        a_closed_store_says_so,
    );
    ran
}

const SHOP: &str = "shop";

async fn stream(store: &impl StreamStore, name: &str, segments: u32) -> StreamId {
    let stream = StreamId::new(SHOP, name).expect("a right name");
    store.create_scope(&stream.scope).await.expect("a scope can be made");
    store.create_stream(&stream, StreamConfig::with_segments(segments)).await.expect("a stream can be made");
    stream
}

async fn table(store: &impl StreamStore, name: &str) -> TableId {
    let table = TableId::new(SHOP, name).expect("a right name");
    store.create_scope(&table.scope).await.expect("a scope can be made");
    store.create_table(&table).await.expect("a table can be made");
    table
}

async fn texts(store: &impl StreamStore, stream: &StreamId) -> Vec<String> {
    let events = bounded_read(store, stream).await.expect("a stream can be read");
    events.into_iter().map(|(_, event)| String::from_utf8_lossy(&event).into_owned()).collect()
}

fn kind<T: std::fmt::Debug>(result: crate::Result<T>) -> ErrorKind {
    result.expect_err("this must be refused").kind()
}

async fn scopes_and_streams_are_listed(store: Arc<impl StreamStore>) {
    let scope = Scope::new(SHOP).expect("a right name");
    assert!(store.create_scope(&scope).await.expect("made"), "a new scope is new");
    assert!(!store.create_scope(&scope).await.expect("known"), "a second making says it was there");
    let orders = StreamId::new(SHOP, "orders").expect("a right name");
    assert!(store.create_stream(&orders, StreamConfig::with_segments(3)).await.expect("made"));
    assert!(!store.create_stream(&orders, StreamConfig::with_segments(5)).await.expect("known"));
    stream(&*store, "a", 1).await;
    let names: Vec<_> =
        store.streams(&scope).await.expect("listed").iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "orders"], "streams are listed in name order");
    assert!(store.scopes().await.expect("listed").contains(&scope));
    let segments = store.segments(&orders).await.expect("listed");
    assert_eq!(segments.len(), 3, "the first making decides the segments");
    assert_eq!(segments[0].key_range.start, 0.0);
    assert_eq!(segments[2].key_range.end, 1.0);
    assert!(segments.windows(2).all(|pair| pair[0].key_range.end == pair[1].key_range.start), "ranges touch");
    let none = StreamConfig::with_segments(0);
    assert_eq!(kind(store.create_stream(&orders, none).await), ErrorKind::InvalidInput);
}

async fn what_is_not_there_is_not_found(store: Arc<impl StreamStore>) {
    let nowhere = StreamId::new("nowhere", "orders").expect("a right name");
    let config = StreamConfig::with_segments(1);
    assert_eq!(kind(store.create_stream(&nowhere, config).await), ErrorKind::NotFound, "no scope");
    assert_eq!(kind(store.streams(&nowhere.scope).await), ErrorKind::NotFound);
    let orders = stream(&*store, "orders", 1).await;
    let other = StreamId::new(SHOP, "other").expect("a right name");
    assert_eq!(kind(store.segments(&other).await), ErrorKind::NotFound);
    assert_eq!(kind(store.read(&orders.segment(7), 0, 100).await), ErrorKind::NotFound, "no such segment");
    assert_eq!(kind(store.wait_beyond(&other.segment(0), 0).await), ErrorKind::NotFound);
    let append = Append::keyed(&other, "k", "e");
    assert_eq!(kind(store.commit(Commit::events(vec![append])).await), ErrorKind::NotFound);
    let table = TableId::new(SHOP, "positions").expect("a right name");
    assert_eq!(kind(store.get(&table, b"k").await), ErrorKind::NotFound);
    assert_eq!(kind(store.scan(&table, b"", None, 1).await), ErrorKind::NotFound);
    let change = TableChange::put(&table, "k", Condition::Any, "v");
    assert_eq!(kind(store.commit(Commit::changes(vec![change])).await), ErrorKind::NotFound);
    let elsewhere = TableId::new("nowhere", "t").expect("a right name");
    assert_eq!(kind(store.create_table(&elsewhere).await), ErrorKind::NotFound);
}

async fn keys_choose_segments_and_keep_order(store: Arc<impl StreamStore>) {
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

async fn events_without_a_key_are_all_kept(store: Arc<impl StreamStore>) {
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

async fn pointers_lead_back(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let events: Vec<Bytes> = vec!["".into(), "one".into(), vec![7u8; 100_000].into()];
    let appends = events.iter().map(|e| Append::keyed(&orders, "k", e.clone())).collect();
    let done = store.commit(Commit::events(appends)).await.expect("committed");
    for (pointer, event) in done.pointers.iter().zip(&events) {
        assert_eq!(store.event(pointer).await.expect("found"), *event);
        let again = EventPointer::from_bytes(&pointer.to_bytes()).expect("pointer bytes read back");
        assert_eq!(store.event(&again).await.expect("found"), *event);
    }
    let read = bounded_read(&*store, &orders).await.expect("read");
    assert_eq!(
        read.into_iter().map(|(p, _)| p).collect::<Vec<_>>(),
        done.pointers,
        "a read gives the same pointers"
    );
    let off = EventPointer { offset: done.pointers[1].offset + 1, ..done.pointers[1].clone() };
    assert_eq!(kind(store.event(&off).await), ErrorKind::InvalidInput, "inside an event is nowhere");
    let beyond = EventPointer { offset: 1 << 40, ..done.pointers[1].clone() };
    assert_eq!(kind(store.event(&beyond).await), ErrorKind::InvalidInput, "behind the tail is nowhere");
    let long = EventPointer { length: done.pointers[1].length + 1, ..done.pointers[1].clone() };
    assert_eq!(kind(store.event(&long).await), ErrorKind::InvalidInput, "another length is another event");
}

async fn reads_go_on_where_they_ended(store: Arc<impl StreamStore>) {
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

async fn a_wrong_offset_is_refused(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    store.commit(Commit::events(vec![Append::keyed(&orders, "k", "an event")])).await.expect("committed");
    assert_eq!(kind(store.read(&orders.segment(0), 3, 100).await), ErrorKind::InvalidInput);
    assert_eq!(kind(store.read(&orders.segment(0), 1000, 100).await), ErrorKind::InvalidInput);
}

async fn a_tail_wakes_its_reader(store: Arc<impl StreamStore>) {
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

async fn tables_compare_and_set(store: Arc<impl StreamStore>) {
    let table = table(&*store, "positions").await;
    assert!(!store.create_table(&table).await.expect("known"));
    assert_eq!(store.get(&table, b"k").await.expect("read"), None);
    let put = |condition, value: &'static str| {
        let commit = Commit::changes(vec![TableChange::put(&table, "k", condition, value)]);
        let store = Arc::clone(&store);
        async move { store.commit(commit).await.map(|done| done.versions[0]) }
    };
    let first = put(Condition::Absent, "one").await.expect("absent");
    assert_eq!(kind(put(Condition::Absent, "two").await), ErrorKind::Conflict);
    let second = put(Condition::At(first), "two").await.expect("at its version");
    assert!(second > first, "versions grow");
    assert_eq!(
        kind(put(Condition::At(first), "three").await),
        ErrorKind::Conflict,
        "a stale version is refused"
    );
    let entry = store.get(&table, b"k").await.expect("read").expect("there");
    assert_eq!((entry.value, entry.version), ("two".into(), second));
    let remove = TableChange::remove(&table, "k", Condition::At(second));
    store.commit(Commit::changes(vec![remove])).await.expect("removed");
    assert_eq!(store.get(&table, b"k").await.expect("read"), None);
    assert!(put(Condition::Any, "four").await.expect("any") > second, "no version comes twice");
    let twice = TableChange::put(&table, "x", Condition::Any, "1");
    assert_eq!(
        kind(store.commit(Commit::changes(vec![twice.clone(), twice])).await),
        ErrorKind::InvalidInput
    );
}

async fn tables_are_ordered_and_paged(store: Arc<impl StreamStore>) {
    let table = table(&*store, "positions").await;
    let keys = ["b", "a/2", "a/10", "a/1", "a", "c/1", ""];
    let puts =
        keys.iter().map(|key| TableChange::put(&table, *key, Condition::Any, format!("value of {key}")));
    store.commit(Commit::changes(puts.collect())).await.expect("committed");
    let list = |prefix: &'static str, after: Option<&'static str>, limit| {
        let (store, table) = (Arc::clone(&store), table.clone());
        async move {
            let found = store
                .scan(&table, prefix.as_bytes(), after.map(str::as_bytes), limit)
                .await
                .expect("scanned");
            found.into_iter().map(|e| String::from_utf8_lossy(&e.key).into_owned()).collect::<Vec<_>>()
        }
    };
    assert_eq!(list("", None, 100).await, ["", "a", "a/1", "a/10", "a/2", "b", "c/1"]);
    assert_eq!(list("a/", None, 100).await, ["a/1", "a/10", "a/2"]);
    assert_eq!(list("a/", None, 2).await, ["a/1", "a/10"]);
    assert_eq!(list("a/", Some("a/10"), 2).await, ["a/2"]);
    assert_eq!(list("a/", Some("a"), 1).await, ["a/1"], "`after` before the prefix changes nothing");
    assert!(list("x", None, 2).await.is_empty());
}

async fn a_commit_is_all_or_nothing(store: Arc<impl StreamStore>) {
    let (orders, lines) = (stream(&*store, "orders", 2).await, stream(&*store, "lines", 1).await);
    let positions = table(&*store, "positions").await;
    let commit = |condition| Commit {
        appends: vec![Append::keyed(&orders, "1", "an order"), Append::keyed(&lines, "1", "its line")],
        changes: vec![
            TableChange::put(&positions, "free", Condition::Any, "1"),
            TableChange::put(&positions, "source", condition, "42"),
        ],
        ..Commit::default()
    };
    let done = store.commit(commit(Condition::Absent)).await.expect("committed");
    assert_eq!((done.pointers.len(), done.versions.len()), (2, 2));
    assert_eq!(kind(store.commit(commit(Condition::Absent)).await), ErrorKind::Conflict);
    assert_eq!(texts(&*store, &orders).await, ["an order"], "a refused commit wrote no event");
    assert_eq!(texts(&*store, &lines).await, ["its line"]);
    let free = store.get(&positions, b"free").await.expect("read").expect("there");
    assert_eq!(free.version, done.versions[0], "a refused commit changed no other key");
}

async fn a_large_event_is_refused_whole(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let largest = Bytes::from(vec![1u8; framing::MAX_EVENT_BYTES]);
    let done = store.commit(Commit::events(vec![Append::keyed(&orders, "k", largest.clone())])).await;
    let pointer = done.expect("the largest event is taken").pointers[0].clone();
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

async fn a_transaction_is_seen_at_its_commit(store: Arc<impl StreamStore>) {
    let (orders, lines) = (stream(&*store, "orders", 2).await, stream(&*store, "lines", 1).await);
    let positions = table(&*store, "positions").await;
    let mut transaction = store.begin().await.expect("begun");
    for n in 0..10 {
        let appends = vec![
            Append::keyed(&orders, "k", format!("order {n}")),
            Append::unkeyed(&lines, format!("line {n}")),
        ];
        transaction.stage(appends).await.expect("staged");
    }
    assert!(texts(&*store, &orders).await.is_empty(), "what is staged is not seen");
    let change = TableChange::put(&positions, "source", Condition::Absent, "42");
    let done = transaction.commit(vec![change]).await.expect("committed");
    assert_eq!(done.versions.len(), 1);
    assert_eq!(texts(&*store, &orders).await, (0..10).map(|n| format!("order {n}")).collect::<Vec<_>>());
    assert_eq!(texts(&*store, &lines).await, (0..10).map(|n| format!("line {n}")).collect::<Vec<_>>());
    assert!(store.get(&positions, b"source").await.expect("read").is_some());
    let read = bounded_read(&*store, &orders).await.expect("read");
    for (pointer, event) in read {
        assert_eq!(store.event(&pointer).await.expect("found"), event, "pointers lead to staged events too");
    }
}

async fn a_transaction_dropped_leaves_nothing(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let mut dropped = store.begin().await.expect("begun");
    dropped.stage(vec![Append::keyed(&orders, "k", "never")]).await.expect("staged");
    drop(dropped);
    let mut aborted = store.begin().await.expect("begun");
    aborted.stage(vec![Append::keyed(&orders, "k", "never")]).await.expect("staged");
    aborted.abort().await.expect("aborted");
    store.commit(Commit::events(vec![Append::keyed(&orders, "k", "after")])).await.expect("committed");
    let read = bounded_read(&*store, &orders).await.expect("read");
    assert_eq!((read.len(), read[0].0.offset), (1, 0), "an aborted transaction takes no offsets");
}

async fn a_transaction_with_a_broken_condition_leaves_nothing(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let positions = table(&*store, "positions").await;
    let put = || TableChange::put(&positions, "source", Condition::Absent, "1");
    store.commit(Commit::changes(vec![put()])).await.expect("committed");
    let mut transaction = store.begin().await.expect("begun");
    transaction.stage(vec![Append::keyed(&orders, "k", "never")]).await.expect("staged");
    assert_eq!(kind(transaction.commit(vec![put()]).await), ErrorKind::Conflict);
    assert!(texts(&*store, &orders).await.is_empty());
}

async fn transactions_and_commits_interleave(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let append = |text: &str| vec![Append::keyed(&orders, "k", text.to_owned())];
    let (mut one, mut two) = (store.begin().await.expect("begun"), store.begin().await.expect("begun"));
    one.stage(append("one a")).await.expect("staged");
    two.stage(append("two a")).await.expect("staged");
    store.commit(Commit::events(append("direct"))).await.expect("committed");
    one.stage(append("one b")).await.expect("staged");
    two.commit(Vec::new()).await.expect("committed");
    one.commit(Vec::new()).await.expect("committed");
    assert_eq!(
        texts(&*store, &orders).await,
        ["direct", "two a", "one a", "one b"],
        "commits decide the order"
    );
}

async fn concurrent_writers_lose_nothing(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let counter = table(&*store, "counter").await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (store, orders, counter) = (Arc::clone(&store), orders.clone(), counter.clone());
            tokio::spawn(async move {
                for n in 0..25 {
                    loop {
                        let entry = store.get(&counter, b"n").await.expect("read");
                        let (condition, value) = match &entry {
                            Some(e) => (
                                Condition::At(e.version),
                                String::from_utf8_lossy(&e.value).parse::<u32>().expect("a number"),
                            ),
                            None => (Condition::Absent, 0),
                        };
                        let commit = Commit {
                            appends: vec![Append::keyed(
                                &orders,
                                writer.to_string(),
                                format!("{writer}:{n}"),
                            )],
                            changes: vec![TableChange::put(
                                &counter,
                                "n",
                                condition,
                                (value + 1).to_string(),
                            )],
                            ..Commit::default()
                        };
                        match store.commit(commit).await {
                            Ok(_) => break,
                            Err(e) if e.kind() == ErrorKind::Conflict => tokio::task::yield_now().await,
                            Err(e) => panic!("{e}"),
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("joined");
    }
    let count = store.get(&counter, b"n").await.expect("read").expect("there");
    assert_eq!(count.value, "100", "compare-and-set lost no update");
    assert_eq!(
        texts(&*store, &orders).await.len(),
        100,
        "an event was written for each update, and no other"
    );
}

async fn a_repeated_commit_writes_nothing(store: Arc<impl StreamStore>) {
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

async fn written_is_seen_and_synced_later(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    for n in 0..20 {
        let durability = if n % 5 == 4 { Durability::Synced } else { Durability::Written };
        let commit = Commit::events(vec![Append::keyed(&orders, "k", n.to_string())]).durability(durability);
        let done = store.commit(commit).await.expect("committed");
        assert_eq!(store.event(&done.pointers[0]).await.expect("found"), n.to_string());
    }
    assert_eq!(texts(&*store, &orders).await, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
}

async fn a_transactions_outcome_is_remembered(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let positions = table(&*store, "positions").await;
    let mut transaction = store.begin().await.expect("begun");
    let id = transaction.id();
    assert_eq!(store.outcome(id).await.expect("asked"), Outcome::Open);
    transaction.stage(vec![Append::keyed(&orders, "k", "an event")]).await.expect("staged");
    assert_eq!(store.outcome(id).await.expect("asked"), Outcome::Open);
    let change = TableChange::put(&positions, "p", Condition::Absent, "1");
    let done = transaction.commit(vec![change]).await.expect("committed");
    assert_eq!(store.outcome(id).await.expect("asked"), Outcome::Committed(done), "the same answer again");
    let empty = store.begin().await.expect("begun");
    let empty_id = empty.id();
    assert!(empty_id != id, "no id comes twice");
    empty.commit(Vec::new()).await.expect("nothing is a transaction too");
    assert!(matches!(store.outcome(empty_id).await.expect("asked"), Outcome::Committed(_)));
    let mut aborted = store.begin().await.expect("begun");
    let aborted_id = aborted.id();
    aborted.stage(vec![Append::keyed(&orders, "k", "never")]).await.expect("staged");
    aborted.abort().await.expect("aborted");
    assert_eq!(store.outcome(aborted_id).await.expect("asked"), Outcome::Unknown);
    assert_eq!(store.outcome(TransactionId(u128::MAX)).await.expect("asked"), Outcome::Unknown);
}

async fn a_sealed_stream_takes_no_events(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 3).await;
    let open = store.stream(&orders).await.expect("there");
    assert_eq!((open.config, open.sealed), (StreamConfig::with_segments(3), false));
    let append = || Commit::events(vec![Append::keyed(&orders, "k", "an event")]);
    let done = store.commit(append()).await.expect("committed");
    let segment = done.pointers[0].segment.clone();
    let tail = tail_cut(&*store, &orders).await.expect("there").offset(&segment).expect("named");
    let waiting = {
        let (store, segment) = (Arc::clone(&store), segment.clone());
        tokio::spawn(async move { store.wait_beyond(&segment, tail).await })
    };
    tokio::task::yield_now().await;
    assert!(store.seal_stream(&orders).await.expect("sealed"), "it was not sealed before");
    assert!(!store.seal_stream(&orders).await.expect("sealed"), "now it was");
    assert_eq!(
        kind(waiting.await.expect("joined")),
        ErrorKind::Sealed,
        "who waits is told that nothing follows"
    );
    assert_eq!(kind(store.commit(append()).await), ErrorKind::Sealed);
    assert!(store.stream(&orders).await.expect("there").sealed);
    store.wait_beyond(&segment, 0).await.expect("what is there is no wait");
    assert_eq!(texts(&*store, &orders).await, ["an event"], "what it holds is read on");
    assert!(!store.create_stream(&orders, StreamConfig::with_segments(1)).await.expect("known"));
    let other = StreamId::new(SHOP, "other").expect("a right name");
    assert_eq!(kind(store.seal_stream(&other).await), ErrorKind::NotFound);
    assert_eq!(kind(store.stream(&other).await), ErrorKind::NotFound);
}

async fn a_deleted_stream_comes_back_as_another(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let other = stream(&*store, "other", 1).await;
    let append = |text: &'static str| Commit::events(vec![Append::keyed(&orders, "k", text)]);
    let old = store.commit(append("old")).await.expect("committed").pointers[0].clone();
    store.commit(Commit::events(vec![Append::keyed(&other, "k", "kept")])).await.expect("committed");
    assert_eq!(kind(store.delete_stream(&orders).await), ErrorKind::InvalidInput, "it is sealed first");
    store.seal_stream(&orders).await.expect("sealed");
    assert!(store.delete_stream(&orders).await.expect("deleted"));
    assert!(!store.delete_stream(&orders).await.expect("gone"));
    assert_eq!(kind(store.segments(&orders).await), ErrorKind::NotFound);
    assert_eq!(kind(store.event(&old).await), ErrorKind::NotFound);
    assert_eq!(kind(store.commit(append("lost")).await), ErrorKind::NotFound);
    assert_eq!(store.streams(&orders.scope).await.expect("listed"), std::slice::from_ref(&other.name));
    assert!(store.create_stream(&orders, StreamConfig::with_segments(3)).await.expect("made"));
    assert!(texts(&*store, &orders).await.is_empty(), "nothing of the old one is in the new one");
    let new = store.commit(append("new")).await.expect("committed").pointers[0].clone();
    assert!(new.segment.epoch > old.segment.epoch, "its segments are other ones");
    assert_eq!(store.event(&new).await.expect("found"), "new");
    assert_eq!(kind(store.event(&old).await), ErrorKind::NotFound, "an old pointer finds no new event");
    assert_eq!(kind(store.read(&old.segment, 0, 100).await), ErrorKind::NotFound);
    assert_eq!(texts(&*store, &orders).await, ["new"]);
    assert_eq!(texts(&*store, &other).await, ["kept"], "its neighbour is as it was");
}

async fn a_sealed_or_deleted_stream_fails_open_transactions(store: Arc<impl StreamStore>) {
    let (orders, lines) = (stream(&*store, "orders", 1).await, stream(&*store, "lines", 1).await);
    let both = || vec![Append::keyed(&lines, "k", "a line"), Append::keyed(&orders, "k", "an order")];
    let (mut one, mut two) = (store.begin().await.expect("begun"), store.begin().await.expect("begun"));
    one.stage(both()).await.expect("staged");
    two.stage(both()).await.expect("staged");
    store.seal_stream(&orders).await.expect("sealed");
    assert_eq!(kind(one.commit(Vec::new()).await), ErrorKind::Sealed);
    store.delete_stream(&orders).await.expect("deleted");
    store.create_stream(&orders, StreamConfig::with_segments(1)).await.expect("made");
    assert_eq!(
        kind(two.commit(Vec::new()).await),
        ErrorKind::NotFound,
        "the stream it was staged for is gone"
    );
    assert!(texts(&*store, &lines).await.is_empty(), "a failed transaction leaves nothing anywhere");
    assert!(texts(&*store, &orders).await.is_empty());
}

async fn a_truncated_stream_begins_at_its_cut(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let append = |n: i32| Append::keyed(&orders, (n % 7).to_string(), format!("event {n}"));
    let first = store.commit(Commit::events((0..20).map(append).collect())).await.expect("committed");
    let cut = tail_cut(&*store, &orders).await.expect("there");
    let second = store.commit(Commit::events((20..40).map(append).collect())).await.expect("committed");
    store.truncate(&cut).await.expect("truncated");
    assert_eq!(head_cut(&*store, &orders).await.expect("there"), cut);
    let kept: Vec<_> =
        bounded_read(&*store, &orders).await.expect("read").into_iter().map(|(p, _)| p).collect();
    assert_eq!(kept.len(), 20);
    assert!(second.pointers.iter().all(|pointer| kept.contains(pointer)), "pointers stay as they were");
    for pointer in &first.pointers {
        assert_eq!(kind(store.event(pointer).await), ErrorKind::Truncated);
        assert_eq!(kind(store.read(&pointer.segment, pointer.offset, 100).await), ErrorKind::Truncated);
    }
    for pointer in &second.pointers {
        assert!(store.event(pointer).await.is_ok());
    }
    let back = StreamCut::of(&orders, first.pointers.iter().take(0).map(|p| (&p.segment, 0)));
    assert_eq!(kind(store.truncate(&back).await), ErrorKind::InvalidInput, "a cut names every segment");
    let mut zero = cut.clone();
    for (segment, _) in cut.offsets() {
        zero.advance(&segment, 0);
    }
    store.truncate(&zero).await.expect("an earlier cut changes nothing");
    assert_eq!(head_cut(&*store, &orders).await.expect("there"), cut);
    let tail = tail_cut(&*store, &orders).await.expect("there");
    store.truncate(&tail).await.expect("everything may go");
    assert!(texts(&*store, &orders).await.is_empty());
    let next = store.commit(Commit::events(vec![append(40)])).await.expect("committed").pointers[0].clone();
    assert_eq!(Some(next.offset), tail.offset(&next.segment), "offsets go on where they were");
}

async fn a_wrong_cut_is_refused_whole(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let (first, second) = (orders.segment(0), orders.segment(1));
    let appends = (0..20).map(|n| Append::keyed(&orders, n.to_string(), "event"));
    store.commit(Commit::events(appends.collect())).await.expect("committed");
    for (left, right) in [(13, 5), (13, 1 << 40), (0, 12)] {
        let cut = StreamCut::of(&orders, [(&first, left), (&second, right)]);
        assert_eq!(kind(store.truncate(&cut).await), ErrorKind::InvalidInput, "{cut}");
    }
    let strange = orders.segment(2);
    let cut = StreamCut::of(&orders, [(&first, 0), (&second, 0), (&strange, 0)]);
    assert_eq!(kind(store.truncate(&cut).await), ErrorKind::InvalidInput, "no such segment");
    let other = StreamId::new(SHOP, "other").expect("a right name");
    assert_eq!(kind(store.truncate(&StreamCut::of(&other, [])).await), ErrorKind::NotFound);
    assert_eq!(texts(&*store, &orders).await.len(), 20, "a refused cut moved no segment");
}

async fn tables_are_listed_and_deleted(store: Arc<impl StreamStore>) {
    let (a, b) = (table(&*store, "a").await, table(&*store, "b").await);
    stream(&*store, "c", 1).await;
    assert_eq!(store.tables(&a.scope).await.expect("listed"), [a.name.clone(), b.name.clone()]);
    let put = |condition| Commit::changes(vec![TableChange::put(&a, "k", condition, "v")]);
    let first = store.commit(put(Condition::Any)).await.expect("committed").versions[0];
    assert!(store.delete_table(&a).await.expect("deleted"));
    assert!(!store.delete_table(&a).await.expect("gone"));
    assert_eq!(kind(store.get(&a, b"k").await), ErrorKind::NotFound);
    assert_eq!(store.tables(&a.scope).await.expect("listed"), std::slice::from_ref(&b.name));
    assert!(store.create_table(&a).await.expect("made"));
    assert_eq!(store.get(&a, b"k").await.expect("read"), None, "nothing of the old one is in the new one");
    let second = store.commit(put(Condition::Absent)).await.expect("committed").versions[0];
    assert!(second > first, "no version comes twice");
    assert_eq!(kind(store.tables(&Scope::new("nowhere").expect("a right name")).await), ErrorKind::NotFound);
}

async fn an_empty_scope_can_be_deleted(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let positions = table(&*store, "positions").await;
    let scope = &orders.scope;
    assert_eq!(kind(store.delete_scope(scope).await), ErrorKind::InvalidInput, "it holds something");
    store.seal_stream(&orders).await.expect("sealed");
    store.delete_stream(&orders).await.expect("deleted");
    assert_eq!(kind(store.delete_scope(scope).await), ErrorKind::InvalidInput, "it holds a table");
    store.delete_table(&positions).await.expect("deleted");
    assert!(store.delete_scope(scope).await.expect("deleted"));
    assert!(!store.delete_scope(scope).await.expect("gone"));
    assert!(!store.scopes().await.expect("listed").contains(scope));
    assert_eq!(kind(store.streams(scope).await), ErrorKind::NotFound);
    assert!(store.create_scope(scope).await.expect("made"), "its name is free");
}

async fn a_closed_store_says_so(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    store.close().await.expect("closed");
    assert_eq!(kind(store.segments(&orders).await), ErrorKind::Closed);
    let append = Append::keyed(&orders, "k", "e");
    assert_eq!(kind(store.commit(Commit::events(vec![append])).await), ErrorKind::Closed);
}
