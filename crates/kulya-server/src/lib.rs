//! The faces of a store and its registry. A face translates: path and body to the domain's nouns, the answer to a status
//! and a body. It decides nothing, and it has no disk.
//!
//! [`rest::v1`] speaks the Pravega Schema Registry's REST v1 to the letter, so that its Java clients work unmodified;
//! [`rest::v2`] gives the registry and the store's streams to whoever has `curl`; [`grpc`] gives the whole store to other processes. All
//! of them stand on one port: HTTP/1, and HTTP/2 for whoever begins with it.

pub mod grpc;
mod listen;
pub mod rest;

use kulya_registry::Registry;
use kulya_store::StreamStore;
pub use listen::Faces;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What is served.
#[derive(Clone)]
pub struct House {
    /// The registry.
    pub registry: Arc<Registry>,
    /// The store under it.
    pub store: Arc<dyn StreamStore>,
}

/// Answers on `listener` until `shutdown` ends; then lets the requests in flight finish (for ten seconds at most), ends
/// those that follow a stream, and aborts open transactions.
pub async fn serve(
    listener: TcpListener,
    house: House,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (ending, ends) = watch::channel(false);
    let shutdown = async move {
        shutdown.await;
        ending.send_replace(true);
    };
    let router = rest::v1::router(Arc::clone(&house.registry))
        .merge(rest::v2::router(house.registry, Arc::clone(&house.store), ends.clone()))
        .merge(grpc::router(house.store, ends));
    listen::serve(listener, router, shutdown).await;
    Ok(())
}
