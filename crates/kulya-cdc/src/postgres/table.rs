//! A captured table: writes rows of the log as rows of events.

use super::column::Kind;
use super::pgoutput::Cell;
use super::source_block::table_members;
use super::value;
use crate::batch::Span;
use crate::column_rules::{AppliedRule, SourceColumn, TableRules, ValueChange};
use crate::debezium::Compatibility;
use crate::debezium::Replaced;
use crate::debezium::Written;
use crate::debezium::events::{EventContext, TableEvents};
use crate::debezium::json;
use crate::debezium::name_adjustment::NameAdjustment;
use crate::debezium::row_image::{Findings, RowImage};
use crate::{ColumnDescription, ColumnHistory, RowSchema};
use kulya_store::framing::MAX_EVENT_BYTES;
use serde_json::Value;

/// A table in its current version.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) events: TableEvents,
    /// The members of the `source` block that name the table.
    pub(crate) source_members: Vec<u8>,
    compat: Compatibility,
    /// The columns, in the order of the log's rows.
    columns: Vec<Column>,
    /// The primary key in key order.
    primary_key: Vec<String>,
    /// The indexes of the key's columns, in key order: those of the primary key, or of the rules.
    key: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) optional: bool,
    /// `None` for columns that events do not contain.
    pub(crate) kind: Option<Kind>,
    source: SourceColumn,
    /// Whether rows have the column; the key may have it nonetheless.
    is_in_rows: bool,
    /// What the rules for columns say.
    rule: AppliedRule,
    /// The field's name.
    field: String,
    /// The default value as events have it.
    default: Option<Value>,
    /// The default value's JSON.
    default_json: Vec<u8>,
    /// The table's OID and the column's number in it.
    id: Option<String>,
    /// The member's name in JSON, with the colon.
    member: Vec<u8>,
}

impl Column {
    pub(crate) fn new(name: String, optional: bool, kind: Option<Kind>) -> Self {
        Self {
            field: name.clone(),
            member: member(&name),
            name,
            optional,
            kind,
            source: SourceColumn::default(),
            is_in_rows: true,
            rule: AppliedRule::default(),
            default: None,
            default_json: Vec::new(),
            id: None,
        }
    }

    /// Sets what identifies the column, whatever its name is.
    pub(crate) fn with_id(self, id: Option<String>) -> Self {
        Self { id, ..self }
    }

    /// Sets how the database describes the column, which rules for columns depend on.
    pub(crate) fn with_source(self, source: SourceColumn) -> Self {
        Self { source, ..self }
    }

    /// Sets the default value as events have it.
    pub(crate) fn with_default(mut self, default: Option<Value>) -> Self {
        self.default_json.clear();
        if let Some(default) = &default {
            json::write(&mut self.default_json, default);
        }
        Self { default, ..self }
    }

    /// Applies the rules for columns, and names the field.
    fn apply(&mut self, rules: &TableRules<'_>, field_names: NameAdjustment) {
        self.field = field_names.field_name(&self.name);
        self.member = member(&self.field);
        self.is_in_rows = rules.is_in_rows(&self.name);
        self.rule = match self.describe_key().filter(|_| self.is_in_rows) {
            Some(description) => rules.column(&self.name, &self.source, &description),
            None => AppliedRule::default(),
        };
    }

    /// Describes the column as keys have it.
    fn describe_key(&self) -> Option<ColumnDescription> {
        let description = self.kind.as_ref()?.describe(&self.field, self.optional);
        Some(ColumnDescription { default: self.default.clone(), ..description })
    }

    /// Describes the column as rows have it.
    fn describe(&self) -> Option<ColumnDescription> {
        let mut description = self.describe_key().filter(|_| self.is_in_rows)?;
        description.parameters.extend(self.rule.parameters.iter().cloned());
        description.history = ColumnHistory {
            id: self.id.clone(),
            former_names: Vec::new(),
            initial_value: self.default.clone().filter(|_| self.rule.change.is_none()),
        };
        Some(description)
    }
}

/// Returns the name of a member in JSON, with the colon.
fn member(name: &str) -> Vec<u8> {
    let mut member = Vec::new();
    json::write(&mut member, name);
    member.push(b':');
    member
}

/// What the log has of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    /// All columns.
    Complete,
    /// The replica identity only: the other columns get their type's default value where they are required,
    /// as Debezium does.
    Identity,
}

