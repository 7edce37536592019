//! A Pravega shared with other programs: reads create nothing and need no write permission, and our scopes
//! have names of their own.

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
async fn reads_create_nothing() {
    let pravega = FakePravega::start().await;
    let other = open(&pravega, 1).await;
    let orders = stream(&other, "orders", 2).await;
    other.commit(Commit::events(vec![Append::keyed(&orders, "k", "theirs")])).await.unwrap();
    other.create_scope(&Scope::new("empty").unwrap()).await.unwrap();
    pravega.with(|state| state.scopes.extend(["_system".to_owned(), "_schemaregistry".to_owned()]));
    pravega.calls();

    let store = open(&pravega, 2).await;
    let scopes: Vec<String> = store.scopes().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(scopes, ["empty", "shop"], "system scopes of other programs are not listed");
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
    // with access 2 to 5 Pravega issues a token for writing, and rejects read-only clients
    let segments: Vec<_> = calls.iter().filter(|call| call.starts_with("getCurrentSegments")).collect();
    assert!(!segments.is_empty() && segments.iter().all(|call| call.contains("access 1 ")), "{segments:?}");
    pravega.with(|state| assert_eq!(state.scopes.len(), 4, "{:?}", state.scopes));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_commit_that_needs_a_journal_creates_it_for_all() {
    let pravega = FakePravega::start().await;
    let (one, two) = (open(&pravega, 1).await, open(&pravega, 2).await);
    let orders = stream(&one, "orders", 1).await;
    let table = TableId::new("shop", "t").unwrap();
    assert_eq!(two.get(&table, b"k").await.unwrap_err().kind(), ErrorKind::NotFound);
    let (left, right) = tokio::join!(one.create_table(&table), two.create_table(&table));
    assert!(left.unwrap() != right.unwrap(), "one of them created it");
    let commit = Commit {
        appends: vec![Append::keyed(&orders, "k", "both")],
        ..Commit::changes(vec![TableChange::put(&table, "k", Condition::Absent, "1")])
    };
    two.commit(commit).await.unwrap();
    assert_eq!(one.get(&table, b"k").await.unwrap().unwrap().value, "1");
    assert_eq!(bounded_read(&*one, &orders).await.unwrap().len(), 1);
}

/// `_schemaregistry` in Pravega is the Java registry's scope; ours has a prefix.
#[tokio::test(flavor = "multi_thread")]
async fn the_java_registrys_scope_is_not_used() {
    let pravega = FakePravega::start().await;
    pravega.with(|state| state.scopes.insert("_schemaregistry".to_owned()));
    let store = open(&pravega, 1).await;
    let table = registry();
    assert!(store.create_scope(&table.scope).await.unwrap(), "ours did not exist");
    store.create_table(&table).await.unwrap();
    let changelog = StreamId { scope: table.scope.clone(), name: StreamName::new("changes").unwrap() };
    store.create_stream(&changelog, StreamConfig::with_segments(1)).await.unwrap();
    store.commit(Commit::events(vec![Append::keyed(&changelog, "", "line")])).await.unwrap();
    pravega.with(|state| {
        let of_java: Vec<_> = state.streams.keys().filter(|(scope, _)| scope == "_schemaregistry").collect();
        assert!(of_java.is_empty(), "{of_java:?}");
        assert!(state.scopes.contains("_kulya.schemaregistry"), "{:?}", state.scopes);
    });
    for store in [&store, &open(&pravega, 2).await] {
        let scopes: Vec<String> = store.scopes().await.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(scopes, ["_kulya", "_schemaregistry"]);
        assert_eq!(bounded_read(&**store, &changelog).await.unwrap().len(), 1);
        assert_eq!(store.streams(&table.scope).await.unwrap(), std::slice::from_ref(&changelog.name));
    }
}

/// A store created by an earlier version has the registry under the unprefixed name, and keeps it.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_an_earlier_version_opens() {
    let pravega = FakePravega::start().await;
    let table = registry();
    let changelog = StreamId { scope: table.scope.clone(), name: StreamName::new("changes").unwrap() };
    {
        let earlier = open(&pravega, 1).await;
        earlier.client.controller.use_unprefixed_name(&table.scope);
        earlier.create_scope(&table.scope).await.unwrap();
        earlier.create_table(&table).await.unwrap();
        earlier.create_stream(&changelog, StreamConfig::with_segments(1)).await.unwrap();
        let change = TableChange::put(&table, "k", Condition::Absent, "1");
        let appends = vec![Append::keyed(&changelog, "", "line")];
        earlier.commit(Commit { appends, ..Commit::changes(vec![change]) }).await.unwrap();
    }
    pravega.with(|state| assert!(state.scopes.contains("_schemaregistry"), "{:?}", state.scopes));
    let store = open(&pravega, 2).await;
    assert!(!store.create_scope(&table.scope).await.unwrap());
    assert_eq!(store.get(&table, b"k").await.unwrap().unwrap().value, "1");
    assert_eq!(bounded_read(&*store, &changelog).await.unwrap().len(), 1);
    let scopes: Vec<String> = store.scopes().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(scopes, ["_kulya", "_schemaregistry"]);
    pravega.with(|state| assert!(!state.scopes.contains("_kulya.schemaregistry"), "{:?}", state.scopes));
}
