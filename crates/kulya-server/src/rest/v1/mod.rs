//! REST v1: the routes, and what every request goes through.
//!
//! Two things a usual router gets wrong here are done by hand: a group's name may hold `/`, percent-encoded within
//! one path segment, so the path is split before it is decoded; and `/v1/namespace/{ns}/groups…` is the same as
//! `/v1/groups…?namespace={ns}` (contract §1.1).

mod answer;
mod handlers;
mod path;

use answer::Answer;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::Response;
use bytes::Bytes;
use kulya_registry::Registry;
use path::Route;
use std::collections::HashMap;
use std::sync::Arc;

/// Bodies may be this large: an 8 MiB schema in base64, and what stands around it.
const MAX_BODY_BYTES: usize = 12 * 1024 * 1024;

/// So much of a path is repeated to whoever asked for it.
const SHOWN: usize = 200;

/// All of REST v1, and `/ping`.
pub fn router(registry: Arc<Registry>) -> Router {
    Router::new().fallback(handle).with_state(registry)
}

/// A request in the domain's terms.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) namespace: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) body: Bytes,
}

async fn handle(State(registry): State<Arc<Registry>>, request: Request) -> Response<Body> {
    let is_head = request.method() == Method::HEAD;
    let answer = match read(request).await {
        Ok((route, call)) => handlers::dispatch(&registry, route, &call).await,
        Err(answer) => answer,
    };
    if answer.status.is_server_error() {
        tracing::error!(status = %answer.status, "{}", answer.text());
    }
    let response = answer.into_response();
    if is_head { response.map(|_| Body::empty()) } else { response }
}

async fn read(request: Request) -> Result<(Route, Call), Answer> {
    let (parts, body) = request.into_parts();
    let mut query = path::query(parts.uri.query().unwrap_or_default());
    let (route, in_path) = path::route(parts.uri.path()).ok_or_else(|| {
        let path: String = parts.uri.path().chars().take(SHOWN).collect();
        Answer::not_found(format!(
            "there is nothing at {path:?}: see that each part is right, percent-encoded as UTF-8, and each id a number"
        ))
    })?;
    let namespace = in_path.or_else(|| query.remove("namespace")).unwrap_or_default();
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method };
    if method == Method::POST || method == Method::PUT {
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Answer::unsupported_media_type(kind));
        }
    }
    let body =
        axum::body::to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| Answer::too_large(MAX_BODY_BYTES))?;
    Ok((route, Call { method, namespace, query, body }))
}
