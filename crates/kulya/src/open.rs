//! Putting the registry on the store of a folder: what every command begins with.

use anyhow::Result;
use kulya_registry::Registry;
use kulya_store::StreamStore;
use kulya_store::clock::{Clock, SystemClock};
use kulya_store_embedded::EmbeddedStore;
use std::path::Path;
use std::sync::Arc;

/// A folder's store with its registry, owned by this process.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) store: Arc<dyn StreamStore>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Opens, or makes, the folder's store.
pub(crate) async fn folder(path: &Path) -> Result<House> {
    on(Arc::new(EmbeddedStore::open(path)?)).await
}

/// A house on any store.
pub(crate) async fn on(store: Arc<dyn StreamStore>) -> Result<House> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let registry = Arc::new(Registry::open(Arc::clone(&store), Arc::clone(&clock)).await?);
    Ok(House { store, registry, clock })
}
