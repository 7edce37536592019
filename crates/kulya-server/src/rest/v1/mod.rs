//! REST v1: the REST API of the Pravega Schema Registry.
//!
//! The router is not axum's, for two reasons: a group's name may contain a percent-encoded `/` within one
//! path segment, so the path is split before it is decoded; and `/v1/namespace/{ns}/groups…` is equivalent to
//! `/v1/groups…?namespace={ns}` (contract §1.1).

mod call;
mod endpoints;
mod handlers;
mod response;

use crate::endpoint::{EndpointTable, query_parameters};
use crate::middleware::{ProtectedRegistry, RequestContext};
use crate::rest::read_body::read_body;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::Response;
use call::Call;
use endpoints::Handler;
pub use endpoints::OPERATIONS;
use kulya_registry::Registry;
use response::ApiResponse;
use std::collections::HashMap;
use std::sync::Arc;

/// Longest body, in bytes: an 8 MiB schema in base64 and its metadata.
const MAX_BODY_BYTES: usize = 12 * 1024 * 1024;

/// Characters of an unknown path that the error quotes.
const MAX_QUOTED_CHARACTERS: usize = 200;

/// Returns the router of REST v1, including `/ping`.
pub fn router(registry: Arc<Registry>) -> Router {
    let api = Api { registry: ProtectedRegistry::new(registry), endpoints: Arc::new(endpoints::table()) };
    Router::new().fallback(handle).with_state(api)
}

/// Returns the endpoints for the middleware.
pub(crate) fn endpoint_table() -> EndpointTable {
    endpoints::table()
}

#[derive(Clone)]
struct Api {
    registry: ProtectedRegistry,
    endpoints: Arc<EndpointTable>,
}

async fn handle(State(api): State<Api>, request: Request) -> Response<Body> {
    let is_head = request.method() == Method::HEAD;
    let response = match read_call(&api.endpoints, request).await {
        Ok((handler, call)) => {
            let registry = api.registry.visible_to_java_client(&call.context);
            handler(&registry, &call).await.unwrap_or_else(|error| error)
        }
        Err(error) => error,
    };
    if response.status.is_server_error() {
        tracing::error!(status = %response.status, "{}", response.error_chain());
    }
    let response = response.into_response();
    if is_head { response.map(|_| Body::empty()) } else { response }
}

/// Finds the endpoint and reads the body. The order of the errors is the Java registry's: 404, 415, 413, 405.
async fn read_call(endpoints: &EndpointTable, request: Request) -> Result<(Handler, Call), ApiResponse> {
    let (parts, body) = request.into_parts();
    let context = RequestContext::of(&parts.extensions);
    let mut query = query_parameters(parts.uri.query().unwrap_or_default());
    let (endpoint, path) = find(endpoints, &parts.method, parts.uri.path())?;
    if parts.method == Method::POST || parts.method == Method::PUT {
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(ApiResponse::unsupported_media_type(kind));
        }
    }
    let body =
        read_body(body, MAX_BODY_BYTES).await.map_err(|_| ApiResponse::payload_too_large(MAX_BODY_BYTES))?;
    let handler = endpoint?;
    let namespace = path.get("namespace").cloned().or_else(|| query.remove("namespace")).unwrap_or_default();
    Ok((handler, Call { namespace, path, query, body, context }))
}

/// The handler of a path, or the response to a method that the path does not have; and the parameters in the
/// path.
type Found = (Result<Handler, ApiResponse>, HashMap<String, String>);

fn find(endpoints: &EndpointTable, method: &Method, path: &str) -> Result<Found, ApiResponse> {
    let (mut allowed, mut parameters) = (Vec::new(), None);
    for found in endpoints.match_path(path) {
        let Some(endpoint) = endpoints::endpoint(found.index) else { continue };
        if found.rule.accepts(method) {
            return Ok((Ok(endpoint.handler), found.parameters.into_map()));
        }
        // a path without a group has two rules
        if !allowed.contains(&endpoint.method) {
            allowed.push(endpoint.method);
            allowed.extend((endpoint.method == "GET").then_some("HEAD"));
        }
        parameters = Some(found.parameters.into_map());
    }
    let parameters = parameters.ok_or_else(|| {
        let path: String = path.chars().take(MAX_QUOTED_CHARACTERS).collect();
        ApiResponse::not_found(format!(
            "no endpoint has the path {path:?}: check that each segment is percent-encoded UTF-8 and each id a number"
        ))
    })?;
    Ok((Err(ApiResponse::method_not_allowed(method.as_str(), allowed.join(","))), parameters))
}
