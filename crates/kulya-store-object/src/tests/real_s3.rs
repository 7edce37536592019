//! Tests against an S3-compatible server. Each store has its own prefix.

use super::{event, make, orders, positions, settings, texts};
use crate::{ObjectLogStore, StoreLocation};
use kulya_store::{Append, Commit, Condition, ErrorKind, StreamStore, TableChange};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Returns a location on the server under a prefix.
fn location(prefix: &str) -> StoreLocation {
    let url = std::env::var("KULYA_TEST_S3").expect("KULYA_TEST_S3 is not set: run cargo xtask test");
    let (bucket, query) = url.split_once('?').unwrap();
    let variable = |name: &str| {
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].contains(&name).then(|| "kulya".to_owned())
    };
    StoreLocation::from_url(&format!("{bucket}/{prefix}?{query}"), variable).unwrap()
}

fn random_prefix() -> String {
    format!("t{:016x}", RandomState::new().hash_one(0))
}

async fn open(location: &StoreLocation) -> Arc<ObjectLogStore> {
    let StoreLocation { objects, prefix } = location.clone();
    Arc::new(ObjectLogStore::open(objects, &prefix, settings()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an S3-compatible server: cargo xtask test"]
async fn conforms() {
    let report =
        kulya_store::conformance::run_all(|| async { open(&location(&random_prefix())).await }).await;
    println!("{} cases ran", report.run_count);
    assert_eq!(report.skipped, [], "no case is skipped");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an S3-compatible server: cargo xtask test"]
async fn three_stores_increment_one_counter() {
    let location = location(&random_prefix());
    let stores = [open(&location).await, open(&location).await, open(&location).await];
    make(&*stores[0]).await;
    let tasks: Vec<_> = stores
        .iter()
        .enumerate()
        .map(|(name, store)| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for n in 0..15 {
                    loop {
                        let entry = store.get(&positions(), b"n").await.unwrap();
                        let condition =
                            entry.as_ref().map_or(Condition::Absent, |e| Condition::At(e.version));
                        let now: u32 =
                            entry.map_or(0, |e| std::str::from_utf8(&e.value).unwrap().parse().unwrap());
                        let append = Append::keyed(&orders(), "k", format!("{} {name}:{n}", now + 1));
                        let mut commit = Commit::events(vec![append]);
                        let next = (now + 1).to_string();
                        commit.changes = vec![TableChange::put(&positions(), "n", condition, next)];
                        match store.commit(commit).await {
                            Ok(_) => break,
                            Err(error) if error.kind() == ErrorKind::Conflict => {}
                            Err(error) => panic!("{error:?}"),
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let last = open(&location).await;
    let counts: Vec<u32> =
        texts(&*last).await.iter().map(|text| text.split_once(' ').unwrap().0.parse().unwrap()).collect();
    assert_eq!(counts, (1..=45).collect::<Vec<_>>(), "each count once, in order");
    assert_eq!(texts(&*stores[1]).await, texts(&*last).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an S3-compatible server: cargo xtask test"]
async fn unreferenced_objects_are_deleted() {
    let location = location(&random_prefix());
    let store = open(&location).await;
    make(&*store).await;
    store.commit(event("alive")).await.unwrap();
    let lagging = open(&location).await;
    let first = object_store::path::Path::from(format!("{}/log/{:020}", location.prefix, 0));
    for n in 0.. {
        assert!(n < 1000, "the first log object is not deleted");
        store.commit(super::put(n)).await.unwrap();
        if object_store::ObjectStoreExt::head(&*location.objects, &first).await.is_err() {
            break;
        }
    }
    store.commit(super::put("last")).await.unwrap();
    for store in [&lagging, &store, &open(&location).await] {
        assert_eq!(store.get(&positions(), b"last").await.unwrap().unwrap().value, "last");
        assert_eq!(texts(&**store).await, ["alive"]);
    }
}
