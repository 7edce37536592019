//! A captured table: converts rows of the log to rows of events.

use super::column::Kind;
use super::pgoutput::{Cell, Tuple};
use super::value;
use crate::{CdcError, CdcResult, RowSchema};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A table in its current version.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) schema: Arc<RowSchema>,
    /// The columns, in the order of the log's rows.
    columns: Vec<Column>,
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) optional: bool,
    /// `None` for columns that events do not contain.
    pub(crate) kind: Option<Kind>,
}

impl Table {
    /// Creates a table; `key` is the primary key in key order.
    pub(crate) fn new(
        prefix: &str,
        schema: &str,
        table: &str,
        columns: Vec<Column>,
        key: Vec<String>,
    ) -> Self {
        let descriptions =
            columns.iter().filter_map(|c| Some(c.kind.as_ref()?.describe(&c.name, c.optional)));
        let schema = RowSchema {
            prefix: prefix.to_owned(),
            schema: schema.to_owned(),
            table: table.to_owned(),
            columns: descriptions.collect(),
            key,
        };
        Self { schema: Arc::new(schema), columns }
    }

    /// Converts a row.
    pub(crate) fn row(&self, tuple: &Tuple) -> CdcResult<Map<String, Value>> {
        let mut row = Map::new();
        for (column, cell) in self.columns.iter().zip(tuple) {
            let Some(kind) = &column.kind else { continue };
            let value = match cell {
                Cell::Null if column.optional => Value::Null,
                Cell::Null => value::default_value(kind),
                Cell::Unchanged => value::unavailable(kind),
                Cell::Text(bytes) => {
                    let text = std::str::from_utf8(bytes)
                        .map_err(|e| self.invalid_value(column, "text").because(e))?;
                    value::json(kind, text).ok_or_else(|| self.invalid_value(column, text))?
                }
            };
            row.insert(column.name.clone(), value);
        }
        Ok(row)
    }

    fn invalid_value(&self, column: &Column, text: &str) -> CdcError {
        CdcError::source(format!(
            "column {} of table {}: {text:.60?} is not a value of the column's type",
            column.name,
            self.schema.table_name()
        ))
    }

    /// Returns the primary key of a row as a JSON object in key order; `None` without a primary key.
    pub(crate) fn key(&self, row: &Map<String, Value>) -> Option<Value> {
        if self.schema.key.is_empty() {
            return None;
        }
        let part = |name: &String| (name.clone(), row.get(name).cloned().unwrap_or_default());
        Some(Value::Object(self.schema.key.iter().map(part).collect()))
    }
}
