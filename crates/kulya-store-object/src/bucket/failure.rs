//! What an object storage's errors mean, in our words: which say no for certain, which mean that nothing was written, and what
//! whoever asked is told.

use kulya_store::{Error, ErrorKind};
use object_store::Error as StorageError;
use object_store::path::Path;
use std::fmt;
use std::io;
use std::time::Duration;

/// An object stands in its folder, but that it does was not made to last: the folder could not be synced.
#[derive(Debug)]
pub(crate) struct NotDurable(pub(crate) io::Error);

impl fmt::Display for NotDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the folder of the object could not be synced")
    }
}

impl std::error::Error for NotDurable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// The first cause of a kind.
fn cause<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(one) = cause {
        if let Some(found) = one.downcast_ref() {
            return Some(found);
        }
        cause = one.source();
    }
    None
}

fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    cause::<io::Error>(error).map(io::Error::kind)
}

/// Whether the storage has said no, for certain: asking again gives the same.
pub(super) fn is_final(error: &StorageError) -> bool {
    use StorageError as E;
    matches!(
        error,
        E::NotSupported { .. }
            | E::NotImplemented { .. }
            | E::PermissionDenied { .. }
            | E::Unauthenticated { .. }
            | E::InvalidPath { .. }
            | E::UnknownConfigurationKey { .. }
    ) || is_forbidden(error)
}

fn is_forbidden(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(io_kind(error), Some(io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied))
}

/// Whether an error of ours says that nothing may be written here.
pub(super) fn is_read_only(error: &Error) -> bool {
    is_forbidden(error)
        || matches!(
            cause(error),
            Some(StorageError::PermissionDenied { .. } | StorageError::Unauthenticated { .. })
        )
}

/// Whether a folder's disk has no room.
pub(super) fn is_full(error: &StorageError) -> bool {
    io_kind(error) == Some(io::ErrorKind::StorageFull)
}

pub(super) fn is_undurable(error: &StorageError) -> bool {
    cause::<NotDurable>(error).is_some()
}

pub(super) fn no_answer(time: Duration) -> StorageError {
    StorageError::Generic { store: "object storage", source: format!("no answer within {time:?}").into() }
}

pub(super) fn failed(name: &Path, error: StorageError) -> Error {
    use StorageError as E;
    let (kind, what) = match &error {
        _ if is_undurable(&error) => (
            ErrorKind::Failed,
            "it was written, but its folder cannot be synced, and nothing more is written: look at the disk and start again",
        ),
        _ if is_full(&error) => (ErrorKind::Full, "no space left: make room and try again"),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            (ErrorKind::Unreachable, "the object storage refuses access: see that the credentials are right")
        }
        _ if is_forbidden(&error) => (
            ErrorKind::Unreachable,
            "the folder cannot be written: see that it is not mounted read-only and that its rights are right",
        ),
        E::NotSupported { .. } | E::NotImplemented { .. } => {
            (ErrorKind::InvalidInput, "the object storage cannot do that: choose one with conditional writes")
        }
        _ => (
            ErrorKind::Unreachable,
            "the object storage does not answer: see that it runs and can be reached",
        ),
    };
    Error::new(kind, format!("object {name}: {what}")).because(error)
}

pub(super) fn unreachable(name: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Unreachable, format!("object {name} {what}, and is not there: try again"))
}

pub(super) fn damaged(name: &Path, what: String) -> Error {
    Error::new(ErrorKind::Corrupt, format!("object {name} is damaged: {what}"))
}

pub(super) fn missing(name: &Path) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "object {name} is missing: bring it back from a copy, or give up what it held with kulya store repair"
        ),
    )
}
