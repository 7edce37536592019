//! A remote store conforms to the contract with every backend, and agrees with the model step by step.

use super::Server;
use kulya_store::clock::ManualClock;
use kulya_store::conformance;
use kulya_store::memory::MemoryStore;
use kulya_store::model::{self, Step};
use kulya_store_embedded::EmbeddedStore;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn conforms_with_the_memory_store() {
    let report = conformance::all(|| async {
        Arc::new(Server::of(Arc::new(MemoryStore::new())).await.connect().await)
    })
    .await;
    assert_eq!(report.left_out, [], "nothing is left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_with_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    let made = AtomicU64::new(0);
    let report = conformance::all(|| {
        let path = folder.path().join(made.fetch_add(1, Ordering::Relaxed).to_string());
        async move {
            let store = EmbeddedStore::open(&path).unwrap();
            Arc::new(Server::of(Arc::new(store)).await.connect().await)
        }
    })
    .await;
    assert_eq!(report.left_out, [], "nothing is left out");
}

/// Runs the same steps on both stores; every result and, in the end, all data must agree.
async fn agree(steps: Vec<(u8, Step)>) {
    let clock = Arc::new(ManualClock::default());
    let oracle = MemoryStore::with_clock(clock.clone());
    let server = MemoryStore::with_clock(clock.clone());
    let remote = Server::of(Arc::new(server)).await.connect().await;
    model::make(&oracle).await.unwrap();
    model::make(&remote).await.unwrap();
    for (milliseconds, step) in steps {
        clock.advance(Duration::from_millis(milliseconds.into()));
        let (expected, found) = (model::take(&oracle, &step).await, model::take(&remote, &step).await);
        assert_eq!(expected.unwrap(), found.unwrap(), "{step:?}");
        assert_eq!(model::digest(&oracle).await.unwrap(), model::digest(&remote).await.unwrap(), "{step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn agrees_with_the_memory_store(steps in prop::collection::vec((any::<u8>(), model::any_step()), 1..25)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(agree(steps));
    }
}
