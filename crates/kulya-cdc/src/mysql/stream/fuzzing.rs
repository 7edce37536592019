//! What the fuzz entry points use of the log's steps.

use super::{full_metadata, mapped};
use crate::mysql::binlog::TableMap;
use crate::mysql::catalog::ServerFacts;
use crate::mysql::schema_history::{MappedColumn, Table};

/// Returns a table's definition by its map alone.
pub(crate) fn defined_by_log(map: &TableMap, former: Option<&Table>, facts: &ServerFacts) -> Option<Table> {
    full_metadata::table(map, former, facts)
}

/// Returns the columns of a map as the schema history compares them.
pub(crate) fn mapped_columns(map: &TableMap) -> Vec<MappedColumn> {
    mapped::mapped_columns(map)
}
