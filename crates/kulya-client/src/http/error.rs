//! Errors of the HTTP client: invalid settings, and the JSON error bodies of REST v2.

use kulya_registry_api::{RegistryError, RegistryErrorKind};
use kulya_schema::compatibility::Refusal;
use serde::Deserialize;

/// Returns an `InvalidInput` error.
pub(super) fn invalid_input(what: impl Into<String>) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

/// The error body of REST v2.
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
    kind: String,
    refusal: Option<Refusal>,
}

/// Parses the error body of REST v2; `None` for other bodies.
pub(super) fn parse_error_body(text: &str) -> Option<RegistryError> {
    let ErrorBody { error, kind, refusal } = serde_json::from_str(text).ok()?;
    let kind = match kind.as_str() {
        "not-found" => RegistryErrorKind::NotFound,
        "incompatible" | "conflict" => RegistryErrorKind::Incompatible,
        "format-mismatch" => RegistryErrorKind::FormatMismatch,
        "codec-unknown" => RegistryErrorKind::CodecUnknown,
        "referenced" => RegistryErrorKind::Referenced,
        "invalid-input" => RegistryErrorKind::InvalidInput,
        "gone" => RegistryErrorKind::Gone,
        "unavailable" | "full" => RegistryErrorKind::Unavailable,
        _ => RegistryErrorKind::Failed,
    };
    let error = RegistryError::new(kind, error);
    Some(match refusal {
        Some(refusal) => error.with_refusal(refusal),
        None => error,
    })
}
