//! The registry over gRPC. Every call begins with what it is about - a group, a namespace, or all of it - before the
//! registry is asked: there stands whoever guards it.
//!
//! Bounds: a request, and a line of an import, has at most [`MAX_REQUEST_BYTES`], as REST v1; a page's reply has about
//! 8 MiB, however many items are asked for; a list comes in replies of about 1 MiB, or one item; exports, imports and
//! changes hold one line each beside what HTTP/2 has been allowed to send, and what the registry reads ahead.

mod calls;
mod replies;

use super::follow;
use crate::door::GuardedRegistry;
use axum::Router;
use kulya_registry::Registry;
use kulya_wire::registry::v1::schema_registry_server::SchemaRegistryServer;
use kulya_wire::registry::{MAX_REPLY_BYTES, MAX_REQUEST_BYTES};
use std::sync::Arc;
use tokio::sync::watch;

/// What every call has.
struct Served {
    registry: GuardedRegistry,
    /// Whether the server ends.
    ends: watch::Receiver<bool>,
}

/// The service as routes.
pub(super) fn routes(registry: Arc<Registry>, ends: watch::Receiver<bool>) -> Router {
    let service = SchemaRegistryServer::new(Served { registry: GuardedRegistry::new(registry), ends })
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(MAX_REPLY_BYTES);
    Router::new().route_service("/kulya.registry.v1.SchemaRegistry/{call}", service)
}
