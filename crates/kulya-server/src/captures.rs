//! The change data captures that the program runs beside the server ([`Captures`]), for REST v2. The server
//! knows neither databases nor what a status contains: it passes JSON on.

use async_trait::async_trait;
use serde_json::Value;

/// The captures of the program.
#[async_trait]
pub trait Captures: Send + Sync + 'static {
    /// Returns the status of each capture, in name order.
    async fn list(&self) -> Vec<Value>;

    /// Returns the status of a capture.
    ///
    /// # Errors
    /// `NotFound`.
    async fn status(&self, name: &str) -> Result<Value, CaptureError>;

    /// Pauses a capture, and returns its status.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`, `Failed`.
    async fn pause(&self, name: &str) -> Result<Value, CaptureError>;

    /// Resumes a capture, or starts it again after an error, and returns its status.
    ///
    /// # Errors
    /// As [`pause`](Self::pause).
    async fn resume(&self, name: &str) -> Result<Value, CaptureError>;

    /// Gives a capture a signal, an object with `id`, `type` and `data`, and returns its status.
    ///
    /// # Errors
    /// `Invalid` names the field that is malformed; as [`pause`](Self::pause).
    async fn signal(&self, name: &str, signal: &Value) -> Result<Value, CaptureError>;

    /// Removes what a capture keeps in the database and in the store. Returns what was removed.
    ///
    /// # Errors
    /// `Conflict` when the capture runs; `Invalid`, and as [`pause`](Self::pause).
    async fn remove(&self, name: &str, options: RemoveOptions) -> Result<Value, CaptureError>;
}

/// What is removed with a capture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// The database stays as it is.
    pub store_only: bool,
    /// The streams of its tables are removed too, with their events and groups.
    pub streams: bool,
}

/// An error of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureError {
    /// The kind, by which the response has its status.
    pub kind: CaptureErrorKind,
    /// The text, in lower case and without a full stop.
    pub message: String,
}

impl CaptureError {
    /// Creates the error for a name that no capture has.
    pub fn not_found(name: &str) -> Self {
        let message = format!("capture {name:.200} does not exist: GET /v2/captures lists all");
        Self { kind: CaptureErrorKind::NotFound, message }
    }
}

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaptureErrorKind {
    /// No capture has the name.
    NotFound,
    /// The capture runs: pause it first.
    Conflict,
    /// The capture's settings or its database do not allow it.
    Invalid,
    /// The database or the store does not respond: retry later.
    Unavailable,
    /// Any other failure.
    Failed,
}

/// A server without captures.
pub(crate) struct NoCaptures;

#[async_trait]
impl Captures for NoCaptures {
    async fn list(&self) -> Vec<Value> {
        Vec::new()
    }

    async fn status(&self, name: &str) -> Result<Value, CaptureError> {
        Err(CaptureError::not_found(name))
    }

    async fn pause(&self, name: &str) -> Result<Value, CaptureError> {
        Err(CaptureError::not_found(name))
    }

    async fn resume(&self, name: &str) -> Result<Value, CaptureError> {
        Err(CaptureError::not_found(name))
    }

    async fn signal(&self, name: &str, _: &Value) -> Result<Value, CaptureError> {
        Err(CaptureError::not_found(name))
    }

    async fn remove(&self, name: &str, _: RemoveOptions) -> Result<Value, CaptureError> {
        Err(CaptureError::not_found(name))
    }
}
