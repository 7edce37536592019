//! Cases for tables (conditions, versions, order), and for commits of events and table changes.

use super::fixture::{kind, stream, table, texts};
use crate::{Append, Commit, Condition, ErrorKind, Positions, Scope, StreamStore, TableChange, head_cut};
use std::sync::Arc;

pub(super) async fn table_conditions_are_checked(store: Arc<impl StreamStore>) {
    let table = table(&*store, "positions").await;
    assert!(!store.create_table(&table).await.expect("exists"));
    assert_eq!(store.get(&table, b"k").await.expect("read"), None);
    let put = |condition, value: &'static str| {
        let commit = Commit::changes(vec![TableChange::put(&table, "k", condition, value)]);
        let store = Arc::clone(&store);
        async move { store.commit(commit).await.map(|done| done.versions[0]) }
    };
    let first = put(Condition::Absent, "one").await.expect("absent");
    assert_eq!(kind(put(Condition::Absent, "two").await), ErrorKind::Conflict);
    let second = put(Condition::At(first), "two").await.expect("at its version");
    assert!(second > first, "versions increase");
    assert_eq!(
        kind(put(Condition::At(first), "three").await),
        ErrorKind::Conflict,
        "a stale version is rejected"
    );
    let entry = store.get(&table, b"k").await.expect("read").expect("exists");
    assert_eq!((entry.value, entry.version), ("two".into(), second));
    let remove = TableChange::remove(&table, "k", Condition::At(second));
    store.commit(Commit::changes(vec![remove])).await.expect("removed");
    assert_eq!(store.get(&table, b"k").await.expect("read"), None);
    assert!(put(Condition::Any, "four").await.expect("any") > second, "versions are not reused");
    let twice = TableChange::put(&table, "x", Condition::Any, "1");
    assert_eq!(
        kind(store.commit(Commit::changes(vec![twice.clone(), twice])).await),
        ErrorKind::InvalidInput
    );
}

pub(super) async fn table_scans_are_ordered_and_paged(store: Arc<impl StreamStore>) {
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
    assert_eq!(list("a/", Some("a"), 1).await, ["a/1"], "`after` before the prefix has no effect");
    assert!(list("x", None, 2).await.is_empty());
}

pub(super) async fn tables_are_listed_and_deleted(store: Arc<impl StreamStore>) {
    let (a, b) = (table(&*store, "a").await, table(&*store, "b").await);
    stream(&*store, "c", 1).await;
    assert_eq!(store.tables(&a.scope).await.expect("listed"), [a.name.clone(), b.name.clone()]);
    let put = |condition| Commit::changes(vec![TableChange::put(&a, "k", condition, "v")]);
    let first = store.commit(put(Condition::Any)).await.expect("committed").versions[0];
    assert!(store.delete_table(&a).await.expect("deleted"));
    assert!(!store.delete_table(&a).await.expect("already deleted"));
    assert_eq!(kind(store.get(&a, b"k").await), ErrorKind::NotFound);
    assert_eq!(store.tables(&a.scope).await.expect("listed"), std::slice::from_ref(&b.name));
    assert!(store.create_table(&a).await.expect("created"));
    assert_eq!(store.get(&a, b"k").await.expect("read"), None, "the new one is empty");
    let second = store.commit(put(Condition::Absent)).await.expect("committed").versions[0];
    assert!(second > first, "versions are not reused");
    assert_eq!(kind(store.tables(&Scope::new("nowhere").expect("valid name")).await), ErrorKind::NotFound);
}

pub(super) async fn commit_is_atomic(store: Arc<impl StreamStore>) {
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
    assert_eq!(texts(&*store, &orders).await, ["an order"], "a rejected commit writes no event");
    assert_eq!(texts(&*store, &lines).await, ["its line"]);
    let free = store.get(&positions, b"free").await.expect("read").expect("exists");
    assert_eq!(free.version, done.versions[0], "a rejected commit changes no key");
}

pub(super) async fn concurrent_updates_are_not_lost(store: Arc<impl StreamStore>) {
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
    let count = store.get(&counter, b"n").await.expect("read").expect("exists");
    assert_eq!(count.value, "100", "no update is lost");
    assert_eq!(texts(&*store, &orders).await.len(), 100, "one event per update");
}

pub(super) async fn reader_position_is_updated_by_compare_and_set(store: Arc<impl StreamStore>) {
    let orders = stream(&*store, "orders", 2).await;
    let shared: Arc<dyn StreamStore> = store.clone();
    let positions = Positions::open(shared, &orders.scope).await.expect("opened");
    let begin = positions.load("billing", &orders).await.expect("read");
    assert_eq!(begin.cut, None, "a new reader has no position");
    let head = head_cut(&*store, &orders).await.expect("exists");
    let saved = positions.save(&begin, &head).await.expect("saved");
    assert_eq!(positions.load("billing", &orders).await.expect("read"), saved);
    assert_eq!(
        kind(positions.save(&begin, &head).await),
        ErrorKind::Conflict,
        "the position was updated concurrently"
    );
    assert_eq!(
        positions.load("mail", &orders).await.expect("read").cut,
        None,
        "each reader has its own position"
    );

    // processing and saving the position are one commit
    let append = Append::keyed(&orders, "k", "an event");
    let mut commit = Commit::events(vec![append]);
    commit.changes = vec![positions.change(&saved, &head).expect("a change")];
    store.commit(commit.clone()).await.expect("committed");
    assert_eq!(kind(store.commit(commit).await), ErrorKind::Conflict, "the position has changed");
    assert_eq!(texts(&*store, &orders).await.len(), 1);

    let other = stream(&*store, "other", 2).await;
    let elsewhere = head_cut(&*store, &other).await.expect("exists");
    assert_eq!(kind(positions.save(&saved, &elsewhere).await), ErrorKind::InvalidInput);
    assert_eq!(kind(positions.load("", &orders).await), ErrorKind::InvalidInput);
}
