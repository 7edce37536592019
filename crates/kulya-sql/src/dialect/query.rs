//! Parsers of queries, INSERT, EXPLAIN, SET and RESET.

use super::cursor::Cursor;
use super::error::DialectResult;
use super::options::Hint;
use super::rewrite;
use super::statement::{ConflictAction, ExplainDetail, Insert, OnConflict, ParsedQuery, StatementKind};
use super::table_names::table_names;
use datafusion::sql::sqlparser::tokenizer::Token;

/// The first words of a query.
pub(crate) fn is_query(cursor: &Cursor<'_>) -> bool {
    matches!(cursor.word(0).as_str(), "SELECT" | "WITH" | "VALUES") || cursor.at_token(&Token::LParen)
}

/// Parses a query and rewrites it for DataFusion. It takes all hints of the statement that are in it.
pub(crate) fn query(cursor: &mut Cursor<'_>) -> DialectResult<ParsedQuery> {
    if !is_query(cursor) {
        return cursor.expected("SELECT, WITH or VALUES");
    }
    let start = cursor.position();
    let parsed = cursor.query()?;
    let hints = cursor.take_hints();
    let mut query = rewrite::rewrite(parsed, hints, cursor.tokens(), start)?;
    query.tables = table_names(&mut query.query.value);
    Ok(query)
}

/// Parses INSERT.
pub(crate) fn insert(cursor: &mut Cursor<'_>) -> DialectResult<Insert> {
    let position = cursor.position().into();
    cursor.expect(&["INSERT"])?;
    let overwrite = cursor.accept(&["OVERWRITE"]);
    if !overwrite && !cursor.accept(&["INTO"]) {
        return cursor.expected("INTO or OVERWRITE");
    }
    let path = cursor.path(3)?;
    let options = match cursor.take_hint_here() {
        Some(Hint { options: Some(hint), .. }) => hint.options,
        _ => Vec::new(),
    };
    let partition = if cursor.accept(&["PARTITION"]) {
        cursor.bracketed(|cursor| {
            let name = cursor.name("a column name")?;
            cursor.expect_token(&Token::Eq)?;
            Ok((name, cursor.with_text(|parser| parser.parse_prefix().map(Box::new))?))
        })?
    } else {
        Vec::new()
    };
    // brackets around a query are not a list of columns
    let has_columns = cursor.at_token(&Token::LParen)
        && !matches!(cursor.word(1).as_str(), "SELECT" | "WITH" | "VALUES")
        && !cursor.starts_with(&[Token::LParen, Token::LParen]);
    let columns = if has_columns { cursor.bracketed(|cursor| cursor.path(usize::MAX))? } else { Vec::new() };
    let query = query(cursor)?;
    let on_conflict = on_conflict(cursor)?;
    Ok(Insert { path, overwrite, partition, columns, options, query, on_conflict, position })
}

/// Parses ON CONFLICT of an INSERT.
fn on_conflict(cursor: &mut Cursor<'_>) -> DialectResult<Option<OnConflict>> {
    let position = cursor.position().into();
    if !cursor.accept(&["ON", "CONFLICT", "DO"]) {
        return Ok(None);
    }
    let actions = [ConflictAction::Deduplicate, ConflictAction::Nothing, ConflictAction::Error];
    let Some(action) = actions.into_iter().find(|action| cursor.at(&[action.name()])) else {
        return cursor.expected("NOTHING, ERROR or DEDUPLICATE");
    };
    cursor.advance();
    Ok(Some(OnConflict { action, position }))
}

/// Parses what follows EXPLAIN. A statement set is parsed by the caller.
pub(crate) fn explain_details(cursor: &mut Cursor<'_>) -> DialectResult<Vec<ExplainDetail>> {
    let mut details = Vec::new();
    if cursor.accept(&["PLAN", "FOR"]) {
        return Ok(details);
    }
    loop {
        let detail = match cursor.word(0).as_str() {
            "ESTIMATED_COST" => ExplainDetail::EstimatedCost,
            "CHANGELOG_MODE" => ExplainDetail::ChangelogMode,
            "JSON_EXECUTION_PLAN" => ExplainDetail::JsonExecutionPlan,
            "PLAN_ADVICE" => ExplainDetail::PlanAdvice,
            "ANALYZE" => ExplainDetail::Analyze,
            "VERBOSE" => ExplainDetail::Verbose,
            _ if details.is_empty() => return Ok(details),
            _ => return cursor.expected("a detail of EXPLAIN"),
        };
        cursor.advance();
        if !details.contains(&detail) {
            details.push(detail);
        }
        let is_ours = matches!(detail, ExplainDetail::Analyze | ExplainDetail::Verbose);
        let has_more = is_ours && matches!(cursor.word(0).as_str(), "ANALYZE" | "VERBOSE");
        if !cursor.accept_token(&Token::Comma) && !has_more {
            return Ok(details);
        }
    }
}

/// Parses what follows SET.
pub(crate) fn set(cursor: &mut Cursor<'_>) -> DialectResult<StatementKind> {
    if cursor.is_at_end() {
        return Ok(StatementKind::Set(None));
    }
    let key = key(cursor)?;
    cursor.expect_token(&Token::Eq)?;
    let value = if cursor.is_last(1) && cursor.is_string() {
        cursor.string()?
    } else {
        let value = cursor.rest();
        if value.is_empty() {
            return cursor.expected("a value");
        }
        value
    };
    Ok(StatementKind::Set(Some((key, value))))
}

/// Parses what follows RESET.
pub(crate) fn reset(cursor: &mut Cursor<'_>) -> DialectResult<StatementKind> {
    if cursor.is_at_end() {
        return Ok(StatementKind::Reset(None));
    }
    key(cursor).map(|key| StatementKind::Reset(Some(key)))
}

/// Parses a key: a string literal, or words with dots and hyphens.
fn key(cursor: &mut Cursor<'_>) -> DialectResult<String> {
    if cursor.is_string() {
        return cursor.string();
    }
    let mut key = String::new();
    loop {
        let part = cursor.raw_word();
        if part.is_empty() {
            return cursor.expected("a key in single quotes");
        }
        cursor.advance();
        key.push_str(&part);
        let separator = if cursor.accept_token(&Token::Period) {
            '.'
        } else if cursor.accept_token(&Token::Minus) {
            '-'
        } else {
            return Ok(key);
        };
        key.push(separator);
    }
}
