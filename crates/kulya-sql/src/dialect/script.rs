//! The parser of scripts: statements by their first words, and statement sets, which are several statements
//! between semicolons.

use super::cursor::Cursor;
use super::error::{DialectError, DialectResult};
use super::flink_dialect::FlinkDialect;
use super::option_list::parse_hint;
use super::statement::{Explain, ExplainDetail, Insert, Statement, StatementKind};
use super::tokens::{self, StatementTokens};
use super::{ddl, query, unsupported};

/// Parses statements separated by semicolons, on the caller's stack.
pub(crate) fn parse_script(text: &str) -> DialectResult<Vec<Statement>> {
    let tokens = tokens::split(text)?;
    let mut statements = Vec::new();
    let mut following = tokens.iter();
    while let Some(first) = following.next() {
        let dialect = FlinkDialect::new(first.tokens.len());
        let mut cursor = cursor_at(first, &dialect)?;
        let position = cursor.position().into();
        let kind = match statement_set(&mut cursor)? {
            Some(explained) => {
                let inserts = inserts(cursor, &mut following)?;
                match explained {
                    Some(details) => {
                        let statement = Box::new(StatementKind::StatementSet(inserts));
                        StatementKind::Explain(Explain { details, statement })
                    }
                    None => StatementKind::StatementSet(inserts),
                }
            }
            None => complete(cursor)?,
        };
        statements.push(Statement { kind, position });
    }
    Ok(statements)
}

/// Returns a cursor at a statement's first token; its hints are parsed.
fn cursor_at<'a>(statement: &'a StatementTokens<'a>, dialect: &'a FlinkDialect) -> DialectResult<Cursor<'a>> {
    unsupported::check_clauses(&statement.tokens)?;
    let hints = statement.hints.iter().map(parse_hint).collect::<DialectResult<Vec<_>>>()?;
    Ok(Cursor::new(statement, dialect, hints))
}

/// Parses a whole statement.
fn complete(mut cursor: Cursor<'_>) -> DialectResult<StatementKind> {
    let kind = statement_kind(&mut cursor)?;
    cursor.expect_end()?;
    cursor.expect_no_hints()?;
    Ok(kind)
}

/// Parses the head of a statement set if it is next; returns the details of EXPLAIN, if it is one.
fn statement_set(cursor: &mut Cursor<'_>) -> DialectResult<Option<Option<Vec<ExplainDetail>>>> {
    if cursor.accept(&["EXECUTE", "STATEMENT", "SET", "BEGIN"]) {
        return Ok(Some(None));
    }
    if cursor.accept(&["BEGIN", "STATEMENT", "SET"]) {
        cursor.expect_end()?;
        return Ok(Some(None));
    }
    if cursor.at(&["EXPLAIN"]) && cursor.has_words(&["STATEMENT", "SET", "BEGIN"]) {
        cursor.advance();
        let details = query::explain_details(cursor)?;
        cursor.expect(&["STATEMENT", "SET", "BEGIN"])?;
        return Ok(Some(Some(details)));
    }
    Ok(None)
}

/// Parses the statements of a set up to END. The first may stand behind BEGIN.
fn inserts<'a>(
    head: Cursor<'_>,
    following: &mut impl Iterator<Item = &'a StatementTokens<'a>>,
) -> DialectResult<Vec<Insert>> {
    let mut inserts = Vec::new();
    let mut end = head.end();
    if !head.is_at_end() {
        inserts.push(complete_insert(head)?);
    }
    for tokens in following {
        let dialect = FlinkDialect::new(tokens.tokens.len());
        let mut cursor = cursor_at(tokens, &dialect)?;
        if cursor.accept(&["END"]) {
            if inserts.is_empty() {
                return Err(DialectError::syntax("a statement set without INSERT", end));
            }
            cursor.expect_end()?;
            return Ok(inserts);
        }
        end = cursor.end();
        inserts.push(complete_insert(cursor)?);
    }
    Err(DialectError::syntax("expected END of the statement set, found the end of the statement", end))
}

fn complete_insert(mut cursor: Cursor<'_>) -> DialectResult<Insert> {
    if !cursor.at(&["INSERT"]) {
        return cursor.expected("INSERT or END");
    }
    let insert = query::insert(&mut cursor)?;
    cursor.expect_end()?;
    cursor.expect_no_hints()?;
    Ok(insert)
}

/// Parses a statement by its first words.
fn statement_kind(cursor: &mut Cursor<'_>) -> DialectResult<StatementKind> {
    unsupported::check_statement(cursor)?;
    if query::is_query(cursor) {
        return query::query(cursor).map(StatementKind::Query);
    }
    let first = cursor.word(0);
    if first == "INSERT" {
        return Ok(StatementKind::Insert(Box::new(query::insert(cursor)?)));
    }
    let position = cursor.position();
    if cursor.is_at_end() {
        return cursor.expected("a statement");
    }
    cursor.advance();
    match first.as_str() {
        "CREATE" => ddl::create(cursor),
        "ALTER" => ddl::alter(cursor),
        "DROP" => ddl::drop(cursor),
        "SHOW" => ddl::show(cursor),
        "USE" => ddl::use_path(cursor),
        "DESCRIBE" | "DESC" => ddl::describe(cursor),
        "EXPLAIN" => {
            let details = query::explain_details(cursor)?;
            explain(cursor, details)
        }
        // EXECUTE before a statement has no effect
        "EXECUTE" if cursor.at(&["INSERT"]) || query::is_query(cursor) => statement_kind(cursor),
        "EXECUTE" => cursor.expected("STATEMENT SET, INSERT or a query"),
        "STOP" => {
            cursor.expect(&["JOB"])?;
            cursor.string().map(StatementKind::StopJob)
        }
        "SUBSCRIBE" => {
            cursor.accept(&["TO"]);
            if !query::is_query(cursor) {
                return cursor.expected("a query");
            }
            query::query(cursor).map(StatementKind::Subscribe)
        }
        "SET" => query::set(cursor),
        "RESET" => query::reset(cursor),
        _ => {
            let found = cursor.previous();
            let text =
                format!("unknown statement {found}: use SELECT, INSERT, CREATE, SHOW, DESCRIBE or USE");
            Err(DialectError::syntax(text, position))
        }
    }
}

/// Parses what follows EXPLAIN and its details.
fn explain(cursor: &mut Cursor<'_>, details: Vec<ExplainDetail>) -> DialectResult<StatementKind> {
    let position = cursor.position();
    let statement = statement_kind(cursor)?;
    match statement {
        StatementKind::Query(_)
        | StatementKind::Insert(_)
        | StatementKind::CreateTable(_)
        | StatementKind::CreateView(_) => {
            Ok(StatementKind::Explain(Explain { details, statement: Box::new(statement) }))
        }
        _ => Err(DialectError::syntax("expected a query, INSERT or CREATE TABLE … AS to explain", position)),
    }
}
