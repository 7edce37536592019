//! The faces of a store and its registry. A face translates: path and body to the domain's nouns, the answer to a status
//! and a body. It decides nothing, and it has no disk.
//!
//! [`rest::v1`] speaks the Pravega Schema Registry's REST v1 to the letter, so that its Java clients work unmodified;
//! [`rest::v2`] gives the registry and the store's streams to whoever has `curl`; [`grpc`] gives the whole store and the
//! whole registry to other processes. All of them stand on one port: HTTP/1, and HTTP/2 for whoever begins with it.
//!
//! Every request comes through a [`Door`]: TLS, who is calling, what they may do, and how much there may be of it.

mod connections;
mod door;
pub mod grpc;
mod health;
mod listen;
mod reads;
pub mod rest;
mod room;
pub mod strict;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
pub use door::{Browsers, Door, Limits, Tls};
pub use health::ServerHealth;
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

/// Answers on `listener` until `shutdown` ends; then lets the requests in flight finish (for three seconds at most), ends
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
    let health = door.health().clone();
    health.serves(Arc::clone(&house.store));
    let shutdown = async move {
        shutdown.await;
        health.stops();
        ending.send_replace(true);
    };
    let router = rest::v1::router(Arc::clone(&house.registry))
        .merge(rest::v2::router(Arc::clone(&house.registry), Arc::clone(&house.store), ends.clone()))
        .merge(grpc::house_router(house.store, house.registry, ends.clone()))
        .merge(health_router(&door));
    let door = match listener.local_addr() {
        Ok(address) => door.at(address),
        Err(_) => door,
    };
    listen::serve(listener, router, door, ends, shutdown).await;
    Ok(())
}

/// Answers on `listener`, until `shutdown` ends, what is asked for the health of the server that this door is of, and 503 to
/// everything else: while the store is being opened, or on a port for supervisors.
pub async fn serve_health(door: Door, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
    let (ending, ends) = watch::channel(false);
    let shutdown = async move {
        shutdown.await;
        ending.send_replace(true);
    };
    let router = health_router(&door).fallback(async || {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            [(RETRY_AFTER, "1")],
            "only the health of the server is served here\n",
        )
    });
    listen::serve(listener, router, door, ends, shutdown).await;
}

/// gRPC's health service. What HTTP asks is answered by the door.
fn health_router(door: &Door) -> Router {
    Router::new().route_service("/grpc.health.v1.Health/{call}", door.health().grpc())
}
