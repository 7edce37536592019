//! The parser of what stands in the brackets of a table: columns, watermark and key.

use crate::dialect::cursor::Cursor;
use crate::dialect::error::{DialectError, DialectErrorKind, DialectResult, Position};
use crate::dialect::flink_type::parse_type;
use crate::dialect::statement::{ColumnDef, ColumnKind, PrimaryKey, TableElements, Watermark};
use datafusion::sql::sqlparser::tokenizer::Token;
use std::collections::HashSet;

/// An element of a table.
pub(super) enum Element {
    /// A column, and the key that it declares.
    Column(ColumnDef, Option<PrimaryKey>),
    Watermark(Watermark),
    Key(PrimaryKey),
    /// A name without a type.
    Name(String),
}

/// Parses `(element, …)`.
pub(super) fn table_elements(cursor: &mut Cursor<'_>) -> DialectResult<TableElements> {
    let mut elements = TableElements::default();
    let mut names = HashSet::new();
    let mut is_defined = |name: &str| !names.insert(name.to_owned());
    cursor.bracketed(|cursor| {
        let position = cursor.position();
        match element(cursor)? {
            Element::Column(column, key) => {
                if is_defined(&column.name) {
                    return Err(twice(&format!("column {}", column.name), position));
                }
                elements.columns.push(column);
                if let Some(key) = key {
                    set_once(&mut elements.key, key, "the primary key", position)?;
                }
            }
            Element::Watermark(watermark) => {
                set_once(&mut elements.watermark, watermark, "the watermark", position)?;
            }
            Element::Key(key) => set_once(&mut elements.key, key, "the primary key", position)?,
            Element::Name(name) => {
                if is_defined(&name) {
                    return Err(twice(&format!("column {name}"), position));
                }
                elements.names.push(name);
            }
        }
        Ok(())
    })?;
    Ok(elements)
}

fn set_once<T>(slot: &mut Option<T>, value: T, what: &str, position: Position) -> DialectResult<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(twice(what, position)),
    }
}

fn twice(what: &str, position: Position) -> DialectError {
    DialectError::syntax(format!("{what} is defined twice"), position)
}

/// Parses one element.
pub(super) fn element(cursor: &mut Cursor<'_>) -> DialectResult<Element> {
    let position = cursor.position();
    if cursor.at(&["WATERMARK", "FOR"]) {
        return watermark(cursor).map(Element::Watermark);
    }
    if let Some(key) = table_key(cursor)? {
        return Ok(Element::Key(key));
    }
    let name = cursor.name("a column, WATERMARK or PRIMARY KEY")?;
    if cursor.at_token(&Token::Comma) || cursor.at_token(&Token::RParen) {
        return Ok(Element::Name(name));
    }
    let (mut kind, mut key) = (None, None);
    if cursor.accept(&["AS"]) {
        kind = Some(ColumnKind::Computed(cursor.expression()?));
    } else {
        let column_type = cursor.parse_with(parse_type)?;
        if cursor.accept(&["METADATA"]) {
            let from = if cursor.accept(&["FROM"]) { Some(cursor.string()?) } else { None };
            let is_virtual = cursor.accept(&["VIRTUAL"]);
            kind = Some(ColumnKind::Metadata { column_type, from, is_virtual });
        } else {
            key = column_key(cursor, &name)?;
            kind = kind.or(Some(ColumnKind::Physical { column_type }));
        }
    }
    let comment = cursor.comment()?;
    let Some(kind) = kind else { return cursor.expected("a type or AS") };
    Ok(Element::Column(ColumnDef { name, kind, comment, position: position.into() }, key))
}

/// Parses `WATERMARK FOR column AS expression`.
fn watermark(cursor: &mut Cursor<'_>) -> DialectResult<Watermark> {
    cursor.expect(&["WATERMARK", "FOR"])?;
    let column = cursor.path(usize::MAX)?;
    cursor.expect(&["AS"])?;
    Ok(Watermark { column, expression: cursor.expression()? })
}

/// Parses `[CONSTRAINT name] PRIMARY KEY (columns) NOT ENFORCED` if it is next.
fn table_key(cursor: &mut Cursor<'_>) -> DialectResult<Option<PrimaryKey>> {
    let position = cursor.position();
    let name = constraint_name(cursor)?;
    if !cursor.accept(&["PRIMARY", "KEY"]) {
        return no_key(cursor, name);
    }
    let columns = cursor.names()?;
    not_enforced(cursor, position)?;
    Ok(Some(PrimaryKey { name, columns, position: position.into() }))
}

/// Parses `[CONSTRAINT name] PRIMARY KEY NOT ENFORCED` after a column, if it is next.
fn column_key(cursor: &mut Cursor<'_>, column: &str) -> DialectResult<Option<PrimaryKey>> {
    let position = cursor.position();
    let name = constraint_name(cursor)?;
    if !cursor.accept(&["PRIMARY", "KEY"]) {
        return no_key(cursor, name);
    }
    not_enforced(cursor, position)?;
    Ok(Some(PrimaryKey { name, columns: vec![column.to_owned()], position: position.into() }))
}

fn constraint_name(cursor: &mut Cursor<'_>) -> DialectResult<Option<String>> {
    if cursor.accept(&["CONSTRAINT"]) { cursor.name("the constraint's name").map(Some) } else { Ok(None) }
}

fn no_key(cursor: &Cursor<'_>, constraint: Option<String>) -> DialectResult<Option<PrimaryKey>> {
    if cursor.at(&["UNIQUE"]) {
        return cursor.not_supported("UNIQUE");
    }
    if constraint.is_some() { cursor.expected("PRIMARY KEY") } else { Ok(None) }
}

/// Parses NOT ENFORCED, which is required: nothing checks keys.
fn not_enforced(cursor: &mut Cursor<'_>, position: Position) -> DialectResult<()> {
    if cursor.accept(&["NOT", "ENFORCED"]) {
        return Ok(());
    }
    let text = "a primary key needs NOT ENFORCED: keys are not checked";
    Err(DialectError {
        kind: DialectErrorKind::NotSupported,
        text: text.to_owned(),
        position: Some(position),
    })
}
