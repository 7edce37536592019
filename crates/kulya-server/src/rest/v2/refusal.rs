//! The one table from an error's kind, the store's and the registry's, to a status and a word.

use crate::door::{Denied, with_causes};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kulya_registry_api::{RegistryError, RegistryErrorKind};
use kulya_schema::decide;
use kulya_store::{Error, ErrorKind};
use serde::Serialize;
use std::error::Error as _;

/// Every word that an error's `kind` may be.
pub(super) const KINDS: [&str; 14] = [
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
    "not-allowed",
    "denied",
    "not-supported",
    "failed",
];

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    told: Told,
    /// For the log: the error with its causes.
    causes: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Told {
    error: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Box<decide::Refusal>>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, kind: &'static str, what: impl Into<String>) -> Self {
        Self { status, told: Told { error: what.into(), kind, refusal: None }, causes: None }
    }

    /// The body, for those who can only tell it after the status.
    pub(super) fn told(self) -> Told {
        self.told
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::new(StatusCode::FORBIDDEN, "denied", denied.to_string())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let (status, kind) = match error.kind() {
            ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            ErrorKind::Conflict => (StatusCode::CONFLICT, "conflict"),
            ErrorKind::Sealed => (StatusCode::CONFLICT, "sealed"),
            ErrorKind::InvalidInput => (StatusCode::BAD_REQUEST, "invalid-input"),
            ErrorKind::Truncated => (StatusCode::GONE, "gone"),
            ErrorKind::Full => (StatusCode::INSUFFICIENT_STORAGE, "full"),
            ErrorKind::Closed | ErrorKind::Locked | ErrorKind::Unreachable => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        let causes = status.is_server_error().then(|| with_causes(&error));
        Self { causes, ..Self::new(status, kind, error.to_string()) }
    }
}

/// The statuses of REST v1 (contract §1.3).
impl From<RegistryError> for Refusal {
    fn from(error: RegistryError) -> Self {
        let (status, kind) = match error.kind() {
            RegistryErrorKind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
            RegistryErrorKind::Incompatible => (StatusCode::CONFLICT, "incompatible"),
            RegistryErrorKind::FormatMismatch => (StatusCode::EXPECTATION_FAILED, "format-mismatch"),
            RegistryErrorKind::CodecUnknown => (StatusCode::PRECONDITION_FAILED, "codec-unknown"),
            RegistryErrorKind::Denied => (StatusCode::FORBIDDEN, "denied"),
            RegistryErrorKind::InvalidInput => (StatusCode::BAD_REQUEST, "invalid-input"),
            RegistryErrorKind::Gone => (StatusCode::GONE, "gone"),
            RegistryErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        let refusal = error.refusal().cloned().map(Box::new);
        let what = match error.source() {
            // its own text is what v1 must answer: the format's name alone
            Some(why) if error.kind() == RegistryErrorKind::FormatMismatch => why.to_string(),
            _ => error.to_string(),
        };
        let causes = status.is_server_error().then(|| with_causes(&error));
        let mut told = Self { causes, ..Self::new(status, kind, what) };
        told.told.refusal = refusal;
        told
    }
}

/// The request itself is wrong.
pub(crate) fn wrong(what: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "invalid-input", what)
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, told, causes } = self;
        if status.is_server_error() {
            tracing::error!(%status, "{}", causes.as_deref().unwrap_or(&told.error));
        }
        let mut response = (status, Json(told)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
