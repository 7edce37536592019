//! What a request holds, read or refused as everything else is refused. (axum's own readers refuse with plain text.)

use super::refusal::{Refusal, wrong};
use crate::rest::whole_body::whole_body;
use crate::strict::{self, Unknown};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use kulya_store::framing;
use serde::de::DeserializeOwned;

/// JSON bodies may be this large: an 8 MiB schema in base64, and what stands around it.
pub(super) const MAX_BODY_BYTES: usize = 12 * 1024 * 1024;

/// The query's parameters.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        query
            .map(|query| Self(query.0))
            .map_err(|error| wrong(format!("the query is wrong: {}", error.body_text())))
    }
}

/// The decoded parts of the path.
pub(super) struct Path<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0))
            .map_err(|error| wrong(format!("the path is wrong: {}", error.body_text())))
    }
}

/// A JSON body.
pub(super) struct Json<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        of_type(request.headers(), "application/json")?;
        let body = bytes(request, MAX_BODY_BYTES).await?;
        if body.is_empty() {
            return Err(wrong("the request has no body: send a JSON object"));
        }
        let read = strict::json(&body, Unknown::Refused);
        read.map(Self).map_err(|error| wrong(format!("the request's body is wrong: {error}")))
    }
}

/// Refuses a body where the place takes none: it would quietly mean nothing.
pub(super) async fn no_body(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    // one of no bytes is none
    match axum::body::to_bytes(body, 0).await {
        Ok(_) => next.run(Request::from_parts(parts, Body::empty())).await,
        Err(_) => {
            let what = "the request has a body, and nothing is taken from one here: say it in the query";
            wrong(what).into_response()
        }
    }
}

/// An event's bytes.
pub(super) struct EventBytes(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for EventBytes {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        bytes(request, framing::MAX_EVENT_BYTES).await.map(Self)
    }
}

async fn bytes(request: Request, most: usize) -> Result<Bytes, Refusal> {
    whole_body(request.into_body(), most).await.map_err(|_| {
        let what = format!("the body cannot be read or is larger than {most} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid-input", what)
    })
}

/// Refuses a body of another type, or of none: a page in somebody's browser cannot send this one without asking first.
pub(super) fn of_type(headers: &HeaderMap, wanted: &str) -> Result<(), Refusal> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let what = format!("Content-Type {kind:.80?} is not supported: send {wanted}");
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid-input", what))
}