/// A row of a table before or after a change.
#[derive(Debug)]
pub(crate) struct TableRow<'a> {
    pub(crate) table: &'a Table,
    pub(crate) cells: &'a [Cell<'a>],
    pub(crate) image: Image,
}

impl RowImage for TableRow<'_> {
    fn write_row(&self, out: &mut Vec<u8>, findings: &mut Findings) {
        self.table.write_row(self.cells, self.image, out, findings);
    }

    fn write_key(&self, out: &mut Vec<u8>) -> Option<(Span, Span)> {
        self.table.write_key(self.cells, self.image, out)
    }
}

impl Table {
    /// Creates a table, to which the rules for columns are applied. Key columns of types that events leave
    /// out are text, or rows could not be told apart.
    pub(crate) fn new(
        events: &EventContext,
        schema: &str,
        table: &str,
        mut columns: Vec<Column>,
        primary_key: Vec<String>,
    ) -> Self {
        let compat = events.modes.compat;
        let rules = events.columns.of_table(schema, table, compat);
        let key = rules.key(columns.iter().map(|column| column.name.as_str()), &primary_key);
        for (index, column) in columns.iter_mut().enumerate() {
            if key.contains(&index) && matches!(column.kind, None | Some(Kind::AlwaysNull)) {
                column.kind = Some(Kind::Text);
                column.default = None;
            }
            column.apply(&rules, events.format.field_names);
        }
        let key_columns = || key.iter().filter_map(|index| columns.get(*index));
        let descriptions = columns.iter().filter_map(Column::describe);
        // a key that rows have in another form, or not at all, is none of the rows
        let is_in_rows = |column: &Column| column.is_in_rows && column.rule.change.is_none();
        let names = key_columns().map(|column| column.field.clone());
        let schema = RowSchema {
            prefix: events.format.topic_prefix.clone(),
            schema: schema.to_owned(),
            table: table.to_owned(),
            columns: descriptions.collect(),
            key: if key_columns().all(is_in_rows) { names.collect() } else { Vec::new() },
        };
        let source_members = table_members(&schema.schema, &schema.table);
        let described: Vec<ColumnDescription> = key_columns().filter_map(Column::describe_key).collect();
        let events = events.table_with_key(schema, &described);
        Self { events, source_members, compat, columns, primary_key, key }
    }

    /// Returns the primary key in key order.
    pub(crate) fn primary_key(&self) -> &[String] {
        &self.primary_key
    }

    /// Returns the names of all columns, those included that events do not contain.
    pub(crate) fn column_names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// Returns the names of the columns that events do not contain, because of their types.
    pub(crate) fn omitted_columns(&self) -> Vec<&str> {
        let omitted = self.columns.iter().filter(|column| column.kind.is_none());
        omitted.map(|column| column.name.as_str()).collect()
    }

    /// Returns whether the table has no columns at all.
    pub(crate) fn has_no_columns(&self) -> bool {
        self.columns.is_empty()
    }

