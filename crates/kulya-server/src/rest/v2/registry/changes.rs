//! The feed of changes as server-sent events, whose ids are places, so that a client that comes back goes on where it was.

use super::super::Seen;
use super::super::ask::Query;
use super::super::refusal::Refusal;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{Stream, StreamExt};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Following {
    from: Option<String>,
}

pub(crate) async fn follow(
    served: Seen,
    Query(Following { from }): Query<Following>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, axum::Error>>>, Refusal> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let changes = served.registry.changes(last.or(from).as_deref()).await?;
    let mut ends = served.ends;
    let events = changes.map(|change| match change {
        Ok((place, change)) => Event::default().id(place).json_data(change),
        // the status is long gone
        Err(error) => Event::default().event("error").json_data(Refusal::from(error).told()),
    });
    let events = events.take_until(async move {
        // an error here is the sender's end, and so the server's
        let _ = ends.wait_for(|ends| *ends).await;
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
