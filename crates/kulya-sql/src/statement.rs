//! Flink's statements. Those about the catalog are read here, from tokens; a query is handed on as text.
//!
//! Names are case-sensitive and may stand in backticks; a quote within a text is doubled.

use crate::limits;
use crate::unreadable::{OPTION, OnUnreadable};
use crate::{SqlError, SqlResult};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};

/// One statement, read and not yet run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Statement {
    /// CREATE CATALOG name WITH (…).
    CreateCatalog {
        /// Its name.
        name: String,
        /// Whether one of that name is fine.
        if_not_exists: bool,
        /// What stands in WITH, as typed.
        options: Vec<(String, String)>,
    },
    /// DROP CATALOG name.
    DropCatalog {
        /// Its name.
        name: String,
        /// Whether none of that name is fine.
        if_exists: bool,
    },
    /// SHOW CATALOGS.
    ShowCatalogs,
    /// SHOW DATABASES, of the chosen catalog.
    ShowDatabases,
    /// SHOW TABLES, of the chosen database.
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

/// Reads statements with semicolons between them; the error is about the first that is none.
pub fn parse(text: &str) -> SqlResult<Vec<Statement>> {
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
    let tokens = tokens.map_err(|e| SqlError::new(format!("this is no SQL: {e}")))?;
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
    let mut is_hinted = false;
    for token in tokens {
        // a hint is a comment for the parser, and one that is not understood would be dropped without a word
        if let Token::Whitespace(Whitespace::MultiLineComment(comment)) = &token.token
            && comment.starts_with('+')
        {
            hint(comment)?;
            is_hinted = true;
        }
    }
    let meant: Vec<&TokenWithSpan> =
        tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))).collect();
    let (Some(first), Some(last)) = (meant.first(), meant.last()) else { return Ok(None) };
    let mut reader = Reader { tokens: meant.iter().map(|t| &t.token).collect(), at: 0 };
    let words = (reader.word(0), reader.word(1), reader.word(2));
    let words = (words.0.as_str(), words.1.as_str(), words.2.as_str());
    let read = match words {
        ("SELECT" | "WITH" | "VALUES" | "EXPLAIN", ..) => {
            let (from, to) = (cursor.offset(first.span.start), cursor.offset(last.span.end));
            let query = cursor.text.get(from..to).unwrap_or(cursor.text);
            limits::check(query, tokens)?;
            // a hint behind the last word is not within the query's text
            let hints = if is_hinted { hints(tokens) } else { String::new() };
            return Ok(Some(Statement::Query(query.to_owned() + &hints)));
        }
        _ if is_hinted => return Err(SqlError::not_supported("a hint that stands in no query")),
        ("CREATE", "CATALOG", _) => reader.create_catalog()?,
        ("DROP", "CATALOG", _) => {
            reader.at = 2;
            let if_exists = reader.keywords(&["IF", "EXISTS"]);
            Statement::DropCatalog { name: reader.name()?, if_exists }
        }
        ("SHOW", "CATALOGS", "") => reader.after(2, Statement::ShowCatalogs),
        ("SHOW", "DATABASES", "") => reader.after(2, Statement::ShowDatabases),
        ("SHOW", "TABLES", "") => reader.after(2, Statement::ShowTables),
        ("SHOW", "CURRENT", "CATALOG") => reader.after(3, Statement::ShowCurrentCatalog),
        ("SHOW", "CURRENT", "DATABASE") => reader.after(3, Statement::ShowCurrentDatabase),
        ("USE", "CATALOG", _) if reader.tokens.len() > 2 => {
            reader.at = 2;
            Statement::UseCatalog(reader.name()?)
        }
        ("USE", ..) => {
            reader.at = 1;
            Statement::Use(reader.path(2)?)
        }
        ("DESCRIBE" | "DESC", ..) => {
            reader.at = if words.1 == "TABLE" && reader.tokens.len() > 2 { 2 } else { 1 };
            Statement::Describe(reader.path(3)?)
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
            let shown = first.token.to_string();
            return Err(SqlError::new(format!(
                "no statement begins with {shown}: try SELECT, SHOW TABLES, DESCRIBE or USE"
            )));
        }
    };
    reader.end()?;
    Ok(Some(read))
}

/// All hints of a statement, one after another.
fn hints(tokens: &[TokenWithSpan]) -> String {
    let hint = |token: &TokenWithSpan| match &token.token {
        Token::Whitespace(Whitespace::MultiLineComment(comment)) if comment.starts_with('+') => {
            Some(format!(" /*{comment}*/"))
        }
        _ => None,
    };
    tokens.iter().filter_map(hint).collect()
}

/// What the hints of a query say of its tables.
pub(crate) fn on_unreadable(query: &str) -> SqlResult<OnUnreadable> {
    let tokens = Tokenizer::new(&GenericDialect {}, query).tokenize();
    let tokens = tokens.map_err(|e| SqlError::new(format!("this is no SQL: {e}")))?;
    let mut chosen = OnUnreadable::default();
    for token in &tokens {
        if let Token::Whitespace(Whitespace::MultiLineComment(comment)) = token
            && comment.starts_with('+')
        {
            chosen = hint(comment)?;
        }
    }
    Ok(chosen)
}

