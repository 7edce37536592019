//! The responses of REST v1, and the mapping from an error's kind to a status (contract §1.1, §1.3).

use crate::error_chain::format_error_chain;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use kulya_registry_api::{RegistryError, RegistryErrorKind};
use serde::Serialize;

/// A response.
pub(super) struct ApiResponse {
    pub(super) status: StatusCode,
    content_type: Option<&'static str>,
    allow: Option<String>,
    body: String,
    /// Instead of `body`: a body that is generated as it is sent.
    stream: Option<Body>,
    /// For the log: the error with its sources.
    error_chain: Option<String>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

impl ApiResponse {
    /// Creates a response without a body.
    pub(super) fn empty(status: StatusCode) -> Self {
        Self { status, content_type: None, allow: None, body: String::new(), stream: None, error_chain: None }
    }

    /// Creates a response with a JSON body.
    pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(body) => {
                Self { status, content_type: Some(JSON), allow: None, body, stream: None, error_chain: None }
            }
            Err(error) => Self::text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    /// Creates a response with status 200 and a JSON body.
    pub(super) fn ok(value: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, value)
    }

    /// Creates a response with JSON that is generated as it is sent.
    pub(super) fn stream(body: Body) -> Self {
        Self { content_type: Some(JSON), stream: Some(body), ..Self::empty(StatusCode::OK) }
    }

    fn text(status: StatusCode, text: String) -> Self {
        Self { status, content_type: Some(TEXT), allow: None, body: text, stream: None, error_chain: None }
    }

    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::text(StatusCode::BAD_REQUEST, text.into())
    }

    /// No endpoint has this path, or a parameter is not a number.
    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self::text(StatusCode::NOT_FOUND, text.into())
    }

    pub(super) fn conflict(text: impl Into<String>) -> Self {
        Self::text(StatusCode::CONFLICT, text.into())
    }

    pub(super) fn method_not_allowed(method: &str, allow: String) -> Self {
        let text = format!("method {method} not allowed: use one of {allow}");
        Self { allow: Some(allow), ..Self::text(StatusCode::METHOD_NOT_ALLOWED, text) }
    }

    pub(super) fn unsupported_media_type(kind: &str) -> Self {
        Self::text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("Content-Type {kind:?} is not supported: send application/json"),
        )
    }

    pub(super) fn payload_too_large(max_bytes: usize) -> Self {
        Self::text(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body cannot be read or is larger than {max_bytes} bytes"),
        )
    }

    /// Returns the error's text for the log.
    pub(super) fn error_chain(&self) -> &str {
        self.error_chain.as_deref().unwrap_or(&self.body)
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.stream.unwrap_or_else(|| Body::from(self.body)));
        *response.status_mut() = self.status;
        if let Some(content_type) = self.content_type {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }
}

/// The text of errors is not part of the contract: the Java client never reads it. So each describes the
/// error.
impl From<RegistryError> for ApiResponse {
    fn from(error: RegistryError) -> Self {
        let status = match error.kind() {
            RegistryErrorKind::NotFound => StatusCode::NOT_FOUND,
            RegistryErrorKind::Incompatible | RegistryErrorKind::Referenced => StatusCode::CONFLICT,
            RegistryErrorKind::FormatMismatch => StatusCode::EXPECTATION_FAILED,
            RegistryErrorKind::CodecUnknown => StatusCode::PRECONDITION_FAILED,
            RegistryErrorKind::Denied => StatusCode::FORBIDDEN,
            RegistryErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
            RegistryErrorKind::Gone => StatusCode::GONE,
            RegistryErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let error_chain = status.is_server_error().then(|| format_error_chain(&error));
        Self { error_chain, ..Self::text(status, error.to_string()) }
    }
}
