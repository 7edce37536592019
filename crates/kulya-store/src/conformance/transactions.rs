//! Cases for transactions: they become visible as a whole or not at all.

use super::fixture::{kind, stream, table, texts};
use crate::{
    Append, Commit, Condition, ErrorKind, Outcome, StreamConfig, StreamStore, TableChange, TransactionId,
    bounded_read,
};
use std::sync::Arc;

pub(super) async fn transaction_becomes_visible_at_commit(store: Arc<impl StreamStore>) {
    let (orders, lines) = (stream(&*store, "orders", 2).await, stream(&*store, "lines", 1).await);
    let positions = table(&*store, "positions").await;
    let mut transaction = store.begin().await.expect("began");
    for n in 0..10 {
        let appends = vec![
            Append::keyed(&orders, "k", format!("order {n}")),
            Append::unkeyed(&lines, format!("line {n}")),
        ];
        transaction.stage(appends).await.expect("staged");
    }
    assert!(texts(&*store, &orders).await.is_empty(), "staged events are invisible");
    let change = TableChange::put(&positions, "source", Condition::Absent, "42");
    let done = transaction.commit(vec![change]).await.expect("committed");
    assert_eq!(done.versions.len(), 1);
    assert_eq!(texts(&*store, &orders).await, (0..10).map(|n| format!("order {n}")).collect::<Vec<_>>());
    assert_eq!(texts(&*store, &lines).await, (0..10).map(|n| format!("line {n}")).collect::<Vec<_>>());
    assert!(store.get(&positions, b"source").await.expect("read").is_some());
    let read = bounded_read(&*store, &orders).await.expect("read");
    for (pointer, event) in read {
        assert_eq!(store.event(&pointer).await.expect("found"), event, "pointers read staged events");
    }
}

pub(super) async fn dropped_transaction_leaves_nothing(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let mut dropped = store.begin().await.expect("began");
    dropped.stage(vec![Append::keyed(&orders, "k", "never")]).await.expect("staged");
    drop(dropped);
    let mut aborted = store.begin().await.expect("began");
    aborted.stage(vec![Append::keyed(&orders, "k", "never")]).await.expect("staged");
    aborted.abort().await.expect("aborted");
    store.commit(Commit::events(vec![Append::keyed(&orders, "k", "after")])).await.expect("committed");
    let read = bounded_read(&*store, &orders).await.expect("read");
    assert_eq!((read.len(), read[0].0.offset), (1, 0), "an aborted transaction uses no offsets");
}

pub(super) async fn transaction_with_failed_condition_leaves_nothing(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let positions = table(&*store, "positions").await;
    let put = || TableChange::put(&positions, "source", Condition::Absent, "1");
    store.commit(Commit::changes(vec![put()])).await.expect("committed");
    let mut transaction = store.begin().await.expect("began");
    transaction.stage(vec![Append::keyed(&orders, "k", "never")]).await.expect("staged");
    assert_eq!(kind(transaction.commit(vec![put()]).await), ErrorKind::Conflict);
    assert!(texts(&*store, &orders).await.is_empty());
}

pub(super) async fn transactions_and_commits_interleave(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let append = |text: &str| vec![Append::keyed(&orders, "k", text.to_owned())];
    let (mut one, mut two) = (store.begin().await.expect("began"), store.begin().await.expect("began"));
    one.stage(append("one a")).await.expect("staged");
    two.stage(append("two a")).await.expect("staged");
    store.commit(Commit::events(append("direct"))).await.expect("committed");
    one.stage(append("one b")).await.expect("staged");
    two.commit(Vec::new()).await.expect("committed");
    one.commit(Vec::new()).await.expect("committed");
    assert_eq!(
        texts(&*store, &orders).await,
        ["direct", "two a", "one a", "one b"],
        "the order is that of the commits"
    );
}

pub(super) async fn transaction_outcome_is_remembered(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 1).await;
    let positions = table(&*store, "positions").await;
    let mut transaction = store.begin().await.expect("began");
    let id = transaction.id();
    assert_eq!(store.outcome(id).await.expect("looked up"), Outcome::Open);
    transaction.stage(vec![Append::keyed(&orders, "k", "an event")]).await.expect("staged");
    assert_eq!(store.outcome(id).await.expect("looked up"), Outcome::Open);
    let change = TableChange::put(&positions, "p", Condition::Absent, "1");
    let done = transaction.commit(vec![change]).await.expect("committed");
    assert_eq!(store.outcome(id).await.expect("looked up"), Outcome::Committed(done), "the same receipt");
    let empty = store.begin().await.expect("began");
    let empty_id = empty.id();
    assert!(empty_id != id, "ids are not reused");
    empty.commit(Vec::new()).await.expect("an empty transaction commits");
    assert!(matches!(store.outcome(empty_id).await.expect("looked up"), Outcome::Committed(_)));
    let mut aborted = store.begin().await.expect("began");
    let aborted_id = aborted.id();
    aborted.stage(vec![Append::keyed(&orders, "k", "never")]).await.expect("staged");
    aborted.abort().await.expect("aborted");
    assert_eq!(store.outcome(aborted_id).await.expect("looked up"), Outcome::Unknown);
    assert_eq!(store.outcome(TransactionId(u128::MAX)).await.expect("looked up"), Outcome::Unknown);
}

pub(super) async fn sealing_or_deleting_a_stream_fails_open_transactions(store: Arc<impl StreamStore>) {
    let (orders, lines) = (stream(&*store, "orders", 1).await, stream(&*store, "lines", 1).await);
    let both = || vec![Append::keyed(&lines, "k", "a line"), Append::keyed(&orders, "k", "an order")];
    let (mut one, mut two) = (store.begin().await.expect("began"), store.begin().await.expect("began"));
    one.stage(both()).await.expect("staged");
    two.stage(both()).await.expect("staged");
    store.seal_stream(&orders).await.expect("sealed");
    assert_eq!(kind(one.commit(Vec::new()).await), ErrorKind::Sealed);
    store.delete_stream(&orders).await.expect("deleted");
    store.create_stream(&orders, StreamConfig::with_segments(1)).await.expect("created");
    assert_eq!(kind(two.commit(Vec::new()).await), ErrorKind::NotFound, "the stream was deleted");
    assert!(texts(&*store, &lines).await.is_empty(), "a failed transaction writes nothing");
    assert!(texts(&*store, &orders).await.is_empty());
}
