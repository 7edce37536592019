//! REST v2, Kulya's own: administration of the registry, and the store's streams, for `curl` and other HTTP
//! clients. Every endpoint is described in the OpenAPI document at `/v2/openapi.json`, which is generated
//! from the list of endpoints that the router is built from.
//!
//! | request | description |
//! |---|---|
//! | `GET /v2/streams/{scope}` | lists the streams of a scope |
//! | `PUT /v2/streams/{scope}/{stream}?segments=N` | creates a stream and its scope |
//! | `GET /v2/streams/{scope}/{stream}` | its segments, head and tail |
//! | `POST /v2/streams/{scope}/{stream}/events?key=K` | appends the body as one event: 201 with its pointer |
//! | `GET /v2/streams/{scope}/{stream}/events?from=CUT&limit=N` | reads events; `Kulya-Next` is the next cut |
//! | `GET /v2/streams/{scope}/{stream}/tail?from=CUT` | tails a stream (server-sent events) |
//! | `GET /v2/events/{pointer}` | the event at a pointer (in hexadecimal digits) |
//! | `GET /v2/captures`, `GET`, `DELETE /v2/captures/{capture}` and `POST …/pause`, `…/resume` | the program's change data captures |
//! | all other paths | the registry: see the module `registry` |
//!
//! A POST with `Kulya-Writer` (32 hexadecimal digits) and `Kulya-Event-Number` is idempotent: 200 and
//! `{"duplicate":true}` mean that the event is stored already. An error is `{"error": text, "kind": word}`.
//! Unknown parameters and members are rejected, because a misspelt one would silently be ignored.

mod captures;
mod cut;
mod endpoint;
mod error;
mod event_json;
mod examples;
mod extract;
mod openapi;
mod openapi_schemas;
mod read_events;
mod registry;
mod state;
mod streams;
mod tail;
#[cfg(test)]
mod tests;

use crate::captures::Captures;
use crate::endpoint::{Access, EndpointTable, Unmatched};
use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use endpoint::{Content, Endpoint};
use error::ApiError;
use kulya_auth::permission::Permission::ReadUpdate;
use kulya_registry::Registry;
use kulya_store::StreamStore;
use state::ApiState;
use std::sync::Arc;
use tokio::sync::watch;

/// Returns the router of REST v2. Tails end when `stopping` becomes true.
pub fn router(
    registry: Arc<Registry>,
    store: Arc<dyn StreamStore>,
    captures: Arc<dyn Captures>,
    stopping: watch::Receiver<bool>,
) -> Router {
    let mut router = Router::new();
    for endpoint in endpoints() {
        let handler = match endpoint.request {
            Content::Nothing => endpoint.handler.layer(from_fn(extract::reject_body)),
            _ => endpoint.handler,
        };
        router = router.route(endpoint.path, handler);
    }
    router
        .method_not_allowed_fallback(method_not_allowed)
        .route("/v2/{*unknown}", any(not_found))
        .with_state(ApiState::new(registry, store, captures, stopping))
}

/// Returns the endpoints for the middleware. What matches none requires permission on everything.
pub(crate) fn endpoint_table() -> EndpointTable {
    let unmatched = Unmatched { api: "v2", operation: "unnamed", access: Access::Everything(ReadUpdate) };
    EndpointTable::new(endpoints().iter().map(Endpoint::rule).collect(), unmatched)
}

/// Returns the OpenAPI 3.1 document of all endpoints.
pub fn document() -> serde_json::Value {
    openapi::document(&endpoints())
}

fn endpoints() -> Vec<Endpoint> {
    let get_document = async || axum::Json(document());
    let own = Endpoint::new(Method::GET, "/v2/openapi.json", Access::Authenticated, get_document)
        .audited_as("document")
        .documented("getDocument", "returns this document")
        .response(200, "OpenAPI 3.1", Content::Json("Document"));
    let all = streams::endpoints().into_iter().chain(captures::endpoints());
    all.chain(registry::endpoints()).chain([own]).collect()
}

async fn not_found(uri: Uri) -> ApiError {
    let what = format!("no endpoint has the path {:.200}: see /v2/openapi.json", uri.path());
    ApiError::new(StatusCode::NOT_FOUND, "not-found", what)
}

async fn method_not_allowed(method: Method, uri: Uri) -> Response {
    let what = format!("method {method:.20} not allowed at {:.200}: see /v2/openapi.json", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "not-allowed", what).into_response()
}
