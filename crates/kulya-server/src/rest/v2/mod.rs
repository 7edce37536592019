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

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use kulya_store::{StreamStore, framing};
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