    /// Writes a row as a JSON object.
    pub(crate) fn write_row(
        &self,
        cells: &[Cell<'_>],
        image: Image,
        out: &mut Vec<u8>,
        findings: &mut Findings,
    ) {
        out.push(b'{');
        let start = out.len();
        for (index, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let Some(kind) = column.kind.as_ref().filter(|_| column.is_in_rows) else { continue };
            if out.len() > start {
                out.push(b',');
            }
            if out.len() - start > MAX_EVENT_BYTES {
                // the event is left out: the rest would only take memory
                break;
            }
            out.extend_from_slice(&column.member);
            if *cell == Cell::Null
                && let Some(defaults) = &mut findings.defaults
                && self.has_default_for_null(column)
            {
                defaults.push(out.len());
            }
            let is_null = match &column.rule.change {
                None => self.write_cell(column, kind, *cell, image, out, &mut findings.replaced),
                Some(change) => self.write_changed((column, change), kind, *cell, image, out),
            };
            if is_null && !column.optional && *kind != Kind::AlwaysNull && image == Image::Complete {
                findings.nulls.push(index);
            }
        }
        out.push(b'}');
    }

    /// Whether the default value stands for null in an optional column.
    fn has_default_for_null(&self, column: &Column) -> bool {
        let is_constant = column.rule.change.as_ref().is_some_and(|change| change.constant().is_some());
        let has_default = self.compat == Compatibility::Debezium && column.default.is_some();
        has_default && column.optional && !is_constant
    }

    /// Writes a cell whose values the rules change; returns whether it is null. Nothing is noted, so that
    /// logs do not have the value.
    fn write_changed(
        &self,
        (column, change): (&Column, &ValueChange),
        kind: &Kind,
        cell: Cell<'_>,
        image: Image,
        out: &mut Vec<u8>,
    ) -> bool {
        if let Some(constant) = change.constant() {
            out.extend_from_slice(constant);
            return false;
        }
        let start = out.len();
        let is_null = self.write_cell(column, kind, cell, image, out, &mut Vec::new());
        // the default value that the converter puts in place of null comes after the rules
        let is_default = cell == Cell::Null && (image == Image::Complete || column.optional);
        if !is_default {
            change.apply(out, start);
        }
        is_null
    }

    /// Writes the key of a row as a JSON object in key order, and its values without names. Returns
    /// where both are; `None` without a primary key.
    pub(crate) fn write_key(
        &self,
        cells: &[Cell<'_>],
        image: Image,
        out: &mut Vec<u8>,
    ) -> Option<(Span, Span)> {
        if self.key.is_empty() {
            return None;
        }
        let start = out.len();
        out.push(b'{');
        let mut values = Vec::with_capacity(self.key.len());
        for (number, index) in self.key.iter().enumerate() {
            let (column, cell) = (self.columns.get(*index)?, *cells.get(*index).unwrap_or(&Cell::Null));
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&column.member);
            let value = out.len();
            // what is replaced is noted with the row
            let kind = column.kind.as_ref()?;
            self.write_cell(column, kind, cell, image, out, &mut Vec::new());
            values.push(value..out.len());
        }
        out.push(b'}');
        let key = Span::new(start, out.len());
        if let [value] = &values[..] {
            return Some((key, Span::new(value.start, value.end)));
        }
        let start = out.len();
        for (number, value) in values.into_iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            out.extend_from_within(value);
        }
        Some((key, Span::new(start, out.len())))
    }

