//! The parser of options `'key' = 'value'` in WITH, SET and hints, and of hints in comments.

use super::cursor::{Cursor, Path};
use super::error::{DialectError, DialectResult};
use super::flink_dialect::FlinkDialect;
use super::options::{Hint, OptionDef, TableHint};
use super::tokens::{self, HintComment};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Hints of Flink for its planner.
const IGNORED_HINTS: &[&str] =
    &["BROADCAST", "SHUFFLE_HASH", "SHUFFLE_MERGE", "NEST_LOOP", "LOOKUP", "STATE_TTL", "MULTI_JOIN"];

/// Parses `('key' = 'value', …)`.
pub(crate) fn options(cursor: &mut Cursor<'_>) -> DialectResult<Vec<OptionDef>> {
    cursor.bracketed(|cursor| {
        let position = cursor.position().into();
        let key = match cursor.is_string() {
            true => cursor.string()?,
            false => return cursor.expected("the key of an option in single quotes"),
        };
        cursor.expect_token(&Token::Eq)?;
        Ok(OptionDef { key, value: cursor.string()?, position })
    })
}

/// Parses `WITH (…)` if it is next.
pub(crate) fn with_options(cursor: &mut Cursor<'_>) -> DialectResult<Vec<OptionDef>> {
    if cursor.accept(&["WITH"]) { empty_or_options(cursor) } else { Ok(Vec::new()) }
}

/// Parses `(…)`; the brackets may be empty.
fn empty_or_options(cursor: &mut Cursor<'_>) -> DialectResult<Vec<OptionDef>> {
    if cursor.accept_brackets() { Ok(Vec::new()) } else { options(cursor) }
}

/// Parses `('key', …)`.
pub(crate) fn keys(cursor: &mut Cursor<'_>) -> DialectResult<Vec<String>> {
    cursor.bracketed(Cursor::string)
}

/// Parses the hints of a comment. Errors have the comment's position.
pub(crate) fn parse_hint(comment: &HintComment) -> DialectResult<Hint> {
    let unknown = || {
        let text = format!("the hint /*+{}*/", comment.text);
        DialectError::not_supported(text, comment.position)
    };
    let statements = tokens::split(&comment.text).map_err(|_| unknown())?;
    let [statement] = statements.as_slice() else { return Err(unknown()) };
    let dialect = FlinkDialect::new(statement.tokens.len());
    let mut cursor = Cursor::new(statement, &dialect, []);
    let mut hint =
        Hint { options: None, ignored: Vec::new(), position: comment.position, anchor: comment.anchor };
    while !cursor.is_at_end() {
        let name = cursor.word(0);
        if cursor.accept(&["OPTIONS"]) && hint.options.is_none() {
            let located = |option: OptionDef| OptionDef { position: comment.position.into(), ..option };
            let options = options(&mut cursor).map_err(|_| unknown())?.into_iter().map(located).collect();
            hint.options = Some(TableHint { options, as_of: None, position: comment.position.into() });
        } else if IGNORED_HINTS.contains(&name.as_str()) {
            cursor.accept(&[&name]);
            ignored_arguments(&mut cursor).map_err(|_| unknown())?;
            hint.ignored.push(name);
        } else {
            return Err(unknown());
        }
        cursor.accept_token(&Token::Comma);
    }
    Ok(hint)
}

/// Parses the arguments of a hint: names, or options.
fn ignored_arguments(cursor: &mut Cursor<'_>) -> DialectResult<()> {
    if !cursor.at_token(&Token::LParen) {
        return Ok(());
    }
    cursor.bracketed(|cursor| {
        if cursor.string().is_ok() {
            return if cursor.accept_token(&Token::Eq) { cursor.string().map(drop) } else { Ok(()) };
        }
        cursor.path(3).map(|_: Path| ())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::error::Position;

    fn hint(text: &str) -> DialectResult<Hint> {
        let position = Position { line: 2, column: 5 };
        parse_hint(&HintComment::new(text, position))
    }

    #[test]
    fn hints_are_parsed() {
        let parsed = hint(" OPTIONS('a' = 'b''c', 'd.e'='') ").unwrap();
        let options = parsed.options.unwrap().options;
        let options: Vec<_> = options.iter().map(|o| (o.key.as_str(), o.value.as_str())).collect();
        assert_eq!(options, [("a", "b'c"), ("d.e", "")]);
        let ignored = hint("BROADCAST(t, c.d.u), STATE_TTL('t'='1d') LOOKUP").unwrap().ignored;
        assert_eq!(ignored, ["BROADCAST", "STATE_TTL", "LOOKUP"]);
    }

    #[test]
    fn unknown_hints_are_refused_with_their_text() {
        for text in [
            " x ",
            "OPTIONS",
            "OPTIONS('a')",
            "OPTIONS('a'='b') OPTIONS('a'='b')",
            "OPTIONS('a'='b'",
            "'",
            "a;b",
        ] {
            let expected = format!("the hint /*+{text}*/ is not supported yet at line 2, column 5");
            assert_eq!(hint(text).unwrap_err().to_string(), expected);
        }
    }
}
