//! Tailing a stream with server-sent events, whose ids are cuts, so that a client that reconnects resumes
//! where it was.
//!
//! The stream is read when the client has read the events before, and events are encoded as JSON in pieces.
//! So a tail holds one chunk of the stream, which is shared with other tails at the same position, and one
//! piece of JSON.

use super::cut::{check_length, parse_cut};
use super::error::ApiError;
use super::event_json::{Encoder, Format};
use super::extract::{Path, Query};
use super::state::CallerServices;
use crate::reads::Reads;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use kulya_store::{StreamId, Tail, tail_cut};
use serde::Deserialize;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;

/// Bytes per read of the store; at most so many, or one event, are in memory for a slow client.
const CHUNK_BYTES: usize = 1 << 18;
/// The interval of comments that keep an idle connection alive through proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TailParameters {
    from: Option<String>,
}

pub(super) async fn follow(
    services: CallerServices,
    Path((scope, stream)): Path<(String, String)>,
    Query(TailParameters { from }): Query<TailParameters>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let stream = StreamId::new(&scope, &stream)?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let cut = match last.or(from) {
        Some(text) => parse_cut(&stream, &text)?,
        None => tail_cut(&*services.store, &stream).await?,
    };
    cut.check(&services.store.segments(&stream).await?)?;
    check_length(&cut)?;
    let reads = services.reads;
    let (stopping, tail) = (services.stopping, Tail::from(cut));
    let tail = EventStream { reads, stopping, tail, encoder: None, has_failed: false };
    let pieces = stream::unfold(tail, |mut tail| async move {
        let piece = tail.next().await?;
        Some((Ok::<_, Infallible>(piece), tail))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

struct EventStream {
    reads: Reads,
    stopping: watch::Receiver<bool>,
    tail: Tail,
    encoder: Option<Encoder>,
    has_failed: bool,
}

impl EventStream {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(mut encoder) = self.encoder.take() {
                let mut piece = Vec::new();
                if encoder.fill(&mut piece) {
                    self.encoder = Some(encoder);
                }
                if !piece.is_empty() {
                    return Some(piece.into());
                }
            }
            if self.has_failed {
                return None;
            }
            // the ids of a segment's events are the cuts between them
            let cut = self.tail.cut.clone();
            let chunk = tokio::select! {
                // an error means that the sender was dropped with the server
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(Bytes::from_static(b":\n\n")),
                chunk = self.reads.tail(&mut self.tail, CHUNK_BYTES) => chunk,
            };
            match chunk {
                Ok(Some((segment, chunk))) => {
                    self.encoder = Some(Encoder::new(Format::ServerSent(cut), segment, chunk));
                }
                // sealed and read to the end
                Ok(None) => return None,
                Err(error) => {
                    self.has_failed = true;
                    let what = error.to_string().replace(['\r', '\n'], " ");
                    return Some(format!("event: error\ndata: {what}\n\n").into());
                }
            }
        }
    }
}
