//! JSON schemas of columns, in the form of the Java catalog.

use super::no_type;
use crate::CodecResult;
use arrow::datatypes::{DataType, Fields};
use std::fmt::Write;

/// Returns the JSON schema of a table's rows, as the Java catalog writes it: without what is required or may
/// be null, and without the types of array items and map values. A nested row, with which the Java catalog
/// fails, is an object with properties.
///
/// # Errors
/// `Schema` for a column whose type JSON does not have, or whose name needs an escape, which the Java catalog
/// does not write; the text names it.
pub fn json_schema(columns: &Fields) -> CodecResult<String> {
    let mut text = r#"{"title": "Json Schema", "type": "object", "properties": "#.to_owned();
    write_properties(columns, &mut text)?;
    text.push('}');
    Ok(text)
}

fn write_properties(columns: &Fields, text: &mut String) -> CodecResult<()> {
    text.push_str(if columns.is_empty() { "{" } else { "{ " });
    for (position, field) in columns.iter().enumerate() {
        let name = field.name();
        if name.chars().any(|c| matches!(c, '"' | '\\') || c.is_control()) {
            return Err(no_type(
                "JSON",
                name,
                "its name must not have quotes, backslashes or control characters",
            ));
        }
        let separator = if position > 0 { "," } else { "" };
        // a string accepts everything
        let _ = write!(text, r#"{separator}"{name}": {{"type": "#);
        match field.data_type() {
            DataType::Struct(fields) => {
                text.push_str(r#""object", "properties": "#);
                write_properties(fields, text)?;
            }
            other => match json_type(other) {
                Some(json_type) => text.push_str(json_type),
                None => return Err(no_type("JSON", name, format_args!("{other} cannot be written"))),
            },
        }
        text.push('}');
    }
    text.push('}');
    Ok(())
}

fn json_type(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Null => r#""null""#,
        DataType::Boolean => r#""boolean""#,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => r#""string""#,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            r#""string", "contentEncoding": "base64""#
        }
        DataType::Date32 | DataType::Date64 => r#""string", "format": "date""#,
        DataType::Time32(_) | DataType::Time64(_) => r#""string", "format": "time""#,
        DataType::Timestamp(..) => r#""string", "format": "date-time""#,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => r#""array""#,
        DataType::Map(..) => r#""object""#,
        data_type if data_type.is_numeric() => r#""number""#,
        DataType::Interval(_) | DataType::Duration(_) => r#""number""#,
        _ => return None,
    })
}
