//! Cases for scopes and streams: creation, listing, sealing, truncation, deletion.

use super::fixture::{SHOP, commit_one, kind, stream, table, texts};
use crate::{
    Append, BoundedSegment, Commit, Condition, ErrorKind, Retention, Scope, SegmentInfo, StreamConfig,
    StreamCut, StreamId, StreamStore, TableChange, TableId, Tails, bounded_read, head_cut, tail_cut,
};
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn scopes_and_streams_are_created_and_listed(store: Arc<impl StreamStore>) {
    let scope = Scope::new(SHOP).expect("valid name");
    assert!(store.create_scope(&scope).await.expect("created"), "a new scope is reported as created");
    assert!(!store.create_scope(&scope).await.expect("exists"), "an existing scope is reported as such");
    let orders = StreamId::new(SHOP, "orders").expect("valid name");
    assert!(store.create_stream(&orders, StreamConfig::with_segments(3)).await.expect("created"));
    assert!(!store.create_stream(&orders, StreamConfig::with_segments(5)).await.expect("exists"));
    stream(&*store, "a", 1).await;
    let names: Vec<_> =
        store.streams(&scope).await.expect("listed").iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "orders"], "streams are listed in name order");
    assert!(store.scopes().await.expect("listed").contains(&scope));
    let segments = store.segments(&orders).await.expect("listed");
    assert_eq!(segments.len(), 3, "the first creation determines the segments");
    assert_eq!(segments[0].key_range.start, 0.0);
    assert_eq!(segments[2].key_range.end, 1.0);
    assert!(
        segments.windows(2).all(|pair| pair[0].key_range.end == pair[1].key_range.start),
        "key ranges are adjacent"
    );
    let none = StreamConfig::with_segments(0);
    assert_eq!(kind(store.create_stream(&orders, none).await), ErrorKind::InvalidInput);
}

pub(super) async fn missing_objects_are_not_found(store: Arc<impl StreamStore>) {
    let nowhere = StreamId::new("nowhere", "orders").expect("valid name");
    let config = StreamConfig::with_segments(1);
    assert_eq!(kind(store.create_stream(&nowhere, config).await), ErrorKind::NotFound, "no scope");
    assert_eq!(kind(store.streams(&nowhere.scope).await), ErrorKind::NotFound);
    let orders = stream(&*store, "orders", 1).await;
    let other = StreamId::new(SHOP, "other").expect("valid name");
    assert_eq!(kind(store.segments(&other).await), ErrorKind::NotFound);
    assert_eq!(kind(store.read(&orders.segment(7), 0, 100).await), ErrorKind::NotFound, "no such segment");
    assert_eq!(kind(store.wait_for_data(&other.segment(0), 0).await), ErrorKind::NotFound);
    let append = Append::keyed(&other, "k", "e");
    assert_eq!(kind(store.commit(Commit::events(vec![append])).await), ErrorKind::NotFound);
    let table = TableId::new(SHOP, "positions").expect("valid name");
    assert_eq!(kind(store.get(&table, b"k").await), ErrorKind::NotFound);
    assert_eq!(kind(store.scan(&table, b"", None, 1).await), ErrorKind::NotFound);
    let change = TableChange::put(&table, "k", Condition::Any, "v");
    assert_eq!(kind(store.commit(Commit::changes(vec![change])).await), ErrorKind::NotFound);
    let elsewhere = TableId::new("nowhere", "t").expect("valid name");
    assert_eq!(kind(store.create_table(&elsewhere).await), ErrorKind::NotFound);
}

pub(super) async fn sealed_stream_rejects_events(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 3).await;
    let open = store.stream(&orders).await.expect("exists");
    assert_eq!((open.config, open.sealed), (StreamConfig::with_segments(3), false));
    let append = || Commit::events(vec![Append::keyed(&orders, "k", "an event")]);
    let segment = commit_one(&*store, append()).await.segment;
    let tail = tail_cut(&*store, &orders).await.expect("exists").offset(&segment).expect("named");
    let waiting = {
        let (store, segment) = (Arc::clone(&store), segment.clone());
        tokio::spawn(async move { store.wait_for_data(&segment, tail).await })
    };
    tokio::task::yield_now().await;
    assert!(store.seal_stream(&orders).await.expect("sealed"), "it was not sealed before");
    assert!(!store.seal_stream(&orders).await.expect("sealed"), "now it was");
    assert_eq!(kind(waiting.await.expect("joined")), ErrorKind::Sealed, "a waiting reader gets Sealed");
    assert_eq!(kind(store.commit(append()).await), ErrorKind::Sealed);
    assert!(store.stream(&orders).await.expect("exists").sealed);
    store.wait_for_data(&segment, 0).await.expect("existing data needs no wait");
    assert_eq!(texts(&*store, &orders).await, ["an event"], "a sealed stream can be read");
    assert!(!store.create_stream(&orders, StreamConfig::with_segments(1)).await.expect("exists"));
    let other = StreamId::new(SHOP, "other").expect("valid name");
    assert_eq!(kind(store.seal_stream(&other).await), ErrorKind::NotFound);
    assert_eq!(kind(store.stream(&other).await), ErrorKind::NotFound);
}

