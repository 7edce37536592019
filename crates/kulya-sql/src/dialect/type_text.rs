//! The text of a type.

use super::cursor::Cursor;
use super::error::{DialectError, DialectResult, Position};
use super::flink_dialect::FlinkDialect;
use super::flink_type::{self, FlinkType};
use super::tokens;

/// Parses the text of a type.
pub(crate) fn parse_type(text: &str) -> DialectResult<FlinkType> {
    let statements = tokens::split(text)?;
    let [statement] = statements.as_slice() else {
        return Err(DialectError::syntax("expected one type", Position::default()));
    };
    let dialect = FlinkDialect::new(statement.tokens.len());
    let mut cursor = Cursor::new(statement, &dialect, []);
    let parsed = cursor.parse_with(flink_type::parse_type)?;
    cursor.expect_end()?;
    Ok(parsed)
}
