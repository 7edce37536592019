//! REST v1: the routes, and what every request goes through.
//!
//! Two things a usual router gets wrong here are done by hand: a group's name may hold `/`, percent-encoded within
//! one path segment, so the path is split before it is decoded; and `/v1/namespace/{ns}/groups…` is the same as
//! `/v1/groups…?namespace={ns}` (contract §1.1).

mod answer;
mod handlers;
mod path;

use crate::door::{Asked, Denied, GuardedRegistry, Visit};
use crate::rest::whole_body::whole_body;
use answer::Answer;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use kulya_auth::operation::{self, RegistryCall, RequiredPermission};
use kulya_auth::resource::ResourceNames;
use kulya_registry::Registry;
use path::Route;
use std::collections::HashMap;
use std::sync::Arc;

/// Bodies may be this large: an 8 MiB schema in base64, and what stands around it.
const MAX_BODY_BYTES: usize = 12 * 1024 * 1024;

/// So much of a path is repeated to whoever asked for it.
const SHOWN: usize = 200;

/// Every operation: its method, and its path with braces for what a caller fills in. The namespace is the query's.
pub const OPERATIONS: &[(&str, &str)] = &[
    ("GET", "/ping"),
    ("GET", "/v1/groups"),
    ("POST", "/v1/groups"),
    ("GET", "/v1/groups/{group}"),
    ("DELETE", "/v1/groups/{group}"),
    ("GET", "/v1/groups/{group}/history"),
    ("PUT", "/v1/groups/{group}/compatibility"),
    ("GET", "/v1/groups/{group}/schemas"),
    ("POST", "/v1/groups/{group}/schemas"),
    ("GET", "/v1/groups/{group}/schemas/versions"),
    ("POST", "/v1/groups/{group}/schemas/versions/find"),
    ("POST", "/v1/groups/{group}/schemas/versions/validate"),
    ("POST", "/v1/groups/{group}/schemas/versions/canRead"),
    ("GET", "/v1/groups/{group}/schemas/schema/{id}"),
    ("DELETE", "/v1/groups/{group}/schemas/schema/{id}"),
    ("GET", "/v1/groups/{group}/schemas/format/{format}/type/{type}/versions/{id}"),
    ("DELETE", "/v1/groups/{group}/schemas/format/{format}/type/{type}/versions/{id}"),
    ("PUT", "/v1/groups/{group}/encodings"),
    ("GET", "/v1/groups/{group}/encodings/{id}"),
    ("GET", "/v1/groups/{group}/codecTypes"),
    ("POST", "/v1/groups/{group}/codecTypes"),
    ("POST", "/v1/schemas/addedTo"),
];

/// All of REST v1, and `/ping`.
pub fn router(registry: Arc<Registry>) -> Router {
    Router::new().fallback(handle).with_state(GuardedRegistry::new(registry))
}

/// A request in the domain's terms.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) namespace: String,
    pub(crate) query: HashMap<String, String>,
    pub(crate) body: Bytes,
    pub(crate) visit: Visit,
}

/// What a request asks for. What is no operation asks for nothing: it is an unknown place, or a wrong method.
pub(crate) fn asked(names: &ResourceNames, method: &Method, uri: &Uri) -> Asked {
    let query = path::query(uri.query().unwrap_or_default());
    let found =
        path::route(uri.path()).and_then(|(route, in_path)| Some((operation(&route, method)?, in_path)));
    let Some(((call, group), in_path)) = found else {
        return Asked::rest("registry", "unknown", RequiredPermission::Authenticated, false);
    };
    let namespace = namespace(in_path, query);
    let need = operation::registry(names, call, &namespace, &group);
    Asked::rest("registry", call.name(), need, call.changes())
}

