//! Errors that backends share.

use crate::{Error, ErrorKind, SegmentId};

/// Returns a copy of an error, for another request that failed with it; its cause is kept as text.
pub fn duplicate_error(error: &Error) -> Error {
    use std::error::Error as _;
    let copy = Error::new(error.kind(), error.to_string());
    match error.source() {
        Some(cause) => copy.because(cause.to_string()),
        None => copy,
    }
}

/// Returns the error of a call to a closed store.
pub fn store_closed() -> Error {
    Error::new(ErrorKind::Closed, "the store is closed")
}

/// Returns the error for an offset at which no event begins.
pub fn no_event(segment: &SegmentId, offset: u64) -> Error {
    Error::invalid(format!("no event of segment {segment} begins at offset {offset}"))
}
