//! The errors of the registry, built in one place each, so that a condition has the same kind and the same
//! words everywhere.

use kulya_registry_api::{RegistryError, RegistryErrorKind, RegistryResult};
use kulya_store::{Error, ErrorKind};

/// Maps a store's error to a kind by what the registry's caller can do next; keeps the error as the source.
pub(crate) fn from_store(error: Error) -> RegistryError {
    let kind = match error.kind() {
        ErrorKind::Full
        | ErrorKind::Failed
        | ErrorKind::Closed
        | ErrorKind::Locked
        | ErrorKind::Unreachable => RegistryErrorKind::Unavailable,
        ErrorKind::InvalidInput => RegistryErrorKind::InvalidInput,
        ErrorKind::Truncated => RegistryErrorKind::Gone,
        _ => RegistryErrorKind::Failed,
    };
    RegistryError::new(kind, error.to_string()).because(error)
}

/// The error after too many failed compare-and-set attempts on `what`.
pub(crate) fn contended(what: impl std::fmt::Display) -> RegistryError {
    RegistryError::new(
        RegistryErrorKind::Unavailable,
        format!("too many concurrent changes of {what}: try again"),
    )
}

/// The error of a schema, label or name that the rules of `kulya-schema` reject.
pub(crate) fn invalid_input(error: kulya_schema::Error) -> RegistryError {
    RegistryError::new(RegistryErrorKind::InvalidInput, error.to_string())
}

/// The error of a group, schema or encoding that does not exist.
pub(crate) fn not_found(what: impl Into<String>) -> RegistryError {
    RegistryError::new(RegistryErrorKind::NotFound, what)
}

/// The error of a record that another record refers to and that the table does not have.
pub(crate) fn missing_record(what: &str) -> RegistryError {
    RegistryError::new(RegistryErrorKind::Failed, format!("the registry's record of {what} is missing"))
}

/// Converts the result of reading a group from a listing: `None` for one that was deleted since it was
/// listed.
pub(crate) fn unless_deleted<T>(result: RegistryResult<T>) -> RegistryResult<Option<T>> {
    match result {
        Err(error) if error.kind() == RegistryErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// The error of a page token that the list `of` did not return.
pub(crate) fn invalid_page_token(of: &str, token: &str) -> RegistryError {
    let what = format!("{token:.80?} is not a page token of {of}: pass back `next` unchanged");
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}

/// The error of a changelog position that the changelog did not return.
pub(crate) fn invalid_position(text: &str) -> RegistryError {
    let what = format!("{text:.80?} is not a position in the changelog: pass back a position unchanged");
    RegistryError::new(RegistryErrorKind::InvalidInput, what)
}
