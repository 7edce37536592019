//! A captured table: converts rows of the log and of a snapshot to the rows and keys of events.

use super::binlog::value::Value;
use super::column::Kind;
use super::ddl::{Flavour, Generated};
use super::default_value;
use super::schema_history;
use super::value::{write_binlog_value, write_text_value};
use crate::RowSchema;
use crate::batch::Span;
use crate::debezium::{Compatibility, Replaced, ValueModes, Written, json};
use kulya_store::framing::MAX_EVENT_BYTES;
use std::sync::Arc;

/// Greatest length of the text of a [`Replaced`], in characters.
const MAX_REPLACED_TEXT: usize = 60;

/// A table in its current version.
#[derive(Debug, Clone)]
pub struct Table {
    /// The schema of its rows.
    pub schema: Arc<RowSchema>,
    /// The topic of its records.
    pub topic: String,
    /// The columns, in the order of the log's rows.
    columns: Vec<Column>,
    /// The places of the key's columns, in key order.
    key: Vec<usize>,
    /// The place of a system-versioned table's end of validity, if the table does not declare it.
    hidden_row_end: Option<usize>,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    /// The name as JSON, with the colon.
    member: Box<[u8]>,
    kind: Kind,
    /// Whether catalogs do not show the column, so that only the log has it.
    is_hidden: bool,
    /// What is written in place of null.
    null: Box<[u8]>,
}

impl Table {
    /// Creates a table with the topic prefix and the modes of a capture. Events contain all columns,
    /// invisible and generated ones included, but not the row times that a system-versioned table of MariaDB
    /// has without declaring them, nor does the key contain these.
    pub fn new(prefix: &str, table: &schema_history::Table, modes: &ValueModes, flavour: Flavour) -> Self {
        let is_debezium = modes.compat == Compatibility::Debezium;
        let mut columns = Vec::with_capacity(table.columns.len());
        let mut descriptions = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let kind = Kind::from_column(column, modes, flavour);
            let default = default_value::default_json(column, &kind, is_debezium);
            if !column.hidden {
                let mut description = kind.describe(&column.name, column.nullable);
                description.default = default.as_deref().and_then(default_value::value);
                descriptions.push(description);
            }
            columns.push(match default.filter(|_| is_debezium) {
                // Debezium's JSON converter replaces null by the default, also that of a date that no
                // calendar has
                Some(default) => Column::new(column, kind.without_epoch(), default),
                None => Column::new(column, kind, b"null".to_vec()),
            });
        }
        let is_key = |place: &usize| columns.get(*place).is_some_and(|column| !column.is_hidden);
        let key: Vec<usize> = table.primary_key().into_iter().filter(is_key).collect();
        let is_row_end =
            |column: &schema_history::Column| column.hidden && column.generated == Some(Generated::RowEnd);
        let hidden_row_end = table.columns.iter().position(is_row_end);
        let schema = RowSchema {
            prefix: prefix.to_owned(),
            schema: table.name.database.clone(),
            table: table.name.table.clone(),
            columns: descriptions,
            key: key.iter().filter_map(|place| Some(columns.get(*place)?.name.clone())).collect(),
        };
        Self { topic: schema.topic(), schema: Arc::new(schema), columns, key, hidden_row_end }
    }

    /// Whether a row of the log is one that SELECT gives: a system-versioned table of MariaDB that does not
    /// declare its row times logs the former versions of a row under the same key, as inserted rows, and a
    /// deleted row as one whose validity ends.
    pub fn is_current(&self, row: &[Value<'_>]) -> bool {
        // the last second of the type, which MariaDB 11.5 has moved
        const ENDS: [u32; 2] = [0x7fff_ffff, u32::MAX];
        match self.hidden_row_end.and_then(|place| row.get(place)) {
            Some(Value::Timestamp(end)) => ENDS.contains(&end.seconds),
            _ => true,
        }
    }

    /// Returns the names of the columns that a snapshot selects, in the order of the fields that
    /// [`Self::write_text_row`] takes.
    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        self.selected().map(|column| column.name.as_str())
    }

    /// Returns what a snapshot selects, in the same order: quoted names, and of FLOAT, which the servers
    /// print with six digits only, all digits.
    pub fn select_list(&self) -> String {
        let expression = |column: &Column| {
            let name = format!("`{}`", column.name.replace('`', "``"));
            if matches!(column.kind, Kind::Float { .. }) { format!("{name}+0e0") } else { name }
        };
        self.selected().map(expression).collect::<Vec<_>>().join(",")
    }

    /// Writes a row of the log as a JSON object. Cells behind those of the table's columns are left out. A
    /// value that an event cannot contain is null, also in a required column, and is appended to `report`. A
    /// row that is larger than an event can be ends with the column that made it so.
    pub fn write_row(&self, row: &[Value<'_>], out: &mut Vec<u8>, report: &mut Vec<Replaced>) {
        let cells = self.columns.iter().zip(row).filter(|(column, _)| !column.is_hidden);
        let mut writer = ObjectWriter::new(&self.schema, out);
        for (column, value) in cells {
            if writer.is_too_large() {
                break;
            }
            writer.log_member(column, value, report);
        }
        writer.finish();
    }

    /// Writes the key of a row of the log as a JSON object in key order, and its values without names.
    /// Returns where both are; `None`, and writes nothing, if the table has no key.
    pub(crate) fn write_key(&self, row: &[Value<'_>], out: &mut Vec<u8>) -> Option<(Span, Span)> {
        self.key_of(out, |writer, place| {
            if let (Some(column), Some(value)) = (self.columns.get(place), row.get(place)) {
                // what is replaced was noted with the row
                writer.log_member(column, value, &mut Vec::new());
            }
        })
    }

    /// Writes a key, each of whose members `member` writes by its column's place.
    fn key_of(
        &self,
        out: &mut Vec<u8>,
        mut member: impl FnMut(&mut ObjectWriter<'_>, usize),
    ) -> Option<(Span, Span)> {
        if self.key.is_empty() {
            return None;
        }
        let start = out.len();
        let mut writer = ObjectWriter::new(&self.schema, out);
        let mut values = Vec::with_capacity(self.key.len());
        for place in &self.key {
            member(&mut writer, *place);
            values.push(writer.value..writer.out.len());
        }
        writer.finish();
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

    /// Writes a row of a snapshot: the fields of the text protocol by index, `None` for NULL, in the order of
    /// [`Self::column_names`].
    pub fn write_text_row<'r>(
        &self,
        field: impl Fn(usize) -> Option<&'r [u8]>,
        out: &mut Vec<u8>,
        report: &mut Vec<Replaced>,
    ) {
        let mut writer = ObjectWriter::new(&self.schema, out);
        for (index, column) in self.selected().enumerate() {
            if writer.is_too_large() {
                break;
            }
            writer.text_member(column, field(index), report);
        }
        writer.finish();
    }

    /// Writes the key of a row of a snapshot, as [`Self::write_key`] does.
    pub(crate) fn write_text_key<'r>(
        &self,
        field: impl Fn(usize) -> Option<&'r [u8]>,
        out: &mut Vec<u8>,
    ) -> Option<(Span, Span)> {
        self.key_of(out, |writer, place| {
            let hidden = self.columns.iter().take(place).filter(|column| column.is_hidden).count();
            if let Some(column) = self.columns.get(place) {
                writer.text_member(column, field(place - hidden), &mut Vec::new());
            }
        })
    }

    fn selected(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.is_hidden)
    }
}