pub(super) async fn recreated_stream_shares_nothing_with_the_deleted_one(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let other = stream(&*store, "other", 1).await;
    let append = |text: &'static str| Commit::events(vec![Append::keyed(&orders, "k", text)]);
    let old = commit_one(&*store, append("old")).await;
    store.commit(Commit::events(vec![Append::keyed(&other, "k", "kept")])).await.expect("committed");
    assert_eq!(
        kind(store.delete_stream(&orders).await),
        ErrorKind::InvalidInput,
        "only a sealed stream can be deleted"
    );
    store.seal_stream(&orders).await.expect("sealed");
    assert!(store.delete_stream(&orders).await.expect("deleted"));
    assert!(!store.delete_stream(&orders).await.expect("already deleted"));
    assert_eq!(kind(store.segments(&orders).await), ErrorKind::NotFound);
    assert_eq!(kind(store.event(&old).await), ErrorKind::NotFound);
    assert_eq!(kind(store.commit(append("lost")).await), ErrorKind::NotFound);
    assert_eq!(store.streams(&orders.scope).await.expect("listed"), std::slice::from_ref(&other.name));
    assert!(store.create_stream(&orders, StreamConfig::with_segments(3)).await.expect("created"));
    assert!(texts(&*store, &orders).await.is_empty(), "the new one is empty");
    let new = commit_one(&*store, append("new")).await;
    assert!(new.segment != old.segment, "its segments have other ids");
    assert_eq!(store.event(&new).await.expect("found"), "new");
    assert_eq!(
        kind(store.event(&old).await),
        ErrorKind::NotFound,
        "an old pointer does not resolve to a new event"
    );
    assert_eq!(kind(store.read(&old.segment, 0, 100).await), ErrorKind::NotFound);
    assert_eq!(texts(&*store, &orders).await, ["new"]);
    assert_eq!(texts(&*store, &other).await, ["kept"], "the other stream is unchanged");
}

pub(super) async fn recreated_stream_has_a_higher_epoch(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    for round in 0..3 {
        let segments = store.segments(&orders).await.expect("listed");
        let ids: Vec<_> = segments.iter().map(|info| (info.id.number, info.id.epoch)).collect();
        assert_eq!(ids, [(0, round), (1, round)]);
        store.seal_stream(&orders).await.expect("sealed");
        store.delete_stream(&orders).await.expect("deleted");
        stream(&*store, "orders", 2).await;
    }
}

pub(super) async fn truncated_stream_starts_at_its_cut(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let append = |n: i32| Append::keyed(&orders, (n % 7).to_string(), format!("event {n}"));
    let first = store.commit(Commit::events((0..20).map(append).collect())).await.expect("committed");
    let cut = tail_cut(&*store, &orders).await.expect("exists");
    let second = store.commit(Commit::events((20..40).map(append).collect())).await.expect("committed");
    store.truncate(&cut).await.expect("truncated");
    assert_eq!(head_cut(&*store, &orders).await.expect("exists"), cut);
    let retained: Vec<_> =
        bounded_read(&*store, &orders).await.expect("read").into_iter().map(|(p, _)| p).collect();
    assert_eq!(retained.len(), 20);
    assert!(second.pointers.iter().all(|pointer| retained.contains(&pointer)), "pointers are unchanged");
    for pointer in first.pointers.iter() {
        assert_eq!(kind(store.event(&pointer).await), ErrorKind::Truncated);
        assert_eq!(kind(store.read(&pointer.segment, pointer.offset, 100).await), ErrorKind::Truncated);
    }
    for pointer in second.pointers.iter() {
        assert!(store.event(&pointer).await.is_ok());
    }
    let empty = StreamCut::of(&orders, []);
    assert_eq!(kind(store.truncate(&empty).await), ErrorKind::InvalidInput, "a cut must name every segment");
    let mut zero = cut.clone();
    for (segment, _) in cut.offsets() {
        zero.advance(&segment, 0);
    }
    store.truncate(&zero).await.expect("an earlier cut has no effect");
    assert_eq!(head_cut(&*store, &orders).await.expect("exists"), cut);
    let tail = tail_cut(&*store, &orders).await.expect("exists");
    store.truncate(&tail).await.expect("all events can be truncated");
    assert!(texts(&*store, &orders).await.is_empty());
    let next = commit_one(&*store, Commit::events(vec![append(40)])).await;
    assert_eq!(Some(next.offset), tail.offset(&next.segment), "offsets continue at the old tail");
}

