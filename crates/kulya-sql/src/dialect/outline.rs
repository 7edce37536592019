//! The parts of a text that is being typed: for highlighting, completion, and to know whether a statement is
//! complete. Any text has an outline, also one that is no statement.

use super::flink_dialect::FlinkDialect;
use super::reserved::is_reserved;
use super::tokens::Offsets;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace, Word};
use std::ops::Range;

/// The outline of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The parts, in order; white space is none.
    pub parts: Vec<OutlinePart>,
    /// Whether the text is empty, or ends with the semicolon of a statement, or with that behind the END of a
    /// statement set.
    pub is_complete: bool,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlinePart {
    /// Where it is in the text, in bytes.
    pub range: Range<usize>,
    /// What it is.
    pub kind: PartKind,
}

/// The kinds of parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// A word that has a meaning of its own.
    Keyword,
    /// Another word.
    Name,
    /// A name in backticks.
    QuotedName,
    /// A text in single quotes.
    Text,
    /// A number.
    Number,
    /// A comment.
    Comment,
    /// An operator, a bracket, a comma.
    Symbol,
    /// A semicolon.
    Semicolon,
    /// The rest of the text after a quote or a comment that is not closed.
    Unclosed,
}

/// Words that begin statements or stand in them, besides the reserved ones.
pub(crate) const KEYWORDS: &[&str] = &[
    "ADD",
    "ALL",
    "ALTER",
    "ANALYZE",
    "AND",
    "AS",
    "ASC",
    "BEGIN",
    "BETWEEN",
    "BY",
    "CASCADE",
    "CASE",
    "CAST",
    "CATALOG",
    "CATALOGS",
    "COLUMN",
    "COLUMNS",
    "COMMENT",
    "CREATE",
    "CROSS",
    "CUMULATE",
    "CURRENT",
    "DATABASE",
    "DATABASES",
    "DESC",
    "DESCRIBE",
    "DESCRIPTOR",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "ENFORCED",
    "EXCEPT",
    "EXECUTE",
    "EXISTS",
    "EXPLAIN",
    "EXTENDED",
    "FALSE",
    "FOR",
    "FROM",
    "FULL",
    "FUNCTIONS",
    "GROUP",
    "HAVING",
    "HOP",
    "IF",
    "IN",
    "INNER",
    "INSERT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LEFT",
    "LIKE",
    "LIMIT",
    "METADATA",
    "MODIFY",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OPTIONS",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "OVERWRITE",
    "PARTITION",
    "PLAN",
    "PRIMARY",
    "RENAME",
    "RESET",
    "RIGHT",
    "SELECT",
    "SESSION",
    "SET",
    "SHOW",
    "STATEMENT",
    "TABLE",
    "TABLES",
    "TEMPORARY",
    "THEN",
    "TO",
    "TRUE",
    "TUMBLE",
    "UNION",
    "USE",
    "USING",
    "VALUES",
    "VERBOSE",
    "VIEW",
    "VIEWS",
    "VIRTUAL",
    "WATERMARK",
    "WHEN",
    "WHERE",
    "WITH",
];

impl Outline {
    /// Returns the outline of a text.
    pub fn new(text: &str) -> Self {
        let dialect = FlinkDialect::default();
        let mut tokens = Vec::new();
        let is_closed = Tokenizer::new(&dialect, text).tokenize_with_location_into_buf(&mut tokens).is_ok();
        let mut offsets = Offsets::new(text);
        let (mut parts, mut end) = (Vec::new(), 0);
        for token in &tokens {
            let start = offsets.offset(token.span.start);
            end = offsets.offset(token.span.end);
            if let Some(kind) = kind(&token.token) {
                parts.push(OutlinePart { range: start..end, kind });
            }
        }
        if !is_closed {
            let rest = text.get(end..).unwrap_or_default();
            let start = end + rest.len() - rest.trim_start().len();
            parts.push(OutlinePart { range: start..text.len(), kind: PartKind::Unclosed });
        }
        let is_complete = is_closed && is_complete(&tokens);
        Self { parts, is_complete }
    }
}

fn kind(token: &Token) -> Option<PartKind> {
    Some(match token {
        Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
            PartKind::Comment
        }
        Token::Whitespace(_) | Token::EOF => return None,
        Token::Word(Word { quote_style: Some(_), .. }) => PartKind::QuotedName,
        Token::Word(Word { value, .. }) if is_keyword(value) => PartKind::Keyword,
        Token::Word(_) => PartKind::Name,
        Token::Number(..) => PartKind::Number,
        Token::SingleQuotedString(_) | Token::UnicodeStringLiteral(_) | Token::NationalStringLiteral(_) => {
            PartKind::Text
        }
        Token::SemiColon => PartKind::Semicolon,
        _ => PartKind::Symbol,
    })
}

fn is_keyword(word: &str) -> bool {
    is_reserved(word) || KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

fn is_complete(tokens: &[TokenWithSpan]) -> bool {
    let tokens: Vec<&Token> = tokens
        .iter()
        .map(|token| &token.token)
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    let Some(last) = tokens.last() else { return true };
    if **last != Token::SemiColon {
        return false;
    }
    let begins = |statement: &[&Token], words: &[&str]| {
        words.iter().zip(statement).filter(|(word, token)| is_word(token, word)).count() == words.len()
    };
    let mut is_in_set = false;
    for statement in tokens.split(|token| **token == Token::SemiColon) {
        if is_in_set {
            is_in_set = !begins(statement, &["END"]);
        } else {
            is_in_set = begins(statement, &["EXECUTE", "STATEMENT", "SET", "BEGIN"])
                || begins(statement, &["EXPLAIN", "STATEMENT", "SET", "BEGIN"])
                || begins(statement, &["BEGIN", "STATEMENT", "SET"]);
        }
    }
    !is_in_set
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlined(text: &str) -> Vec<(&str, PartKind)> {
        Outline::new(text).parts.into_iter().map(|part| (&text[part.range], part.kind)).collect()
    }

    #[test]
    fn parts_have_their_kinds() {
        use PartKind::*;
        assert_eq!(
            outlined("SELECT é, `a b`, 'x''y' -- why\n FROM t /* 1 */;"),
            [
                ("SELECT", Keyword),
                ("é", Name),
                (",", Symbol),
                ("`a b`", QuotedName),
                (",", Symbol),
                ("'x''y'", Text),
                ("-- why\n", Comment),
                ("FROM", Keyword),
                ("t", Name),
                ("/* 1 */", Comment),
                (";", Semicolon),
            ]
        );
        assert_eq!(outlined("select 'open\n x;"), [("select", Keyword), ("'open\n x;", Unclosed)]);
        assert_eq!(outlined("USE `ab"), [("USE", Keyword), ("`ab", Unclosed)]);
        assert_eq!(outlined("1.5 /* x"), [("1.5", Number), ("/* x", Unclosed)]);
    }

    #[test]
    fn complete_statements_end_with_a_semicolon() {
        for text in [
            "",
            "  ",
            "SELECT 1;",
            "SELECT 1; SELECT 2; -- end",
            "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END;",
            "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END; SELECT 1;",
            "SELECT 'a;b';",
        ] {
            assert!(Outline::new(text).is_complete, "{text}");
        }
        for text in [
            "SELECT 1",
            "SELECT ';",
            "SELECT 1; SELECT",
            "SELECT 1 -- ;",
            "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;",
            "BEGIN STATEMENT SET;",
            "SELECT `;",
            "/* ;",
        ] {
            assert!(!Outline::new(text).is_complete, "{text}");
        }
    }
}
