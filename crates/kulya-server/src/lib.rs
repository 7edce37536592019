//! The faces of a store and its registry. A face translates: path and body to the domain's nouns, the answer to a status
//! and a body. It decides nothing, and it has no disk.
//!
//! [`rest::v1`] speaks the Pravega Schema Registry's REST v1 to the letter, so that its Java clients work unmodified;
//! [`rest::v2`] gives the registry and the store's streams to whoever has `curl`; [`grpc`] gives the whole store and the
//! whole registry to other processes. All of them stand on one port: HTTP/1, and HTTP/2 for whoever begins with it.
//!
//! Every request comes through a [`Door`]: TLS, who is calling, what they may do, and how much there may be of it.

mod door;
pub mod grpc;
mod listen;
pub mod rest;

pub use door::{Door, Limits, Tls};
use kulya_registry::Registry;
use kulya_store::StreamStore;
use kulya_store::clock::SystemClock;
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
/// those that follow a stream, and aborts open transactions. The door is open to all: for loopback.
pub async fn serve(
    listener: TcpListener,
    house: House,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    serve_behind(Door::open_to_all(Arc::new(SystemClock)), listener, house, shutdown).await
}

/// The same behind a door.
pub async fn serve_behind(
    door: Door,
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
        .merge(rest::v2::router(
            Arc::clone(&house.registry) as Arc<_>,
            Arc::clone(&house.store),
            ends.clone(),
        ))
        .merge(grpc::house_router(house.store, house.registry, ends.clone()));
    listen::serve(listener, router, door, ends, shutdown).await;
    Ok(())
}
