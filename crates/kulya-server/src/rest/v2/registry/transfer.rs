//! Export and import, line by line: neither is ever whole in memory.

use super::super::Seen;
use super::super::ask::{Query, of_type};
use super::super::refusal::Refusal;
use super::export_line;
use super::lines::Lines;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use kulya_codec::administration::{Existing, Imported};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::Mutex;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exporting {
    namespace: Option<String>,
}

/// An error in its midst cuts the answer off, and the last line is missing.
pub(crate) async fn export(
    served: Seen,
    Query(Exporting { namespace }): Query<Exporting>,
) -> Result<Response, Refusal> {
    let lines = served.registry.export(namespace.as_deref()).await?;
    let lines = lines.map(|line| {
        let line = line.inspect_err(|error| tracing::error!("an export is cut off: {error}"))?;
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(text)
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Importing {
    #[serde(default)]
    existing: Existing,
}

pub(crate) async fn import(
    served: Seen,
    Query(Importing { existing }): Query<Importing>,
    headers: HeaderMap,
    body: Body,
) -> Result<axum::Json<Imported>, Refusal> {
    of_type(&headers, "application/x-ndjson")?;
    let lines = Arc::new(Mutex::new(Lines::of(body)));
    let given = stream::unfold(Arc::clone(&lines), |lines| async move {
        let line = lines.lock().await.next(export_line::read).await?;
        Some((line, lines))
    });
    match served.registry.import(given.boxed(), existing).await {
        Ok(done) => Ok(axum::Json(done)),
        Err(error) => {
            lines.lock().await.drain().await;
            Err(error.into())
        }
    }
}