pub(super) async fn invalid_cut_is_rejected_atomically(store: Arc<impl StreamStore>) {
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
    let other = StreamId::new(SHOP, "other").expect("valid name");
    assert_eq!(kind(store.truncate(&StreamCut::of(&other, [])).await), ErrorKind::NotFound);
    assert_eq!(texts(&*store, &orders).await.len(), 20, "a rejected cut truncates no segment");
}

pub(super) async fn only_an_empty_scope_can_be_deleted(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let positions = table(&*store, "positions").await;
    let scope = &orders.scope;
    assert_eq!(kind(store.delete_scope(scope).await), ErrorKind::InvalidInput, "it contains a stream");
    store.seal_stream(&orders).await.expect("sealed");
    store.delete_stream(&orders).await.expect("deleted");
    assert_eq!(kind(store.delete_scope(scope).await), ErrorKind::InvalidInput, "it contains a table");
    store.delete_table(&positions).await.expect("deleted");
    assert!(store.delete_scope(scope).await.expect("deleted"));
    assert!(!store.delete_scope(scope).await.expect("already deleted"));
    assert!(!store.scopes().await.expect("listed").contains(scope));
    assert_eq!(kind(store.streams(scope).await), ErrorKind::NotFound);
    assert!(store.create_scope(scope).await.expect("created"), "its name can be reused");
}

pub(super) async fn closed_store_returns_closed(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    store.close().await.expect("closed");
    assert_eq!(kind(store.segments(&orders).await), ErrorKind::Closed);
    let append = Append::keyed(&orders, "k", "e");
    assert_eq!(kind(store.commit(Commit::events(vec![append])).await), ErrorKind::Closed);
}

pub(super) async fn retention_can_be_updated(store: Arc<impl StreamStore>) {
    let orders = StreamId::new(SHOP, "orders").expect("valid name");
    store.create_scope(&orders.scope).await.expect("created");
    let day = Retention { age: Some(Duration::from_secs(86_400)), bytes: None };
    let gibibyte = Retention { age: None, bytes: Some(1 << 30) };
    let config = StreamConfig::with_segments(2);
    store.create_stream(&orders, config.retention(day)).await.expect("created");
    assert_eq!(store.stream(&orders).await.expect("exists").config, config.retention(day));
    store.update_stream(&orders, config.retention(gibibyte)).await.expect("updated");
    assert_eq!(store.stream(&orders).await.expect("exists").config, config.retention(gibibyte));
    store.update_stream(&orders, config).await.expect("updated");
    assert_eq!(store.stream(&orders).await.expect("exists").config, config);
    let more = StreamConfig::with_segments(3);
    assert_eq!(
        kind(store.update_stream(&orders, more).await),
        ErrorKind::InvalidInput,
        "the number of segments is fixed"
    );
    let other = StreamId::new(SHOP, "other").expect("valid name");
    assert_eq!(kind(store.update_stream(&other, config).await), ErrorKind::NotFound);
}

pub(super) async fn retention_combines_age_and_size(store: Arc<impl StreamStore>) {
    let orders = StreamId::new(SHOP, "orders").expect("valid name");
    store.create_scope(&orders.scope).await.expect("created");
    let both = Retention { age: Some(Duration::from_secs(86_400)), bytes: Some(1 << 30) };
    let config = StreamConfig::with_segments(2).retention(both);
    store.create_stream(&orders, config).await.expect("created");
    assert_eq!(store.stream(&orders).await.expect("exists").config, config);
}

