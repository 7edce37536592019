//! Events as they come: server-sent events, whose ids are cuts, so that a client that comes back goes on where it was.

use super::Served;
use super::ask::{Path, Query};
use super::event::shown;
use super::refusal::Refusal;
use super::streams::cut_of;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream};
use kulya_store::{StreamId, Tail, tail_cut};
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;

/// Bytes asked of the store at a time; so much waits at most for a slow client.
const CHUNK_BYTES: usize = 1 << 18;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Following {
    from: Option<String>,
}

pub(super) async fn follow(
    State(served): State<Served>,
    Path((scope, stream)): Path<(String, String)>,
    Query(Following { from }): Query<Following>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let stream = StreamId::new(&scope, &stream)?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let cut = match last.or(from) {
        Some(text) => cut_of(&stream, &text)?,
        None => tail_cut(&*served.store, &stream).await?,
    };
    cut.check(&served.store.segments(&stream).await?)?;
    let follower = Follower { served, tail: Tail::from(cut), waiting: VecDeque::new(), is_over: false };
    let events = stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

struct Follower {
    served: Served,
    tail: Tail,
    waiting: VecDeque<Event>,
    is_over: bool,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        while self.waiting.is_empty() && !self.is_over {
            // a segment's events get the cuts between them as their ids
            let mut cut = self.tail.cut.clone();
            let chunk = tokio::select! {
                // an error here is the sender's end, and so the server's
                _ = self.served.ends.wait_for(|ends| *ends) => return None,
                chunk = self.tail.next(&*self.served.store, CHUNK_BYTES) => chunk,
            };
            match chunk {
                Ok(Some((segment, chunk))) => {
                    for (pointer, (at, event)) in chunk.pointers(&segment).zip(&chunk.events) {
                        cut.advance(&segment, at + u64::from(pointer.length));
                        let data = shown(&pointer, event).to_string();
                        self.waiting.push_back(Event::default().id(cut.to_string()).data(data));
                    }
                }
                // sealed, and read to its end
                Ok(None) => return None,
                Err(error) => {
                    self.is_over = true;
                    return Some(Event::default().event("error").data(error.to_string()));
                }
            }
        }
        self.waiting.pop_front()
    }
}