/// The operation of a place and a method, and the group that it is about.
fn operation(route: &Route, method: &Method) -> Option<(RegistryCall, String)> {
    use RegistryCall as Call;
    let (get, post) = (method == Method::GET || method == Method::HEAD, method == Method::POST);
    let (put, delete) = (method == Method::PUT, method == Method::DELETE);
    let (call, group) = match route {
        Route::Ping if get => (Call::Ping, ""),
        Route::Groups if get => (Call::ListGroups, ""),
        Route::Groups if post => (Call::CreateGroup, ""),
        Route::AddedTo if post => (Call::AddedTo, ""),
        Route::Group(group)
        | Route::History(group)
        | Route::Schemas(group)
        | Route::Versions(group)
        | Route::SchemaById(group, _)
        | Route::SchemaByVersion { group, .. }
        | Route::EncodingById(group, _)
        | Route::CodecTypes(group)
            if get =>
        {
            (Call::ReadGroup, group.as_str())
        }
        Route::Find(group) | Route::Validate(group) | Route::CanRead(group) if post => {
            (Call::ReadGroup, group.as_str())
        }
        Route::Group(group) if delete => (Call::DeleteGroup, group.as_str()),
        Route::Compatibility(group) if put => (Call::UpdateCompatibility, group.as_str()),
        Route::Schemas(group) if post => (Call::AddSchema, group.as_str()),
        Route::SchemaById(group, _) if delete => (Call::DeleteSchema, group.as_str()),
        Route::SchemaByVersion { group, .. } if delete => (Call::DeleteVersion, group.as_str()),
        Route::Encodings(group) if put => (Call::EncodingId, group.as_str()),
        Route::CodecTypes(group) if post => (Call::AddCodecType, group.as_str()),
        _ => return None,
    };
    Some((call, group.to_owned()))
}

/// The namespace that a query names, also REST v2's.
pub(super) fn namespace_of(query: &str) -> Option<String> {
    path::query(query).remove("namespace")
}

/// The path's word goes before the query's.
fn namespace(in_path: Option<String>, mut query: HashMap<String, String>) -> String {
    in_path.or_else(|| query.remove("namespace")).unwrap_or_default()
}

/// The refusal of whoever has no right.
pub(crate) fn denied(denied: &Denied) -> Response<Body> {
    Answer::denied(denied).into_response()
}

async fn handle(State(registry): State<GuardedRegistry>, request: Request) -> Response<Body> {
    let is_head = request.method() == Method::HEAD;
    let answer = match read(request).await {
        Ok((route, call)) => handlers::dispatch(&registry.seen_by_java(&call.visit), route, &call).await,
        Err(answer) => answer,
    };
    if answer.status.is_server_error() {
        tracing::error!(status = %answer.status, "{}", answer.causes());
    }
    let response = answer.into_response();
    if is_head { response.map(|_| Body::empty()) } else { response }
}

async fn read(request: Request) -> Result<(Route, Call), Answer> {
    let (parts, body) = request.into_parts();
    let visit = Visit::of(&parts.extensions);
    let query = path::query(parts.uri.query().unwrap_or_default());
    let (route, in_path) = path::route(parts.uri.path()).ok_or_else(|| {
        let path: String = parts.uri.path().chars().take(SHOWN).collect();
        Answer::not_found(format!(
            "there is nothing at {path:?}: see that each part is right, percent-encoded as UTF-8, and each id a number"
        ))
    })?;
    let namespace = namespace(in_path, query.clone());
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method };
    if method == Method::POST || method == Method::PUT {
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Answer::unsupported_media_type(kind));
        }
    }
    let body = whole_body(body, MAX_BODY_BYTES).await.map_err(|_| Answer::too_large(MAX_BODY_BYTES))?;
    Ok((route, Call { method, namespace, query, body, visit }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handler that no right is asked for would be open to everybody who is known.
    #[test]
    fn every_method_of_every_place_is_an_operation() {
        let group = || "g".to_owned();
        let by_version = || Route::SchemaByVersion {
            group: group(),
            format: "Avro".into(),
            type_name: "T".into(),
            version: 0,
        };
        let mut listed = 0;
        for route in [
            Route::Ping,
            Route::Groups,
            Route::Group(group()),
            Route::History(group()),
            Route::Compatibility(group()),
            Route::Schemas(group()),
            Route::Versions(group()),
            Route::Find(group()),
            Route::Validate(group()),
            Route::CanRead(group()),
            Route::SchemaById(group(), 0),
            by_version(),
            Route::Encodings(group()),
            Route::EncodingById(group(), 0),
            Route::CodecTypes(group()),
            Route::AddedTo,
        ] {
            let allowed: Vec<&str> = handlers::allowed(&route).split(',').collect();
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
                let is_operation = operation(&route, &method.parse().unwrap()).is_some();
                assert_eq!(is_operation, allowed.contains(&method), "{method} {route:?}");
                listed += usize::from(is_operation && method != "HEAD");
            }
        }
        let fill = |path: &str| path.replace("{id}", "0").replace(['{', '}'], "");
        let named = OPERATIONS.iter().filter(|(method, path)| {
            let found =
                path::route(&fill(path)).and_then(|(route, _)| operation(&route, &method.parse().ok()?));
            found.is_some()
        });
        assert_eq!((named.count(), OPERATIONS.len()), (listed, listed), "the list has each, once");
    }
}
