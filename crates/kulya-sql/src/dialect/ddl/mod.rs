//! Parsers of CREATE, ALTER, DROP, SHOW, DESCRIBE and USE.

mod alter_table;
mod columns;
mod show;
mod table;

pub(crate) use show::{describe, show};

use super::cursor::{Cursor, Path};
use super::error::DialectResult;
use super::option_list::{options, with_options};
use super::query;
use super::statement::{AlterView, CreateCatalog, CreateDatabase, CreateView, OptionsChange, StatementKind};
use alter_table::options_change;
use datafusion::sql::sqlparser::tokenizer::Token;

/// Parses what follows CREATE.
pub(crate) fn create(cursor: &mut Cursor<'_>) -> DialectResult<StatementKind> {
    let or_replace = cursor.accept(&["OR", "REPLACE"]);
    let temporary = cursor.accept(&["TEMPORARY"]) || cursor.accept(&["TEMP"]);
    if cursor.accept(&["TABLE"]) {
        return table::create_table(cursor, temporary, or_replace);
    }
    if or_replace {
        return cursor.expected("TABLE");
    }
    if cursor.accept(&["VIEW"]) {
        return create_view(cursor, temporary, false);
    }
    if !temporary && cursor.accept(&["MATERIALIZED", "VIEW"]) {
        return create_view(cursor, false, true);
    }
    if temporary {
        return cursor.expected("TABLE or VIEW");
    }
    if cursor.accept(&["CATALOG"]) {
        let if_not_exists = cursor.accept(&["IF", "NOT", "EXISTS"]);
        let name = cursor.path(1)?;
        let comment = cursor.comment()?;
        let options = with_options(cursor)?;
        return Ok(StatementKind::CreateCatalog(CreateCatalog { name, if_not_exists, comment, options }));
    }
    if cursor.accept(&["DATABASE"]) {
        let if_not_exists = cursor.accept(&["IF", "NOT", "EXISTS"]);
        let path = cursor.path(2)?;
        let comment = cursor.comment()?;
        let options = with_options(cursor)?;
        return Ok(StatementKind::CreateDatabase(CreateDatabase { path, if_not_exists, comment, options }));
    }
    cursor.expected("CATALOG, DATABASE, TABLE or VIEW")
}

fn create_view(cursor: &mut Cursor<'_>, temporary: bool, materialized: bool) -> DialectResult<StatementKind> {
    let if_not_exists = cursor.accept(&["IF", "NOT", "EXISTS"]);
    let path = cursor.path(3)?;
    let columns = if cursor.at_token(&Token::LParen) { cursor.names()? } else { Vec::new() };
    let comment = cursor.comment()?;
    cursor.expect(&["AS"])?;
    let query = query::query(cursor)?;
    let view = CreateView { path, temporary, materialized, if_not_exists, columns, comment, query };
    Ok(StatementKind::CreateView(Box::new(view)))
}

/// Parses what follows ALTER.
pub(crate) fn alter(cursor: &mut Cursor<'_>) -> DialectResult<StatementKind> {
    if cursor.accept(&["TABLE"]) {
        return alter_table::alter_table(cursor);
    }
    if cursor.accept(&["DATABASE"]) {
        let path = cursor.path(2)?;
        cursor.expect(&["SET"])?;
        let change = OptionsChange::Set(options(cursor)?);
        return Ok(StatementKind::AlterDatabase { path, change });
    }
    if cursor.accept(&["CATALOG"]) {
        let name = cursor.path(1)?;
        let change = match options_change(cursor)? {
            Some(change) => change,
            None if cursor.at(&["COMMENT"]) => OptionsChange::Comment(cursor.comment()?.unwrap_or_default()),
            None => return cursor.expected("SET, RESET or COMMENT"),
        };
        return Ok(StatementKind::AlterCatalog { name, change });
    }
    if cursor.accept(&["MATERIALIZED", "VIEW"]) {
        let path = cursor.path(3)?;
        return Ok(StatementKind::AlterMaterializedView { path, is_paused: is_paused(cursor)? });
    }
    if cursor.accept(&["JOB"]) {
        let name = cursor.string()?;
        return Ok(StatementKind::AlterJob { name, is_paused: is_paused(cursor)? });
    }
    if cursor.accept(&["VIEW"]) {
        let path = cursor.path(3)?;
        let change = if cursor.accept(&["RENAME", "TO"]) {
            AlterView::Rename(cursor.path(3)?)
        } else if cursor.accept(&["AS"]) {
            AlterView::Query(Box::new(query::query(cursor)?))
        } else {
            return cursor.expected("RENAME TO or AS");
        };
        return Ok(StatementKind::AlterView { path, change });
    }
    cursor.expected("CATALOG, DATABASE, TABLE or VIEW")
}

/// Parses PAUSE or RESUME.
fn is_paused(cursor: &mut Cursor<'_>) -> DialectResult<bool> {
    let is_paused = cursor.accept(&["PAUSE"]);
    if !is_paused && !cursor.accept(&["RESUME"]) {
        return cursor.expected("PAUSE or RESUME");
    }
    Ok(is_paused)
}

/// Parses what follows DROP.
pub(crate) fn drop(cursor: &mut Cursor<'_>) -> DialectResult<StatementKind> {
    let temporary = cursor.accept(&["TEMPORARY"]);
    if cursor.accept(&["TABLE"]) {
        let (if_exists, path) = dropped(cursor, 3)?;
        return Ok(StatementKind::DropTable { path, if_exists, temporary });
    }
    if cursor.accept(&["VIEW"]) {
        let (if_exists, path) = dropped(cursor, 3)?;
        return Ok(StatementKind::DropView { path, if_exists, temporary });
    }
    if temporary {
        return cursor.expected("TABLE or VIEW");
    }
    if cursor.accept(&["MATERIALIZED", "VIEW"]) {
        let (if_exists, path) = dropped(cursor, 3)?;
        return Ok(StatementKind::DropMaterializedView { path, if_exists });
    }
    if cursor.accept(&["CATALOG"]) {
        let (if_exists, name) = dropped(cursor, 1)?;
        return Ok(StatementKind::DropCatalog { name, if_exists });
    }
    if cursor.accept(&["DATABASE"]) {
        let (if_exists, path) = dropped(cursor, 2)?;
        let cascade = cursor.accept(&["CASCADE"]);
        if !cascade {
            cursor.accept(&["RESTRICT"]);
        }
        return Ok(StatementKind::DropDatabase { path, if_exists, cascade });
    }
    cursor.expected("CATALOG, DATABASE, TABLE or VIEW")
}

fn dropped(cursor: &mut Cursor<'_>, max_parts: usize) -> DialectResult<(bool, Path)> {
    Ok((cursor.accept(&["IF", "EXISTS"]), cursor.path(max_parts)?))
}

/// Parses what follows USE.
pub(crate) fn use_path(cursor: &mut Cursor<'_>) -> DialectResult<StatementKind> {
    if cursor.accept(&["CATALOG"]) {
        return Ok(StatementKind::UseCatalog(cursor.path(1)?));
    }
    Ok(StatementKind::Use(cursor.path(2)?))
}