pub(super) async fn cut_at_time_skips_no_later_event(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    for key in ["a", "key-1", "a"] {
        let append = Append::keyed(&orders, key, "an event");
        store.commit(Commit::events(vec![append])).await.expect("committed");
    }
    // the clock is the backend's own, so only the extremes are known here
    let head = head_cut(&*store, &orders).await.expect("exists");
    let tail = tail_cut(&*store, &orders).await.expect("exists");
    let never = Duration::from_secs(1 << 40);
    assert_eq!(store.cut_at(&orders, Duration::ZERO).await.expect("a cut"), head);
    assert_eq!(store.cut_at(&orders, never).await.expect("a cut"), tail);
    store.truncate(&tail).await.expect("truncated");
    assert_eq!(store.cut_at(&orders, Duration::ZERO).await.expect("a cut"), tail, "no earlier than the head");
    let other = StreamId::new(SHOP, "other").expect("valid name");
    assert_eq!(kind(store.cut_at(&other, never).await), ErrorKind::NotFound);
}

/// Returns the bytes of a stream's readable events.
fn readable_bytes(segments: &[SegmentInfo]) -> u64 {
    segments.iter().map(|segment| segment.tail - segment.head).sum()
}

pub(super) async fn tails_of_many_streams_are_of_one_moment(store: Arc<impl StreamStore>) {
    const COMMITS: usize = 60;
    let left = stream(&*store, "left", 2).await;
    let right = stream(&*store, "right", 3).await;
    let streams = [left.clone(), right.clone()];
    let writer = {
        let (store, left, right) = (Arc::clone(&store), left.clone(), right.clone());
        tokio::spawn(async move {
            for n in 0..COMMITS {
                // each event has another length, so that equal lengths are equal events
                let event = |stream, key: usize| Append::keyed(stream, key.to_string(), "e".repeat(n + 1));
                let appends =
                    vec![event(&left, n), event(&left, n + 7), event(&right, n), event(&right, 3 * n)];
                store.commit(Commit::events(appends)).await.expect("committed");
                tokio::task::yield_now().await;
            }
        })
    };
    let mut previous: Option<Tails> = None;
    while !writer.is_finished() {
        let tails = store.tails(&streams).await.expect("listed");
        let [left, right] = <[_; 2]>::try_from(tails.streams.clone()).expect("one list per stream");
        if tails.exact {
            let both = (readable_bytes(&left), readable_bytes(&right));
            assert_eq!(both.0, both.1, "a commit is before the tails of both streams or of none");
        }
        let offsets =
            |tails: &Tails| -> Vec<u64> { tails.streams.iter().flatten().map(|s| s.tail).collect() };
        if let Some(previous) = previous.replace(tails.clone()) {
            let is_later = offsets(&previous).iter().zip(offsets(&tails)).all(|(before, now)| *before <= now);
            assert!(is_later, "tails do not move back");
        }
        tokio::task::yield_now().await;
    }
    writer.await.expect("joined");
    let tails = store.tails(&streams).await.expect("listed");
    assert!(tails.exact, "nobody writes any more");
    for (stream, segments) in streams.iter().zip(&tails.streams) {
        assert_eq!(store.segments(stream).await.expect("listed"), *segments);
        let mut lengths = Vec::new();
        for mut reader in BoundedSegment::between_cuts(segments.clone(), None, None).expect("no cuts") {
            while let Some(chunk) = reader.next(&*store, 1 << 20).await.expect("read") {
                lengths.extend(chunk.events.iter().map(|(_, event)| event.len()));
            }
        }
        lengths.sort_unstable();
        assert!(
            lengths.into_iter().eq((1..=COMMITS).flat_map(|length| [length; 2])),
            "{stream} has all events"
        );
    }
}

pub(super) async fn tails_name_missing_streams(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let one = StreamId::new(SHOP, "missing-1").expect("valid name");
    let two = StreamId::new("nowhere", "missing-2").expect("valid name");
    for (streams, missing) in [
        (vec![one.clone()], &one),
        (vec![orders.clone(), one.clone(), two.clone()], &one),
        (vec![two.clone(), orders.clone(), one.clone()], &two),
    ] {
        let error = store.tails(&streams).await.expect_err("must be rejected");
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(
            error.to_string().contains(&missing.to_string()),
            "the first missing stream is named: {error}"
        );
    }
    let none = store.tails(&[]).await.expect("listed");
    assert!(none.exact && none.streams.is_empty(), "no streams have no segments");
    let twice = store.tails(&[orders.clone(), orders.clone()]).await.expect("listed");
    assert_eq!(twice.streams, vec![store.segments(&orders).await.expect("listed"); 2]);
}
