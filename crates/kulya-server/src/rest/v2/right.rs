//! What a request of REST v2 asks for, by its method, path and query: the registry's groups, the store's streams.

use super::super::v1;
use crate::door::{Asked, Visit};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use kulya_auth::operation::{self, RegistryCall, RequiredPermission, StoreCall};
use kulya_auth::permission::Permission::{Read, ReadUpdate};
use kulya_auth::resource::ResourceNames;
use kulya_store::{EventPointer, hex};
use percent_encoding::percent_decode_str;
use std::convert::Infallible;

/// What a request asks for; `None` is what no route here answers.
pub(crate) fn asked(names: &ResourceNames, method: &Method, uri: &Uri) -> Option<Asked> {
    let mut segments = Vec::new();
    for segment in uri.path().strip_prefix("/v2/")?.split('/') {
        segments.push(percent_decode_str(segment).decode_utf8().ok()?);
    }
    let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    match segments.as_slice() {
        ["streams" | "events", ..] => streams(names, method, &segments),
        _ => registry(names, method, &segments, uri.query().unwrap_or_default()),
    }
}

/// Whoever may change a scope may also make it, with its first stream.
fn streams(names: &ResourceNames, method: &str, segments: &[&str]) -> Option<Asked> {
    let (operation, call, scope, stream) = match (method, segments) {
        ("GET", ["streams", scope]) => ("list", StoreCall::ReadScope, *scope, ""),
        ("GET", ["streams", scope, stream]) => ("describe", StoreCall::ReadStream, *scope, *stream),
        ("PUT", ["streams", scope, stream]) => ("create", StoreCall::ChangeStreams, *scope, *stream),
        ("POST", ["streams", scope, stream, "events"]) => ("append", StoreCall::WriteStream, *scope, *stream),
        ("GET", ["streams", scope, stream, "events"]) => ("read", StoreCall::ReadStream, *scope, *stream),
        ("GET", ["streams", scope, stream, "tail"]) => ("tail", StoreCall::ReadStream, *scope, *stream),
        ("GET", ["events", pointer]) => return event(names, pointer),
        _ => return None,
    };
    let need = operation::store(names, call, scope, stream);
    Some(Asked::rest("streams", operation, need, method != "GET"))
}

fn event(names: &ResourceNames, pointer: &str) -> Option<Asked> {
    let pointer = EventPointer::from_bytes(&hex::decode(pointer.as_bytes())?).ok()?;
    let stream = &pointer.segment.stream;
    let need = operation::store(names, StoreCall::ReadStream, stream.scope.as_str(), stream.name.as_str());
    Some(Asked::rest("streams", "event", need, false))
}

/// As in v1 where v1 has the operation, but that adding a codec needs the right to change. What goes over all namespaces
/// needs a right on everything; what lists shows what the caller may read.
fn registry(names: &ResourceNames, method: &str, segments: &[&str], query: &str) -> Option<Asked> {
    let namespace = v1::namespace_of(query);
    let over = |permission| operation::namespace(names, namespace.as_deref(), permission);
    let told = |operation, need, is_change| Some(Asked::rest("registry", operation, need, is_change));
    let (operation, call, group) = match (method, segments) {
        ("GET", ["openapi.json"]) => return told("document", RequiredPermission::Authenticated, false),
        ("GET", ["namespaces"]) => return told("listNamespaces", RequiredPermission::Authenticated, false),
        ("GET", ["search"]) => return told("search", over(Read), false),
        // the body says where, and the handler asks
        ("POST", ["search"]) => return told("search", RequiredPermission::Authenticated, false),
        ("GET", ["export"]) => return told("export", over(Read), false),
        ("POST", ["import"]) => {
            return told("import", RequiredPermission::on(names.root(), ReadUpdate), true);
        }
        ("GET", ["changes"]) => return told("changes", RequiredPermission::on(names.root(), Read), false),
        ("POST", ["groups", group, "codecs"]) => ("addCodecType", RegistryCall::AddCodec, *group),
        ("GET", ["groups"]) => ("listGroups", RegistryCall::ListGroups, ""),
        ("POST", ["added-to"]) => ("addedTo", RegistryCall::AddedTo, ""),
        ("PUT", ["groups", group]) => ("createGroup", RegistryCall::CreateGroup, *group),
        ("PATCH", ["groups", group]) => ("changeGroup", RegistryCall::UpdateCompatibility, *group),
        ("DELETE", ["groups", group]) => ("deleteGroup", RegistryCall::DeleteGroup, *group),
        ("POST", ["groups", group, "schemas"]) => ("addSchema", RegistryCall::AddSchema, *group),
        ("DELETE", ["groups", group, "schemas", _]) => ("deleteSchema", RegistryCall::DeleteSchema, *group),
        ("POST", ["groups", group, "encodings"]) => ("encodingId", RegistryCall::EncodingId, *group),
        ("GET", ["groups", group]) | ("POST", ["groups", group, "check" | "find" | "can-read"]) => {
            ("readGroup", RegistryCall::ReadGroup, *group)
        }
        ("GET", ["groups", group, "versions" | "schemas" | "compare" | "codecs" | "encodings", ..]) => {
            ("readGroup", RegistryCall::ReadGroup, *group)
        }
        _ => return None,
    };
    let need = operation::registry(names, call, namespace.as_deref().unwrap_or_default(), group);
    told(operation, need, call.changes())
}

/// The visit that a request is.
impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}
