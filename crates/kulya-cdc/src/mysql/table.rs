//! A captured table: converts rows of the log and of a snapshot to the rows and keys of events, to which the
//! rules for columns are applied.

mod column;
mod context;
mod writer;

pub(crate) use context::TableContext;

use super::binlog::value::Value;
use super::column::Kind;
use super::connection::TextRow;
use super::ddl::{Flavour, Generated};
use super::schema_history;
use crate::batch::Span;
use crate::column_rules::ColumnRules;
use crate::debezium::name_adjustment::NameAdjustment;
use crate::debezium::row_image::Findings;
use crate::debezium::{Replaced, ValueModes};
use crate::{ColumnDescription, RowSchema};
use column::Column;
use std::sync::Arc;
use writer::ObjectWriter;

/// A table in its current version.
#[derive(Debug, Clone)]
pub struct Table {
    /// The schema of its rows.
    pub schema: Arc<RowSchema>,
    /// The topic of its records.
    pub topic: String,
    /// The columns, in the order of the log's rows.
    columns: Vec<Column>,
    /// The places of the key's columns, in key order: those of the primary key, or of the rules.
    key: Vec<usize>,
    /// The place of a system-versioned table's end of validity, if the table does not declare it.
    hidden_row_end: Option<usize>,
}

impl Table {
    /// Creates a table with the topic prefix and the modes of a capture. Events contain all columns,
    /// invisible and generated ones included, but not the row times that a system-versioned table of MariaDB
    /// has without declaring them, nor does the key contain these.
    pub fn new(prefix: &str, table: &schema_history::Table, modes: &ValueModes, flavour: Flavour) -> Self {
        let (rules, field_names) = (&ColumnRules::default(), NameAdjustment::None);
        Self::with_rules(table, TableContext { prefix, modes, flavour, rules, field_names }, &[])
    }

    /// Creates a table to which the rules for columns are applied. The columns of the places `optional` may
    /// be null, whatever the definition says.
    pub(crate) fn with_rules(
        table: &schema_history::Table,
        context: TableContext<'_>,
        optional: &[usize],
    ) -> Self {
        let schema_history::TableName { database, table: name } = &table.name;
        let rules = context.rules.of_table(database, name, context.modes.compat);
        let columns = table.columns.iter().enumerate();
        let mut columns: Vec<Column> =
            columns.map(|(place, column)| Column::new(column, context, optional.contains(&place))).collect();
        let is_shown = |place: &usize| columns.get(*place).is_some_and(|column| !column.is_hidden);
        let primary_key = table.primary_key().into_iter().filter(is_shown);
        let primary_key: Vec<String> =
            primary_key.filter_map(|place| Some(columns.get(place)?.name.clone())).collect();
        let names = columns.iter().map(|column| column.name.as_str());
        let mut key = rules.key(names, &primary_key);
        key.retain(is_shown);
        let mut fields = 0;
        for (place, column) in columns.iter_mut().enumerate() {
            column.apply(&rules);
            let is_selected = !column.is_hidden && (column.is_in_rows || key.contains(&place));
            column.field = is_selected.then_some(fields);
            fields += usize::from(is_selected);
        }
        let is_row_end =
            |column: &schema_history::Column| column.hidden && column.generated == Some(Generated::RowEnd);
        let hidden_row_end = table.columns.iter().position(is_row_end);
        let key_columns = || key.iter().filter_map(|place| columns.get(*place));
        // a key that rows have in another form, or not at all, is none of the rows
        let is_in_rows = key_columns().all(Column::is_unchanged);
        let names = key_columns().filter(|_| is_in_rows).map(|column| column.described.name.clone());
        let schema = RowSchema {
            prefix: context.prefix.to_owned(),
            schema: database.clone(),
            table: name.clone(),
            columns: columns.iter().filter_map(Column::describe).collect(),
            key: names.collect(),
        };
        Self { topic: schema.topic(), schema: Arc::new(schema), columns, key, hidden_row_end }
    }

    /// Describes the columns of the key, in key order.
    pub(crate) fn key_columns(&self) -> Vec<ColumnDescription> {
        let columns = self.key.iter().filter_map(|place| self.columns.get(*place));
        columns.map(|column| column.described.clone()).collect()
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
    /// [`Self::write_text_row`] takes: those of rows and of the key.
    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        self.selected().map(|column| column.name.as_str())
    }

    /// Returns what a snapshot selects, in the same order: quoted names, and of FLOAT, which the servers
    /// print with six digits only, all digits. NULL if there is no column.
    pub fn select_list(&self) -> String {
        let expression = |column: &Column| {
            let name = format!("`{}`", column.name.replace('`', "``"));
            if matches!(column.kind, Kind::Float { .. }) { format!("{name}+0e0") } else { name }
        };
        let list = self.selected().map(expression).collect::<Vec<_>>().join(",");
        if list.is_empty() { "NULL".to_owned() } else { list }
    }

