//! The registry in process: the conformance suite, and its compatibility checks against a simple model.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod compatibility;
mod former_fingerprints;
mod references;

use kulya_registry::Registry;
use kulya_registry_api::conformance;
use kulya_store::StreamStore;
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use kulya_store_embedded::EmbeddedStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

async fn registry_on(store: Arc<dyn StreamStore>) -> Registry {
    Registry::open(store, ManualClock::at(Duration::from_secs(1_700_000_000))).await.unwrap()
}

#[tokio::test]
async fn the_registry_conforms_on_the_memory_store() {
    let count =
        conformance::run_all(async || Arc::new(registry_on(Arc::new(MemoryStore::new())).await)).await;
    assert_eq!(count, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_conforms_on_the_embedded_store() {
    let folder = tempfile::tempdir().unwrap();
    let number = AtomicU32::new(0);
    let new_registry = || {
        let path = folder.path().join(number.fetch_add(1, Ordering::Relaxed).to_string());
        async move { Arc::new(registry_on(Arc::new(EmbeddedStore::open(path).unwrap())).await) }
    };
    assert_eq!(conformance::run_all(new_registry).await, 30);
}
