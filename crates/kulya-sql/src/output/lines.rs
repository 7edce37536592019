//! Formats that write a row at a time without widths: Markdown tables, and rows one value a line.

use super::cell::{Cells, null_shown, visible};
use super::table::is_number;
use crate::SqlResult;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Appends the two header lines of a Markdown table.
pub(super) fn markdown_header(schema: &Schema, out: &mut String) {
    for field in schema.fields() {
        out.push_str("| ");
        out.push_str(&in_markdown(field.name()));
        out.push(' ');
    }
    out.push_str("|\n");
    for field in schema.fields() {
        out.push_str(if is_number(field.data_type()) { "|---:" } else { "|---" });
    }
    out.push_str("|\n");
}

/// Appends rows of a Markdown table.
///
/// # Errors
/// When a value has no text.
pub(super) fn markdown_rows(batch: &RecordBatch, out: &mut String) -> SqlResult<()> {
    let schema = batch.schema();
    let cells = Cells::new(batch)?;
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        for column in 0..batch.num_columns() {
            let is_value = cells.write(row, column, &mut text)?;
            out.push_str("| ");
            out.push_str(&if is_value { in_markdown(&text) } else { in_markdown(null_shown(&schema)) });
            out.push(' ');
        }
        out.push_str("|\n");
    }
    Ok(())
}

fn in_markdown(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('|', "\\|");
    text.lines().map(visible).collect::<Vec<_>>().join("<br>")
}

/// Appends rows, one value a line; `number` is that of the first row.
///
/// # Errors
/// When a value has no text.
pub(super) fn vertical_rows(batch: &RecordBatch, number: usize, out: &mut String) -> SqlResult<()> {
    let cells = Cells::new(batch)?;
    let schema = batch.schema();
    let names: Vec<_> = schema.fields().iter().map(|field| visible(field.name())).collect();
    let width = names.iter().map(|name| name.width()).max().unwrap_or_default();
    let mut text = String::new();
    for row in 0..batch.num_rows() {
        let title = format!("-[ row {} ]", number + row);
        let rule = "-".repeat((width + 10).saturating_sub(title.len()));
        // a String takes everything
        let _ = writeln!(out, "{title}{rule}");
        for (column, name) in names.iter().enumerate() {
            let value =
                if cells.write(row, column, &mut text)? { text.as_str() } else { null_shown(&schema) };
            for (index, line) in value.split('\n').enumerate() {
                let name = if index == 0 { name.as_ref() } else { "" };
                let space = " ".repeat(width - name.width());
                let _ = writeln!(out, "{name}{space} | {}", visible(line));
            }
        }
    }
    Ok(())
}
