//! REST v2, our own: the registry for those who look after it, and the store's streams, for `curl` and whatever speaks
//! HTTP. Every place is described by the document at `/v2/openapi.json`, which is made of the list that the router is
//! made of.
//!
//! | call | what |
//! |---|---|
//! | `GET /v2/streams/{scope}` | the streams of a scope |
//! | `PUT /v2/streams/{scope}/{stream}?segments=N` | makes a stream, and its scope: 201, or 200 when it was there |
//! | `GET /v2/streams/{scope}/{stream}` | its segments, head and tail |
//! | `POST /v2/streams/{scope}/{stream}/events?key=K` | appends the body as one event: 201 with its pointer |
//! | `GET /v2/streams/{scope}/{stream}/events?from=CUT&limit=N` | events as JSON lines; `Kulya-Next` says where to go on |
//! | `GET /v2/streams/{scope}/{stream}/tail?from=CUT` | events as they come (server-sent events; `Last-Event-ID` goes on) |
//! | `GET /v2/events/{pointer}` | the event that a pointer, in hexadecimal digits, leads to |
//! | `…/v2/namespaces`, `…/v2/groups…`, `…/v2/search`, `…/v2/export`, `…/v2/import`, `…/v2/changes` | [`registry`] |
//!
//! A POST with `Kulya-Writer` (32 hexadecimal digits) and `Kulya-Event-Number` may be repeated: 200 and
//! `{"duplicate":true}` say that it is stored already. An error is `{"error": text, "kind": word}`. Unknown parameters and
//! members are refused: a misspelt one would quietly mean something else.

mod ask;
mod event;
mod events;
mod examples;
mod openapi;
mod place;
mod refusal;
mod registry;
mod right;
mod schemas;
mod streams;
mod tail;

use crate::door::{Denied, GuardedRegistry, GuardedStore, SeenStore, Visit};
use crate::reads::{Reads, SharedReads};
use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use kulya_registry::Registry;
use kulya_registry_api::administration::RegistryAdministration;
use kulya_store::StreamStore;
use place::{Content, Place};
use refusal::Refusal;
pub(crate) use right::asked;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch;

/// What all calls have.
#[derive(Clone)]
struct Served {
    registry: GuardedRegistry,
    store: GuardedStore,
    shared: SharedReads,
    /// Whether the server ends.
    ends: watch::Receiver<bool>,
}

/// What one call has: registry and store as its caller sees them.
struct Seen {
    registry: Box<dyn RegistryAdministration>,
    store: SeenStore,
    /// The events that it reads.
    reads: Reads,
    ends: watch::Receiver<bool>,
}

impl FromRequestParts<Served> for Seen {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, served: &Served) -> Result<Self, Infallible> {
        let visit = Visit::of(&parts.extensions);
        let (registry, store) = (served.registry.seen_by(&visit), served.store.seen_by(&visit));
        let reads = served.shared.of(served.store.named(), visit.bytes().clone());
        Ok(Self { registry: Box::new(registry), store, reads, ends: served.ends.clone() })
    }
}

/// The refusal of what another site's page sent.
pub(crate) fn foreign(status: StatusCode, text: &str) -> Response {
    let kind = if status == StatusCode::FORBIDDEN { "denied" } else { "invalid-input" };
    Refusal::new(status, kind, text).into_response()
}

/// The refusal of whoever has no right.
pub(crate) fn denied(denied: &Denied) -> Response {
    Refusal::from(denied.clone()).into_response()
}

/// All of REST v2. Calls that follow a stream end when `ends` becomes true.
pub fn router(registry: Arc<Registry>, store: Arc<dyn StreamStore>, ends: watch::Receiver<bool>) -> Router {
    let mut router = Router::new();
    for place in places() {
        let handler = match place.takes {
            Content::Nothing => place.handler.layer(from_fn(ask::no_body)),
            _ => place.handler,
        };
        router = router.route(place.path, handler);
    }
    router.method_not_allowed_fallback(not_allowed).route("/v2/{*nowhere}", any(nowhere)).with_state(Served {
        registry: GuardedRegistry::new(registry),
        store: GuardedStore::new(store),
        shared: SharedReads::default(),
        ends,
    })
}

/// The document of all places, as JSON of OpenAPI 3.1.
pub fn document() -> serde_json::Value {
    openapi::document(&places())
}

fn places() -> Vec<Place> {
    let own = Place::new(Method::GET, "/v2/openapi.json", async || axum::Json(document()))
        .named("getDocument", "this document")
        .answers(200, "OpenAPI 3.1", Content::Json("Document"));
    streams::places().into_iter().chain(registry::places()).chain([own]).collect()
}

async fn nowhere(uri: Uri) -> Refusal {
    let what = format!("there is no place {:.200}: see /v2/openapi.json", uri.path());
    Refusal::new(StatusCode::NOT_FOUND, "not-found", what)
}

async fn not_allowed(method: Method, uri: Uri) -> Response {
    let what = format!("{method:.20} is not allowed at {:.200}: see /v2/openapi.json", uri.path());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "not-allowed", what).into_response()
}
