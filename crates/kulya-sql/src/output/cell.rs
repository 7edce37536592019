//! Values as texts, for formats of text.

use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::borrow::Cow;
use std::fmt::Write;

/// A null inside of an array, map or row.
const INNER_NULL: &str = "NULL";

/// The key of a schema's metadata with what stands for null in formats for people.
pub(super) const NULL_SHOWN: &str = "kulya.null";
/// What stands for null without it, as in Flink's client.
const NULL: &str = "<NULL>";

/// The form of a timestamp: a blank between date and time, as in SQL, and a fraction only if there is one.
pub(super) const TIMESTAMP: &str = "%Y-%m-%d %H:%M:%S%.f";
/// The form of a moment, which is in UTC.
pub(super) const MOMENT: &str = "%Y-%m-%d %H:%M:%S%.fZ";
/// The form of a moment of another time zone, of a program's own types.
const ZONED_MOMENT: &str = "%Y-%m-%d %H:%M:%S%.f%:z";

/// Returns the form of the moments in a type.
fn moment_format(data_type: &DataType) -> &'static str {
    if is_in_utc(data_type) { MOMENT } else { ZONED_MOMENT }
}

fn is_in_utc(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, Some(zone)) => matches!(&**zone, "+00:00" | "UTC" | "Z"),
        DataType::List(item) | DataType::Map(item, _) => is_in_utc(item.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_in_utc(field.data_type())),
        _ => true,
    }
}

/// Returns what stands for null in formats for people.
pub(super) fn null_shown(schema: &Schema) -> &str {
    schema.metadata().get(NULL_SHOWN).map_or(NULL, String::as_str)
}

/// Returns the error for rows that have no text.
pub(super) fn format_error(error: &dyn std::fmt::Display) -> SqlError {
    SqlError::new(SqlErrorKind::Failed, format!("the rows cannot be formatted: {error}"))
}

/// The values of a batch as texts.
pub(super) struct Cells<'a> {
    rows: &'a RecordBatch,
    formatters: Vec<ArrayFormatter<'a>>,
}

impl<'a> Cells<'a> {
    /// # Errors
    /// When a type has no text.
    pub(super) fn new(rows: &'a RecordBatch) -> SqlResult<Self> {
        let formatters = rows.columns().iter().map(|column| {
            let options = FormatOptions::new()
                .with_null(INNER_NULL)
                .with_timestamp_format(Some(TIMESTAMP))
                .with_timestamp_tz_format(Some(moment_format(column.data_type())));
            ArrayFormatter::try_new(column, &options)
        });
        let formatters = formatters.collect::<Result<_, _>>().map_err(|e| format_error(&e))?;
        Ok(Self { rows, formatters })
    }

    /// Writes a value into the emptied text; `false` for null.
    ///
    /// # Errors
    /// When the value has no text.
    pub(super) fn write(&self, row: usize, column: usize, text: &mut String) -> SqlResult<bool> {
        text.clear();
        let is_null = self.rows.columns().get(column).is_none_or(|values| values.is_null(row));
        match self.formatters.get(column).filter(|_| !is_null) {
            Some(formatter) => {
                write!(text, "{}", formatter.value(row)).map_err(|_| format_error(&"a value has no text"))?;
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// Returns a text that a terminal shows as it is: control characters, and those that change the direction of
/// text, are shown as `\n` or `\u001b`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if is_invisible(c) => {
                // a String takes everything
                let _ = write!(shown, "\\u{:04x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
