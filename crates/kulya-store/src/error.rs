//! The store's error type, with kinds by how the caller should react.

use std::fmt;

/// A result whose error is a store error by default.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an error, which decides how the caller should react.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The named scope, stream, segment, table or transaction does not exist: create it, or correct the
    /// name.
    NotFound,
    /// The condition of a table change does not hold: read the entry again and retry.
    Conflict,
    /// The request is invalid (a bad name, an event too large, an offset inside an event): correct it.
    InvalidInput,
    /// The stream is sealed: it accepts no events, and nothing follows its tail.
    Sealed,
    /// The offset is before the head of the segment: continue at the head.
    Truncated,
    /// The disk is full. Nothing of the request was written: free disk space and retry.
    Full,
    /// Another process owns the folder: stop it, or use its server.
    Locked,
    /// Stored bytes do not match their checksum or format. Nothing was changed: inspect the named file.
    Corrupt,
    /// I/O failed during a write, whose outcome is unknown. Reopen the store.
    Failed,
    /// The store is closed: reopen it.
    Closed,
    /// The server is unreachable after all retries. The request may have been applied; a commit with a
    /// writer number can be retried: start the server, or correct the address.
    Unreachable,
    /// The commit is stored, exactly once, but its response was lost with the server that sent it: do not
    /// retry it, and read what the response would have contained.
    ResponseLost,
    /// The backend, or the server, does not have this operation, and the message names it: use another
    /// backend, or upgrade the server.
    NotSupported,
}

/// A store error: its kind, a message and an optional cause.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Creates an error without a cause. `message` is lowercase, has no full stop and names the affected
    /// thing.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Creates a `NotFound` error.
    pub fn not_found(thing: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, format!("{thing} does not exist"))
    }

    /// Creates a `Sealed` error.
    pub fn sealed(stream: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Sealed, format!("stream {stream} is sealed: it accepts no more events"))
    }

    /// Creates the error for the deletion of a stream that is not sealed.
    pub fn not_sealed(stream: impl fmt::Display) -> Self {
        Self::invalid(format!("stream {stream} is not sealed: seal it before deleting it"))
    }

    /// Creates the error for the deletion of a scope that is not empty.
    pub fn not_empty(scope: impl fmt::Display) -> Self {
        Self::invalid(format!("scope {scope} is not empty: delete its streams and tables first"))
    }

    /// Creates a `Truncated` error for an offset before the head.
    pub fn truncated(segment: impl fmt::Display, offset: u64, head: u64) -> Self {
        let message =
            format!("offset {offset} of segment {segment} is truncated: the segment starts at {head}");
        Self::new(ErrorKind::Truncated, message)
    }

    /// Creates an `InvalidInput` error.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
