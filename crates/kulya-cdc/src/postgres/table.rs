//! A captured table: converts rows of the log to rows of events.

use super::column::Kind;
use super::pgoutput::{Cell, Tuple};
use super::value;
use crate::RowSchema;
use crate::debezium::{Replaced, json};
use std::borrow::Cow;
use std::sync::Arc;

/// A table in its current version.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) schema: Arc<RowSchema>,
    /// The topic of its records.
    pub(crate) topic: String,
    /// The columns, in the order of the log's rows.
    columns: Vec<Column>,
    /// The indexes of the primary key's columns, in key order.
    key: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) optional: bool,
    /// `None` for columns that events do not contain.
    pub(crate) kind: Option<Kind>,
}

impl Column {
    /// Writes the member's name, with the colon.
    fn write_name(&self, out: &mut Vec<u8>) {
        json::write(out, &self.name);
        out.push(b':');
    }
}

/// A converted row.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// The row as a JSON object.
    pub(crate) json: String,
    /// The primary key as a JSON object in key order; `None` without a primary key.
    pub(crate) key: Option<String>,
    /// The indexes of required columns that are null.
    pub(crate) nulls: Vec<usize>,
    pub(crate) replaced: Vec<Replaced>,
}

impl Table {
    /// Creates a table; `key` is the primary key in key order. Key columns of types that events leave out are
    /// text, or rows could not be told apart.
    pub(crate) fn new(
        prefix: &str,
        schema: &str,
        table: &str,
        mut columns: Vec<Column>,
        key: Vec<String>,
    ) -> Self {
        for column in columns.iter_mut().filter(|column| key.contains(&column.name)) {
            if matches!(column.kind, None | Some(Kind::AlwaysNull)) {
                column.kind = Some(Kind::Text);
            }
        }
        let descriptions =
            columns.iter().filter_map(|c| Some(c.kind.as_ref()?.describe(&c.name, c.optional)));
        let schema = RowSchema {
            prefix: prefix.to_owned(),
            schema: schema.to_owned(),
            table: table.to_owned(),
            columns: descriptions.collect(),
            key,
        };
        let index = |name: &String| columns.iter().position(|column| column.name == *name);
        let key = schema.key.iter().filter_map(index).collect();
        Self { topic: schema.topic(), schema: Arc::new(schema), columns, key }
    }

    /// Returns the names of all columns, those included that events do not contain.
    pub(crate) fn column_names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Converts a row of which the log has all columns.
    pub(crate) fn row(&self, tuple: &Tuple) -> Row {
        self.convert(tuple, false)
    }

    /// Converts an old row of which the log has the replica identity only: the other columns get their type's
    /// default value where they are required, as Debezium does.
    pub(crate) fn identity_row(&self, tuple: &Tuple) -> Row {
        self.convert(tuple, true)
    }

    fn convert(&self, tuple: &Tuple, is_identity_only: bool) -> Row {
        let mut row = Row::default();
        // most values are shorter as text than as JSON with their column's name
        let mut json = Vec::with_capacity(self.columns.len() * 24);
        json.push(b'{');
        for (index, (column, cell)) in self.columns.iter().zip(tuple).enumerate() {
            let Some(kind) = &column.kind else { continue };
            if json.len() > 1 {
                json.push(b',');
            }
            column.write_name(&mut json);
            let is_null = self.write_cell(column, kind, cell, is_identity_only, &mut json, &mut row.replaced);
            if is_null && !column.optional && *kind != Kind::AlwaysNull && !is_identity_only {
                row.nulls.push(index);
            }
        }
        json.push(b'}');
        row.json = into_text(json);
        row.key = self.key(tuple, is_identity_only);
        row
    }

    /// Writes a cell; returns whether it is null.
    fn write_cell(
        &self,
        column: &Column,
        kind: &Kind,
        cell: &Cell,
        is_identity_only: bool,
        out: &mut Vec<u8>,
        replaced: &mut Vec<Replaced>,
    ) -> bool {
        match cell {
            Cell::Null if is_identity_only && !column.optional => {
                let value = value::default_value(kind);
                json::write(out, &value);
                value.is_null()
            }
            Cell::Null => write_null(out),
            Cell::Unchanged => !json::write(out, &value::unavailable(kind)),
            Cell::Text(_) if *kind == Kind::AlwaysNull => write_null(out),
            Cell::Text(bytes) => self.write_text(column, kind, bytes, out, replaced),
        }
    }

