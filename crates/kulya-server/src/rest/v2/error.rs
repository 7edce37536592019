//! Errors of REST v2, and the mapping from the kinds of the store's and the registry's errors to a status and
//! a word: [`ApiError`].

use crate::error_chain::format_error_chain;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kulya_auth::authorization::Denied;
use kulya_registry_api::{RegistryError, RegistryErrorKind};
use kulya_schema::compatibility;
use kulya_store::{Error, ErrorKind};
use serde::Serialize;
use std::error::Error as _;

/// All values of an error's `kind`.
pub(super) const KINDS: [&str; 15] = [
    "not-found",
    "conflict",
    "sealed",
    "invalid-input",
    "gone",
    "full",
    "unavailable",
    "incompatible",
    "format-mismatch",
    "codec-unknown",
    "referenced",
    "not-allowed",
    "denied",
    "not-supported",
    "failed",
];

/// An error response.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    /// For the log: the error with its sources.
    error_chain: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ErrorBody {
    error: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Box<compatibility::Refusal>>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, kind: &'static str, what: impl Into<String>) -> Self {
        Self { status, body: ErrorBody { error: what.into(), kind, refusal: None }, error_chain: None }
    }

    /// Returns the body alone, for an error after the response has started.
    pub(super) fn into_body(self) -> ErrorBody {
        self.body
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        Self::new(StatusCode::FORBIDDEN, "denied", denied.to_string())
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let (status, kind) = match error.kind() {
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            ErrorKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            ErrorKind::Sealed => (StatusCode::CONFLICT, "sealed"),
            ErrorKind::InvalidInput => (StatusCode::BAD_REQUEST, "invalid-input"),
            ErrorKind::Truncated => (StatusCode::GONE, "gone"),
            ErrorKind::Full => (StatusCode::INSUFFICIENT_STORAGE, "full"),
            ErrorKind::NotSupported => (StatusCode::NOT_IMPLEMENTED, "not-supported"),
            ErrorKind::Closed | ErrorKind::Locked | ErrorKind::Unreachable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        let error_chain = status.is_server_error().then(|| format_error_chain(&error));
        Self { error_chain, ..Self::new(status, kind, error.to_string()) }
    }
}

/// Uses the statuses of REST v1 (contract §1.3).
impl From<RegistryError> for ApiError {
    fn from(error: RegistryError) -> Self {
        let (status, kind) = match error.kind() {
            RegistryErrorKind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            RegistryErrorKind::Incompatible => (StatusCode::CONFLICT, "incompatible"),
            RegistryErrorKind::FormatMismatch => (StatusCode::EXPECTATION_FAILED, "format-mismatch"),
            RegistryErrorKind::CodecUnknown => (StatusCode::PRECONDITION_FAILED, "codec-unknown"),
            RegistryErrorKind::Referenced => (StatusCode::CONFLICT, "referenced"),
            RegistryErrorKind::Denied => (StatusCode::FORBIDDEN, "denied"),
            RegistryErrorKind::InvalidInput => (StatusCode::BAD_REQUEST, "invalid-input"),
            RegistryErrorKind::Gone => (StatusCode::GONE, "gone"),
            RegistryErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        let refusal = error.refusal().cloned().map(Box::new);
        let what = match error.source() {
            // the error's own text is the format's name alone, which REST v1 has to return
            Some(source) if error.kind() == RegistryErrorKind::FormatMismatch => source.to_string(),
            _ => error.to_string(),
        };
        let error_chain = status.is_server_error().then(|| format_error_chain(&error));
        let mut response = Self { error_chain, ..Self::new(status, kind, what) };
        response.body.refusal = refusal;
        response
    }
}

/// Returns the error for an invalid request.
pub(crate) fn bad_request(what: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "invalid-input", what)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, body, error_chain } = self;
        if status.is_server_error() {
            tracing::error!(%status, "{}", error_chain.as_deref().unwrap_or(&body.error));
        }
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
