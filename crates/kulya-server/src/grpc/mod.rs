//! The whole store and the whole registry over gRPC: each operation of their contracts is a call of
//! `kulya.store.v1.StreamStore` or `kulya.registry.v1.SchemaRegistry`, and errors are preserved. The clients
//! are `kulya_client::RemoteStore` and `RemoteRegistry`, or are generated from the proto files, which
//! reflection serves.
//!
//! Bounds: a message of the store has at most [`kulya_wire::MAX_MESSAGE_BYTES`]; a read returns at most about
//! 4 MiB; a tail holds one chunk of about 256 KiB (or one event) in addition to HTTP/2's send buffer; the
//! responses for retries are bounded in `replay_cache`. The bounds of the registry are in `registry`.
//!
//! A call that changes something runs to its end even if its client disconnects: the client gets the response
//! when it retries. Only a transaction ends with its call.

mod authorization;
mod endpoints;
mod registry;
mod replay_cache;
mod service;
mod status;
mod streaming;
mod transaction;

use crate::endpoint::EndpointTable;
use axum::Router;
use endpoints::{REFLECTION, REFLECTION_V1ALPHA, STORE};
use kulya_registry::Registry;
use kulya_store::StreamStore;
use kulya_wire::v1::stream_store_server::StreamStoreServer;
use kulya_wire::{DESCRIPTOR, MAX_MESSAGE_BYTES};
use service::StoreService;
use std::sync::Arc;
use tokio::sync::watch;

/// Returns the router of the store's service. Streaming calls end when `stopping` becomes true.
pub fn router(store: Arc<dyn StreamStore>, stopping: watch::Receiver<bool>) -> Router {
    with_reflection(store_router(store, stopping), &[DESCRIPTOR])
}

/// Returns the router of the store's and the registry's services. Streaming calls end when `stopping` becomes
/// true.
pub fn services_router(
    store: Arc<dyn StreamStore>,
    registry: Arc<Registry>,
    stopping: watch::Receiver<bool>,
) -> Router {
    let services = store_router(store, stopping.clone()).merge(registry::router(registry, stopping));
    with_reflection(services, &[DESCRIPTOR, kulya_wire::registry::DESCRIPTOR])
}

/// Returns the endpoints for the middleware.
pub(crate) fn endpoint_table() -> EndpointTable {
    endpoints::table()
}

fn store_router(store: Arc<dyn StreamStore>, stopping: watch::Receiver<bool>) -> Router {
    let service = StreamStoreServer::new(StoreService::new(store, stopping))
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    Router::new().route_service(&format!("/{STORE}/{{call}}"), service)
}

/// Adds server reflection, in its current and its previous version.
fn with_reflection(services: Router, descriptors: &[&'static [u8]]) -> Router {
    let reflection = || {
        descriptors.iter().fold(tonic_reflection::server::Builder::configure(), |builder, descriptor| {
            builder.register_encoded_file_descriptor_set(descriptor)
        })
    };
    let v1 = reflection().build_v1().expect("the generated descriptors are valid");
    let v1alpha = reflection().build_v1alpha().expect("the generated descriptors are valid");
    services
        .route_service(&format!("/{REFLECTION}/{{call}}"), v1)
        .route_service(&format!("/{REFLECTION_V1ALPHA}/{{call}}"), v1alpha)
}
