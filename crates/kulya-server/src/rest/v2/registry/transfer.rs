//! Export and import, line by line: neither is ever whole in memory.

use super::super::Seen;
use super::super::ask::{Query, of_type};
use super::super::refusal::Refusal;
use super::export_line;
use super::lines::Lines;
use crate::door::Visit;
use crate::reads::no_room;
use crate::rest::records::{self, Around, Unanswered};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use kulya_registry_api::administration::{Existing, ExportLine, Imported};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::Mutex;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exporting {
    namespace: Option<String>,
}

/// Lines with an end each.
const LINES: Around = Around { before: "", between: "", behind: "\n", after: "" };

/// An error in its midst cuts the answer off, and the last line is missing.
pub(crate) async fn export(
    served: Seen,
    visit: Visit,
    Query(Exporting { namespace }): Query<Exporting>,
) -> Result<Response, Refusal> {
    let lines = served.registry.export(namespace.as_deref()).await?;
    let bytes_of = |line: &ExportLine| match line {
        ExportLine::Schema { schema_info, .. } => schema_info.data.len(),
        _ => 0,
    };
    let body =
        records::body(visit.bytes().clone(), LINES, lines, bytes_of).await.map_err(|why| match why {
            Unanswered::NoRoom => no_room().into(),
            Unanswered::Unread(error) => Refusal::from(error),
        })?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
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
