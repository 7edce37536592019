//! Errors of SQL statements, as one line for the user and a kind for programs.

mod datafusion;
mod kind;

pub use kind::SqlErrorKind;

use crate::dialect::{DialectError, DialectErrorKind, Position};
use kulya_codec::CodecError;
use kulya_registry_api::{RegistryError, RegistryErrorKind};
use kulya_store::ErrorKind;

/// The result of a statement.
pub type SqlResult<T> = Result<T, SqlError>;

/// An error of a statement: a message of one line that names the object and, if possible, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{what}{}", at(*position))]
pub struct SqlError {
    kind: SqlErrorKind,
    what: String,
    position: Option<Position>,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl SqlError {
    /// Creates an error. The message is lowercase and has no full stop.
    pub fn new(kind: SqlErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), position: None, cause: None }
    }

    /// Sets where in the script the error is. A statement that is not the user's has no places: then nothing
    /// is set.
    #[must_use]
    pub(crate) fn at(mut self, position: Position) -> Self {
        if position.line > 0 {
            self.position = Some(position);
        }
        self
    }

    /// Returns where in the script the error is; the message has it too.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Returns what the error is about.
    pub fn kind(&self) -> SqlErrorKind {
        self.kind
    }

    /// Attaches the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Appends a hint to the message.
    #[must_use]
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.what = format!("{}; {hint}", self.what);
        self
    }

    /// Puts what the error is about before the message.
    #[must_use]
    pub(crate) fn with_context(mut self, about: &str) -> Self {
        self.what = format!("{about}: {}", self.what);
        self
    }

    /// Removes the place: it is of a text that the user has not typed.
    #[must_use]
    pub(crate) fn without_position(mut self) -> Self {
        self.position = None;
        self
    }

    /// Returns the kind of the store's error that is the cause.
    pub(crate) fn store_kind(&self) -> Option<ErrorKind> {
        self.cause.as_ref()?.downcast_ref::<kulya_store::Error>().map(kulya_store::Error::kind)
    }

    /// Creates the error of a thread that panicked; standard error has the panic's message.
    pub(crate) fn internal() -> Self {
        let what = "the query failed by an internal error of Kulya: please report the statement";
        Self::new(SqlErrorKind::Internal, what)
    }

    pub(crate) fn not_supported(what: impl std::fmt::Display) -> Self {
        Self::new(SqlErrorKind::NotSupported, format!("{what} is not supported yet"))
    }
}

/// Returns the end of a message about a position.
fn at(position: Option<Position>) -> String {
    position.map(|position| format!(" at {position}")).unwrap_or_default()
}

impl From<DialectError> for SqlError {
    fn from(error: DialectError) -> Self {
        let kind = match error.kind {
            DialectErrorKind::Syntax => SqlErrorKind::Syntax,
            DialectErrorKind::NotSupported => SqlErrorKind::NotSupported,
            DialectErrorKind::TooComplex => SqlErrorKind::TooComplex,
            DialectErrorKind::Internal => SqlErrorKind::Internal,
        };
        Self { kind, what: error.text, position: error.position, cause: None }
    }
}

impl From<kulya_store::Error> for SqlError {
    fn from(error: kulya_store::Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::Conflict => SqlErrorKind::Conflict,
            ErrorKind::Full => SqlErrorKind::DiskFull,
            ErrorKind::NotSupported => SqlErrorKind::NotSupported,
            ErrorKind::Unreachable | ErrorKind::Closed | ErrorKind::ResponseLost => SqlErrorKind::Unavailable,
            _ => SqlErrorKind::Failed,
        };
        Self::new(kind, error.to_string()).because(error)
    }
}

impl From<RegistryError> for SqlError {
    fn from(error: RegistryError) -> Self {
        // reasons of a refusal have a line each
        let text: Vec<String> = error.to_string().lines().map(|line| line.trim().to_owned()).collect();
        Self::new(registry_kind(error.kind()), text.join(" ")).because(error)
    }
}

fn registry_kind(kind: RegistryErrorKind) -> SqlErrorKind {
    match kind {
        RegistryErrorKind::Incompatible => SqlErrorKind::Incompatible,
        RegistryErrorKind::Denied => SqlErrorKind::Unauthorized,
        RegistryErrorKind::Unavailable => SqlErrorKind::Unavailable,
        _ => SqlErrorKind::Failed,
    }
}

impl From<CodecError> for SqlError {
    fn from(error: CodecError) -> Self {
        let kind = match &error {
            CodecError::Registry(error) => registry_kind(error.kind()),
            CodecError::Spill(_) => SqlErrorKind::DiskFull,
            CodecError::Value { .. } => SqlErrorKind::InvalidValue,
            CodecError::Payload { .. } | CodecError::Header(_) | CodecError::Codec(_) => {
                SqlErrorKind::UndecodableEvent
            }
            _ => SqlErrorKind::Failed,
        };
        Self::new(kind, error.to_string()).because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_parser_have_a_position() {
        let error = SqlError::from(crate::dialect::parse("SELECT 1;\n SHOW MODELS").unwrap_err());
        assert_eq!(error.to_string(), "SHOW MODELS is not supported yet at line 2, column 2");
        assert_eq!(
            (error.kind(), error.position()),
            (SqlErrorKind::NotSupported, Some(Position { line: 2, column: 2 }))
        );
        assert_eq!(error.kind().sqlstate(), "0A000");
    }

    #[test]
    fn errors_of_the_store_and_the_registry_keep_their_kind() {
        let kind_of = |kind| SqlError::from(kulya_store::Error::new(kind, "x")).kind().sqlstate();
        assert_eq!(kind_of(ErrorKind::Conflict), "40001");
        assert_eq!(kind_of(ErrorKind::Full), "53100");
        assert_eq!(kind_of(ErrorKind::NotSupported), "0A000");
        assert_eq!(kind_of(ErrorKind::Unreachable), "08006");
        assert_eq!(kind_of(ErrorKind::Corrupt), "58000");
        let kind_of = |kind| SqlError::from(RegistryError::new(kind, "x")).kind().sqlstate();
        assert_eq!(kind_of(RegistryErrorKind::Denied), "42501");
        assert_eq!(kind_of(RegistryErrorKind::Incompatible), "42P16");
        let error = CodecError::Registry(RegistryError::new(RegistryErrorKind::Unavailable, "x"));
        assert_eq!(SqlError::from(error).kind().sqlstate(), "08006");
    }
}