impl Column {
    fn new(column: &schema_history::Column, kind: Kind, null: Vec<u8>) -> Self {
        let mut member = Vec::new();
        json::write(&mut member, &column.name);
        member.push(b':');
        Self {
            name: column.name.clone(),
            member: member.into(),
            kind,
            is_hidden: column.hidden,
            null: null.into(),
        }
    }
}

/// Writes the members of a JSON object.
struct ObjectWriter<'a> {
    schema: &'a RowSchema,
    out: &'a mut Vec<u8>,
    /// Where the object begins.
    start: usize,
    is_first: bool,
    /// Where the last member's value begins.
    value: usize,
}

impl<'a> ObjectWriter<'a> {
    fn new(schema: &'a RowSchema, out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.push(b'{');
        Self { schema, out, start, is_first: true, value: 0 }
    }

    /// Whether the event is left out, so that further members would only take memory.
    fn is_too_large(&self) -> bool {
        self.out.len() - self.start > MAX_EVENT_BYTES
    }

    fn finish(self) {
        self.out.push(b'}');
    }

    fn name(&mut self, column: &Column) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        self.out.extend_from_slice(&column.member);
        self.value = self.out.len();
    }

    fn log_member(&mut self, column: &Column, value: &Value<'_>, report: &mut Vec<Replaced>) {
        self.name(column);
        let written = write_binlog_value(&column.kind, value, self.out);
        self.end(column, written, report, || describe(value));
    }

    fn text_member(&mut self, column: &Column, field: Option<&[u8]>, report: &mut Vec<Replaced>) {
        self.name(column);
        let written = field.map_or(Written::Null, |field| write_text_value(&column.kind, field, self.out));
        self.end(column, written, report, || prefix(field.unwrap_or_default()));
    }

    /// Writes null if no value was written, and notes what was replaced.
    fn end(
        &mut self,
        column: &Column,
        written: Written,
        report: &mut Vec<Replaced>,
        text: impl FnOnce() -> String,
    ) {
        match written {
            Written::Value => return,
            Written::Null => return self.out.extend_from_slice(&column.null),
            Written::Lossy => {}
            Written::NotAValue => json::write_null(self.out),
        }
        report.push(Replaced { table: self.schema.table_name(), column: column.name.clone(), text: text() });
    }
}

/// Describes a cell in a few words.
fn describe(value: &Value<'_>) -> String {
    match value {
        Value::Bytes(bytes) => prefix(bytes),
        Value::Time(time) => time.to_string(),
        Value::DateTime(time) => time.to_string(),
        Value::Json(_) => "a JSON document".to_owned(),
        Value::Geometry { .. } => "a geometry".to_owned(),
        Value::Vector(_) => "a vector".to_owned(),
        Value::Compressed(_) => "compressed bytes".to_owned(),
        short => format!("{short:?}").chars().take(MAX_REPLACED_TEXT).collect(),
    }
}

/// The first characters of a text.
fn prefix(bytes: &[u8]) -> String {
    let bytes = bytes.get(..4 * MAX_REPLACED_TEXT).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).chars().take(MAX_REPLACED_TEXT).collect()
}

#[cfg(test)]
mod tests;
