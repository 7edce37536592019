//! The endpoints of export and import, which have one line in memory at a time.

use super::super::error::ApiError;
use super::super::extract::{Query, check_content_type};
use super::super::state::CallerServices;
use super::export_line;
use super::json_lines::JsonLines;
use crate::middleware::RequestContext;
use crate::reads::out_of_memory;
use crate::rest::record_stream::{self, Delimiters, RecordStreamError};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, StreamExt};
use kulya_registry_api::administration::{ExportLine, ImportSummary, OnConflict};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::Mutex;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportParameters {
    namespace: Option<String>,
}

/// JSON lines.
const LINES: Delimiters = Delimiters { start: "", separator: "", terminator: "\n", end: "" };

/// A late error aborts the response, so that the last line is missing.
pub(crate) async fn export(
    services: CallerServices,
    context: RequestContext,
    Query(ExportParameters { namespace }): Query<ExportParameters>,
) -> Result<Response, ApiError> {
    let lines = services.registry.export(namespace.as_deref()).await?;
    let bytes_of = |line: &ExportLine| match line {
        ExportLine::Schema { schema_info, unresolved, .. } => {
            schema_info.data.len() + unresolved.as_ref().map_or(0, |unresolved| unresolved.schema_data.len())
        }
        _ => 0,
    };
    let body =
        record_stream::body(context.bytes().clone(), LINES, lines, bytes_of).await.map_err(|error| {
            match error {
                RecordStreamError::OutOfMemory => out_of_memory().into(),
                RecordStreamError::Source(error) => ApiError::from(error),
            }
        })?;
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportParameters {
    #[serde(default)]
    existing: OnConflict,
}

pub(crate) async fn import(
    services: CallerServices,
    Query(ImportParameters { existing }): Query<ImportParameters>,
    headers: HeaderMap,
    body: Body,
) -> Result<axum::Json<ImportSummary>, ApiError> {
    check_content_type(&headers, "application/x-ndjson")?;
    let lines = Arc::new(Mutex::new(JsonLines::new(body)));
    let parsed = stream::unfold(Arc::clone(&lines), |lines| async move {
        let line = lines.lock().await.next(export_line::parse).await?;
        Some((line, lines))
    });
    match services.registry.import(parsed.boxed(), existing).await {
        Ok(imported) => Ok(axum::Json(imported)),
        Err(error) => {
            lines.lock().await.drain().await;
            Err(error.into())
        }
    }
}
