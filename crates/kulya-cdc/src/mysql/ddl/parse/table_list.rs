//! Statements that name tables and little else: RENAME, DROP, TRUNCATE, and those on sequences.

use super::super::cursor::Cursor;
use super::super::error::Parsed;
use super::super::statement::Statement;

/// Reads what follows RENAME TABLE.
pub(super) fn rename_tables(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    cursor.eat(&["IF", "EXISTS"]);
    let mut pairs = Vec::new();
    loop {
        let from = cursor.table()?;
        wait_option(cursor)?;
        cursor.expect("TO")?;
        pairs.push((from, cursor.table()?));
        if !cursor.eat_sign(b',') {
            return Ok(Statement::RenameTables(pairs));
        }
    }
}

/// Reads what follows DROP TABLE and DROP SEQUENCE.
pub(super) fn drop_tables(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    cursor.eat(&["IF", "EXISTS"]);
    let mut tables = Vec::new();
    loop {
        tables.push(cursor.table()?);
        if !cursor.eat_sign(b',') {
            break;
        }
    }
    wait_option(cursor)?;
    cursor.eat_any(&["RESTRICT", "CASCADE"]);
    Ok(Statement::DropTables(tables))
}

/// Reads what follows TRUNCATE TABLE.
pub(super) fn truncate_table(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    let table = cursor.table()?;
    wait_option(cursor)?;
    Ok(Statement::TruncateTable(table))
}

/// Reads what follows CREATE SEQUENCE; its numbers are no part of the schema.
pub(super) fn create_sequence(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let sequence = cursor.table()?;
    cursor.skip_rest();
    Ok(Statement::CreateSequence { sequence, if_not_exists })
}

/// Steps over WAIT n and NOWAIT of MariaDB.
pub(super) fn wait_option(cursor: &mut Cursor<'_>) -> Parsed<()> {
    if cursor.eat(&["WAIT"]) {
        cursor.number()?;
    } else {
        cursor.eat(&["NOWAIT"]);
    }
    Ok(())
}

/// Notes every name up to the end as a table's, for the error of a list that is not understood.
pub(super) fn note_rest(cursor: &mut Cursor<'_>) {
    while !cursor.is_end() {
        if !cursor.eat_any(&["TO"]) {
            cursor.note_table();
        }
    }
}
