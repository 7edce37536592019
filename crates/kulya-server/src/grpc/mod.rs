//! The whole store and the whole registry over gRPC: each call of their contracts is one of `kulya.store.v1.StreamStore`
//! and `kulya.registry.v1.SchemaRegistry`, and an error arrives as it is. The other ends are `kulya_client::RemoteStore` and
//! `RemoteRegistry`, or whatever is generated from the proto files, which reflection tells.
//!
//! Bounds: a message of the store has at most [`kulya_wire::MAX_MESSAGE_BYTES`]; a read gives at most about 4 MiB; a tail
//! holds one chunk of about 256 KiB (or one event) beside what HTTP/2 has been allowed to send; the answers remembered for
//! retries are those of `answers`. Those of the registry stand in `registry`.
//!
//! A call that changes something runs to its end even when its client is cut off: the client finds the answer when it
//! comes back. Only a transaction ends with its call.

mod answers;
mod follow;
mod registry;
mod right;
mod service;
mod transact;

use crate::door::{Asked, Form, GuardedStore};
use crate::reads::SharedReads;
use axum::Router;
use kulya_auth::permission::RequiredPermission;
use kulya_registry::Registry;
use kulya_store::StreamStore;
use kulya_wire::v1::stream_store_server::StreamStoreServer;
use kulya_wire::{DESCRIPTOR, MAX_MESSAGE_BYTES};
use std::sync::Arc;
use tokio::sync::watch;

/// What every call has.
struct Served {
    store: GuardedStore,
    shared: SharedReads,
    answers: Arc<answers::Answers>,
    /// Whether the server ends.
    ends: watch::Receiver<bool>,
}

/// The store's gRPC service as routes. Calls that follow a stream, wait or hold a transaction end when `ends` becomes true.
pub fn router(store: Arc<dyn StreamStore>, ends: watch::Receiver<bool>) -> Router {
    reflected(of_store(store, ends), &[DESCRIPTOR])
}

/// The same with the registry's beside it. Its calls that follow changes, export or import end likewise.
pub fn house_router(
    store: Arc<dyn StreamStore>,
    registry: Arc<Registry>,
    ends: watch::Receiver<bool>,
) -> Router {
    let services = of_store(store, ends.clone()).merge(registry::routes(registry, ends));
    reflected(services, &[DESCRIPTOR, kulya_wire::registry::DESCRIPTOR])
}

fn of_store(store: Arc<dyn StreamStore>, ends: watch::Receiver<bool>) -> Router {
    let (store, shared) = (GuardedStore::new(store), SharedReads::default());
    let served = Served { store, shared, answers: Arc::default(), ends };
    let service = StreamStoreServer::new(served)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    Router::new().route_service("/kulya.store.v1.StreamStore/{call}", service)
}

/// Adds what tells foreign clients of the services, as they ask today and as they asked before.
fn reflected(services: Router, descriptors: &[&'static [u8]]) -> Router {
    let reflection = || {
        descriptors.iter().fold(tonic_reflection::server::Builder::configure(), |builder, descriptor| {
            builder.register_encoded_file_descriptor_set(descriptor)
        })
    };
    let now = reflection().build_v1().expect("our own descriptors can be read");
    let before = reflection().build_v1alpha().expect("our own descriptors can be read");
    services
        .route_service("/grpc.reflection.v1.ServerReflection/{call}", now)
        .route_service("/grpc.reflection.v1alpha.ServerReflection/{call}", before)
}

/// What a call of these services asks for; `None` is a call of none of them. Calls of store and registry say it in
/// their messages.
pub(crate) fn asked(path: &str) -> Option<Asked> {
    let (service, call) = path.strip_prefix('/')?.split_once('/')?;
    let (face, need) = match service {
        "kulya.store.v1.StreamStore" => ("store", None),
        "kulya.registry.v1.SchemaRegistry" if call == "Describe" => {
            ("registry", Some(RequiredPermission::Authenticated))
        }
        "kulya.registry.v1.SchemaRegistry" => ("registry", None),
        "grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection" => {
            ("reflection", Some(RequiredPermission::Authenticated))
        }
        _ => return None,
    };
    Some(Asked { face, operation: call.to_owned().into(), need, is_change: false, form: Form::Grpc })
}
