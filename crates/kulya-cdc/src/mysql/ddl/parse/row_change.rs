//! The tables that a statement which changes rows may change. Only what stands before the values and
//! conditions is read; forms that are not known tell nothing. What triggers, foreign keys and stored
//! functions change is in no statement.

use super::super::cursor::Cursor;
use super::super::server::ParseSettings;
use super::super::statement::TableRef;
use super::class::classify;

/// What may stand behind the tables of a DELETE.
const DELETE_ENDS: &[&str] = &["WHERE", "ORDER", "LIMIT", "RETURNING"];

/// Returns the tables; `None` where they cannot be told.
pub(super) fn changed_tables(statement: &[u8], settings: ParseSettings) -> Option<Vec<TableRef>> {
    let mut cursor = Cursor::beginning(statement, settings);
    classify(&mut cursor);
    let common = common_tables(&mut cursor)?;
    let tables = if cursor.eat_any(&["INSERT", "REPLACE"]) {
        while cursor.eat_any(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE"]) {}
        cursor.eat(&["INTO"]);
        vec![cursor.other_table().ok()?]
    } else if cursor.eat(&["LOAD"]) {
        while !cursor.eat(&["INTO", "TABLE"]) {
            if cursor.is_end() {
                return None;
            }
            cursor.step();
        }
        vec![cursor.other_table().ok()?]
    } else if cursor.eat(&["UPDATE"]) {
        while cursor.eat_any(&["LOW_PRIORITY", "IGNORE"]) {}
        let tables = references(&mut cursor, &["SET"])?;
        cursor.is(&["SET"]).then_some(tables)?
    } else if cursor.eat(&["DELETE"]) {
        while cursor.eat_any(&["LOW_PRIORITY", "QUICK", "IGNORE", "HISTORY"]) {}
        deleted(&mut cursor)?
    } else {
        return None;
    };
    let is_common = |table: &TableRef| table.database.is_none() && common.contains(&table.table);
    Some(tables.into_iter().filter(|table| !is_common(table)).collect())
}

/// Steps over the common table expressions before a statement, and returns their names.
fn common_tables(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    if !cursor.eat(&["WITH"]) {
        return Some(names);
    }
    cursor.eat(&["RECURSIVE"]);
    loop {
        names.push(cursor.name().ok()?);
        if cursor.is_sign(b'(') {
            cursor.skip_parentheses().ok()?;
        }
        cursor.expect("AS").ok()?;
        cursor.skip_parentheses().ok()?;
        if !cursor.eat_sign(b',') {
            return Some(names);
        }
    }
}

/// Reads the tables of a DELETE: the one behind FROM, or those behind FROM or USING that a list of names or
/// aliases selects from.
fn deleted(cursor: &mut Cursor<'_>) -> Option<Vec<TableRef>> {
    if !cursor.eat(&["FROM"]) {
        while !cursor.eat(&["FROM"]) {
            step_over(cursor)?;
        }
        return references(cursor, DELETE_ENDS);
    }
    let mut behind_list = cursor.clone();
    while !behind_list.is_end() && !behind_list.is_any(DELETE_ENDS) {
        if behind_list.eat(&["USING"]) {
            *cursor = behind_list;
            return references(cursor, DELETE_ENDS);
        }
        step_over(&mut behind_list)?;
    }
    Some(vec![cursor.other_table().ok()?])
}

/// Reads the tables of a list of joins, up to one of the words behind it. Derived tables have none that can
/// be changed.
fn references(cursor: &mut Cursor<'_>, ends: &[&str]) -> Option<Vec<TableRef>> {
    let mut tables = Vec::new();
    loop {
        cursor.eat(&["LATERAL"]);
        let is_derived = cursor.is_sign(b'(')
            && cursor.peek_at(1).is_some_and(|token| token.is("SELECT") || token.is("WITH"));
        if is_derived {
            cursor.skip_parentheses().ok()?;
        } else {
            tables.push(cursor.other_table().ok()?);
        }
        while !cursor.is_sign(b',') && !cursor.is_any(&["JOIN", "STRAIGHT_JOIN"]) {
            if cursor.is_any(ends) {
                return Some(tables);
            }
            if cursor.is_end() {
                return cursor.broken().is_none().then_some(tables);
            }
            step_over(cursor)?;
        }
        cursor.step();
    }
}

/// Steps over a token, over a parenthesis with all it contains, or over a dot with the name behind it, which
/// may be a keyword.
fn step_over(cursor: &mut Cursor<'_>) -> Option<()> {
    if cursor.is_end() {
        return None;
    }
    if cursor.is_sign(b'(') {
        return cursor.skip_parentheses().ok().map(drop);
    }
    if cursor.eat_sign(b'.') && cursor.is_end() {
        return None;
    }
    cursor.step();
    Some(())
}
