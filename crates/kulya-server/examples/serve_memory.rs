//! A registry in memory, on the address given (or a free port): for trying a client against it.
//!
//! ```sh
//! cargo run -p kulya-server --example serve_memory -- 127.0.0.1:9092
//! ```

use kulya_registry::Registry;
use kulya_server::Services;
use kulya_store::StreamStore;
use kulya_store::clock::SystemClock;
use kulya_store::memory::MemoryStore;
use std::sync::Arc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
    let registry = Arc::new(Registry::open(Arc::clone(&store), SystemClock).await?);
    kulya_server::serve(listener, Services { registry, store }, std::future::pending()).await?;
    Ok(())
}
