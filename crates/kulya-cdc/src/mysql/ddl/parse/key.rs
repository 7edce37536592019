//! Elements of a table that are no columns: keys, foreign keys, checks, periods.

use super::super::cursor::Cursor;
use super::super::error::Parsed;
use super::super::statement::{Key, KeyKind, KeyPart, Period};
use super::option::{is_named_option, option_value};
use super::table_list::wait_option;

/// An element of a table that is no column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    Key { key: Key, if_not_exists: bool },
    Period(Period),
    Check,
}

/// Reads an element that is no column; `None`, without moving, if a column comes next.
pub(super) fn element(cursor: &mut Cursor<'_>) -> Parsed<Option<Element>> {
    if cursor.eat(&["PERIOD", "FOR"]) {
        return period(cursor).map(|period| Some(Element::Period(period)));
    }
    let symbol = constraint_symbol(cursor)?;
    if cursor.is(&["CHECK"]) {
        check(cursor)?;
        return Ok(Some(Element::Check));
    }
    if cursor.eat(&["FOREIGN", "KEY"]) {
        return foreign_key(cursor, symbol).map(Some);
    }
    let kind = if cursor.eat(&["PRIMARY", "KEY"]) {
        KeyKind::Primary
    } else if cursor.eat(&["UNIQUE"]) {
        cursor.eat_any(&["KEY", "INDEX"]);
        KeyKind::Unique
    } else if eat_index(cursor) {
        KeyKind::Index
    } else {
        return if symbol.is_none() { Ok(None) } else { Err(cursor.unknown("constraint")) };
    };
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let name = if cursor.is_sign(b'(') || is_index_type(cursor) { None } else { Some(cursor.name()?) };
    let mut key = Key::new(name.or(symbol.flatten()), kind);
    if kind == KeyKind::Primary {
        key.name = None;
    }
    index_type(cursor, &mut key);
    key_parts(cursor, &mut key)?;
    key_options(cursor, &mut key)?;
    Ok(Some(Element::Key { key, if_not_exists }))
}

