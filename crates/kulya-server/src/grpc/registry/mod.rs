//! The registry over gRPC. Every call checks the permission on what its message names (a group, a namespace,
//! or the whole registry) before the registry is used.
//!
//! Bounds: a request, and a line of an import, has at most [`MAX_REQUEST_BYTES`], as in REST v1; a page's
//! reply has about 8 MiB, however many items are requested; a list is split into replies of about 1 MiB, or
//! one item; exports, imports and changes hold one line each in addition to HTTP/2's send buffer and the
//! registry's read-ahead.

mod responses;
mod service;

use super::endpoints::REGISTRY;
use axum::Router;
use kulya_registry::Registry;
use kulya_wire::registry::v1::schema_registry_server::SchemaRegistryServer;
use kulya_wire::registry::{MAX_REPLY_BYTES, MAX_REQUEST_BYTES};
use service::RegistryService;
use std::sync::Arc;
use tokio::sync::watch;

/// Returns the router of the registry's service.
pub(super) fn router(registry: Arc<Registry>, stopping: watch::Receiver<bool>) -> Router {
    let service = SchemaRegistryServer::new(RegistryService::new(registry, stopping))
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(MAX_REPLY_BYTES);
    Router::new().route_service(&format!("/{REGISTRY}/{{call}}"), service)
}
