//! Errors of change data capture. The kind tells the caller what to do next.

use kulya_registry_api::RegistryErrorKind;
use std::fmt;

/// The result of capturing changes.
pub type CdcResult<T> = Result<T, CdcError>;

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CdcErrorKind {
    /// The database, the store or the registry does not respond, the connection was lost, or the store's disk
    /// is full: retry.
    Unreachable,
    /// The replication slot is in use by another connection: retry, because that of a terminated process is
    /// released soon; then stop the other process.
    Busy,
    /// The settings or the database's configuration are invalid: change what the message says.
    Configuration,
    /// The stored position is not valid in the database's log: an operator must decide.
    Position,
    /// Another process captures under the same name: stop this one.
    Fenced,
    /// The store failed; its error is the source.
    Store,
    /// The registry failed; its error is the source.
    Registry,
    /// The database sent a message that cannot be decoded.
    Source,
}

/// An error: its kind, a message of one line, and the cause.
#[derive(Debug)]
pub struct CdcError {
    kind: CdcErrorKind,
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl CdcError {
    /// Creates an error. `what` is lowercase, without a full stop, and says what to do.
    pub fn new(kind: CdcErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), source: None }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> CdcErrorKind {
        self.kind
    }

    pub(crate) fn source(what: impl Into<String>) -> Self {
        Self::new(CdcErrorKind::Source, what)
    }

    pub(crate) fn configuration(what: impl Into<String>) -> Self {
        Self::new(CdcErrorKind::Configuration, what)
    }
}

impl fmt::Display for CdcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for CdcError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

impl From<kulya_store::Error> for CdcError {
    fn from(error: kulya_store::Error) -> Self {
        let kind = match error.kind() {
            kulya_store::ErrorKind::Conflict => CdcErrorKind::Fenced,
            // a commit contains its position, so resuming from the stored one loses and repeats nothing; a
            // full disk has written nothing, and may have space again
            kulya_store::ErrorKind::Unreachable
            | kulya_store::ErrorKind::ResponseLost
            | kulya_store::ErrorKind::Full => CdcErrorKind::Unreachable,
            _ => CdcErrorKind::Store,
        };
        let what = match kind {
            CdcErrorKind::Fenced => {
                "another process captures changes under this name and has advanced the position: stop one of them".into()
            }
            _ => error.to_string(),
        };
        Self::new(kind, what).because(error)
    }
}

impl From<kulya_registry_api::RegistryError> for CdcError {
    fn from(error: kulya_registry_api::RegistryError) -> Self {
        let kind = match error.kind() {
            RegistryErrorKind::Unavailable => CdcErrorKind::Unreachable,
            _ => CdcErrorKind::Registry,
        };
        Self::new(kind, error.to_string()).because(error)
    }
}
