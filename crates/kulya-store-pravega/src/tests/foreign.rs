//! A Pravega that others own: reading makes nothing and needs no right to write, and what is ours is under our own names.

use super::fake::FakePravega;
use super::{open, stream};
use kulya_store::{
    Append, Commit, Condition, ErrorKind, Scope, StreamConfig, StreamId, StreamName, StreamStore,
    TableChange, TableId, bounded_read,
};

fn registry() -> TableId {
    TableId::system("_schemaregistry", "registry").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_makes_nothing() {
    let pravega = FakePravega::start().await;
    let theirs = open(&pravega, 1).await;
    let orders = stream(&theirs, "orders", 2).await;
    theirs.commit(Commit::events(vec![Append::keyed(&orders, "k", "theirs")])).await.unwrap();
    theirs.create_scope(&Scope::new("empty").unwrap()).await.unwrap();
    pravega.with(|held| held.scopes.extend(["_system".to_owned(), "_schemaregistry".to_owned()]));
    pravega.calls();

    let store = open(&pravega, 2).await;
    let scopes: Vec<String> = store.scopes().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(scopes, ["empty", "shop"], "system scopes of others are not ours");
    assert_eq!(bounded_read(&*store, &orders).await.unwrap().len(), 1);
    store.stream(&orders).await.unwrap();
    assert_eq!(store.streams(&orders.scope).await.unwrap(), std::slice::from_ref(&orders.name));
    assert_eq!(store.tables(&orders.scope).await.unwrap(), []);
    assert_eq!(store.get(&registry(), b"k").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.scan(&registry(), b"", None, 10).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(store.last_event_number(kulya_store::WriterId(1)).await.unwrap(), None);
    let calls = pravega.calls();
    let writing = |call: &&String| {
        ["create", "update", "seal", "delete", "truncate"].iter().any(|w| call.starts_with(w))
    };
    assert_eq!(calls.iter().filter(writing).collect::<Vec<_>>(), Vec::<&String>::new());
    // with access 2 to 5 Pravega makes a token for writing, and refuses who may only read
    let segments: Vec<_> = calls.iter().filter(|call| call.starts_with("getCurrentSegments")).collect();
    assert!(!segments.is_empty() && segments.iter().all(|call| call.contains("access 1 ")), "{segments:?}");
    pravega.with(|held| assert_eq!(held.scopes.len(), 4, "{:?}", held.scopes));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_commit_that_needs_a_journal_makes_it_and_all_see_it() {
    let pravega = FakePravega::start().await;
    let (one, two) = (open(&pravega, 1).await, open(&pravega, 2).await);
    let orders = stream(&one, "orders", 1).await;
    let table = TableId::new("shop", "t").unwrap();
    assert_eq!(two.get(&table, b"k").await.unwrap_err().kind(), ErrorKind::NotFound);
    let (left, right) = tokio::join!(one.create_table(&table), two.create_table(&table));
    assert!(left.unwrap() != right.unwrap(), "one of them made it");
    let commit = Commit {
        appends: vec![Append::keyed(&orders, "k", "both")],
        ..Commit::changes(vec![TableChange::put(&table, "k", Condition::Absent, "1")])
    };
    two.commit(commit).await.unwrap();
    assert_eq!(one.get(&table, b"k").await.unwrap().unwrap().value, "1");
    assert_eq!(bounded_read(&*one, &orders).await.unwrap().len(), 1);
}

/// `_schemaregistry` in Pravega is the Java registry's: ours stands beside it.
#[tokio::test(flavor = "multi_thread")]
async fn the_java_registrys_scope_is_left_alone() {
    let pravega = FakePravega::start().await;
    pravega.with(|held| held.scopes.insert("_schemaregistry".to_owned()));
    let store = open(&pravega, 1).await;
    let table = registry();
    assert!(store.create_scope(&table.scope).await.unwrap(), "ours was not there");
    store.create_table(&table).await.unwrap();
    let feed = StreamId { scope: table.scope.clone(), name: StreamName::new("changes").unwrap() };
    store.create_stream(&feed, StreamConfig::with_segments(1)).await.unwrap();
    store.commit(Commit::events(vec![Append::keyed(&feed, "", "line")])).await.unwrap();
    pravega.with(|held| {
        let of_java: Vec<_> = held.streams.keys().filter(|(scope, _)| scope == "_schemaregistry").collect();
        assert!(of_java.is_empty(), "{of_java:?}");
        assert!(held.scopes.contains("_kulya.schemaregistry"), "{:?}", held.scopes);
    });
    for store in [&store, &open(&pravega, 2).await] {
        let scopes: Vec<String> = store.scopes().await.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(scopes, ["_kulya", "_schemaregistry"]);
        assert_eq!(bounded_read(&**store, &feed).await.unwrap().len(), 1);
        assert_eq!(store.streams(&table.scope).await.unwrap(), std::slice::from_ref(&feed.name));
    }
}

/// A store that an earlier version made has the registry under the plain name, and goes on there.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_an_earlier_version_opens() {
    let pravega = FakePravega::start().await;
    let table = registry();
    let feed = StreamId { scope: table.scope.clone(), name: StreamName::new("changes").unwrap() };
    {
        let earlier = open(&pravega, 1).await;
        earlier.inner.controller.keep_name_of(&table.scope);
        earlier.create_scope(&table.scope).await.unwrap();
        earlier.create_table(&table).await.unwrap();
        earlier.create_stream(&feed, StreamConfig::with_segments(1)).await.unwrap();
        let change = TableChange::put(&table, "k", Condition::Absent, "1");
        let appends = vec![Append::keyed(&feed, "", "line")];
        earlier.commit(Commit { appends, ..Commit::changes(vec![change]) }).await.unwrap();
    }
    pravega.with(|held| assert!(held.scopes.contains("_schemaregistry"), "{:?}", held.scopes));
    let store = open(&pravega, 2).await;
    assert!(!store.create_scope(&table.scope).await.unwrap());
    assert_eq!(store.get(&table, b"k").await.unwrap().unwrap().value, "1");
    assert_eq!(bounded_read(&*store, &feed).await.unwrap().len(), 1);
    let scopes: Vec<String> = store.scopes().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(scopes, ["_kulya", "_schemaregistry"]);
    pravega.with(|held| assert!(!held.scopes.contains("_kulya.schemaregistry"), "{:?}", held.scopes));
}
