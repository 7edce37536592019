//! Readers of the kinds of statements, and the entry that chooses among them by the first words.

mod alter_table;
mod attribute;
mod class;
mod create_table;
mod data_type;
mod database;
mod default_value;
mod index;
mod key;
mod option;
mod row_change;
mod table_list;

use super::cursor::Cursor;
use super::error::{DdlError, Parsed};
use super::server::ParseSettings;
use super::statement::Statement;
use class::{Class, classify};

/// Reads a statement of the binary log. `statement` is UTF-8; the caller decodes other character sets of the
/// session (`character_set_client` in the query event). Bytes that are not UTF-8 are accepted where they do
/// not matter.
///
/// Time and memory are linear in the statement's length, of which at most 16 MiB are read.
///
/// # Errors
/// A statement on tables or databases that is not understood. Other statements never fail.
pub fn parse(statement: &[u8], settings: ParseSettings) -> Result<Statement, DdlError> {
    let mut head = Cursor::head(statement, settings);
    // the list of variables before such a statement may be longer than the head
    if !head.is(&["SET", "STATEMENT"])
        && let Some(found) = without_tables(&classify(&mut head), statement, settings)
    {
        return Ok(found);
    }
    let mut cursor = Cursor::new(statement, settings);
    let class = classify(&mut cursor);
    if let Some(found) = without_tables(&class, statement, settings) {
        return Ok(found);
    }
    let result = read(&class, &mut cursor);
    let error = match (cursor.broken().cloned(), result) {
        (None, Ok(statement)) => return Ok(statement),
        (Some(error), _) | (None, Err(error)) => error,
    };
    note_other_tables(&class, &mut cursor);
    let tables = cursor.tables();
    let tables = (!tables.is_empty() || class == Class::Database).then(|| tables.to_vec());
    Err(DdlError { problem: error.problem, offset: error.offset, tables })
}

/// A statement that its first words tell, even a stored procedure of megabytes, or one that changes rows.
fn without_tables(class: &Class, statement: &[u8], settings: ParseSettings) -> Option<Statement> {
    match class {
        Class::Harmless(words) => Some(Statement::Harmless(words.clone())),
        Class::ChangeRows(verb) => Some(Statement::ChangeRows {
            verb: verb.clone(),
            tables: row_change::changed_tables(statement, settings),
        }),
        _ => None,
    }
}

fn read(class: &Class, cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    let statement = match class {
        Class::CreateTable => create_table::create_table(cursor)?,
        Class::AlterTable => alter_table::alter_table(cursor)?,
        Class::CreateIndex { unique, or_replace } => index::create_index(cursor, *unique, *or_replace)?,
        Class::DropIndex => index::drop_index(cursor)?,
        Class::RenameTables => table_list::rename_tables(cursor)?,
        Class::DropTables => table_list::drop_tables(cursor)?,
        Class::TruncateTable => table_list::truncate_table(cursor)?,
        Class::CreateSequence => table_list::create_sequence(cursor)?,
        Class::Database => database::database_statement(cursor)?,
        Class::UnknownTableStatement => {
            let error = cursor.unknown("word of a statement on a table");
            class::note_table_behind(cursor);
            return Err(error);
        }
        Class::Harmless(words) => return Ok(Statement::Harmless(words.clone())),
        Class::ChangeRows(verb) => {
            return Ok(Statement::ChangeRows { verb: verb.clone(), tables: None });
        }
    };
    while cursor.eat_sign(b';') {}
    if cursor.is_end() { Ok(statement) } else { Err(cursor.unknown("end of the statement")) }
}

/// Notes the tables behind the place of an error: those of lists, and the new names of ALTER TABLE.
fn note_other_tables(class: &Class, cursor: &mut Cursor<'_>) {
    match class {
        Class::RenameTables | Class::DropTables => table_list::note_rest(cursor),
        Class::AlterTable => alter_table::note_rest(cursor),
        _ => {}
    }
}
