//! The whole store over gRPC: each call of the contract is one of `kulya.store.v1.StreamStore`, and a store's error
//! arrives as it is. The other end is `kulya_client::RemoteStore`, or whatever is generated from the proto file, which
//! reflection tells.
//!
//! Bounds: a message has at most [`kulya_wire::MAX_MESSAGE_BYTES`]; a read gives at most about 16 MiB; a tail holds one
//! chunk of about 1 MiB (or one event) beside what HTTP/2 has been allowed to send; the answers remembered for retries
//! are those of `answers`.
//!
//! A call that changes something runs to its end even when its client is cut off: the client finds the answer when it
//! comes back. Only a transaction ends with its call.

mod answers;
mod follow;
mod right;
mod service;
mod transact;

use crate::door::{Asked, Form};
use axum::Router;
use kulya_guard::operation::Need;
use kulya_store::StreamStore;
use kulya_wire::v1::stream_store_server::StreamStoreServer;
use kulya_wire::{DESCRIPTOR, MAX_MESSAGE_BYTES};
use std::sync::Arc;
use tokio::sync::watch;

/// What every call has.
struct Served {
    store: Arc<dyn StreamStore>,
    answers: Arc<answers::Answers>,
    /// Whether the server ends.
    ends: watch::Receiver<bool>,
}

/// The gRPC services as routes. Calls that follow a stream, wait or hold a transaction end when `ends` becomes true.
pub fn router(store: Arc<dyn StreamStore>, ends: watch::Receiver<bool>) -> Router {
    let served = Served { store, answers: Arc::default(), ends };
    let service = StreamStoreServer::new(served)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTOR)
        .build_v1()
        .expect("our own descriptor can be read");
    Router::new()
        .route_service("/kulya.store.v1.StreamStore/{call}", service)
        .route_service("/grpc.reflection.v1.ServerReflection/{call}", reflection)
}

/// What a call of these services asks for; `None` is a call of none of them. The store's calls say it in their messages.
pub(crate) fn asked(path: &str) -> Option<Asked> {
    let (service, call) = path.strip_prefix('/')?.split_once('/')?;
    let (face, need) = match service {
        "kulya.store.v1.StreamStore" => ("store", None),
        "grpc.reflection.v1.ServerReflection" => ("reflection", Some(Need::Known)),
        _ => return None,
    };
    Some(Asked { face, operation: call.to_owned().into(), need, is_change: false, form: Form::Grpc })
}
