//! What can go wrong, by what the caller does next.

use std::fmt;

/// The result of capturing changes.
pub type CdcResult<T> = Result<T, CdcError>;

/// Kinds by the next act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CdcErrorKind {
    /// The database, or a store across a network, does not answer, or the connection broke: it is worth trying again.
    Unreachable,
    /// The replication slot is held by another connection: of a process that has just ended, then it is free in a
    /// moment; or of one that runs, then somebody must decide.
    Busy,
    /// Settings or the database's own configuration must change first; the text says what.
    Configuration,
    /// The stored position and the database do not belong together (any more): somebody must decide.
    Position,
    /// Another process captures under the same name; this one must end.
    Fenced,
    /// The store refused; see its own kind in the cause.
    Store,
    /// The registry refused.
    Registry,
    /// The database sent something that is not understood.
    Source,
}

/// An error: its kind, one clear line, and the cause.
#[derive(Debug)]
pub struct CdcError {
    kind: CdcErrorKind,
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl CdcError {
    /// `what` is lower case, without a full stop, and says what to do.
    pub fn new(kind: CdcErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), source: None }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller does next.
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
            // what was committed has its position with it: whoever goes on from there loses and repeats nothing
            kulya_store::ErrorKind::Unreachable | kulya_store::ErrorKind::AnswerLost => {
                CdcErrorKind::Unreachable
            }
            _ => CdcErrorKind::Store,
        };
        let what = match kind {
            CdcErrorKind::Fenced => {
                "another process captures changes under this name and has moved the position: stop one of them".into()
            }
            _ => error.to_string(),
        };
        Self::new(kind, what).because(error)
    }
}

impl From<kulya_registry_api::RegistryError> for CdcError {
    fn from(error: kulya_registry_api::RegistryError) -> Self {
        Self::new(CdcErrorKind::Registry, error.to_string()).because(error)
    }
}
