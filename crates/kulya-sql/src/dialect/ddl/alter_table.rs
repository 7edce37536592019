//! The parser of ALTER TABLE.

use super::columns::{Element, element};
use crate::dialect::cursor::Cursor;
use crate::dialect::error::{DialectError, DialectResult};
use crate::dialect::option_list::{keys, options};
use crate::dialect::statement::{AlterTable, AlteredElement, ColumnPlace, OptionsChange, StatementKind};
use datafusion::sql::sqlparser::tokenizer::Token;

/// Parses what follows ALTER TABLE.
pub(super) fn alter_table(cursor: &mut Cursor<'_>) -> DialectResult<StatementKind> {
    let if_exists = cursor.accept(&["IF", "EXISTS"]);
    let path = cursor.path(3)?;
    let change = change(cursor)?;
    Ok(StatementKind::AlterTable { path, if_exists, change })
}

fn change(cursor: &mut Cursor<'_>) -> DialectResult<AlterTable> {
    if let Some(change) = options_change(cursor)? {
        return Ok(AlterTable::Options(change));
    }
    if cursor.accept(&["RENAME", "TO"]) {
        return Ok(AlterTable::Rename(cursor.path(3)?));
    }
    if cursor.accept(&["RENAME"]) {
        let from = cursor.path(usize::MAX)?;
        cursor.expect(&["TO"])?;
        return Ok(AlterTable::RenameColumn { from, to: cursor.name("a column name")? });
    }
    if cursor.at(&["ADD", "PARTITION"]) || cursor.at(&["ADD", "IF"]) || cursor.at(&["DROP", "PARTITION"]) {
        return cursor.not_supported("ALTER TABLE with partitions");
    }
    if cursor.accept(&["ADD"]) {
        return Ok(AlterTable::Add(altered_elements(cursor)?));
    }
    if cursor.accept(&["MODIFY"]) {
        return Ok(AlterTable::Modify(altered_elements(cursor)?));
    }
    if cursor.accept(&["DROP"]) {
        return dropped(cursor);
    }
    if cursor.at(&["COMPACT"]) {
        return cursor.not_supported("ALTER TABLE COMPACT");
    }
    cursor.expected("ADD, MODIFY, DROP, RENAME, SET or RESET")
}

/// Parses `SET (…)` or `RESET (…)` if it is next.
pub(super) fn options_change(cursor: &mut Cursor<'_>) -> DialectResult<Option<OptionsChange>> {
    Ok(if cursor.accept(&["SET"]) {
        Some(OptionsChange::Set(options(cursor)?))
    } else if cursor.accept(&["RESET"]) {
        Some(OptionsChange::Reset(keys(cursor)?))
    } else {
        None
    })
}

fn dropped(cursor: &mut Cursor<'_>) -> DialectResult<AlterTable> {
    if cursor.accept(&["PRIMARY", "KEY"]) {
        return Ok(AlterTable::DropPrimaryKey);
    }
    if cursor.accept(&["WATERMARK"]) {
        return Ok(AlterTable::DropWatermark);
    }
    if cursor.accept(&["CONSTRAINT"]) {
        return Ok(AlterTable::DropConstraint(cursor.name("the constraint's name")?));
    }
    if cursor.at(&["DISTRIBUTION"]) && cursor.word(1).is_empty() {
        return cursor.not_supported("DROP DISTRIBUTION");
    }
    if cursor.at_token(&Token::LParen) {
        return Ok(AlterTable::DropColumns(cursor.bracketed(|cursor| cursor.path(usize::MAX))?));
    }
    Ok(AlterTable::DropColumns(vec![cursor.path(usize::MAX)?]))
}

/// Parses one element, or several in brackets.
fn altered_elements(cursor: &mut Cursor<'_>) -> DialectResult<Vec<AlteredElement>> {
    if cursor.at(&["DISTRIBUTION"]) {
        return cursor.not_supported("ALTER TABLE with DISTRIBUTION");
    }
    let parsed = if cursor.at_token(&Token::LParen) {
        cursor.bracketed(altered_element)?
    } else {
        vec![altered_element(cursor)?]
    };
    Ok(parsed.into_iter().flatten().collect())
}

/// Parses an element; a column that declares the key gives two.
fn altered_element(cursor: &mut Cursor<'_>) -> DialectResult<Vec<AlteredElement>> {
    let position = cursor.position();
    Ok(match element(cursor)? {
        Element::Column(column, key) => {
            let place = if cursor.accept(&["FIRST"]) {
                Some(ColumnPlace::First)
            } else if cursor.accept(&["AFTER"]) {
                Some(ColumnPlace::After(cursor.name("a column name")?))
            } else {
                None
            };
            let column = AlteredElement::Column { column: Box::new(column), place };
            [column].into_iter().chain(key.map(AlteredElement::Key)).collect()
        }
        Element::Watermark(watermark) => vec![AlteredElement::Watermark(watermark)],
        Element::Key(key) => vec![AlteredElement::Key(key)],
        Element::Name(name) => {
            return Err(DialectError::syntax(format!("column {name} has no type"), position));
        }
    })
}