/// Steps over CONSTRAINT and returns its name, if it has one; `None` without CONSTRAINT.
fn constraint_symbol(cursor: &mut Cursor<'_>) -> Parsed<Option<Option<String>>> {
    if !cursor.eat(&["CONSTRAINT"]) {
        return Ok(None);
    }
    cursor.eat(&["IF", "NOT", "EXISTS"]);
    if cursor.is_any(&["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) {
        return Ok(Some(None));
    }
    let name = cursor.name()?;
    let name = if cursor.eat_sign(b'.') { cursor.name()? } else { name };
    Ok(Some(Some(name)))
}

fn eat_index(cursor: &mut Cursor<'_>) -> bool {
    if cursor.eat_any(&["FULLTEXT", "SPATIAL"]) {
        cursor.eat_any(&["KEY", "INDEX"]);
        return true;
    }
    // not reserved, so they may be names of columns
    for word in ["VECTOR", "CLUSTERING"] {
        if cursor.eat(&[word, "KEY"]) || cursor.eat(&[word, "INDEX"]) {
            return true;
        }
    }
    cursor.eat_any(&["KEY", "INDEX"])
}

fn is_index_type(cursor: &Cursor<'_>) -> bool {
    ["BTREE", "HASH", "RTREE"].iter().any(|kind| cursor.is(&["USING", kind]) || cursor.is(&["TYPE", kind]))
}

/// Reads USING BTREE or HASH.
pub(super) fn index_type(cursor: &mut Cursor<'_>, key: &mut Key) {
    if is_index_type(cursor) {
        cursor.step();
        // other engines of MySQL than NDB and MEMORY ignore it
        key.using_hash = cursor.is(&["HASH"]) && cursor.is_mariadb();
        cursor.step();
    }
}

/// Reads the columns of a key, in parentheses.
pub(super) fn key_parts(cursor: &mut Cursor<'_>, key: &mut Key) -> Parsed<()> {
    cursor.expect_sign(b'(', "(")?;
    loop {
        key_part(cursor, key)?;
        if cursor.eat_sign(b')') {
            return Ok(());
        }
        cursor.expect_sign(b',', "part of a key")?;
    }
}

fn key_part(cursor: &mut Cursor<'_>, key: &mut Key) -> Parsed<()> {
    if cursor.is_sign(b'(') {
        cursor.skip_parentheses()?;
        key.parts.push(KeyPart { column: None, prefix: None });
    } else {
        let column = cursor.name()?;
        if cursor.eat(&["WITHOUT", "OVERLAPS"]) {
            key.without_overlaps = Some(column);
            return Ok(());
        }
        let mut prefix = None;
        if cursor.eat_sign(b'(') {
            prefix = Some(cursor.number()?);
            cursor.expect_sign(b')', ")")?;
        }
        key.parts.push(KeyPart { column: Some(column), prefix });
    }
    cursor.eat_any(&["ASC", "DESC"]);
    Ok(())
}

/// Steps over the options of a key; those of CREATE INDEX too.
pub(super) fn key_options(cursor: &mut Cursor<'_>, key: &mut Key) -> Parsed<()> {
    loop {
        if cursor.eat_any(&["VISIBLE", "INVISIBLE", "IGNORED"]) || cursor.eat(&["NOT", "IGNORED"]) {
            continue;
        }
        let takes_value = ["COMMENT", "KEY_BLOCK_SIZE", "CLUSTERING", "ALGORITHM", "LOCK"];
        let takes_text = ["ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"];
        if is_index_type(cursor) {
            index_type(cursor, key);
        } else if cursor.is_any(&["WAIT", "NOWAIT"]) {
            wait_option(cursor)?;
        } else if cursor.eat(&["WITH", "PARSER"]) {
            cursor.name()?;
        } else if cursor.eat_any(&takes_value) || cursor.eat_any(&takes_text) {
            option_value(cursor)?;
        } else if is_named_option(cursor) {
            cursor.step();
            option_value(cursor)?;
        } else {
            return Ok(());
        }
    }
}

fn foreign_key(cursor: &mut Cursor<'_>, symbol: Option<Option<String>>) -> Parsed<Element> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let name = if cursor.is_sign(b'(') { None } else { Some(cursor.name()?) };
    let name = symbol.flatten().or(name);
    let mut key = Key::new(name, KeyKind::ForeignKey);
    key_parts(cursor, &mut key)?;
    references(cursor)?;
    Ok(Element::Key { key, if_not_exists })
}

/// Steps over REFERENCES and what belongs to it.
pub(super) fn references(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.expect("REFERENCES")?;
    cursor.other_table()?;
    if cursor.is_sign(b'(') {
        cursor.skip_parentheses()?;
    }
    loop {
        if cursor.eat(&["MATCH"]) {
            cursor.name()?;
        } else if cursor.eat(&["ON", "DELETE"]) || cursor.eat(&["ON", "UPDATE"]) {
            if !(cursor.eat_any(&["RESTRICT", "CASCADE"])
                || cursor.eat(&["SET", "NULL"])
                || cursor.eat(&["SET", "DEFAULT"])
                || cursor.eat(&["NO", "ACTION"]))
            {
                return Err(cursor.unknown("action of a foreign key"));
            }
        } else {
            return Ok(());
        }
    }
}

/// Steps over CHECK, and returns its expression.
pub(super) fn check(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.expect("CHECK")?;
    let expression = cursor.skip_parentheses()?;
    let _ = cursor.eat(&["NOT", "ENFORCED"]) || cursor.eat(&["ENFORCED"]);
    Ok(expression)
}

/// Reads what follows PERIOD FOR.
pub(super) fn period(cursor: &mut Cursor<'_>) -> Parsed<Period> {
    let name = period_name(cursor)?;
    cursor.expect_sign(b'(', "(")?;
    let start = cursor.name()?;
    cursor.expect_sign(b',', ",")?;
    let end = cursor.name()?;
    cursor.expect_sign(b')', ")")?;
    Ok(Period { name, start, end })
}

/// Reads a period's name; `None` is SYSTEM_TIME.
pub(super) fn period_name(cursor: &mut Cursor<'_>) -> Parsed<Option<String>> {
    if cursor.eat(&["SYSTEM_TIME"]) { Ok(None) } else { cursor.name().map(Some) }
}
