//! The tokens of a script, prepared for the parser: statements are split, hints taken out, and what the
//! dialect does not have is refused.
//!
//! White space and comments are dropped. `>>` closes two types (the dialect has no shift), so it becomes two
//! tokens. Text in double quotes is refused, because Flink has neither names nor strings in them.

use super::error::{DialectError, DialectResult, Position, position};
use super::flink_dialect::FlinkDialect;
use super::limits;
use datafusion::sql::sqlparser::tokenizer::{
    Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace, Word,
};

/// The tokens of one statement.
#[derive(Debug)]
pub(crate) struct StatementTokens<'a> {
    /// The tokens without white space and comments.
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// The byte offsets of the tokens in the text: start and end.
    offsets: Vec<(usize, usize)>,
    text: &'a str,
    /// The hints, in order.
    pub(crate) hints: Vec<HintComment>,
    /// The position after the last token.
    pub(crate) end: Position,
}

/// A comment of the form `/*+ … */`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HintComment {
    /// The text without `/*+` and `*/`.
    pub(crate) text: String,
    /// Where the comment begins.
    pub(crate) position: Position,
    /// Where the token before it ends.
    pub(crate) anchor: Location,
    /// The byte offset after the comment in the script.
    end_offset: usize,
}

impl HintComment {
    #[cfg(test)]
    pub(crate) fn new(text: &str, position: Position) -> Self {
        Self { text: text.to_owned(), position, anchor: Location::empty(), end_offset: 0 }
    }
}

impl StatementTokens<'_> {
    /// Returns the text from a token to before another, as typed, with the hints behind it.
    pub(crate) fn text(&self, from: usize, to: usize) -> &str {
        let start = self.offsets.get(from).map(|(start, _)| *start);
        let last = to.checked_sub(1).and_then(|last| self.tokens.get(last).zip(self.offsets.get(last)));
        let end = last.map(|(token, (_, end))| {
            let hint = self.hints.iter().rfind(|hint| hint.anchor == token.span.end);
            hint.map_or(*end, |hint| hint.end_offset)
        });
        start.zip(end).and_then(|(start, end)| self.text.get(start..end)).unwrap_or_default()
    }
}

/// Splits a script into statements at semicolons. Empty statements are left out.
pub(crate) fn split(text: &str) -> DialectResult<Vec<StatementTokens<'_>>> {
    let dialect = FlinkDialect::default();
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location()?;
    let mut offsets = Offsets::new(text);
    let mut statements = Vec::new();
    for part in tokens.split(|token| token.token == Token::SemiColon) {
        let statement = statement(text, part, &mut offsets)?;
        if !statement.tokens.is_empty() {
            statements.push(statement);
        } else if let Some(hint) = statement.hints.first() {
            return Err(DialectError::syntax("a hint without a statement", hint.position));
        }
    }
    Ok(statements)
}

fn statement<'a>(
    text: &'a str,
    part: &[TokenWithSpan],
    converted: &mut Offsets<'_>,
) -> DialectResult<StatementTokens<'a>> {
    let (mut tokens, mut offsets, mut hints) = (Vec::new(), Vec::new(), Vec::new());
    let mut anchor = part.first().map(|token| token.span.start).unwrap_or_else(Location::empty);
    for token in part {
        if let Token::Whitespace(space) = &token.token {
            if let Whitespace::MultiLineComment(comment) = space
                && let Some(hint) = comment.strip_prefix('+')
            {
                let end_offset = converted.offset(token.span.end);
                hints.push(HintComment {
                    text: hint.to_owned(),
                    position: position(token),
                    anchor,
                    end_offset,
                });
            }
            continue;
        }
        anchor = token.span.end;
        let (start, end) = (converted.offset(token.span.start), converted.offset(token.span.end));
        match accepted(token)? {
            Token::ShiftRight => {
                let mut middle = token.span.start;
                middle.column += 1;
                tokens.push(TokenWithSpan::new(Token::Gt, Span::new(token.span.start, middle)));
                tokens.push(TokenWithSpan::new(Token::Gt, Span::new(middle, token.span.end)));
                offsets.extend([(start, start + 1), (start + 1, end)]);
            }
            accepted => {
                tokens.push(TokenWithSpan::new(accepted, token.span));
                offsets.push((start, end));
            }
        }
    }
    let end = tokens.last().map(|token| Position::from(token.span.end)).unwrap_or_default();
    if let Some(((start, _), (_, end))) = offsets.first().zip(offsets.last()) {
        limits::check(end - start, &tokens)?;
    }
    Ok(StatementTokens { tokens, offsets, text, hints, end })
}

