//! Comma-separated values with a header line (RFC 4180). Null is an empty value, and an empty text is
//! `""`; in
//! a result of one column both are `""`, because many readers skip empty lines.

use super::cell::Cells;
use crate::SqlResult;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

/// Appends the header line.
pub(super) fn header(schema: &Schema, out: &mut String) {
    let is_only = schema.fields().len() == 1;
    for (index, field) in schema.fields().iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        value(field.name(), is_only, out);
    }
    out.push('\n');
}

/// Appends the rows.
///
/// # Errors
/// When a value has no text.
pub(super) fn rows(batch: &RecordBatch, out: &mut String) -> SqlResult<()> {
    let cells = Cells::new(batch)?;
    let columns = batch.num_columns();
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        for column in 0..columns {
            if column > 0 {
                out.push(',');
            }
            let is_value = cells.write(row, column, &mut text)?;
            if is_value || columns == 1 {
                value(&text, true, out);
            }
        }
        out.push('\n');
    }
    Ok(())
}

fn value(text: &str, quotes_empty: bool, out: &mut String) {
    if text.contains([',', '"', '\n', '\r']) || (quotes_empty && text.is_empty()) {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(text);
    }
}
