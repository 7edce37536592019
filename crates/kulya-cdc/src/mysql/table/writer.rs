//! Writing of rows and keys: the members of a JSON object, one for each column.

use super::column::Column;
use crate::RowSchema;
use crate::debezium::row_image::Findings;
use crate::debezium::{Replaced, Written, json};
use crate::mysql::binlog::value::Value;
use crate::mysql::value::{MAX_UNPACKED_BYTES, write_binlog_value, write_text_value};
use kulya_store::framing::MAX_EVENT_BYTES;
use std::ops::Range;

/// Greatest length of the text of a [`Replaced`], in characters.
const MAX_REPLACED_TEXT: usize = 60;

/// Writes the members of a JSON object.
pub(super) struct ObjectWriter<'a> {
    schema: &'a RowSchema,
    out: &'a mut Vec<u8>,
    /// Where the object begins.
    start: usize,
    is_first: bool,
    /// Where the last member's value begins.
    value: usize,
}

impl<'a> ObjectWriter<'a> {
    pub(super) fn new(schema: &'a RowSchema, out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        out.push(b'{');
        Self { schema, out, start, is_first: true, value: 0 }
    }

    /// Whether the event is left out, so that further members would only take memory.
    pub(super) fn is_too_large(&self) -> bool {
        self.out.len() - self.start > MAX_EVENT_BYTES
    }

    pub(super) fn finish(self) {
        self.out.push(b'}');
    }

    /// Returns where the value of the last member is.
    pub(super) fn last_value(&self) -> Range<usize> {
        self.value..self.out.len()
    }

    fn name(&mut self, column: &Column) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        self.out.extend_from_slice(&column.member);
        self.value = self.out.len();
    }

    /// Writes a member of a row of the log.
    pub(super) fn log_member(
        &mut self,
        place: usize,
        column: &Column,
        value: &Value<'_>,
        findings: &mut Findings,
    ) {
        if is_too_large(value) && column.rule.change.as_ref().is_none_or(|change| change.constant().is_none())
        {
            // the event is left out: what stands there does not matter
            self.out.resize(self.start + MAX_EVENT_BYTES + 1, b' ');
            return;
        }
        let write = |out: &mut Vec<u8>| write_binlog_value(&column.kind, value, out);
        self.row_member(place, column, write, || describe(value), findings);
    }

    /// Writes a member of a row of a snapshot.
    pub(super) fn text_member(
        &mut self,
        place: usize,
        column: &Column,
        field: Option<&[u8]>,
        findings: &mut Findings,
    ) {
        let write = |out: &mut Vec<u8>| write_field(column, field, out);
        self.row_member(place, column, write, || prefix(field.unwrap_or_default()), findings);
    }

    /// Writes a member of the key of a row of the log. What is replaced is noted with the row.
    pub(super) fn log_key_member(&mut self, column: &Column, value: &Value<'_>) {
        self.name(column);
        let written = write_binlog_value(&column.kind, value, self.out);
        self.end(column, written);
    }

    /// Writes a member of the key of a row of a snapshot.
    pub(super) fn text_key_member(&mut self, column: &Column, field: Option<&[u8]>) {
        self.name(column);
        let written = write_field(column, field, self.out);
        self.end(column, written);
    }

    /// Writes a member of a row, and notes what was replaced, and null in a required column. Values that the
    /// rules change are not noted, so that logs do not have them.
    fn row_member(
        &mut self,
        place: usize,
        column: &Column,
        write: impl FnOnce(&mut Vec<u8>) -> Written,
        text: impl FnOnce() -> String,
        findings: &mut Findings,
    ) {
        self.name(column);
        let change = column.rule.change.as_ref();
        if let Some(constant) = change.and_then(|change| change.constant()) {
            return self.out.extend_from_slice(constant);
        }
        let start = self.out.len();
        let written = write(self.out);
        if written == Written::Null
            && column.default.is_some()
            && column.described.optional
            && let Some(defaults) = &mut findings.defaults
        {
            defaults.push(start);
        }
        let is_null = self.end(column, written);
        match change {
            // the default value that stands for null comes after the rules
            Some(change) if matches!(written, Written::Value | Written::Lossy) => {
                change.apply(self.out, self.value);
            }
            None if matches!(written, Written::Lossy | Written::NotAValue) => {
                let (table, column) = (self.schema.table_name(), column.name.clone());
                findings.replaced.push(Replaced { table, column, text: text() });
            }
            _ => {}
        }
        if is_null && !column.described.optional {
            findings.nulls.push(place);
        }
    }

    /// Writes null, or what stands for it, if no value was written. Returns whether it is null.
    fn end(&mut self, column: &Column, written: Written) -> bool {
        match (written, &column.default) {
            (Written::Value | Written::Lossy, _) => false,
            (Written::Null, Some(default)) => {
                self.out.extend_from_slice(default);
                false
            }
            (Written::Null | Written::NotAValue, _) => {
                json::write_null(self.out);
                true
            }
        }
    }
}

/// Whether a compressed value has more bytes than an event can have.
fn is_too_large(value: &Value<'_>) -> bool {
    matches!(value, Value::Compressed(compressed) if compressed.length() > MAX_UNPACKED_BYTES)
}

fn write_field(column: &Column, field: Option<&[u8]>, out: &mut Vec<u8>) -> Written {
    field.map_or(Written::Null, |field| write_text_value(&column.kind, field, out))
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