/// Returns the token as the parser gets it.
fn accepted(token: &TokenWithSpan) -> DialectResult<Token> {
    let error = |text: String| Err(DialectError::syntax(text, position(token)));
    match &token.token {
        Token::DoubleQuotedString(text) => {
            error(format!("unexpected \"{text}\": names are quoted in backticks, texts in single quotes"))
        }
        Token::Number(number, true) => error(format!("unexpected {number}L: a number has no suffix")),
        Token::UnicodeStringLiteral(text) | Token::NationalStringLiteral(text) => {
            Ok(Token::SingleQuotedString(text.clone()))
        }
        Token::Word(Word { value, quote_style: Some(_), .. }) if value.is_empty() => {
            error("a name is empty".to_owned())
        }
        Token::Word(Word { value, .. }) if value.contains('\0') => {
            error("a name has a zero character".to_owned())
        }
        other => Ok(other.clone()),
    }
}

/// Converts locations (line and column, in characters from 1) to byte offsets, in increasing order.
pub(super) struct Offsets<'a> {
    text: &'a str,
    line: u64,
    column: u64,
    offset: usize,
}

impl<'a> Offsets<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, line: 1, column: 1, offset: 0 }
    }

    /// Returns the byte offset of a location.
    pub(super) fn offset(&mut self, location: Location) -> usize {
        for c in self.text.get(self.offset..).unwrap_or_default().chars() {
            if (self.line, self.column) == (location.line, location.column) {
                break;
            }
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
            self.offset += c.len_utf8();
        }
        self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_split_with_their_text_and_hints() {
        let script = "SELECT 'a;b''é' -- why;\n , `x;y`;;\n\n  SELECT a FROM t /*+ OPTIONS('a'='b') */ ;";
        let statements = split(script).unwrap();
        let texts: Vec<_> = statements.iter().map(|s| s.text(0, s.tokens.len()).to_owned()).collect();
        assert_eq!(texts, ["SELECT 'a;b''é' -- why;\n , `x;y`", "SELECT a FROM t /*+ OPTIONS('a'='b') */"]);
        assert_eq!(statements[1].text(2, 3), "FROM");
        let hint = &statements[1].hints[0];
        assert_eq!(hint.text, " OPTIONS('a'='b') ");
        assert_eq!((hint.position, hint.anchor), (Position { line: 4, column: 19 }, Location::new(4, 18)));
        assert_eq!(statements[1].end, Position { line: 4, column: 18 });
    }

    #[test]
    fn closing_brackets_of_types_are_split() {
        let statements = split("ARRAY<ARRAY<INT>>").unwrap();
        let tokens = &statements[0].tokens;
        assert_eq!(tokens[5].token, Token::Gt);
        assert_eq!(tokens[6].span, Span::new(Location::new(1, 17), Location::new(1, 18)));
        assert_eq!(statements[0].text(6, 7), ">");
    }

    #[test]
    fn tokens_outside_of_the_dialect_are_refused() {
        for (text, expected) in [
            (
                "SELECT\n \"a\"",
                "unexpected \"a\": names are quoted in backticks, texts in single quotes at line 2, column 2",
            ),
            ("SELECT 10L", "unexpected 10L: a number has no suffix at line 1, column 8"),
            ("SELECT 'open", "unterminated string literal at line 1, column 8"),
            ("SELECT ``", "a name is empty at line 1, column 8"),
            ("/*+ OPTIONS('a'='b') */ ;", "a hint without a statement at line 1, column 1"),
        ] {
            assert_eq!(split(text).unwrap_err().to_string(), expected);
        }
    }
}
