//! Kulya's server without the rest of the program.

use crate::measure::Fallible;
use kulya_registry::Registry;
use kulya_server::House;
use kulya_store::StreamStore;
use kulya_store::clock::SystemClock;
use kulya_store_embedded::EmbeddedStore;
use std::path::Path;
use std::sync::Arc;

pub async fn run(folder: &Path, address: &str) -> Fallible {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let store: Arc<dyn StreamStore> = Arc::new(EmbeddedStore::open(folder)?);
    let registry = Arc::new(Registry::open(Arc::clone(&store), Arc::new(SystemClock)).await?);
    kulya_server::serve(listener, House { registry, store }, std::future::pending()).await?;
    Ok(())
}
