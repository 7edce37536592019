//! Parser of Flink's statements. Catalog statements are parsed here, from tokens; a query is passed on as
//! text.
//!
//! Names are case-sensitive and may be quoted in backticks; a quote in a string literal is doubled.

use crate::limits;
use crate::scan::{DecodeErrorPolicy, OPTION};
use crate::{SqlError, SqlErrorKind, SqlResult};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};

/// A parsed statement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Statement {
    /// CREATE CATALOG name WITH (…).
    CreateCatalog {
        /// The catalog's name.
        name: String,
        /// Whether the statement has IF NOT EXISTS.
        if_not_exists: bool,
        /// The options in WITH, as typed.
        options: Vec<(String, String)>,
    },
    /// DROP CATALOG name.
    DropCatalog {
        /// The catalog's name.
        name: String,
        /// Whether the statement has IF EXISTS.
        if_exists: bool,
    },
    /// SHOW CATALOGS.
    ShowCatalogs,
    /// SHOW DATABASES, of the current catalog.
    ShowDatabases,
    /// SHOW TABLES, of the current database.
    ShowTables,
    /// SHOW CURRENT CATALOG.
    ShowCurrentCatalog,
    /// SHOW CURRENT DATABASE.
    ShowCurrentDatabase,
    /// USE CATALOG name.
    UseCatalog(String),
    /// USE `database` or `catalog.database`.
    Use(Vec<String>),
    /// DESCRIBE `table`, `database.table` or `catalog.database.table`.
    Describe(Vec<String>),
    /// SELECT, WITH, VALUES or EXPLAIN, as typed.
    Query(String),
}

/// Parses statements separated by semicolons.
///
/// # Errors
/// A syntax error, or that a statement is not supported; about the first invalid statement.
pub fn parse(text: &str) -> SqlResult<Vec<Statement>> {
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
    let tokens = tokens.map_err(|e| SqlError::new(SqlErrorKind::Syntax, format!("syntax error: {e}")))?;
    let mut statements = Vec::new();
    let mut cursor = Cursor { text, line: 1, column: 1, offset: 0 };
    for part in tokens.split(|token| token.token == Token::SemiColon) {
        if let Some(statement) = statement(&mut cursor, part)? {
            statements.push(statement);
        }
    }
    Ok(statements)
}

fn statement(cursor: &mut Cursor<'_>, tokens: &[TokenWithSpan]) -> SqlResult<Option<Statement>> {
    let mut has_hint = false;
    for token in tokens {
        // the tokenizer treats a hint as a comment, so an unknown one would be ignored silently
        if let Token::Whitespace(Whitespace::MultiLineComment(comment)) = &token.token
            && comment.starts_with('+')
        {
            parse_hint(comment)?;
            has_hint = true;
        }
    }
    let significant: Vec<&TokenWithSpan> =
        tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    let (Some(first), Some(last)) = (significant.first(), significant.last()) else { return Ok(None) };
    let mut parser = Parser { tokens: significant.iter().map(|t| &t.token).collect(), position: 0 };
    let words = (parser.word(0), parser.word(1), parser.word(2));
    let words = (words.0.as_str(), words.1.as_str(), words.2.as_str());
    let statement = match words {
        ("SELECT" | "WITH" | "VALUES" | "EXPLAIN", ..) => {
            let (from, to) = (cursor.offset(first.span.start), cursor.offset(last.span.end));
            let query = cursor.text.get(from..to).unwrap_or(cursor.text);
            limits::check(query, tokens)?;
            // a hint after the last word is not in the query's text
            let hints = if has_hint { hints(tokens) } else { String::new() };
            return Ok(Some(Statement::Query(query.to_owned() + &hints)));
        }
        _ if has_hint => return Err(SqlError::not_supported("a hint outside of a query")),
        ("CREATE", "CATALOG", _) => parser.create_catalog()?,
        ("DROP", "CATALOG", _) => {
            parser.position = 2;
            let if_exists = parser.consume_keywords(&["IF", "EXISTS"]);
            Statement::DropCatalog { name: parser.name()?, if_exists }
        }
        ("SHOW", "CATALOGS", "") => parser.after(2, Statement::ShowCatalogs),
        ("SHOW", "DATABASES", "") => parser.after(2, Statement::ShowDatabases),
        ("SHOW", "TABLES", "") => parser.after(2, Statement::ShowTables),
        ("SHOW", "CURRENT", "CATALOG") => parser.after(3, Statement::ShowCurrentCatalog),
        ("SHOW", "CURRENT", "DATABASE") => parser.after(3, Statement::ShowCurrentDatabase),
        ("USE", "CATALOG", _) if parser.tokens.len() > 2 => {
            parser.position = 2;
            Statement::UseCatalog(parser.name()?)
        }
        ("USE", ..) => {
            parser.position = 1;
            Statement::Use(parser.path(2)?)
        }
        ("DESCRIBE" | "DESC", ..) => {
            parser.position = if words.1 == "TABLE" && parser.tokens.len() > 2 { 2 } else { 1 };
            Statement::Describe(parser.path(3)?)
        }
        ("CREATE" | "DROP" | "ALTER" | "SHOW" | "EXECUTE", second, _) => {
            return Err(SqlError::not_supported(format!("{} {second}", words.0).trim()));
        }
        (
            "INSERT" | "DELETE" | "UPDATE" | "TRUNCATE" | "SET" | "RESET" | "ANALYZE" | "LOAD" | "CALL"
            | "COPY" | "BEGIN",
            ..,
        ) => {
            return Err(SqlError::not_supported(words.0));
        }
        _ => {
            return Err(SqlError::new(
                SqlErrorKind::Syntax,
                format!("unknown statement {}: use SELECT, SHOW TABLES, DESCRIBE or USE", first.token),
            ));
        }
    };
    parser.expect_end()?;
    Ok(Some(statement))
}

