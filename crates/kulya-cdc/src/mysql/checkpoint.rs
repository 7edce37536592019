//! What a commit stores: the position and the schema history, in the forms that all sources share.

use super::offset::MysqlPosition;
use super::schema_history::{SchemaHistory, StoredHistory};
use crate::{CdcError, CdcErrorKind, CdcResult, Checkpoint, Position};
use std::sync::Arc;

/// Returns the MySQL position of a checkpoint.
///
/// # Errors
/// `Position` for one of another kind of database.
pub(super) fn position_of(checkpoint: &Checkpoint) -> CdcResult<MysqlPosition> {
    match &checkpoint.position {
        Position::Mysql(position) => Ok(position.clone()),
        _ => Err(invalid("the stored position is of another kind of database")),
    }
}

/// Returns the schema history of a checkpoint.
///
/// # Errors
/// `Position` if it has none, or it cannot be read.
pub(super) fn history_of(checkpoint: &Checkpoint) -> CdcResult<SchemaHistory> {
    let text =
        checkpoint.history.as_deref().ok_or_else(|| invalid("the stored position has no schema history"))?;
    let stored: StoredHistory = serde_json::from_str(text)
        .map_err(|error| invalid("the stored schema history cannot be read").because(error))?;
    Ok(SchemaHistory::try_from(stored)?)
}

fn invalid(what: &str) -> CdcError {
    CdcError::new(CdcErrorKind::Position, format!("{what}: capture under another name, into new streams"))
}

/// Returns the text in which a history is stored.
///
/// # Errors
/// `Source` if it cannot be written.
pub(super) fn history_text(history: &SchemaHistory) -> CdcResult<Arc<str>> {
    let text = serde_json::to_string(&StoredHistory::from(history))
        .map_err(|error| CdcError::source("the schema history cannot be stored").because(error))?;
    Ok(text.into())
}
