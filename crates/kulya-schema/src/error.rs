//! The error of an invalid schema or request, for its sender.

/// The result of a check or a parser.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An invalid request or schema. The text names the problem and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

impl Error {
    /// Creates an error from a message in lower case without a full stop.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}
