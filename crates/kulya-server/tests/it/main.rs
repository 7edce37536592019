//! Tests of the APIs over the network: REST transcripts, invalid requests, and a conformance suite that the
//! registry passes in process and over HTTP.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod access_control;
mod administration;
mod captures;
mod contract;
mod grpc;
mod health;
mod http_client;
mod java_registry;
mod requests;
mod stores;
mod streams;
mod visible;
mod wrong;

use kulya_registry::Registry;
use kulya_server::Services;
use kulya_store::StreamStore;
use kulya_store::clock::{ManualClock, SystemClock};
use kulya_store::memory::MemoryStore;
use std::sync::Arc;
use std::time::Duration;

/// The time of all these tests, in milliseconds since 1970.
const NOW_MS: u64 = 1_795_474_607_906;

/// A client; it requires an installed crypto provider even without TLS.
fn client() -> reqwest::Client {
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// A client that connects from another loopback address.
fn client_from(address: std::net::IpAddr) -> reqwest::Client {
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().local_address(address).build().unwrap()
}

async fn registry_on(store: Arc<dyn StreamStore>) -> Registry {
    Registry::open(store, ManualClock::at(Duration::from_millis(NOW_MS))).await.unwrap()
}

/// Starts a server on a free port and returns its URL. It stops with the test's runtime.
async fn serve(registry: Registry) -> String {
    serve_services(Services { registry: Arc::new(registry), store: Arc::new(MemoryStore::new()) }).await
}

/// Starts a server with a given store.
async fn serve_services(services: Services) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let access_control = kulya_server::AccessControl::permissive(SystemClock.into());
    let captures = Arc::new(captures::ShopCapture::default());
    tokio::spawn(kulya_server::serve_with_captures(
        access_control,
        listener,
        services,
        captures,
        std::future::pending(),
    ));
    url
}

async fn serve_memory() -> String {
    serve(registry_on(Arc::new(MemoryStore::new())).await).await
}
