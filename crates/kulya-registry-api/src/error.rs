//! The error of every registry call, classified by what the caller can do next.

use kulya_schema::decide::Refusal;
use std::fmt;
use std::sync::Arc;

/// The registry's result.
pub type RegistryResult<T> = Result<T, RegistryError>;

/// Kinds by what the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryErrorKind {
    /// No such group, schema or encoding: create it, or mend the name.
    NotFound,
    /// The group's rule refuses the schema: the text says why; change the schema or the rule.
    Incompatible,
    /// The group holds another format: register it elsewhere.
    FormatMismatch,
    /// The codec was never registered with the group: add it first.
    CodecUnknown,
    /// The caller has no right to it: the text names the one that is missing.
    Denied,
    /// The request or the schema itself is wrong: mend it.
    InvalidInput,
    /// What was asked for is no longer kept: read the whole again.
    Gone,
    /// The registry, or its store, does not answer, or has no room: try again later.
    Unavailable,
    /// The registry failed; see its cause.
    Failed,
}

/// An error of a registry: its kind, a text that names the thing, and the cause. Those who waited for one answer share it,
/// so it can be cloned.
#[derive(Debug, Clone)]
pub struct RegistryError {
    kind: RegistryErrorKind,
    what: String,
    refusal: Option<Arc<Refusal>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl RegistryError {
    /// `what` is lower case, without a full stop, and names the thing.
    pub fn new(kind: RegistryErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), refusal: None, source: None }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Attaches the reasons of a refused schema, for whoever shows them one by one.
    #[must_use]
    pub fn refusing(mut self, refusal: Refusal) -> Self {
        self.refusal = Some(Arc::new(refusal));
        self
    }

    /// The reasons of an `Incompatible` schema; the text has them too. Nothing when the registry is one that tells the
    /// text alone.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_deref()
    }

    /// What the caller does next.
    pub fn kind(&self) -> RegistryErrorKind {
        self.kind
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for RegistryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
