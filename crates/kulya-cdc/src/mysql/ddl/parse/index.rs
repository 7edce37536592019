//! CREATE INDEX and DROP INDEX, which are forms of ALTER TABLE.

use super::super::cursor::Cursor;
use super::super::error::Parsed;
use super::super::statement::{AlterAction, Key, KeyKind, Statement};
use super::key::{index_type, key_options, key_parts};

/// Reads what follows CREATE INDEX.
pub(super) fn create_index(cursor: &mut Cursor<'_>, unique: bool, or_replace: bool) -> Parsed<Statement> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let kind = if unique { KeyKind::Unique } else { KeyKind::Index };
    let mut key = Key::new(Some(cursor.name()?), kind);
    index_type(cursor, &mut key);
    cursor.expect("ON")?;
    let table = cursor.table()?;
    key_parts(cursor, &mut key)?;
    key_options(cursor, &mut key)?;
    let replaced = key.name.clone().filter(|_| or_replace).map(drop_key);
    let actions = replaced.into_iter().chain([AlterAction::AddKey { key, if_not_exists }]).collect();
    Ok(Statement::AlterTable { table, actions })
}

/// Reads what follows DROP INDEX.
pub(super) fn drop_index(cursor: &mut Cursor<'_>) -> Parsed<Statement> {
    cursor.eat(&["IF", "EXISTS"]);
    let name = cursor.name()?;
    cursor.expect("ON")?;
    let table = cursor.table()?;
    key_options(cursor, &mut Key::new(None, KeyKind::Index))?;
    Ok(Statement::AlterTable { table, actions: vec![drop_key(name)] })
}

/// Drops a key by its name; the primary key is called PRIMARY.
pub(super) fn drop_key(name: String) -> AlterAction {
    if name.eq_ignore_ascii_case("PRIMARY") {
        AlterAction::DropPrimaryKey
    } else {
        AlterAction::DropKey { name }
    }
}
