//! Errors of transaction ids.

use crate::error::CdcError;

/// A text or binary form that is not a transaction id, a set of them, or a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GtidError {
    /// A text that is not a valid part of a set or position.
    #[error("cannot parse {text:?} as {expected} of a GTID set or position")]
    Text {
        /// The part that was expected, such as `a server uuid`.
        expected: &'static str,
        /// The text found there, at most its first 80 characters.
        text: String,
    },
    /// A MariaDB position that names a replication domain twice.
    #[error("replication domain {domain} occurs twice in a GTID position: keep one GTID for each domain")]
    DuplicateDomain {
        /// The domain.
        domain: u32,
    },
    /// A binary set that ends early or contains invalid values.
    #[error("cannot decode a binary GTID set: {part} is missing or not valid")]
    Binary {
        /// The part, such as `an interval`.
        part: &'static str,
    },
}

impl GtidError {
    pub(super) fn text(expected: &'static str, text: &str) -> Self {
        Self::Text { expected, text: text.chars().take(80).collect() }
    }
}

impl From<GtidError> for CdcError {
    fn from(error: GtidError) -> Self {
        Self::source(error.to_string()).because(error)
    }
}
