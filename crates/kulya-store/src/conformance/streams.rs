//! Scopes and streams: made, listed, sealed, truncated, ended.

use super::{SHOP, committed, kind, stream, table, texts};
use crate::{
    Append, Commit, Condition, ErrorKind, Retention, Scope, StreamConfig, StreamCut, StreamId, StreamStore,
    TableChange, TableId, bounded_read, head_cut, tail_cut,
};
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn scopes_and_streams_are_listed(store: Arc<impl StreamStore>) {
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

pub(super) async fn what_is_not_there_is_not_found(store: Arc<impl StreamStore>) {
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

pub(super) async fn a_sealed_stream_takes_no_events(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 3).await;
    let open = store.stream(&orders).await.expect("there");
    assert_eq!((open.config, open.sealed), (StreamConfig::with_segments(3), false));
    let append = || Commit::events(vec![Append::keyed(&orders, "k", "an event")]);
    let segment = committed(&*store, append()).await.segment;
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

pub(super) async fn a_deleted_stream_comes_back_as_another(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let other = stream(&*store, "other", 1).await;
    let append = |text: &'static str| Commit::events(vec![Append::keyed(&orders, "k", text)]);
    let old = committed(&*store, append("old")).await;
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
    let new = committed(&*store, append("new")).await;
    assert!(new.segment != old.segment, "its segments are other ones");
    assert_eq!(store.event(&new).await.expect("found"), "new");
    assert_eq!(kind(store.event(&old).await), ErrorKind::NotFound, "an old pointer finds no new event");
    assert_eq!(kind(store.read(&old.segment, 0, 100).await), ErrorKind::NotFound);
    assert_eq!(texts(&*store, &orders).await, ["new"]);
    assert_eq!(texts(&*store, &other).await, ["kept"], "its neighbour is as it was");
}

pub(super) async fn a_remade_streams_segments_have_a_higher_epoch(store: Arc<impl StreamStore>) {
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

pub(super) async fn a_truncated_stream_begins_at_its_cut(store: Arc<impl StreamStore>) {
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
    assert!(second.pointers.iter().all(|pointer| kept.contains(&pointer)), "pointers stay as they were");
    for pointer in first.pointers.iter() {
        assert_eq!(kind(store.event(&pointer).await), ErrorKind::Truncated);
        assert_eq!(kind(store.read(&pointer.segment, pointer.offset, 100).await), ErrorKind::Truncated);
    }
    for pointer in second.pointers.iter() {
        assert!(store.event(&pointer).await.is_ok());
    }
    let back = StreamCut::of(&orders, []);
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
    let next = committed(&*store, Commit::events(vec![append(40)])).await;
    assert_eq!(Some(next.offset), tail.offset(&next.segment), "offsets go on where they were");
}

pub(super) async fn a_wrong_cut_is_refused_whole(store: Arc<impl StreamStore>) {
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

pub(super) async fn an_empty_scope_can_be_deleted(store: Arc<impl StreamStore>) {
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

pub(super) async fn a_closed_store_says_so(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    store.close().await.expect("closed");
    assert_eq!(kind(store.segments(&orders).await), ErrorKind::Closed);
    let append = Append::keyed(&orders, "k", "e");
    assert_eq!(kind(store.commit(Commit::events(vec![append])).await), ErrorKind::Closed);
}

pub(super) async fn a_stream_is_kept_as_it_was_last_told(store: Arc<impl StreamStore>) {
    let orders = StreamId::new(SHOP, "orders").expect("a right name");
    store.create_scope(&orders.scope).await.expect("made");
    let day = Retention { age: Some(Duration::from_secs(86_400)), bytes: None };
    let gibibyte = Retention { age: None, bytes: Some(1 << 30) };
    let config = StreamConfig::with_segments(2);
    store.create_stream(&orders, config.retention(day)).await.expect("made");
    assert_eq!(store.stream(&orders).await.expect("there").config, config.retention(day));
    store.update_stream(&orders, config.retention(gibibyte)).await.expect("updated");
    assert_eq!(store.stream(&orders).await.expect("there").config, config.retention(gibibyte));
    store.update_stream(&orders, config).await.expect("updated");
    assert_eq!(store.stream(&orders).await.expect("there").config, config);
    let more = StreamConfig::with_segments(3);
    assert_eq!(kind(store.update_stream(&orders, more).await), ErrorKind::InvalidInput, "segments stay");
    let other = StreamId::new(SHOP, "other").expect("a right name");
    assert_eq!(kind(store.update_stream(&other, config).await), ErrorKind::NotFound);
}

pub(super) async fn a_stream_is_kept_by_age_and_size_at_once(store: Arc<impl StreamStore>) {
    let orders = StreamId::new(SHOP, "orders").expect("a right name");
    store.create_scope(&orders.scope).await.expect("made");
    let both = Retention { age: Some(Duration::from_secs(86_400)), bytes: Some(1 << 30) };
    let config = StreamConfig::with_segments(2).retention(both);
    store.create_stream(&orders, config).await.expect("made");
    assert_eq!(store.stream(&orders).await.expect("there").config, config);
}

pub(super) async fn a_cut_at_a_time_leaves_nothing_out(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    for key in ["a", "key-1", "a"] {
        let append = Append::keyed(&orders, key, "an event");
        store.commit(Commit::events(vec![append])).await.expect("committed");
    }
    // the clock is the backend's own: only the two ends of time are known here
    let head = head_cut(&*store, &orders).await.expect("there");
    let tail = tail_cut(&*store, &orders).await.expect("there");
    let never = Duration::from_secs(1 << 40);
    assert_eq!(store.cut_at(&orders, Duration::ZERO).await.expect("a cut"), head);
    assert_eq!(store.cut_at(&orders, never).await.expect("a cut"), tail);
    store.truncate(&tail).await.expect("truncated");
    assert_eq!(store.cut_at(&orders, Duration::ZERO).await.expect("a cut"), tail, "no earlier than the head");
    let other = StreamId::new(SHOP, "other").expect("a right name");
    assert_eq!(kind(store.cut_at(&other, never).await), ErrorKind::NotFound);
}
