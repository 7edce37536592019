//! What a commit stores: the position and the schema history, in the forms that all sources share.

use super::offset::MysqlPosition;
use super::schema_history::{SchemaHistory, StoredHistory};
use crate::snapshot_progress::TableList;
use crate::{CdcError, CdcErrorKind, CdcResult, Checkpoint, Position};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The text that is stored as history.
#[derive(Serialize, Deserialize)]
struct StoredText {
    #[serde(flatten)]
    history: StoredHistory,
    /// The list of a snapshot's tables, as long as the position has what is read of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    snapshot_tables: Vec<String>,
}

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
    Ok(SchemaHistory::try_from(stored_text(checkpoint)?.history)?)
}

/// Returns the list of the snapshot's tables.
///
/// # Errors
/// As [`history_of`].
pub(super) fn list_of(checkpoint: &Checkpoint) -> CdcResult<TableList> {
    Ok(TableList::of_names(stored_text(checkpoint)?.snapshot_tables))
}

fn stored_text(checkpoint: &Checkpoint) -> CdcResult<StoredText> {
    let text =
        checkpoint.history.as_deref().ok_or_else(|| invalid("the stored position has no schema history"))?;
    serde_json::from_str(text)
        .map_err(|error| invalid("the stored schema history cannot be read").because(error))
}

fn invalid(what: &str) -> CdcError {
    CdcError::new(CdcErrorKind::Position, format!("{what}: capture under another name, into new streams"))
}

/// Returns the text in which a history is stored, with the list of a snapshot's tables.
///
/// # Errors
/// `Source` if it cannot be written.
pub(super) fn history_text(history: &SchemaHistory, list: &TableList) -> CdcResult<Arc<str>> {
    let history = StoredHistory::from(history);
    let text = serde_json::to_string(&StoredText { history, snapshot_tables: list.names().to_vec() })
        .map_err(|error| CdcError::source("the schema history cannot be stored").because(error))?;
    Ok(text.into())
}
