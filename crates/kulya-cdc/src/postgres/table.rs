//! A captured table: how its log rows become rows of an event.

use super::column::Kind;
use super::pgoutput::{Cell, Tuple};
use super::value;
use crate::{CdcError, CdcResult, RowSchema};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A table as the log describes it now.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) schema: Arc<RowSchema>,
    /// In the order of the log's rows.
    columns: Vec<Column>,
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) optional: bool,
    /// `None`: left out of events.
    pub(crate) kind: Option<Kind>,
}

impl Table {
    /// `key` is the primary key in key order.
    pub(crate) fn new(
        prefix: &str,
        schema: &str,
        table: &str,
        columns: Vec<Column>,
        key: Vec<String>,
    ) -> Self {
        let shown = columns.iter().filter_map(|c| Some(c.kind.as_ref()?.describe(&c.name, c.optional)));
        let schema = RowSchema {
            prefix: prefix.to_owned(),
            schema: schema.to_owned(),
            table: table.to_owned(),
            columns: shown.collect(),
            key,
        };
        Self { schema: Arc::new(schema), columns }
    }

    /// A row of an event.
    pub(crate) fn row(&self, tuple: &Tuple) -> CdcResult<Map<String, Value>> {
        let mut row = Map::new();
        for (column, cell) in self.columns.iter().zip(tuple) {
            let Some(kind) = &column.kind else { continue };
            let value = match cell {
                Cell::Null if column.optional => Value::Null,
                Cell::Null => value::nothing(kind),
                Cell::Unchanged => value::unavailable(kind),
                Cell::Text(bytes) => {
                    let text =
                        std::str::from_utf8(bytes).map_err(|e| self.misread(column, "text").because(e))?;
                    value::json(kind, text).ok_or_else(|| self.misread(column, text))?
                }
            };
            row.insert(column.name.clone(), value);
        }
        Ok(row)
    }

    fn misread(&self, column: &Column, text: &str) -> CdcError {
        CdcError::source(format!(
            "column {} of table {}: {text:.60?} is no value of its type",
            column.name,
            self.schema.table_name()
        ))
    }

    /// The key of a row as JSON, in key order; `None` when the table has none.
    pub(crate) fn key(&self, row: &Map<String, Value>) -> Option<Value> {
        if self.schema.key.is_empty() {
            return None;
        }
        let part = |name: &String| (name.clone(), row.get(name).cloned().unwrap_or_default());
        Some(Value::Object(self.schema.key.iter().map(part).collect()))
    }
}
