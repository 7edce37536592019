//! Errors of parsing: kind, text and position in the script.

use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Location, TokenWithSpan, TokenizerError};
use std::fmt;

/// A position in a script: line and column, in characters from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self { line: location.line, column: location.column }
    }
}

/// Returns where a token begins.
pub(crate) fn position(token: &TokenWithSpan) -> Position {
    token.span.start.into()
}

/// The position of a node of a statement. It is not part of the statement's meaning: all are equal, so that
/// statements can be compared.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NodePosition(pub(crate) Position);

impl PartialEq for NodePosition {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for NodePosition {}

impl From<Position> for NodePosition {
    fn from(position: Position) -> Self {
        Self(position)
    }
}

/// The kind of a parsing error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DialectErrorKind {
    /// The text is not a statement of the dialect.
    Syntax,
    /// The statement is understood and not supported.
    NotSupported,
    /// The statement exceeds a limit.
    TooComplex,
    /// The parser failed.
    Internal,
}

/// An error of parsing. Its text has no position; Display adds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DialectError {
    pub(crate) kind: DialectErrorKind,
    pub(crate) text: String,
    pub(crate) position: Option<Position>,
}

pub(crate) type DialectResult<T> = Result<T, DialectError>;

impl DialectError {
    pub(crate) fn syntax(text: impl Into<String>, position: Position) -> Self {
        Self { kind: DialectErrorKind::Syntax, text: text.into(), position: Some(position) }
    }

    /// Creates the error of something that the dialect has and Kulya does not.
    pub(crate) fn not_supported(what: impl fmt::Display, position: Position) -> Self {
        let text = format!("{what}{NOT_SUPPORTED}");
        Self { kind: DialectErrorKind::NotSupported, text, position: Some(position) }
    }

    pub(crate) fn too_complex(text: impl Into<String>, position: Option<Position>) -> Self {
        Self { kind: DialectErrorKind::TooComplex, text: text.into(), position }
    }

    /// Converts an error of the expression and query parser. `end` is the position of an error at the end of
    /// the statement.
    pub(crate) fn from_parser(error: ParserError, end: Position) -> Self {
        let text = match error {
            ParserError::RecursionLimitExceeded => {
                return Self::too_complex("the statement is nested too deeply: split it", Some(end));
            }
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
        };
        let (text, position) = split_position(&text);
        let text = match text.strip_prefix("Expected: ").and_then(|rest| rest.split_once(", found: ")) {
            Some((expected, found)) => {
                let found = if found == "EOF" { "the end of the statement" } else { found };
                format!("expected {expected}, found {found}")
            }
            None => lowercase_first(text).replace(", found: ", ", found ").trim_end_matches('.').to_owned(),
        };
        let kind = match text.ends_with(NOT_SUPPORTED) {
            true => DialectErrorKind::NotSupported,
            false => DialectErrorKind::Syntax,
        };
        Self { kind, text, position: Some(position.unwrap_or(end)) }
    }
}

impl From<TokenizerError> for DialectError {
    fn from(error: TokenizerError) -> Self {
        Self::syntax(lowercase_first(error.message.trim_end_matches('.')), error.location.into())
    }
}

impl fmt::Display for DialectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match self.position {
            Some(position) => write!(f, " at {position}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DialectError {}

/// The end of the text of an error of the kind "not supported".
const NOT_SUPPORTED: &str = " is not supported yet";

/// Returns the error of something unsupported inside an expression, which [`DialectError::from_parser`]
/// converts.
pub(crate) fn not_supported(what: &str, location: Location) -> ParserError {
    ParserError::ParserError(format!("{what}{NOT_SUPPORTED}{location}"))
}

/// Splits ` at Line: 1, Column: 2` off a message.
fn split_position(text: &str) -> (&str, Option<Position>) {
    let parse = |(before, after): (&'_ str, &str)| {
        let (line, column) = after.split_once(", Column: ")?;
        let position = Position { line: line.parse().ok()?, column: column.trim().parse().ok()? };
        Some((before.len(), position))
    };
    match text.rsplit_once(" at Line: ").and_then(parse) {
        Some((length, position)) => (text.get(..length).unwrap_or(text), Some(position)),
        None => (text, None),
    }
}

fn lowercase_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        // not the name of a statement or type
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().chain([second]).chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_parser_are_converted() {
        let end = Position { line: 9, column: 9 };
        let convert = |text: &str| DialectError::from_parser(ParserError::ParserError(text.into()), end);
        for (text, expected) in [
            (
                "Expected: an expression, found: WITH at Line: 3, Column: 7",
                "expected an expression, found WITH at line 3, column 7",
            ),
            ("Expected: ), found: EOF", "expected ), found the end of the statement at line 9, column 9"),
            (
                "Expected a name, found: x. at Line: 1, Column: 2",
                "expected a name, found x at line 1, column 2",
            ),
            ("Unexpected token at Line: x", "unexpected token at Line: x at line 9, column 9"),
        ] {
            assert_eq!(convert(text).to_string(), expected);
        }
        let deep = DialectError::from_parser(ParserError::RecursionLimitExceeded, end);
        assert_eq!(deep.kind, DialectErrorKind::TooComplex);
    }
}