/// Returns all hints of a statement, concatenated.
fn hints(tokens: &[TokenWithSpan]) -> String {
    let hint = |token: &TokenWithSpan| match &token.token {
        Token::Whitespace(Whitespace::MultiLineComment(comment)) if comment.starts_with('+') => {
            Some(format!(" /*{comment}*/"))
        }
        _ => None,
    };
    tokens.iter().filter_map(hint).collect()
}

/// Returns the policy for events that cannot be decoded from the hints of a query.
pub(crate) fn decode_error_policy(query: &str) -> SqlResult<DecodeErrorPolicy> {
    let tokens = Tokenizer::new(&GenericDialect {}, query).tokenize();
    let tokens = tokens.map_err(|e| SqlError::new(SqlErrorKind::Syntax, format!("syntax error: {e}")))?;
    let mut policy = DecodeErrorPolicy::default();
    for token in &tokens {
        if let Token::Whitespace(Whitespace::MultiLineComment(comment)) = token
            && comment.starts_with('+')
        {
            policy = parse_hint(comment)?;
        }
    }
    Ok(policy)
}

/// Parses `+ OPTIONS('unreadable-events' = 'skip')`.
fn parse_hint(comment: &str) -> SqlResult<DecodeErrorPolicy> {
    let unknown = || SqlError::not_supported(format!("the hint /*{comment}*/"));
    let tokens = Tokenizer::new(&GenericDialect {}, comment.trim_start_matches('+')).tokenize();
    let tokens = tokens.map_err(|_| unknown())?;
    let significant: Vec<&Token> =
        tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    match significant.as_slice() {
        [
            Token::Word(word),
            Token::LParen,
            Token::SingleQuotedString(key),
            Token::Eq,
            Token::SingleQuotedString(value),
            Token::RParen,
        ] if word.value.eq_ignore_ascii_case("options") && key == OPTION => DecodeErrorPolicy::parse(value),
        _ => Err(unknown()),
    }
}

/// Converts locations of tokens (line and column, in characters from 1) to byte offsets, in increasing order.
struct Cursor<'a> {
    text: &'a str,
    line: u64,
    column: u64,
    offset: usize,
}

impl Cursor<'_> {
    /// Returns the byte offset of a location.
    fn offset(&mut self, location: Location) -> usize {
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

struct Parser<'a> {
    tokens: Vec<&'a Token>,
    position: usize,
}