/// Reads `+ OPTIONS('unreadable-events' = 'skip')`.
fn hint(comment: &str) -> SqlResult<OnUnreadable> {
    let unknown = || SqlError::not_supported(format!("the hint /*{comment}*/"));
    let tokens = Tokenizer::new(&GenericDialect {}, comment.trim_start_matches('+')).tokenize();
    let tokens = tokens.map_err(|_| unknown())?;
    let meant: Vec<&Token> = tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect();
    match meant.as_slice() {
        [
            Token::Word(word),
            Token::LParen,
            Token::SingleQuotedString(key),
            Token::Eq,
            Token::SingleQuotedString(value),
            Token::RParen,
        ] if word.value.eq_ignore_ascii_case("options") && key == OPTION => OnUnreadable::parse(value),
        _ => Err(unknown()),
    }
}

/// Finds places in a text, each behind the one before. Tokens know line and column, counted in characters from 1.
struct Cursor<'a> {
    text: &'a str,
    line: u64,
    column: u64,
    offset: usize,
}

impl Cursor<'_> {
    /// The offset of a place in bytes.
    fn offset(&mut self, place: Location) -> usize {
        for letter in self.text.get(self.offset..).unwrap_or_default().chars() {
            if (self.line, self.column) == (place.line, place.column) {
                break;
            }
            if letter == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
            self.offset += letter.len_utf8();
        }
        self.offset
    }
}

struct Reader<'a> {
    tokens: Vec<&'a Token>,
    at: usize,
}

impl Reader<'_> {
    /// The word at a place in capitals; empty for anything else.
    fn word(&self, at: usize) -> String {
        match self.tokens.get(at) {
            Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
            _ => String::new(),
        }
    }

    fn after(&mut self, at: usize, statement: Statement) -> Statement {
        self.at = at;
        statement
    }

    /// Passes over these words if they come next.
    fn keywords(&mut self, words: &[&str]) -> bool {
        let come = words.iter().enumerate().all(|(ahead, word)| self.word(self.at + ahead) == *word);
        if come {
            self.at += words.len();
        }
        come
    }

    fn here(&self) -> String {
        self.tokens.get(self.at).map_or_else(|| "the end".to_owned(), |token| token.to_string())
    }

    fn expect(&mut self, wanted: &Token) -> SqlResult<()> {
        if self.tokens.get(self.at) == Some(&wanted) {
            self.at += 1;
            return Ok(());
        }
        Err(SqlError::new(format!("{wanted} was expected at {}", self.here())))
    }

    fn name(&mut self) -> SqlResult<String> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word.value.clone())
            }
            _ => Err(SqlError::new(format!("a name was expected at {}", self.here()))),
        }
    }

    fn path(&mut self, most: usize) -> SqlResult<Vec<String>> {
        let mut parts = vec![self.name()?];
        while self.tokens.get(self.at) == Some(&&Token::Period) {
            self.at += 1;
            parts.push(self.name()?);
        }
        if parts.len() > most {
            return Err(SqlError::new(format!(
                "{} has too many parts: put a name with dots in backticks",
                parts.join(".")
            )));
        }
        Ok(parts)
    }

    fn text(&mut self) -> SqlResult<String> {
        match self.tokens.get(self.at) {
            Some(Token::SingleQuotedString(text)) => {
                self.at += 1;
                Ok(text.clone())
            }
            _ => Err(SqlError::new(format!("a text in single quotes was expected at {}", self.here()))),
        }
    }

    fn create_catalog(&mut self) -> SqlResult<Statement> {
        self.at = 2;
        let if_not_exists = self.keywords(&["IF", "NOT", "EXISTS"]);
        let name = self.name()?;
        let mut options = Vec::new();
        if self.keywords(&["WITH"]) {
            self.expect(&Token::LParen)?;
            loop {
                let key = self.text()?;
                self.expect(&Token::Eq)?;
                options.push((key, self.text()?));
                if self.tokens.get(self.at) != Some(&&Token::Comma) {
                    break;
                }
                self.at += 1;
            }
            self.expect(&Token::RParen)?;
        }
        Ok(Statement::CreateCatalog { name, if_not_exists, options })
    }

    fn end(&self) -> SqlResult<()> {
        if self.at < self.tokens.len() {
            return Err(SqlError::new(format!("the statement should have ended at {}", self.here())));
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
    fn statements_are_read() {
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
    fn what_is_wrong_or_not_built_is_said() {
        for (text, says) in [
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
            ("USE", "a name was expected at the end"),
            ("CREATE CATALOG c WITH ('a' 'b')", "= was expected"),
            ("CREATE CATALOG c WITH ('a' = b)", "single quotes"),
            ("DESCRIBE t x", "ended at x"),
            ("SELECT 'open", "no SQL"),
        ] {
            let refused = parse(text).unwrap_err().to_string();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
