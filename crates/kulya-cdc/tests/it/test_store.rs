//! The store of the tests with faults: the embedded one in a temporary folder, or a real Pravega with
//! `KULYA_TEST_STORE=pravega` (`cargo xtask pravega-faults`).

use crate::database::server;
use kulya_cdc::{CaptureSettings, StoreSink};
use kulya_registry::Registry;
use kulya_store::clock::SystemClock;
use kulya_store::fault::FaultyStore;
use kulya_store::memory::MemoryStore;
use kulya_store::{ErrorKind, StreamStore};
use kulya_store_embedded::EmbeddedStore;
use kulya_store_pravega::{PravegaStore, Settings};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// A store, and the folder in which it is.
#[derive(Clone)]
pub(crate) struct TestStore {
    store: Arc<dyn StreamStore>,
    _folder: Option<Arc<tempfile::TempDir>>,
}

/// Whether the tests write to a real Pravega.
pub(crate) fn is_pravega() -> bool {
    std::env::var("KULYA_TEST_STORE").is_ok_and(|store| store == "pravega")
}

impl TestStore {
    /// Creates an empty store.
    pub(crate) async fn create() -> Self {
        if is_pravega() {
            return Self { store: pravega().await.into(), _folder: None };
        }
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path().join("store")).unwrap();
        Self { store: store.into(), _folder: Some(Arc::new(folder)) }
    }

    /// Creates an empty store in memory which has no space left after some writes.
    pub(crate) fn full_after(writes: u64) -> (Self, Arc<FaultyStore<MemoryStore>>) {
        let store = Arc::new(FaultyStore::failing_after(MemoryStore::new(), writes, ErrorKind::Full));
        let shared = Arc::clone(&store);
        (Self { store: shared, _folder: None }, store)
    }

    pub(crate) fn store(&self) -> &dyn StreamStore {
        &*self.store
    }

    /// Opens a sink, as a process does when it starts.
    pub(crate) async fn sink(&self, settings: &CaptureSettings) -> StoreSink {
        let registry = Registry::new(Arc::clone(&self.store), SystemClock).unwrap();
        let settings = settings.store_settings().unwrap();
        StoreSink::new(Arc::clone(&self.store), registry, settings).await.unwrap()
    }
}

/// Opens a namespace of its own.
async fn pravega() -> PravegaStore {
    let random = || RandomState::new().hash_one(0);
    let controller = server("KULYA_TEST_PRAVEGA").parse().unwrap();
    let instance = u128::from(random()) << 64 | u128::from(random());
    // a real Pravega on a busy machine is slow
    let timeout = Duration::from_secs(60);
    let namespace = format!("c{:016x}.", random());
    PravegaStore::open(Settings { namespace, timeout, ..Settings::new(controller, instance) }).await.unwrap()
}
