//! What is wrong with a schema or a request, for the one who sent it.

/// The result of judging a request.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A request or schema that cannot be taken as it is. The text names the thing and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

impl Error {
    /// Lower case, no full stop, names the thing.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}
