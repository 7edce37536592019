//! Statuses and bodies. The one table from an error's kind to a status stands here (contract §1.1, §1.3).

use crate::door::{Denied, with_causes};
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use kulya_registry_api::{RegistryError, RegistryErrorKind};
use serde::Serialize;

/// What goes back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    content_type: Option<&'static str>,
    allow: Option<&'static str>,
    body: String,
    /// Instead of the text: a body that is made as it is taken.
    made: Option<Body>,
    /// For the log: the error with its causes.
    causes: Option<String>,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain";

impl Answer {
    /// A status without a body.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, content_type: None, allow: None, body: String::new(), made: None, causes: None }
    }

    pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(body) => {
                Self { status, content_type: Some(JSON), allow: None, body, made: None, causes: None }
            }
            Err(error) => Self::said(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    pub(crate) fn ok(value: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, value)
    }

    /// JSON that is made as it is taken.
    pub(crate) fn made(body: Body) -> Self {
        Self { content_type: Some(JSON), made: Some(body), ..Self::empty(StatusCode::OK) }
    }

    fn said(status: StatusCode, text: String) -> Self {
        Self { status, content_type: Some(TEXT), allow: None, body: text, made: None, causes: None }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::said(StatusCode::BAD_REQUEST, text.into())
    }

    /// The caller has no right to it.
    pub(crate) fn denied(denied: &Denied) -> Self {
        Self::said(StatusCode::FORBIDDEN, denied.to_string())
    }

    /// There is no such place, or what is to be a number is none.
    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::said(StatusCode::NOT_FOUND, text.into())
    }

    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self::said(StatusCode::CONFLICT, text.into())
    }

    pub(crate) fn not_allowed(method: &str, allow: &'static str) -> Self {
        let text = format!("{method} is not supported here: use one of {allow}");
        Self { allow: Some(allow), ..Self::said(StatusCode::METHOD_NOT_ALLOWED, text) }
    }

    pub(crate) fn unsupported_media_type(kind: &str) -> Self {
        Self::said(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("Content-Type {kind:?} is not supported: send application/json"),
        )
    }

    pub(crate) fn too_large(most: usize) -> Self {
        Self::said(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body cannot be read or is larger than {most} bytes"),
        )
    }

    /// What the log says of it.
    pub(crate) fn causes(&self) -> &str {
        self.causes.as_deref().unwrap_or(&self.body)
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(self.made.unwrap_or_else(|| Body::from(self.body)));
        *response.status_mut() = self.status;
        for (name, value) in [(header::CONTENT_TYPE, self.content_type), (header::ALLOW, self.allow)] {
            if let Some(value) = value {
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
        }
        response
    }
}

/// Error bodies are ours to choose: the Java client never reads them. So each says what is wrong.
impl From<RegistryError> for Answer {
    fn from(error: RegistryError) -> Self {
        let status = match error.kind() {
            RegistryErrorKind::NotFound => StatusCode::NOT_FOUND,
            RegistryErrorKind::Incompatible => StatusCode::CONFLICT,
            RegistryErrorKind::FormatMismatch => StatusCode::EXPECTATION_FAILED,
            RegistryErrorKind::CodecUnknown => StatusCode::PRECONDITION_FAILED,
            RegistryErrorKind::Denied => StatusCode::FORBIDDEN,
            RegistryErrorKind::InvalidInput => StatusCode::BAD_REQUEST,
            RegistryErrorKind::Gone => StatusCode::GONE,
            RegistryErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let causes = status.is_server_error().then(|| with_causes(&error));
        Self { causes, ..Self::said(status, error.to_string()) }
    }
}
