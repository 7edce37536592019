//! The endpoints of the captures that the program runs.

use super::endpoint::{Content, Endpoint, Parameter};
use super::error::ApiError;
use super::extract::{self, Path, Query};
use super::state::ApiState;
use crate::captures::{CaptureError, CaptureErrorKind, RemoveOptions};
use crate::endpoint::Access;
use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use kulya_auth::permission::Permission::{Read, ReadUpdate};
use serde::Deserialize;
use serde_json::{Value, json};

/// A capture reads a database and writes streams, so it belongs to those who administer the server.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let (read, change) = (Access::Everything(Read), Access::Everything(ReadUpdate));
    vec![
        Endpoint::new(Method::GET, "/v2/captures", read, list)
            .audited_as("listCaptures")
            .documented("listCaptures", "returns the status of all captures")
            .response(200, "in name order", Content::Json("Captures")),
        Endpoint::new(Method::GET, "/v2/captures/{capture}", read, get)
            .audited_as("getCapture")
            .documented("getCapture", "returns a capture's status")
            .response(200, "its status", Content::Json("Capture"))
            .errors(&[404]),
        Endpoint::new(Method::POST, "/v2/captures/{capture}/pause", change, pause)
            .audited_as("pauseCapture")
            .documented(
                "pauseCapture",
                "pauses a capture, also across restarts; it may be running for a moment",
            )
            .response(200, "its status", Content::Json("Capture"))
            .errors(&[404]),
        Endpoint::new(Method::POST, "/v2/captures/{capture}/resume", change, resume)
            .audited_as("resumeCapture")
            .documented(
                "resumeCapture",
                "resumes a capture from its position, or starts it again after an error",
            )
            .response(200, "its status", Content::Json("Capture"))
            .errors(&[404]),
        Endpoint::new(Method::POST, "/v2/captures/{capture}/signals", change, signal)
            .audited_as("signalCapture")
            .documented(
                "signalCapture",
                "gives a capture a signal in Debezium's form, which it executes once: execute-snapshot, \
                 stop-snapshot, pause-snapshot, resume-snapshot or log",
            )
            .request(Content::Json("Signal"))
            .response(200, "its status; the signal may not be executed yet", Content::Json("Capture"))
            .errors(&[404]),
        Endpoint::new(Method::DELETE, "/v2/captures/{capture}", change, remove)
            .audited_as("dropCapture")
            .documented(
                "dropCapture",
                "removes a capture's replication slot, publication and position. It must be \
                 paused or stopped; when it is resumed, it reads all rows again",
            )
            .query(&[
                Parameter::flag("storeOnly", "leaves the database as it is"),
                Parameter::flag("streams", "deletes the streams of its tables too, with their groups"),
            ])
            .response(200, "what was removed", Content::Json("DroppedCapture"))
            .errors(&[404, 409]),
    ]
}

impl From<CaptureError> for ApiError {
    fn from(error: CaptureError) -> Self {
        let (status, kind) = match error.kind {
            CaptureErrorKind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            CaptureErrorKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            CaptureErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid-input"),
            CaptureErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            CaptureErrorKind::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        Self::new(status, kind, error.message)
    }
}

async fn list(State(state): State<ApiState>) -> Json<Value> {
    Json(json!({ "captures": state.captures().list().await }))
}

async fn get(State(state): State<ApiState>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(state.captures().status(&name).await?))
}

async fn pause(State(state): State<ApiState>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(state.captures().pause(&name).await?))
}

async fn resume(State(state): State<ApiState>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    Ok(Json(state.captures().resume(&name).await?))
}

async fn signal(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    extract::Json(signal): extract::Json<Value>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(state.captures().signal(&name, &signal).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DropParameters {
    #[serde(default)]
    store_only: bool,
    #[serde(default)]
    streams: bool,
}

async fn remove(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    Query(DropParameters { store_only, streams }): Query<DropParameters>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(state.captures().remove(&name, RemoveOptions { store_only, streams }).await?))
}
