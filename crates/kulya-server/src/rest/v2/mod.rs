//! REST v2, our own: the store's streams, for `curl` and whatever speaks HTTP.
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
//!
//! A POST with `Kulya-Writer` (32 hexadecimal digits) and `Kulya-Event-Number` may be repeated: 200 and
//! `{"duplicate":true}` say that it is stored already. An error is `{"error": text}`.

mod event;
mod refusal;
mod streams;
mod tail;

use crate::door::Asked;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::routing::{get, post};
use kulya_guard::operation::{self, StoreCall};
use kulya_guard::resource::Names;
use kulya_store::{EventPointer, StreamStore, framing, hex};
use percent_encoding::percent_decode_str;
use std::sync::Arc;
use tokio::sync::watch;

/// What every call has.
#[derive(Clone)]
struct Served {
    store: Arc<dyn StreamStore>,
    /// Whether the server ends.
    ends: watch::Receiver<bool>,
}

/// All of REST v2. Calls that follow a stream end when `ends` becomes true.
pub fn router(store: Arc<dyn StreamStore>, ends: watch::Receiver<bool>) -> Router {
    Router::new()
        .route("/v2/streams/{scope}", get(streams::list))
        .route("/v2/streams/{scope}/{stream}", get(streams::describe).put(streams::create))
        .route("/v2/streams/{scope}/{stream}/events", post(streams::append).get(streams::read))
        .route("/v2/streams/{scope}/{stream}/tail", get(tail::follow))
        .route("/v2/events/{pointer}", get(streams::event))
        .layer(DefaultBodyLimit::max(framing::MAX_EVENT_BYTES))
        .with_state(Served { store, ends })
}

/// What a request asks for; `None` is what no route here answers.
///
/// Whoever may change a scope may also make it, with its first stream.
pub(crate) fn asked(names: &Names, method: &Method, path: &str) -> Option<Asked> {
    let (get, post) = (method == Method::GET || method == Method::HEAD, method == Method::POST);
    let mut segments = Vec::new();
    for segment in path.strip_prefix("/v2/")?.split('/') {
        segments.push(percent_decode_str(segment).decode_utf8().ok()?);
    }
    let segments: Vec<&str> = segments.iter().map(|segment| &**segment).collect();
    let (operation, call, scope, stream) = match segments.as_slice() {
        ["streams", scope] if get => ("list", StoreCall::ReadScope, *scope, ""),
        ["streams", scope, stream] if get => ("describe", StoreCall::ReadStream, *scope, *stream),
        ["streams", scope, stream] if method == Method::PUT => {
            ("create", StoreCall::ChangeStreams, *scope, *stream)
        }
        ["streams", scope, stream, "events"] if post => ("append", StoreCall::WriteStream, *scope, *stream),
        ["streams", scope, stream, "events"] if get => ("read", StoreCall::ReadStream, *scope, *stream),
        ["streams", scope, stream, "tail"] if get => ("tail", StoreCall::ReadStream, *scope, *stream),
        ["events", pointer] if get => return asked_event(names, pointer),
        _ => return None,
    };
    let is_change = method != Method::GET && method != Method::HEAD;
    Some(Asked::rest("streams", operation, operation::store(names, call, scope, stream), is_change))
}

fn asked_event(names: &Names, pointer: &str) -> Option<Asked> {
    let pointer = EventPointer::from_bytes(&hex::decode(pointer.as_bytes())?).ok()?;
    let stream = &pointer.segment.stream;
    let need = operation::store(names, StoreCall::ReadStream, stream.scope.as_str(), stream.name.as_str());
    Some(Asked::rest("streams", "event", need, false))
}
