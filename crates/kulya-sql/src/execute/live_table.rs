//! The tables of live queries: their columns with the watermark of each row, and what is known of their
//! changes.

use super::computed::{column_list, quoted};
use super::system_time::{TableTime, timed_text};
use crate::dialect::{parse_query, valid_from, valid_to};
use crate::engine::{BASE_TABLE, LiveRows};
use crate::live::lowering::{TableTraits, WATERMARK};
use crate::table::{SpecColumnKind, TableDefinition, TableRows};
use crate::{SqlError, SqlErrorKind, SqlResult};
use datafusion::sql::sqlparser::ast;

/// Returns the query of a table's rows, if they are not just its own columns, and what is known of their
/// changes.
///
/// # Errors
/// `InvalidQuery` for columns that cannot be planned.
pub(super) fn live_rows(
    definition: &TableDefinition,
    time: &TableTime,
) -> SqlResult<(Option<Box<ast::Query>>, LiveRows)> {
    let spec = definition.spec.as_deref();
    let watermark = spec.and_then(|spec| spec.create.elements.watermark.as_ref());
    let base = quoted(BASE_TABLE);
    let from = format!("{base}.{base}.{base}");
    let columns = || match spec {
        Some(spec) => column_list(spec).join(", "),
        None => {
            let names = definition.schema.fields().iter().map(|field| quoted(field.name()));
            names.collect::<Vec<_>>().join(", ")
        }
    };
    let is_computed = |spec: &crate::table::TableSpec| {
        spec.columns.iter().any(|column| matches!(column.kind, SpecColumnKind::Computed(_)))
    };
    let rows = match time {
        TableTime::Changes => Some(format!("SELECT {} FROM {from}", columns())),
        TableTime::Now if watermark.is_none() && !spec.is_some_and(is_computed) => None,
        TableTime::Now => Some(format!("SELECT {} FROM {from}", columns())),
        TableTime::Versions(number) => {
            let watermark = watermark.ok_or_else(SqlError::internal)?;
            let path: Vec<String> = watermark.column.parts.iter().map(|part| quoted(part)).collect();
            let rows = format!("SELECT {} FROM {from}", columns());
            Some(format!(
                "SELECT *, {} AS {}, CAST(NULL AS TIMESTAMP_LTZ(3)) AS {} FROM ({rows}) AS v",
                path.join("."),
                quoted(&valid_from(*number)),
                quoted(&valid_to(*number)),
            ))
        }
        TableTime::Lookup(_) | TableTime::FromChanges(_) => timed_text(definition, time)?,
    };
    let watermark = watermark.filter(|_| !matches!(time, TableTime::FromChanges(_)));
    let (text, time_column) = match (rows, watermark) {
        (Some(rows), Some(watermark)) => {
            let value = &watermark.expression.text;
            let text = format!("SELECT *, {value} AS {} FROM ({rows}) AS v", quoted(WATERMARK));
            (Some(text), Some(watermark.column.parts.join(".")))
        }
        (rows, _) => (rows, None),
    };
    let query = match text {
        None => None,
        Some(text) => {
            let parsed = parse_query(&text).map_err(|e| {
                let what = format!("the columns of the table cannot be planned: {e}");
                SqlError::new(SqlErrorKind::InvalidQuery, what)
            })?;
            Some(parsed.query.value)
        }
    };
    let is_append = matches!(&definition.rows, TableRows::Events { format, .. } if !format.is_change_log());
    let key = definition.key.iter().filter_map(|name| definition.schema.index_of(name).ok()).collect();
    let changes = matches!(time, TableTime::Changes).then(|| definition.key.clone());
    Ok((query, LiveRows { traits: TableTraits { is_append, key }, time: time_column, changes }))
}
