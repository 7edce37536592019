//! The state of the API and of one request: [`ApiState`] and [`CallerServices`].

use crate::captures::Captures;
use crate::middleware::{ProtectedRegistry, ProtectedStore, RequestContext, VisibleStore};
use crate::reads::{Reads, SharedReads};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use kulya_registry::Registry;
use kulya_registry_api::administration::RegistryAdministration;
use kulya_store::StreamStore;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch;

/// The state that all requests share.
#[derive(Clone)]
pub(super) struct ApiState {
    registry: ProtectedRegistry,
    store: ProtectedStore,
    shared_reads: SharedReads,
    captures: Arc<dyn Captures>,
    /// True when the server shuts down.
    stopping: watch::Receiver<bool>,
}

impl ApiState {
    pub(super) fn new(
        registry: Arc<Registry>,
        store: Arc<dyn StreamStore>,
        captures: Arc<dyn Captures>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let (registry, store) = (ProtectedRegistry::new(registry), ProtectedStore::new(store));
        Self { registry, store, shared_reads: SharedReads::default(), captures, stopping }
    }

    /// Returns the captures of the program.
    pub(super) fn captures(&self) -> &dyn Captures {
        &*self.captures
    }
}

/// Registry and store as the caller of a request may see them.
pub(super) struct CallerServices {
    pub(super) registry: Box<dyn RegistryAdministration>,
    pub(super) store: VisibleStore,
    /// Reads events for the request.
    pub(super) reads: Reads,
    /// True when the server shuts down.
    pub(super) stopping: watch::Receiver<bool>,
}

impl FromRequestParts<ApiState> for CallerServices {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Infallible> {
        let context = RequestContext::of(&parts.extensions);
        let (registry, store) = (state.registry.visible_to(&context), state.store.visible_to(&context));
        let reads = state.shared_reads.for_request(state.store.unfiltered(), context.bytes().clone());
        Ok(Self { registry: Box::new(registry), store, reads, stopping: state.stopping.clone() })
    }
}
