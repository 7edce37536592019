//! Extractors whose errors are those of REST v2. (axum's own reject with plain text.)

use super::error::{ApiError, bad_request};
use crate::rest::read_body::read_body;
use crate::strict::{self, UnknownFields};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kulya_store::framing;
use serde::de::DeserializeOwned;

/// Longest JSON body, in bytes: an 8 MiB schema in base64 and its metadata.
pub(super) const MAX_BODY_BYTES: usize = 12 * 1024 * 1024;

/// The parameters of the query.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        query
            .map(|query| Self(query.0))
            .map_err(|error| bad_request(format!("invalid query: {}", error.body_text())))
    }
}

/// The decoded parameters of the path.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0))
            .map_err(|error| bad_request(format!("invalid path: {}", error.body_text())))
    }
}

/// A JSON body.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        check_content_type(request.headers(), "application/json")?;
        let body = bytes(request, MAX_BODY_BYTES).await?;
        if body.is_empty() {
            return Err(bad_request("the request has no body: send a JSON object"));
        }
        let parsed = strict::from_json(&body, UnknownFields::Reject);
        parsed.map(Self).map_err(|error| bad_request(format!("invalid request body: {error}")))
    }
}

/// Rejects a body where the endpoint has none: it would silently be ignored.
pub(super) async fn reject_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // an empty body is none
    match axum::body::to_bytes(body, 0).await {
        Ok(_) => next.run(Request::from_parts(parts, Body::empty())).await,
        Err(_) => {
            let what = "this endpoint accepts no request body: use the query";
            bad_request(what).into_response()
        }
    }
}

/// An event's bytes.
pub(super) struct EventBytes(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for EventBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        bytes(request, framing::MAX_EVENT_BYTES).await.map(Self)
    }
}

async fn bytes(request: Request, max_bytes: usize) -> Result<Bytes, ApiError> {
    read_body(request.into_body(), max_bytes).await.map_err(|_| {
        let what = format!("the body cannot be read or is larger than {max_bytes} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid-input", what)
    })
}

/// Rejects a body of another type or without one: a web page cannot send this type without a preflight
/// request.
pub(super) fn check_content_type(headers: &HeaderMap, expected: &str) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let what = format!("Content-Type {kind:.80?} is not supported: send {expected}");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid-input", what))
}