    /// Returns the place in what a snapshot selects of a column; `None` if it is not selected.
    pub(crate) fn selected_place(&self, place: usize) -> Option<usize> {
        self.columns.get(place)?.field
    }

    fn selected(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.field.is_some())
    }

    /// Writes a row of the log as a JSON object. Cells behind those of the table's columns are left out. A
    /// value that an event cannot contain is null, also in a required column, and is appended to `report`. A
    /// row that is larger than an event can be ends with the column that made it so.
    pub fn write_row(&self, row: &[Value<'_>], out: &mut Vec<u8>, report: &mut Vec<Replaced>) {
        let mut findings = Findings { replaced: std::mem::take(report), ..Findings::default() };
        self.write_log_row(row, out, &mut findings);
        *report = findings.replaced;
    }

    /// Writes a row of the log; the places of required columns that are null are noted too.
    pub(crate) fn write_log_row(&self, row: &[Value<'_>], out: &mut Vec<u8>, findings: &mut Findings) {
        let mut writer = ObjectWriter::new(&self.schema, out);
        for (place, (column, value)) in self.columns.iter().zip(row).enumerate() {
            if !column.is_in_rows {
                continue;
            }
            if writer.is_too_large() {
                break;
            }
            writer.log_member(place, column, value, findings);
        }
        writer.finish();
    }

    /// Writes a row of a snapshot: the fields of the text protocol by index, `None` for NULL, in the order of
    /// [`Self::column_names`].
    pub fn write_text_row<'r>(
        &self,
        field: impl Fn(usize) -> Option<&'r [u8]>,
        out: &mut Vec<u8>,
        report: &mut Vec<Replaced>,
    ) {
        let mut findings = Findings { replaced: std::mem::take(report), ..Findings::default() };
        self.write_snapshot_row(field, out, &mut findings);
        *report = findings.replaced;
    }

    /// Writes a row of a snapshot; the places of required columns that are null are noted too.
    pub(crate) fn write_snapshot_row<'r>(
        &self,
        field: impl Fn(usize) -> Option<&'r [u8]>,
        out: &mut Vec<u8>,
        findings: &mut Findings,
    ) {
        let mut writer = ObjectWriter::new(&self.schema, out);
        for (place, column) in self.columns.iter().enumerate() {
            let Some(index) = column.field.filter(|_| column.is_in_rows) else { continue };
            if writer.is_too_large() {
                break;
            }
            writer.text_member(place, column, field(index), findings);
        }
        writer.finish();
    }

    /// Writes the key of a row of the log as a JSON object in key order, and its values without names.
    /// Returns where both are; `None`, and writes nothing, if the table has no key.
    pub(crate) fn write_key(&self, row: &[Value<'_>], out: &mut Vec<u8>) -> Option<(Span, Span)> {
        self.key_of(out, |writer, place| {
            if let (Some(column), Some(value)) = (self.columns.get(place), row.get(place)) {
                writer.log_key_member(column, value);
            }
        })
    }

    /// Writes the key of a row of a snapshot, as [`Self::write_key`] does.
    pub(crate) fn write_text_key<'r>(
        &self,
        field: impl Fn(usize) -> Option<&'r [u8]>,
        out: &mut Vec<u8>,
    ) -> Option<(Span, Span)> {
        self.key_of(out, |writer, place| {
            if let Some((column, index)) = self.columns.get(place).and_then(|c| Some((c, c.field?))) {
                writer.text_key_member(column, field(index));
            }
        })
    }

    /// Writes the key of a row of the log of which some cells were left out; `None` if one of the key was.
    pub(crate) fn write_cut_key(&self, cells: &[Option<Value<'_>>], out: &mut Vec<u8>) -> Option<Span> {
        let is_there = |place: &usize| cells.get(*place).is_some_and(Option::is_some);
        if !self.key.iter().all(is_there) {
            return None;
        }
        let (key, _) = self.key_of(out, |writer, place| {
            if let (Some(column), Some(Some(value))) = (self.columns.get(place), cells.get(place)) {
                writer.log_key_member(column, value);
            }
        })?;
        Some(key)
    }

    /// Writes the key of a row of a snapshot of which some cells were left out; `None` if one of the key was.
    pub(crate) fn write_cut_text_key(&self, row: &TextRow, out: &mut Vec<u8>) -> Option<Span> {
        let field = |place: &usize| self.columns.get(*place).and_then(|column| column.field);
        let is_there = |place: &usize| field(place).is_some_and(|index| !row.is_left(index));
        if !self.key.iter().all(is_there) {
            return None;
        }
        let (key, _) = self.write_text_key(|index| row.cell(index), out)?;
        Some(key)
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
            values.push(writer.last_value());
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
}

#[cfg(test)]
mod tests;
