//! Constructors of the errors that several modules return.

use kulya_store::{Error, ErrorKind};
use std::io;
use std::path::Path;

pub(crate) fn read_only() -> Error {
    Error::invalid("the store is open for reading only")
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the store is closed")
}

/// A panic came between the parts of a change.
pub(crate) fn poisoned_state() -> Error {
    let what = "a panic left what the store knows of its log half changed: open the store again";
    Error::new(ErrorKind::Failed, what)
}

/// An error of the disk, by what the caller does next.
pub(crate) fn disk_error(what: &str, error: io::Error) -> Error {
    let (kind, advice) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            (ErrorKind::Full, ": the disk is full; nothing of this request was kept, make room and try again")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::InvalidInput, ": permission denied")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            (ErrorKind::InvalidInput, ": not a folder")
        }
        _ => (ErrorKind::Failed, ": the disk failed; open the store again"),
    };
    Error::new(kind, format!("{what}{advice}")).because(error)
}

pub(crate) fn corrupt_log(path: &Path, position: u64, what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "log file {} is damaged at byte {position}: {what}; nothing was changed: restore the folder from a copy, or give up what is damaged with kulya store repair",
            path.display()
        ),
    )
}

/// The error for what the index has failed at.
pub(crate) fn index_error(error: io::Error) -> Error {
    let (kind, what) = match root_kind(&error) {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => (
            ErrorKind::Full,
            "the disk is full: the index could not be written, which holds nothing that the log does not: make room and try again",
        ),
        io::ErrorKind::InvalidData => (
            ErrorKind::Corrupt,
            "the index cannot be read: remove the folder \"index\", it is made again from the log",
        ),
        _ => (
            ErrorKind::Failed,
            "the index cannot be read or written: open the store again; if that does not help, remove the folder \"index\" while it is closed, it is made again from the log",
        ),
    };
    Error::new(kind, what).because(error)
}

/// What the disk said, however deep the index has wrapped it up.
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
    fn a_full_disk_under_the_index_is_said_to_be_full() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        for error in
            [full(), io::Error::other(fjall::Error::Io(full())), io::Error::other(io::Error::other(full()))]
        {
            let said = index_error(error);
            assert_eq!(said.kind(), ErrorKind::Full, "{said}");
            assert!(
                said.to_string().contains("the disk is full") && said.to_string().contains("make room"),
                "{said}"
            );
            assert!(!said.to_string().contains("remove"), "{said}");
        }
        let broken = index_error(io::Error::other(fjall::Error::Poisoned));
        assert_eq!(broken.kind(), ErrorKind::Failed);
    }
}
