//! A remote store keeps the contract, whatever stands behind its server, and agrees with the oracle step by step.

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
async fn keeps_the_contract_with_memory_behind() {
    let report = conformance::all(|| async {
        Arc::new(Server::of(Arc::new(MemoryStore::new())).await.connect().await)
    })
    .await;
    assert_eq!(report.left_out, [], "nothing is left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_with_a_folder_behind() {
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

fn event() -> impl Strategy<Value = model::Event> {
    (0..model::STREAMS, any::<u8>(), prop::collection::vec(any::<u8>(), 0..40))
}

fn step() -> impl Strategy<Value = Step> {
    let events = || prop::collection::vec(event(), 0..4);
    let changes = prop::collection::vec((0u8..4, any::<Option<u8>>(), 0u8..3), 0..3);
    let writer = prop::option::of((0u8..3, 0u8..10));
    let number = || 0..model::STREAMS;
    prop_oneof![
        6 => (events(), changes, writer, any::<bool>())
            .prop_map(|(events, changes, writer, synced)| Step::Commit { events, changes, writer, synced }),
        3 => (prop::collection::vec(events(), 0..3), any::<bool>())
            .prop_map(|(runs, commits)| Step::Transaction { runs, commits }),
        1 => (number(), any::<u8>()).prop_map(|(stream, part)| Step::Truncate(stream, part)),
        1 => number().prop_map(Step::Seal),
        1 => number().prop_map(Step::Delete),
        2 => (number(), 1u32..4).prop_map(|(stream, segments)| Step::Create(stream, segments)),
    ]
}

/// The same steps on both stores; every answer and, in the end, everything readable must agree.
async fn agree(steps: Vec<(u8, Step)>) {
    let clock = Arc::new(ManualClock::default());
    let oracle = MemoryStore::with_clock(clock.clone());
    let served = MemoryStore::with_clock(clock.clone());
    let remote = Server::of(Arc::new(served)).await.connect().await;
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
    fn agrees_with_the_store_in_memory(steps in prop::collection::vec((any::<u8>(), step()), 1..25)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(agree(steps));
    }
}
