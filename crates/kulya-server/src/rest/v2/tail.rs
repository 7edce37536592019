//! Events as they come: server-sent events, whose ids are cuts, so that a client that comes back goes on where it was.
//!
//! The stream is read on when the client has taken what was read before, and an event becomes JSON in pieces, so that a
//! tail holds a chunk of the stream, which it shares with others at the same place, and one piece.

use super::Seen;
use super::ask::{Path, Query};
use super::event::{Encoder, Frame};
use super::refusal::Refusal;
use super::streams::{check_length, cut_of};
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

/// Bytes asked of the store at a time; so much, or one event, waits at most for a slow client.
const CHUNK_BYTES: usize = 1 << 18;
/// When nothing has come for so long a comment is sent, by which proxies see that somebody is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Following {
    from: Option<String>,
}

pub(super) async fn follow(
    served: Seen,
    Path((scope, stream)): Path<(String, String)>,
    Query(Following { from }): Query<Following>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let stream = StreamId::new(&scope, &stream)?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let cut = match last.or(from) {
        Some(text) => cut_of(&stream, &text)?,
        None => tail_cut(&*served.store, &stream).await?,
    };
    cut.check(&served.store.segments(&stream).await?)?;
    check_length(&cut)?;
    let reads = served.reads;
    let follower =
        Follower { reads, ends: served.ends, tail: Tail::from(cut), encoder: None, is_over: false };
    let pieces = stream::unfold(follower, |mut follower| async move {
        let piece = follower.next().await?;
        Some((Ok::<_, Infallible>(piece), follower))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

struct Follower {
    reads: Reads,
    ends: watch::Receiver<bool>,
    tail: Tail,
    encoder: Option<Encoder>,
    is_over: bool,
}

impl Follower {
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
            if self.is_over {
                return None;
            }
            // a segment's events get the cuts between them as their ids
            let cut = self.tail.cut.clone();
            let chunk = tokio::select! {
                // an error here is the sender's end, and so the server's
                _ = self.ends.wait_for(|ends| *ends) => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(Bytes::from_static(b":\n\n")),
                chunk = self.reads.follow(&mut self.tail, CHUNK_BYTES) => chunk,
            };
            match chunk {
                Ok(Some((segment, chunk))) => {
                    self.encoder = Some(Encoder::new(Frame::ServerSent(cut), segment, chunk));
                }
                // sealed, and read to its end
                Ok(None) => return None,
                Err(error) => {
                    self.is_over = true;
                    let what = error.to_string().replace(['\r', '\n'], " ");
                    return Some(format!("event: error\ndata: {what}\n\n").into());
                }
            }
        }
    }
}
