//! The parsers of SHOW and DESCRIBE.

use crate::dialect::cursor::{Cursor, Path};
use crate::dialect::error::DialectResult;
use crate::dialect::statement::{Described, LikePattern, Show, StatementKind};

/// Parses what follows SHOW.
pub(crate) fn show(cursor: &mut Cursor<'_>) -> DialectResult<StatementKind> {
    let show = if cursor.accept(&["CURRENT", "CATALOG"]) {
        Show::CurrentCatalog
    } else if cursor.accept(&["CURRENT", "DATABASE"]) {
        Show::CurrentDatabase
    } else if cursor.accept(&["CATALOGS"]) {
        Show::Catalogs { like: like(cursor)? }
    } else if cursor.accept(&["DATABASES"]) {
        Show::Databases { from: from(cursor, 1)?, like: like(cursor)? }
    } else if cursor.accept(&["TABLES"]) {
        Show::Tables { from: from(cursor, 2)?, like: like(cursor)? }
    } else if cursor.accept(&["VIEWS"]) {
        Show::Views { from: from(cursor, 2)?, like: like(cursor)? }
    } else if cursor.accept(&["MATERIALIZED", "VIEWS"]) {
        Show::MaterializedViews { from: from(cursor, 2)?, like: like(cursor)? }
    } else if cursor.accept(&["JOBS"]) {
        Show::Jobs
    } else if cursor.accept(&["COLUMNS"]) {
        let Some(from) = from(cursor, 3)? else { return cursor.expected("FROM or IN") };
        Show::Columns { from, like: like(cursor)? }
    } else if cursor.accept(&["FUNCTIONS"]) {
        Show::Functions { user_only: false, from: from(cursor, 2)?, like: like(cursor)? }
    } else if cursor.accept(&["USER", "FUNCTIONS"]) {
        Show::Functions { user_only: true, from: from(cursor, 2)?, like: like(cursor)? }
    } else if cursor.accept(&["CREATE", "TABLE"]) {
        Show::CreateTable(cursor.path(3)?)
    } else if cursor.accept(&["CREATE", "VIEW"]) || cursor.accept(&["CREATE", "MATERIALIZED", "VIEW"]) {
        Show::CreateView(cursor.path(3)?)
    } else if cursor.accept(&["CREATE", "CATALOG"]) {
        Show::CreateCatalog(cursor.path(1)?)
    } else {
        return cursor.expected(
            "CATALOGS, DATABASES, TABLES, VIEWS, MATERIALIZED VIEWS, JOBS, COLUMNS, FUNCTIONS, CREATE TABLE, \
             CREATE VIEW, CREATE CATALOG, CURRENT CATALOG or CURRENT DATABASE",
        );
    };
    Ok(StatementKind::Show(show))
}

/// Parses `FROM path` or `IN path` if it is next.
fn from(cursor: &mut Cursor<'_>, max_parts: usize) -> DialectResult<Option<Path>> {
    if cursor.accept(&["FROM"]) || cursor.accept(&["IN"]) {
        cursor.path(max_parts).map(Some)
    } else {
        Ok(None)
    }
}

/// Parses `[NOT] LIKE 'pattern'` or `[NOT] ILIKE 'pattern'` if it is next.
fn like(cursor: &mut Cursor<'_>) -> DialectResult<Option<LikePattern>> {
    let negated = cursor.accept(&["NOT"]);
    let ignores_case = cursor.accept(&["ILIKE"]);
    if ignores_case || cursor.accept(&["LIKE"]) {
        return Ok(Some(LikePattern { negated, ignores_case, pattern: cursor.string()? }));
    }
    if negated { cursor.expected("LIKE or ILIKE") } else { Ok(None) }
}

/// Parses what follows DESCRIBE.
pub(crate) fn describe(cursor: &mut Cursor<'_>) -> DialectResult<StatementKind> {
    // a table may have the name of a keyword
    let (what, max_parts) = match (cursor.word(0).as_str(), cursor.is_last(1)) {
        ("CATALOG", false) => (Described::Catalog, 1),
        ("DATABASE", false) => (Described::Database, 2),
        ("TABLE", false) => (Described::Table, 3),
        _ if cursor.is_string() => {
            let position = cursor.position().into();
            let path = Path { parts: vec![cursor.string()?], position };
            return Ok(StatementKind::Describe { what: Described::File, path, extended: false });
        }
        _ => {
            let extended = cursor.accept(&["EXTENDED"]);
            let path = cursor.path(3)?;
            return Ok(StatementKind::Describe { what: Described::Table, path, extended });
        }
    };
    cursor.advance();
    let extended = cursor.accept(&["EXTENDED"]);
    Ok(StatementKind::Describe { what, path: cursor.path(max_parts)?, extended })
}