    /// Writes a cell's text; returns whether it is null. A text that is no value of its type becomes null,
    /// and one in another encoding has replacement characters; both are noted.
    fn write_text(
        &self,
        column: &Column,
        kind: &Kind,
        bytes: &[u8],
        out: &mut Vec<u8>,
        replaced: &mut Vec<Replaced>,
    ) -> bool {
        let text = String::from_utf8_lossy(bytes);
        let start = out.len();
        let is_value = value::write_json(kind, &text, out);
        if !is_value || matches!(text, Cow::Owned(_)) {
            let table = self.schema.table_name();
            let text = text.chars().take(60).collect();
            replaced.push(Replaced { table, column: column.name.clone(), text });
        }
        if !is_value {
            return write_null(out);
        }
        // NaN as a decimal
        out.get(start..) == Some(b"null")
    }

    /// Returns the primary key of a row as a JSON object in key order; `None` without a primary key.
    fn key(&self, tuple: &Tuple, is_identity_only: bool) -> Option<String> {
        if self.key.is_empty() {
            return None;
        }
        let mut json = vec![b'{'];
        for index in &self.key {
            let (column, cell) = (self.columns.get(*index)?, tuple.get(*index).unwrap_or(&Cell::Null));
            if json.len() > 1 {
                json.push(b',');
            }
            column.write_name(&mut json);
            // what is replaced was noted with the row
            let kind = column.kind.as_ref()?;
            self.write_cell(column, kind, cell, is_identity_only, &mut json, &mut Vec::new());
        }
        json.push(b'}');
        Some(into_text(json))
    }

    /// Returns the table with these columns optional. The log has null in them: they became required later,
    /// or their values have no representation.
    #[must_use]
    pub(crate) fn with_optional(&self, indexes: &[usize]) -> Self {
        let mut columns = self.columns.clone();
        for index in indexes {
            if let Some(column) = columns.get_mut(*index) {
                column.optional = true;
            }
        }
        let RowSchema { prefix, schema, table, key, .. } = &*self.schema;
        Self::new(prefix, schema, table, columns, key.clone())
    }
}

fn write_null(out: &mut Vec<u8>) -> bool {
    json::write_null(out);
    true
}

/// Converts written JSON to text.
fn into_text(json: Vec<u8>) -> String {
    String::from_utf8(json).expect("JSON is written as UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::{Value, json};

    fn table(key: &[&str]) -> Table {
        let column = |name: &str, kind| Column { name: name.to_owned(), optional: false, kind };
        let columns = vec![
            column("id", Some(Kind::Integer(32))),
            column("n", Some(Kind::AlwaysNull)),
            column("x", None),
        ];
        Table::new("p", "public", "t", columns, key.iter().map(|name| (*name).to_owned()).collect())
    }

    fn text(text: &'static [u8]) -> Cell {
        Cell::Text(Bytes::from_static(text))
    }

    fn value(row: &Row) -> Value {
        serde_json::from_str(&row.json).unwrap()
    }

    #[test]
    fn null_in_a_required_column_makes_it_optional() {
        let table = table(&["id"]);
        let null = vec![Cell::Null, text(b"a"), text(b"b")];
        let row = table.row(&null);
        assert_eq!((value(&row), row.nulls.as_slice()), (json!({"id": null, "n": null}), &[0][..]));
        let changed = table.with_optional(&row.nulls);
        assert!(changed.schema.columns[0].optional && !table.schema.columns[0].optional);
        assert_eq!(changed.row(&null).nulls, [0; 0]);
        assert_eq!(value(&table.identity_row(&null)), json!({"id": 0, "n": null}));
    }

    #[test]
    fn text_without_a_representation_is_null_and_noted() {
        let row = table(&[]).row(&vec![text(b"x"), text(b"a"), text(b"b")]);
        assert_eq!((value(&row)["id"].clone(), row.nulls.as_slice()), (Value::Null, &[0][..]));
        let replaced = Replaced { table: "public.t".into(), column: "id".into(), text: "x".into() };
        assert_eq!(row.replaced, [replaced]);
    }

    #[test]
    fn key_columns_always_have_a_value() {
        let row = table(&["n", "x"]).row(&vec![text(b"1"), text(b"a"), text(b"\xff")]);
        assert_eq!(value(&row), json!({"id": 1, "n": "a", "x": "\u{fffd}"}));
        assert_eq!(row.replaced[0].column, "x");
        assert_eq!(row.key.as_deref(), Some("{\"n\":\"a\",\"x\":\"\u{fffd}\"}"));
    }
}
