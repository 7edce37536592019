//! The registry in process: the suite that every registry passes, and its verdicts beside the plain rules'.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod dice;
mod verdicts;

use kulya_registry::{Registry, conformance};
use kulya_store::StreamStore;
use kulya_store::clock::ManualClock;
use kulya_store::memory::MemoryStore;
use std::sync::Arc;
use std::time::Duration;

async fn registry_on(store: Arc<dyn StreamStore>) -> Registry {
    Registry::open(store, Arc::new(ManualClock::at(Duration::from_secs(1_700_000_000)))).await.unwrap()
}

#[tokio::test]
async fn the_registry_conforms() {
    let ran = conformance::all(async || Arc::new(registry_on(Arc::new(MemoryStore::new())).await)).await;
    assert_eq!(ran, 23);
}
