//! Following changes with server-sent events, whose ids are positions, so that a client that reconnects
//! resumes where it was.

use super::super::error::ApiError;
use super::super::extract::Query;
use super::super::state::CallerServices;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{Stream, StreamExt};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeParameters {
    from: Option<String>,
}

pub(crate) async fn follow(
    services: CallerServices,
    Query(ChangeParameters { from }): Query<ChangeParameters>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, axum::Error>>>, ApiError> {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let changes = services.registry.changes(last.or(from).as_deref()).await?;
    let mut stopping = services.stopping;
    let events = changes.map(|change| match change {
        Ok((position, change)) => Event::default().id(position).json_data(change),
        // the status has been sent
        Err(error) => Event::default().event("error").json_data(ApiError::from(error).into_body()),
    });
    let events = events.take_until(async move {
        // an error means that the sender was dropped with the server
        let _ = stopping.wait_for(|stopping| *stopping).await;
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
