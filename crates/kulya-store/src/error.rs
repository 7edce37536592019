//! What can go wrong, sorted by what the caller does next.

use std::fmt;

/// The store's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Few kinds, each told apart by the caller's next act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The named scope, stream, segment, table or transaction is not there: create it, or mend the name.
    NotFound,
    /// A table's condition did not hold: read again and decide again.
    Conflict,
    /// The request itself is wrong (a bad name, an event too large, an offset inside an event): mend it.
    InvalidInput,
    /// The stream takes no more events: nothing follows its tail.
    Sealed,
    /// What was asked for lies before the stream's head and is no longer kept: begin at the head.
    Truncated,
    /// No room on the disk. Nothing of the request was written: make room and ask again.
    Full,
    /// Another process owns the folder: stop it, or ask it.
    Locked,
    /// What is on the disk is not what was written, or not ours. Nothing was changed: look at the named file.
    Corrupt,
    /// The disk failed under a write; the outcome of that request is unknown. Open the store again.
    Failed,
    /// The store was closed: open it again.
    Closed,
    /// The server that keeps the store does not answer, and was asked for as long as one should. What was asked may have
    /// happened; a commit of a numbered writer can be asked again: start the server, or mend the address.
    Unreachable,
    /// The commit is stored, once, but its answer went down with the server that gave it: do not repeat it, and read
    /// what the answer would have told.
    AnswerLost,
}

/// An error of the store: its kind, what it was about, and the cause.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error without a deeper cause. `what` is lower case, without a full stop, and names the thing.
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), source: None }
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller does next.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The named stream, table, … is not there.
    pub fn not_found(thing: impl fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, format!("{thing} does not exist"))
    }

    /// The stream takes no more events.
    pub fn sealed(stream: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Sealed, format!("stream {stream} is sealed: it takes no more events"))
    }

    /// A stream must be sealed before it is removed, so that nobody's event is lost on the way.
    pub fn not_sealed(stream: impl fmt::Display) -> Self {
        Self::invalid(format!("stream {stream} still takes events: seal it before you delete it"))
    }

    /// A scope must be empty before it is removed.
    pub fn not_empty(scope: impl fmt::Display) -> Self {
        Self::invalid(format!("scope {scope} still holds streams or tables: delete them first"))
    }

    /// The place lies before the head.
    pub fn truncated(segment: impl fmt::Display, offset: u64, head: u64) -> Self {
        let what = format!("offset {offset} of segment {segment} is no longer kept: it begins at {head}");
        Self::new(ErrorKind::Truncated, what)
    }

    /// The request itself is wrong.
    pub fn invalid(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, what)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
