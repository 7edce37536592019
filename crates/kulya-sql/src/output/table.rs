//! Text tables with borders, for people. The first rows determine the widths of the columns; further ones are
//! written as they come, and a wider value moves the rest of its row.

use super::cell::{Cells, null_shown, visible};
use crate::SqlResult;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};
use unicode_width::UnicodeWidthStr;

/// The rows that determine the widths.
const SAMPLE_ROWS: usize = 1000;
/// The same in bytes of text.
const SAMPLE_BYTES: usize = 4 << 20;
/// The maximum width of a column; a wider value moves the rest of its row.
const MAX_WIDTH: usize = 120;

/// A table that is being written.
pub(super) struct TextTable {
    names: Vec<String>,
    is_number: Vec<bool>,
    null: String,
    state: State,
}

enum State {
    Sampling { rows: Vec<Vec<String>>, bytes: usize },
    Writing { widths: Vec<usize> },
}

impl TextTable {
    pub(super) fn new(schema: &Schema) -> Self {
        let fields = schema.fields();
        Self {
            names: fields.iter().map(|field| visible(field.name()).into_owned()).collect(),
            is_number: fields.iter().map(|field| is_number(field.data_type())).collect(),
            null: null_shown(schema).to_owned(),
            state: State::Sampling { rows: Vec::new(), bytes: 0 },
        }
    }

    /// Appends rows, or keeps them until the widths are known.
    ///
    /// # Errors
    /// When a value has no text.
    pub(super) fn write(&mut self, batch: &RecordBatch, out: &mut String) -> SqlResult<()> {
        let cells = Cells::new(batch)?;
        let mut text = String::new();
        for row in 0..batch.num_rows() {
            let mut texts = Vec::with_capacity(self.names.len());
            for column in 0..batch.num_columns() {
                texts.push(match cells.write(row, column, &mut text)? {
                    true => shown(&text),
                    false => self.null.clone(),
                });
            }
            match &mut self.state {
                State::Sampling { rows, bytes } => {
                    *bytes += texts.iter().map(String::len).sum::<usize>();
                    rows.push(texts);
                    if rows.len() >= SAMPLE_ROWS || *bytes >= SAMPLE_BYTES {
                        self.start(out);
                    }
                }
                State::Writing { widths } => line(&texts, widths, &self.is_number, out),
            }
        }
        Ok(())
    }

    /// Appends what is kept, and the last border.
    pub(super) fn finish(mut self, out: &mut String) {
        self.start(out);
        if let State::Writing { widths } = &self.state {
            border(widths, out);
        }
    }

    /// Appends the header and the rows of the sample.
    fn start(&mut self, out: &mut String) {
        let State::Sampling { rows, .. } = &mut self.state else { return };
        let rows = std::mem::take(rows);
        let mut widths: Vec<usize> = self.names.iter().map(|name| name.width()).collect();
        for row in &rows {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.lines().map(UnicodeWidthStr::width).max().unwrap_or_default());
            }
        }
        widths.iter_mut().for_each(|width| *width = (*width).min(MAX_WIDTH));
        border(&widths, out);
        line(&self.names, &widths, &vec![false; self.names.len()], out);
        border(&widths, out);
        rows.iter().for_each(|row| line(row, &widths, &self.is_number, out));
        self.state = State::Writing { widths };
    }
}

/// Returns a text of lines that a terminal shows as they are.
fn shown(text: &str) -> String {
    match text.contains('\n') {
        true => text.lines().map(visible).collect::<Vec<_>>().join("\n"),
        false => visible(text).into_owned(),
    }
}

fn border(widths: &[usize], out: &mut String) {
    for width in widths {
        out.push('+');
        out.extend(std::iter::repeat_n('-', width + 2));
    }
    out.push_str("+\n");
}

/// Appends a row; values may have several lines.
fn line(texts: &[String], widths: &[usize], is_number: &[bool], out: &mut String) {
    let height = texts.iter().map(|text| text.split('\n').count()).max().unwrap_or(1);
    for number in 0..height {
        for ((text, width), is_number) in texts.iter().zip(widths).zip(is_number) {
            let part = text.split('\n').nth(number).unwrap_or_default();
            let space = std::iter::repeat_n(' ', width.saturating_sub(part.width()));
            out.push_str("| ");
            if *is_number {
                out.extend(space);
                out.push_str(part);
            } else {
                out.push_str(part);
                out.extend(space);
            }
            out.push(' ');
        }
        out.push_str("|\n");
    }
}

pub(super) fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}