    /// Writes the primary key of a row of which only the first cells are there; `None` if a key column is not
    /// among them.
    pub(crate) fn write_cut_key(&self, cells: &[Cell<'_>], out: &mut Vec<u8>) -> Option<Span> {
        let is_there = self.key.iter().all(|index| *index < cells.len());
        let (key, _) = is_there.then(|| self.write_key(cells, Image::Complete, out))??;
        Some(key)
    }

    /// Writes a cell; returns whether it is null. A text that is no value of its type becomes null, and one
    /// in another encoding has replacement characters; both are noted.
    fn write_cell(
        &self,
        column: &Column,
        kind: &Kind,
        cell: Cell<'_>,
        image: Image,
        out: &mut Vec<u8>,
        replaced: &mut Vec<Replaced>,
    ) -> bool {
        match cell {
            Cell::Null if image == Image::Identity && !column.optional => {
                if column.default.is_none() {
                    let written = value::write_default(kind, out);
                    return written == Written::Null && write_null(out);
                }
                out.extend_from_slice(&column.default_json);
                false
            }
            // Kafka Connect's converter replaces null by the default value
            Cell::Null if self.compat == Compatibility::Debezium && column.default.is_some() => {
                out.extend_from_slice(&column.default_json);
                false
            }
            Cell::Null => write_null(out),
            // Debezium has no value, and an empty one where it is required
            Cell::Text(_)
                if self.compat == Compatibility::Debezium
                    && *kind == Kind::AlwaysNull
                    && !column.optional =>
            {
                out.extend_from_slice(b"\"\"");
                false
            }
            Cell::Unchanged => value::write_unavailable(kind, out) == Written::Null && write_null(out),
            Cell::Text(bytes) => match value::write_value(kind, bytes, out) {
                Written::Value => false,
                Written::Null => write_null(out),
                Written::Lossy => {
                    replaced.push(self.replaced(column, bytes));
                    false
                }
                Written::NotAValue => {
                    replaced.push(self.replaced(column, bytes));
                    write_null(out)
                }
            },
        }
    }

    fn replaced(&self, column: &Column, bytes: &[u8]) -> Replaced {
        let start = bytes.get(..240).unwrap_or(bytes);
        Replaced {
            table: self.events.schema.table_name(),
            column: column.name.clone(),
            text: String::from_utf8_lossy(start).chars().take(60).collect(),
        }
    }

    /// Returns the table with these columns optional. The log has null in them: they became required later,
    /// or their values have no representation.
    #[must_use]
    pub(crate) fn with_optional(&self, events: &EventContext, indexes: &[usize]) -> Self {
        let mut columns = self.columns.clone();
        for index in indexes {
            if let Some(column) = columns.get_mut(*index) {
                column.optional = true;
            }
        }
        let RowSchema { schema, table, .. } = &*self.events.schema;
        Self::new(events, schema, table, columns, self.primary_key.clone())
    }
}

fn write_null(out: &mut Vec<u8>) -> bool {
    json::write_null(out);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debezium::ValueModes;
    use crate::debezium::connector::Connector;
    use crate::debezium::format::EventFormat;
    use serde_json::json;

    fn events() -> EventContext {
        let format = EventFormat { topic_prefix: "p".into(), ..EventFormat::default() };
        EventContext::new(Connector::Postgresql, format, ValueModes::default(), "")
    }

    fn table(key: &[&str]) -> Table {
        let column = |name: &str, kind| Column::new(name.to_owned(), false, kind);
        let columns = vec![
            column("id", Some(Kind::Integer(32))),
            column("n", Some(Kind::AlwaysNull)),
            column("x", None),
        ];
        Table::new(&events(), "public", "t", columns, key.iter().map(|name| (*name).to_owned()).collect())
    }

    fn row(table: &Table, cells: &[Cell<'_>], image: Image) -> (Value, Findings) {
        let (mut out, mut findings) = (Vec::new(), Findings::default());
        table.write_row(cells, image, &mut out, &mut findings);
        (serde_json::from_slice(&out).unwrap(), findings)
    }

    #[test]
    fn null_in_a_required_column_makes_it_optional() {
        let table = table(&["id"]);
        let null = [Cell::Null, Cell::Text(b"a"), Cell::Text(b"b")];
        let (value, findings) = row(&table, &null, Image::Complete);
        assert_eq!((value, findings.nulls.as_slice()), (json!({"id": null, "n": null}), &[0][..]));
        let changed = table.with_optional(&events(), &findings.nulls);
        assert!(changed.events.schema.columns[0].optional && !table.events.schema.columns[0].optional);
        assert_eq!(row(&changed, &null, Image::Complete).1.nulls, [0; 0]);
        assert_eq!(row(&table, &null, Image::Identity).0, json!({"id": 0, "n": null}));
    }

    #[test]
    fn text_without_a_representation_is_null_and_noted() {
        let cells = [Cell::Text(b"x"), Cell::Text(b"a"), Cell::Text(b"b")];
        let (value, findings) = row(&table(&[]), &cells, Image::Complete);
        assert_eq!((value["id"].clone(), findings.nulls.as_slice()), (Value::Null, &[0][..]));
        let replaced = Replaced { table: "public.t".into(), column: "id".into(), text: "x".into() };
        assert_eq!(findings.replaced, [replaced]);
    }

    #[test]
    fn key_columns_always_have_a_value() {
        let table = table(&["n", "x"]);
        let cells = [Cell::Text(b"1"), Cell::Text(b"a"), Cell::Text(b"\xff")];
        let (value, findings) = row(&table, &cells, Image::Complete);
        assert_eq!(value, json!({"id": 1, "n": "a", "x": "\u{fffd}"}));
        assert_eq!(findings.replaced[0].column, "x");
        let mut out = b"before".to_vec();
        let (key, values) = table.write_key(&cells, Image::Complete, &mut out).unwrap();
        let bytes = out.into();
        assert_eq!(key.slice(&bytes), "{\"n\":\"a\",\"x\":\"\u{fffd}\"}");
        assert_eq!(values.slice(&bytes), "\"a\",\"\u{fffd}\"");
    }

    #[test]
    fn key_of_one_column_is_routed_by_its_value() {
        let mut out = Vec::new();
        let cells = [Cell::Text(b"7"), Cell::Null, Cell::Null];
        let (key, value) = table(&["id"]).write_key(&cells, Image::Complete, &mut out).unwrap();
        let bytes = out.into();
        assert_eq!((key.slice(&bytes), value.slice(&bytes)), ("{\"id\":7}".into(), "7".into()));
        assert_eq!(table(&[]).write_key(&cells, Image::Complete, &mut Vec::new()), None);
    }
}
