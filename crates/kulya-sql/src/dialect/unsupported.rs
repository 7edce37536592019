//! What the dialect has and Kulya does not: statements and clauses that are refused by name.

use super::cursor::Cursor;
use super::error::{DialectError, DialectResult, position};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

/// The first words of statements that are not supported, and how to name them.
pub(crate) const STATEMENTS: &[(&[&str], &str)] = &[
    (&["ADD", "JAR"], "ADD JAR"),
    (&["ALTER", "CONNECTION"], "ALTER CONNECTION"),
    (&["ALTER", "FUNCTION"], "ALTER FUNCTION"),
    (&["ALTER", "MATERIALIZED", "TABLE"], "ALTER MATERIALIZED TABLE"),
    (&["ALTER", "MODEL"], "ALTER MODEL"),
    (&["ALTER", "SYSTEM", "FUNCTION"], "ALTER FUNCTION"),
    (&["ALTER", "TEMPORARY", "FUNCTION"], "ALTER FUNCTION"),
    (&["ALTER", "TEMPORARY", "SYSTEM", "FUNCTION"], "ALTER FUNCTION"),
    (&["ANALYZE"], "ANALYZE"),
    (&["BEGIN"], "BEGIN"),
    (&["CALL"], "CALL"),
    (&["CLEAR"], "CLEAR"),
    (&["COMPILE", "AND", "EXECUTE", "PLAN"], "COMPILE AND EXECUTE PLAN"),
    (&["COMPILE", "PLAN"], "COMPILE PLAN"),
    (&["COPY"], "COPY"),
    (&["CREATE", "CONNECTION"], "CREATE CONNECTION"),
    (&["CREATE", "FUNCTION"], "CREATE FUNCTION"),
    (&["CREATE", "MATERIALIZED", "TABLE"], "CREATE MATERIALIZED TABLE"),
    (&["CREATE", "MODEL"], "CREATE MODEL"),
    (&["CREATE", "OR", "REPLACE", "MATERIALIZED", "TABLE"], "CREATE MATERIALIZED TABLE"),
    (&["CREATE", "SYSTEM", "FUNCTION"], "CREATE FUNCTION"),
    (&["CREATE", "TEMPORARY", "CONNECTION"], "CREATE CONNECTION"),
    (&["CREATE", "TEMPORARY", "FUNCTION"], "CREATE FUNCTION"),
    (&["CREATE", "TEMPORARY", "MODEL"], "CREATE MODEL"),
    (&["CREATE", "TEMPORARY", "SYSTEM", "FUNCTION"], "CREATE FUNCTION"),
    (&["DELETE"], "DELETE"),
    (&["DESC", "FUNCTION"], "DESCRIBE FUNCTION"),
    (&["DESC", "JOB"], "DESCRIBE JOB"),
    (&["DESC", "MODEL"], "DESCRIBE MODEL"),
    (&["DESCRIBE", "FUNCTION"], "DESCRIBE FUNCTION"),
    (&["DESCRIBE", "JOB"], "DESCRIBE JOB"),
    (&["DESCRIBE", "MODEL"], "DESCRIBE MODEL"),
    (&["DROP", "CONNECTION"], "DROP CONNECTION"),
    (&["DROP", "FUNCTION"], "DROP FUNCTION"),
    (&["DROP", "MATERIALIZED", "TABLE"], "DROP MATERIALIZED TABLE"),
    (&["DROP", "MODEL"], "DROP MODEL"),
    (&["DROP", "SYSTEM", "FUNCTION"], "DROP FUNCTION"),
    (&["DROP", "TEMPORARY", "FUNCTION"], "DROP FUNCTION"),
    (&["DROP", "TEMPORARY", "MODEL"], "DROP MODEL"),
    (&["DROP", "TEMPORARY", "SYSTEM", "FUNCTION"], "DROP FUNCTION"),
    (&["EXECUTE", "PLAN"], "EXECUTE PLAN"),
    (&["LOAD", "MODULE"], "LOAD MODULE"),
    (&["MERGE"], "MERGE"),
    (&["QUIT"], "QUIT"),
    (&["REMOVE", "JAR"], "REMOVE JAR"),
    (&["SHOW", "CONNECTIONS"], "SHOW CONNECTIONS"),
    (&["SHOW", "CREATE", "MATERIALIZED", "TABLE"], "SHOW CREATE MATERIALIZED TABLE"),
    (&["SHOW", "CREATE", "MODEL"], "SHOW CREATE MODEL"),
    (&["SHOW", "FULL", "MODULES"], "SHOW MODULES"),
    (&["SHOW", "JARS"], "SHOW JARS"),
    (&["SHOW", "MATERIALIZED", "TABLES"], "SHOW MATERIALIZED TABLES"),
    (&["SHOW", "MODELS"], "SHOW MODELS"),
    (&["SHOW", "MODULES"], "SHOW MODULES"),
    (&["SHOW", "PARTITIONS"], "SHOW PARTITIONS"),
    (&["SHOW", "PROCEDURES"], "SHOW PROCEDURES"),
    (&["TRUNCATE"], "TRUNCATE"),
    (&["UNLOAD", "MODULE"], "UNLOAD MODULE"),
    (&["UPDATE"], "UPDATE"),
    (&["USE", "MODULES"], "USE MODULES"),
];

/// Words that begin a clause of a query when a bracket follows.
const CLAUSES: &[&str] = &["MATCH_RECOGNIZE", "PIVOT", "UNPIVOT"];

/// Refuses a statement that is not supported.
pub(crate) fn check_statement(cursor: &Cursor<'_>) -> DialectResult<()> {
    match STATEMENTS.iter().find(|(words, _)| cursor.at(words)) {
        Some((_, name)) => cursor.not_supported(name),
        None => Ok(()),
    }
}

/// Refuses clauses that are not supported.
pub(crate) fn check_clauses(tokens: &[TokenWithSpan]) -> DialectResult<()> {
    for pair in tokens.windows(2) {
        let [first, second] = pair else { continue };
        let is_from = matches!(&second.token, Token::Word(next) if next.keyword == Keyword::FROM && next.quote_style.is_none());
        let begins_item = match &first.token {
            Token::Word(word) => word.keyword == Keyword::SELECT && word.quote_style.is_none(),
            other => *other == Token::Comma,
        };
        if is_from && begins_item {
            let text = format!("expected an expression, found {}", second.token);
            return Err(DialectError::syntax(text, position(second)));
        }
        let Token::Word(word) = &first.token else { continue };
        let clause = CLAUSES.iter().find(|name| word.value.eq_ignore_ascii_case(name));
        if let Some(name) = clause
            && word.quote_style.is_none()
            && second.token == Token::LParen
        {
            return Err(DialectError::not_supported(name, position(first)));
        }
        if word.value.eq_ignore_ascii_case("UESCAPE") && matches!(second.token, Token::SingleQuotedString(_))
        {
            return Err(DialectError::not_supported("UESCAPE", position(first)));
        }
    }
    Ok(())
}
