//! Constructors of the errors that several modules return.

use kulya_store::{Error, ErrorKind};
use std::io;
use std::path::Path;

pub(crate) fn read_only() -> Error {
    Error::invalid("the store is open read-only")
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store is closed")
}

/// The error after a panic in the middle of a change of the state.
pub(crate) fn poisoned_state() -> Error {
    let message = "a panic left the store's state inconsistent: reopen the store";
    Error::new(ErrorKind::Failed, message)
}

/// Converts an I/O error, with the kind that its cause suggests.
pub(crate) fn disk_error(message: &str, error: io::Error) -> Error {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => (
            ErrorKind::Full,
            ": no space left on device; nothing of this request was written, free disk space and retry",
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::InvalidInput, ": permission denied")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            (ErrorKind::InvalidInput, ": not a folder")
        }
        _ => (ErrorKind::Failed, ": I/O error; reopen the store"),
    };
    Error::new(kind, format!("{message}{advice}")).because(error)
}

pub(crate) fn corrupt_log(path: &Path, position: u64, message: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "log file {} is damaged at byte {position}: {message}; nothing was changed: restore the folder from a backup, or drop what is damaged with kulya store repair",
            path.display()
        ),
    )
}

/// Converts an I/O error of the index.
pub(crate) fn index_error(error: io::Error) -> Error {
    let (kind, message) = match root_kind(&error) {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => (
            ErrorKind::Full,
            "no space left on device: the index could not be written; no data is lost, free disk space and retry",
        ),
        io::ErrorKind::InvalidData => (
            ErrorKind::Corrupt,
            "the index is corrupt: remove the folder \"index\", it is rebuilt from the log",
        ),
        _ => (
            ErrorKind::Failed,
            "the index cannot be read or written: reopen the store; if that does not help, close it and remove the folder \"index\", which is rebuilt from the log",
        ),
    };
    Error::new(kind, message).because(error)
}

/// Returns the kind of the innermost I/O error, which the index may have wrapped.
fn root_kind(error: &io::Error) -> io::ErrorKind {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(inner) = cause {
        match inner.downcast_ref::<io::Error>() {
            Some(inner) => return root_kind(inner),
            None => cause = inner.source(),
        }
    }
    error.kind()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disk_under_the_index_is_reported_as_full() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        for error in
            [full(), io::Error::other(fjall::Error::Io(full())), io::Error::other(io::Error::other(full()))]
        {
            let error = index_error(error);
            assert_eq!(error.kind(), ErrorKind::Full, "{error}");
            assert!(
                error.to_string().contains("no space left on device")
                    && error.to_string().contains("free disk space"),
                "{error}"
            );
            assert!(!error.to_string().contains("remove"), "{error}");
        }
        let broken = index_error(io::Error::other(fjall::Error::Poisoned));
        assert_eq!(broken.kind(), ErrorKind::Failed);
    }
}
