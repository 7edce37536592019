//! Maps errors of an object storage to the store's errors, and decides which are permanent and which mean
//! that nothing was written.

use kulya_store::{Error, ErrorKind};
use object_store::Error as StorageError;
use object_store::path::Path;
use std::fmt;
use std::io;
use std::time::Duration;

/// An object was written, but its directory could not be synced: it may not survive a power failure.
#[derive(Debug)]
pub(crate) struct NotDurable(pub(crate) io::Error);

impl fmt::Display for NotDurable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the directory of the object could not be synced")
    }
}

impl std::error::Error for NotDurable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Returns the first error of a type in a chain of causes.
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

/// Returns whether an error is permanent: a retry would fail, too.
pub(super) fn is_permanent(error: &StorageError) -> bool {
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

/// Returns whether a store error means that writing is not permitted.
pub(super) fn is_read_only(error: &Error) -> bool {
    is_forbidden(error)
        || matches!(
            cause(error),
            Some(StorageError::PermissionDenied { .. } | StorageError::Unauthenticated { .. })
        )
}

/// Returns whether a directory's disk is full.
pub(super) fn is_full(error: &StorageError) -> bool {
    io_kind(error) == Some(io::ErrorKind::StorageFull)
}

/// Returns whether an object was written, but not durably.
pub(super) fn is_not_durable(error: &StorageError) -> bool {
    cause::<NotDurable>(error).is_some()
}

/// Returns the error of a request that timed out.
pub(super) fn timeout_error(time: Duration) -> StorageError {
    StorageError::Generic {
        store: "object storage",
        source: format!("request timed out after {time:?}").into(),
    }
}

/// Converts the storage's error about an object.
pub(super) fn storage_error(path: &Path, error: StorageError) -> Error {
    use StorageError as E;
    let (kind, what) = match &error {
        _ if is_not_durable(&error) => (
            ErrorKind::Failed,
            "it was written, but its directory cannot be synced; writes are stopped: check the disk and restart",
        ),
        _ if is_full(&error) => (ErrorKind::Full, "no space left on device: free some space and retry"),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            (ErrorKind::Unreachable, "the object storage denies access: check the credentials")
        }
        _ if is_forbidden(&error) => (
            ErrorKind::Unreachable,
            "the directory cannot be written: check that it is not mounted read-only, and its permissions",
        ),
        E::NotSupported { .. } | E::NotImplemented { .. } => (
            ErrorKind::InvalidInput,
            "the object storage does not support this operation: use one with conditional writes",
        ),
        _ => (
            ErrorKind::Unreachable,
            "the object storage does not answer: see that it runs and can be reached",
        ),
    };
    Error::new(kind, format!("object {path}: {what}")).because(error)
}

/// Returns the error for an object that is reported to exist, but cannot be read.
pub(super) fn unreachable(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Unreachable, format!("object {path} {what}, but does not exist yet: retry"))
}

/// Returns the error for a damaged object.
pub(super) fn corrupt(path: &Path, what: String) -> Error {
    Error::new(ErrorKind::Corrupt, format!("object {path} is damaged: {what}"))
}

/// Returns the error for a missing object.
pub(super) fn missing(path: &Path) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "object {path} is missing: restore it from a backup, or accept the loss of its contents with kulya store repair"
        ),
    )
}
