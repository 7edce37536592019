//! The error of every registry call, classified by what the caller can do next.

use kulya_schema::compatibility::Refusal;
use std::fmt;
use std::sync::Arc;

/// The result of a registry call.
pub type RegistryResult<T> = Result<T, RegistryError>;

/// The kind of an error, by what the caller can do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryErrorKind {
    /// There is no such group, schema or encoding: create it, or correct the name.
    NotFound,
    /// The group's policy refuses the schema, or the group exists already: the text has the reasons. Change
    /// the schema or the policy.
    Incompatible,
    /// The group accepts only another format: register the schema in another group.
    FormatMismatch,
    /// The codec is not registered with the group: add it first.
    CodecUnknown,
    /// Other schemas refer to the schema or to one of the group, so it is not deleted: delete those first, or
    /// force the deletion.
    Referenced,
    /// The caller lacks a permission, which the text names.
    Denied,
    /// The request or the schema itself is invalid: correct it.
    InvalidInput,
    /// Retention has removed the requested changes: read the whole registry again.
    Gone,
    /// The registry or its store does not respond, or is out of space: try again later.
    Unavailable,
    /// The registry failed; the source has the cause.
    Failed,
}

/// An error of a registry: its kind, a text that names the thing, and the source. It can be cloned, because
/// callers that wait for one response share its error.
#[derive(Debug, Clone)]
pub struct RegistryError {
    kind: RegistryErrorKind,
    what: String,
    refusal: Option<Arc<Refusal>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl RegistryError {
    /// Creates an error. `what` is lower case, without a full stop, and names the thing.
    pub fn new(kind: RegistryErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), refusal: None, source: None }
    }

    /// Sets the source.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Sets the reasons of a refused schema, for programs that list them.
    #[must_use]
    pub fn with_refusal(mut self, refusal: Refusal) -> Self {
        self.refusal = Some(Arc::new(refusal));
        self
    }

    /// Returns the reasons why a schema is `Incompatible`; the text has them too. `None` when the registry
    /// sends only the text.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_deref()
    }

    /// Returns the kind, by which a caller decides what to do next.
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
