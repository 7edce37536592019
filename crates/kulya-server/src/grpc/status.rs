//! Conversion of the store's errors to gRPC statuses.

use crate::error_chain::format_error_chain;
use kulya_store::{Error, ErrorKind};
use kulya_wire::error;
use tonic::Status;

/// Converts an error of the store. Errors of the server itself are also logged.
pub(super) fn store_status(error: Error) -> Status {
    let is_server_error = matches!(
        error.kind(),
        ErrorKind::Full
            | ErrorKind::Failed
            | ErrorKind::Corrupt
            | ErrorKind::Unreachable
            | ErrorKind::Closed
            | ErrorKind::Locked
    );
    if is_server_error {
        tracing::error!("{}", format_error_chain(&error));
    }
    error::status(&error)
}
