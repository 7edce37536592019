//! The network server of a stream store and its schema registry: REST v1, REST v2 and gRPC on one port, over
//! HTTP/1 and HTTP/2. The server translates between requests and the operations of store and registry; it has
//! no logic or storage of its own.
//!
//! [`rest::v1`] is the REST API of the Pravega Schema Registry, compatible with its Java clients;
//! [`rest::v2`] is Kulya's own, for the registry and for the store's streams; [`grpc`] gives other processes
//! the whole store and the whole registry.
//!
//! Every request passes an [`AccessControl`]: TLS, authentication, authorization, limits and logs.
//!
//! ```no_run
//! # use kulya_server::{Services, serve};
//! # async fn example(services: Services) -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9092").await?;
//! serve(listener, services, async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await
//! # }
//! ```

mod captures;
mod connections;
mod endpoint;
mod error_chain;
pub mod grpc;
mod health;
mod listener;
mod memory_budget;
mod middleware;
mod reads;
pub mod rest;
pub mod strict;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use captures::NoCaptures;
pub use captures::{CaptureError, CaptureErrorKind, Captures, RemoveOptions};
pub use health::ServerHealth;
pub use kulya_auth::tls::Tls;
use kulya_registry::Registry;
use kulya_store::StreamStore;
use kulya_store::clock::SystemClock;
pub use listener::Router;
use middleware::EndpointTables;
pub use middleware::{AccessControl, Limits, OriginPolicy};
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The services that a server gives access to.
#[derive(Clone)]
pub struct Services {
    /// The schema registry.
    pub registry: Arc<Registry>,
    /// The stream store.
    pub store: Arc<dyn StreamStore>,
}

/// Serves `services` on `listener` until `shutdown` completes, without access control: for loopback. Then
/// requests in flight have three seconds to finish, tails end, and open transactions are aborted.
///
/// # Errors
/// None at present.
pub async fn serve(
    listener: TcpListener,
    services: Services,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let access_control = AccessControl::permissive(Arc::new(SystemClock));
    serve_with_access_control(access_control, listener, services, shutdown).await
}

/// Serves like [`serve`], with access control.
///
/// # Errors
/// None at present.
pub async fn serve_with_access_control(
    access_control: AccessControl,
    listener: TcpListener,
    services: Services,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    serve_with_captures(access_control, listener, services, Arc::new(NoCaptures), shutdown).await
}

/// Serves like [`serve_with_access_control`], with the captures of the program in REST v2.
///
/// # Errors
/// None at present.
pub async fn serve_with_captures(
    access_control: AccessControl,
    listener: TcpListener,
    services: Services,
    captures: Arc<dyn Captures>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let Services { registry, store } = services;
    let (stop, stopping) = watch::channel(false);
    let health = access_control.health().clone();
    health.set_serving(Arc::clone(&store));
    let shutdown = async move {
        shutdown.await;
        health.set_stopping();
        stop.send_replace(true);
    };
    let router = rest::v1::router(Arc::clone(&registry))
        .merge(rest::v2::router(Arc::clone(&registry), Arc::clone(&store), captures, stopping.clone()))
        .merge(grpc::services_router(store, registry, stopping.clone()))
        .merge(health_router(&access_control));
    let access_control = access_control.with_endpoints(endpoint_tables());
    let access_control = match listener.local_addr() {
        Ok(address) => access_control.listening_on(address),
        Err(_) => access_control,
    };
    listener::serve(listener, router, access_control, stopping, shutdown).await;
    Ok(())
}

/// Serves the server's health on `listener` until `shutdown` completes, and responds 503 to all other
/// requests: while the store is being opened, or on a port of its own for supervisors.
pub async fn serve_health(
    access_control: AccessControl,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) {
    let (stop, stopping) = watch::channel(false);
    let shutdown = async move {
        shutdown.await;
        stop.send_replace(true);
    };
    let router = health_router(&access_control).fallback(async || {
        let reason = "the server is starting, or this address serves health checks only: retry in a second\n";
        (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], reason)
    });
    let access_control = access_control.with_endpoints(endpoint_tables());
    listener::serve(listener, router, access_control, stopping, shutdown).await;
}

/// The endpoints of all APIs.
fn endpoint_tables() -> EndpointTables {
    EndpointTables {
        rest_v1: rest::v1::endpoint_table(),
        rest_v2: rest::v2::endpoint_table(),
        grpc: grpc::endpoint_table(),
    }
}

/// The gRPC health service. The middleware responds to HTTP probes itself.
fn health_router(access_control: &AccessControl) -> axum::Router {
    axum::Router::new().route_service("/grpc.health.v1.Health/{call}", access_control.health().grpc_service())
}