impl Parser<'_> {
    /// Returns the unquoted word at a position in upper case; empty for other tokens.
    fn word(&self, position: usize) -> String {
        match self.tokens.get(position) {
            Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
            _ => String::new(),
        }
    }

    fn after(&mut self, position: usize, statement: Statement) -> Statement {
        self.position = position;
        statement
    }

    /// Consumes these words if they are next.
    fn consume_keywords(&mut self, words: &[&str]) -> bool {
        let are_next =
            words.iter().enumerate().all(|(ahead, word)| self.word(self.position + ahead) == *word);
        if are_next {
            self.position += words.len();
        }
        are_next
    }

    /// Returns the current token, for messages.
    fn current(&self) -> String {
        self.tokens.get(self.position).map_or_else(|| "the end".to_owned(), |token| token.to_string())
    }

    fn expect(&mut self, wanted: &Token) -> SqlResult<()> {
        if self.tokens.get(self.position) == Some(&wanted) {
            self.position += 1;
            return Ok(());
        }
        Err(SqlError::new(SqlErrorKind::Syntax, format!("expected {wanted} at {}", self.current())))
    }

    fn name(&mut self) -> SqlResult<String> {
        match self.tokens.get(self.position) {
            Some(Token::Word(word)) => {
                self.position += 1;
                Ok(word.value.clone())
            }
            _ => Err(SqlError::new(SqlErrorKind::Syntax, format!("expected a name at {}", self.current()))),
        }
    }

    fn path(&mut self, max_parts: usize) -> SqlResult<Vec<String>> {
        let mut parts = vec![self.name()?];
        while self.tokens.get(self.position) == Some(&&Token::Period) {
            self.position += 1;
            parts.push(self.name()?);
        }
        if parts.len() > max_parts {
            return Err(SqlError::new(
                SqlErrorKind::Syntax,
                format!("{} has too many parts: quote a name with dots in backticks", parts.join(".")),
            ));
        }
        Ok(parts)
    }

    fn string_literal(&mut self) -> SqlResult<String> {
        match self.tokens.get(self.position) {
            Some(Token::SingleQuotedString(text)) => {
                self.position += 1;
                Ok(text.clone())
            }
            _ => Err(SqlError::new(
                SqlErrorKind::Syntax,
                format!("expected a string literal in single quotes at {}", self.current()),
            )),
        }
    }

    fn create_catalog(&mut self) -> SqlResult<Statement> {
        self.position = 2;
        let if_not_exists = self.consume_keywords(&["IF", "NOT", "EXISTS"]);
        let name = self.name()?;
        let mut options = Vec::new();
        if self.consume_keywords(&["WITH"]) {
            self.expect(&Token::LParen)?;
            loop {
                let key = self.string_literal()?;
                self.expect(&Token::Eq)?;
                options.push((key, self.string_literal()?));
                if self.tokens.get(self.position) != Some(&&Token::Comma) {
                    break;
                }
                self.position += 1;
            }
            self.expect(&Token::RParen)?;
        }
        Ok(Statement::CreateCatalog { name, if_not_exists, options })
    }

    fn expect_end(&self) -> SqlResult<()> {
        if self.position < self.tokens.len() {
            return Err(SqlError::new(
                SqlErrorKind::Syntax,
                format!("expected the end of the statement at {}", self.current()),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Statement {
        let mut parsed = parse(text).unwrap();
        assert_eq!(parsed.len(), 1, "{text}");
        parsed.remove(0)
    }

    #[test]
    fn statements_are_parsed() {
        let path = |parts: &[&str]| parts.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>();
        assert_eq!(one("show tables;"), Statement::ShowTables);
        assert_eq!(one("USE `my.shop`"), Statement::Use(path(&["my.shop"])));
        assert_eq!(one("use Cat.db ;"), Statement::Use(path(&["Cat", "db"])));
        assert_eq!(one("USE CATALOG c"), Statement::UseCatalog("c".into()));
        assert_eq!(one("desc `a`.`b.c`"), Statement::Describe(path(&["a", "b.c"])));
        assert_eq!(one("SHOW CURRENT DATABASE"), Statement::ShowCurrentDatabase);
        assert_eq!(parse(" ; -- nothing\n ; ").unwrap(), []);
        let query = "SELECT 'a;b''c', `x` -- why\nFROM t";
        assert_eq!(one(&format!("  {query} ;\n")), Statement::Query(query.into()));
        assert_eq!(parse("SHOW TABLES; SELECT 1; SELECT é").unwrap()[2], Statement::Query("SELECT é".into()));
    }

    #[test]
    fn a_catalog_is_created_as_flink_writes_it() {
        let text = "CREATE CATALOG pravega_catalog WITH(\n'type' = 'pravega',\n'default-database' = 'scope1',\n\
                    'controller-uri' = 'tcp://localhost:9090' ,\n'schema-registry-uri' = ' http://localhost:9092'\n);";
        let Statement::CreateCatalog { name, options, .. } = one(text) else { panic!("a catalog") };
        assert_eq!((name.as_str(), options.len()), ("pravega_catalog", 4));
        assert_eq!(options[3], ("schema-registry-uri".into(), " http://localhost:9092".into()));
    }

    #[test]
    fn syntax_errors_and_unsupported_statements_are_reported() {
        for (text, expected) in [
            ("CREATE TABLE t (a INT)", "CREATE TABLE is not supported yet"),
            ("INSERT INTO t VALUES (1)", "INSERT is not supported yet"),
            ("create view v as select 1", "CREATE VIEW is not supported yet"),
            ("SET 'a' = 'b'", "SET is not supported yet"),
            ("SHOW TABLES LIKE 'a'", "SHOW TABLES is not supported yet"),
            (
                "SELECT * FROM t /*+ OPTIONS('a'='b') */",
                "the hint /*+ OPTIONS('a'='b') */ is not supported yet",
            ),
            ("HELLO", "HELLO"),
            ("USE a.b.c", "backticks"),
            ("USE", "expected a name at the end"),
            ("CREATE CATALOG c WITH ('a' 'b')", "expected = at"),
            ("CREATE CATALOG c WITH ('a' = b)", "single quotes"),
            ("DESCRIBE t x", "end of the statement at x"),
            ("SELECT 'open", "syntax error"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
