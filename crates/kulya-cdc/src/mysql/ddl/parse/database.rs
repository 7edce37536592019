//! CREATE, ALTER and DROP DATABASE.

use super::super::cursor::Cursor;
use super::super::error::Parsed;
use super::super::statement::{Statement, TableOptions};
use super::option::table_options;

/// Reads a whole statement on a database.
pub(super) fn database_statement(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    let (is_create, is_alter) = (cursor.is(&["CREATE"]), cursor.is(&["ALTER"]));
    cursor.step();
    let or_replace = cursor.eat(&["OR", "REPLACE"]);
    cursor.step();
    if !is_create && !is_alter {
        cursor.eat(&["IF", "EXISTS"]);
        return Ok(Statement::DropDatabase(cursor.name()?));
    }
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    if is_create {
        let database = cursor.name()?;
        return Ok(Statement::CreateDatabase {
            database,
            if_not_exists,
            or_replace,
            options: options(cursor)?,
        });
    }
    let starts_options =
        ["DEFAULT", "CHARACTER", "CHARSET", "CHAR", "COLLATE", "COMMENT", "ENCRYPTION", "READ"];
    let database = if cursor.is_any(&starts_options) { None } else { Some(cursor.name()?) };
    Ok(Statement::AlterDatabase { database, options: options(cursor)? })
}

fn options(cursor: &mut Cursor<'_>) -> Parsed<TableOptions> {
    let mut options = TableOptions::default();
    table_options(cursor, &mut options)?;
    cursor.eat(&["UPGRADE", "DATA", "DIRECTORY", "NAME"]);
    Ok(options)
}
