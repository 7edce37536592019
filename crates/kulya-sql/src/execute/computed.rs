//! The queries that add computed columns to the rows of tables.

use crate::dialect::parse_query;
use crate::engine::BASE_TABLE;
use crate::table::{SpecColumnKind, TableSpec};
use crate::{SqlError, SqlErrorKind, SqlResult};
use datafusion::sql::sqlparser::ast;

/// Returns the query that adds a table's computed columns to its rows; `None` without any.
pub(super) fn computed_columns(spec: &TableSpec) -> SqlResult<Option<Box<ast::Query>>> {
    let is_computed = |kind: &SpecColumnKind| matches!(kind, SpecColumnKind::Computed(_));
    if !spec.columns.iter().any(|column| is_computed(&column.kind)) {
        return Ok(None);
    }
    let base = quoted(BASE_TABLE);
    let text = format!("SELECT {} FROM {base}.{base}.{base}", column_list(spec).join(", "));
    let query = parse_query(&text).map_err(|e| {
        SqlError::new(SqlErrorKind::InvalidQuery, format!("the computed columns cannot be planned: {e}"))
    })?;
    Ok(Some(query.query.value))
}

/// Returns the columns of a table as items of SELECT.
pub(super) fn column_list(spec: &TableSpec) -> Vec<String> {
    let item = |column: &crate::table::SpecColumn| match &column.kind {
        SpecColumnKind::Computed(text) => format!("{text} AS {}", quoted(&column.name)),
        _ => quoted(&column.name),
    };
    spec.columns.iter().map(item).collect()
}

/// Returns a name in backticks.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
