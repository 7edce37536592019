//! The statement of heartbeats.

use super::connection::server_error::ServerError;
use super::connection::session::Session;
use crate::heartbeat::statement_failed;
use crate::output::Output;
use crate::{CdcError, CdcResult};

/// The SQLSTATE of a table that does not exist.
const UNDEFINED_TABLE: &str = "42P01";

/// Runs the statement of a heartbeat, until the capture is cancelled.
///
/// # Errors
/// As [`statement_failed`].
pub(crate) async fn run_statement(session: &Session, statement: &str, output: &Output<'_>) -> CdcResult<()> {
    let result = tokio::select! {
        result = session.execute(statement) => result,
        () = output.cancel.cancelled() => Ok(()),
    };
    let is_undefined =
        |error: &CdcError| ServerError::cause_of(error).is_some_and(|cause| cause.code == UNDEFINED_TABLE);
    result.or_else(|error| {
        let is_table_missing = is_undefined(&error);
        statement_failed(error, is_table_missing)
    })
}
