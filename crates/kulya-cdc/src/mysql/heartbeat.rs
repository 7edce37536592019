//! The statement of heartbeats.

use super::connection::{Connection, ConnectionError};
use crate::heartbeat::statement_failed;
use crate::{CdcError, CdcResult};

/// The servers' errors for a database (1049) or a table that does not exist.
const MISSING: [u16; 2] = [1049, 1146];

/// Runs the statement of a heartbeat. Not cancel-safe: a session whose statement was dropped must be dropped
/// too.
///
/// # Errors
/// As [`statement_failed`].
pub(super) async fn run_statement(session: &mut Connection, statement: &str) -> CdcResult<()> {
    let Err(error) = session.query(statement).await else { return Ok(()) };
    let server_error = match &error {
        ConnectionError::Server { source, .. } => Some(source.clone()),
        _ => None,
    };
    let error = CdcError::from(error);
    let Some(server_error) = server_error else { return statement_failed(error, false) };
    let is_table_missing = MISSING.contains(&server_error.code);
    // the server's own words say which table or privilege
    let what = format!("{error}: {server_error}");
    statement_failed(CdcError::new(error.kind(), what).because(error), is_table_missing)
}
