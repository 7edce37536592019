//! Columns: a name, a type, and attributes in any order. Attributes without effect on the schema are stepped
//! over.

use super::super::column::{ColumnDefinition, ColumnType, DefaultValue, Generated, InlineKey, TypeName};
use super::super::cursor::Cursor;
use super::super::error::Parsed;
use super::super::statement::{Key, KeyKind, KeyPart};
use super::data_type::data_type;
use super::default_value::default_value;
use super::key::{check, references};
use super::option::{charset_name, collation, eat_charset, is_named_option, option_value};

/// Reads a column, up to a word that is no attribute, and the keys that its attributes declare.
pub(super) fn column(cursor: &mut Cursor<'_>) -> Parsed<(ColumnDefinition, Vec<Key>)> {
    let name = cursor.qualified_name()?;
    let is_serial = cursor.is(&["SERIAL"]);
    let mut column = ColumnDefinition::new(name, data_type(cursor)?);
    let mut keys = Vec::new();
    if is_serial {
        serial(&mut column, &mut keys);
    }
    while any_attribute(cursor, &mut column, &mut keys)? {}
    // beside PRIMARY KEY, MariaDB makes no key of the attribute UNIQUE
    if cursor.is_mariadb() && column.keys.contains(&InlineKey::Primary) {
        column.keys.retain(|key| *key == InlineKey::Primary);
        keys.retain(|key| key.kind != KeyKind::Unique);
    }
    if !cursor.is_mariadb() && drops_default(&column.column_type) {
        // a warning says so; expressions are kept
        column.default = column.default.filter(|default| matches!(default, DefaultValue::Expression(_)));
    }
    Ok((column, keys))
}

/// Whether MySQL has no literal default values of the type. Without strict mode it leaves out an empty one.
fn drops_default(column_type: &ColumnType) -> bool {
    use TypeName::{Blob, LongBlob, LongText, MediumBlob, MediumText, Text, TinyBlob, TinyText};
    let name = column_type.name;
    matches!(name, TinyText | Text | MediumText | LongText | TinyBlob | Blob | MediumBlob | LongBlob)
}

fn any_attribute(
    cursor: &mut Cursor<'_>,
    column: &mut ColumnDefinition,
    keys: &mut Vec<Key>,
) -> Parsed<bool> {
    let found = type_attribute(cursor, column)?
        || value_attribute(cursor, column, keys)?
        || constraint(cursor, column, keys)?
        || storage_attribute(cursor, column)?;
    Ok(found)
}

/// Attributes of numbers and texts.
fn type_attribute(cursor: &mut Cursor<'_>, column: &mut ColumnDefinition) -> Parsed<bool> {
    let column_type = &mut column.column_type;
    if cursor.eat(&["UNSIGNED"]) {
        column_type.unsigned = true;
    } else if cursor.eat(&["ZEROFILL"]) {
        (column_type.unsigned, column_type.zerofill) = (true, true);
    } else if eat_charset(cursor) {
        let name = charset_name(cursor)?;
        // DEFAULT is what a column without the attribute has
        column_type.charset = (name != "default").then_some(name);
    } else if cursor.eat(&["COLLATE"]) {
        cursor.eat_sign(b'=');
        let name = collation(cursor)?;
        column_type.collation = (name != "default").then_some(name);
    } else if cursor.eat(&["BINARY"]) {
        column.binary_collation = true;
    } else if cursor.eat(&["ASCII"]) {
        column_type.charset = Some("latin1".to_owned());
    } else if cursor.eat(&["UNICODE"]) {
        column_type.charset = Some("ucs2".to_owned());
    } else if cursor.eat(&["BYTE"]) {
        column_type.charset = Some("binary".to_owned());
    } else if cursor.eat(&["COMPRESSED"]) {
        column_type.compressed = true;
        if cursor.eat_sign(b'=') {
            cursor.name_or_text()?;
        }
    } else if cursor.eat(&["SRID"]) || cursor.eat(&["REF_SYSTEM_ID"]) {
        cursor.eat_sign(b'=');
        column_type.srid = Some(cursor.number()?);
    } else {
        return Ok(cursor.eat(&["SIGNED"]));
    }
    Ok(true)
}

/// Attributes that say which values the column has.
fn value_attribute(
    cursor: &mut Cursor<'_>,
    column: &mut ColumnDefinition,
    keys: &mut Vec<Key>,
) -> Parsed<bool> {
    if cursor.eat(&["NOT", "NULL"]) {
        column.nullable = Some(false);
    } else if cursor.eat(&["NULL"]) {
        column.nullable = Some(true);
    } else if cursor.eat(&["SERIAL", "DEFAULT", "VALUE"]) {
        serial(column, keys);
    } else if cursor.eat(&["DEFAULT"]) {
        column.default = Some(default_value(cursor)?);
    } else if cursor.eat(&["ON", "UPDATE"]) {
        let start = cursor.offset();
        cursor.name()?;
        if cursor.is_sign(b'(') {
            cursor.skip_parentheses()?;
        }
        column.on_update = Some(cursor.text_since(start));
    } else if cursor.eat(&["AUTO_INCREMENT"]) {
        (column.auto_increment, column.nullable) = (true, Some(false));
    } else if cursor.eat(&["GENERATED", "ALWAYS", "AS"]) || cursor.eat(&["AS"]) {
        column.generated = Some(generated(cursor)?);
    } else if cursor.eat_any(&["STORED", "PERSISTENT"]) {
        if let Some(Generated::Expression { stored, .. }) = &mut column.generated {
            *stored = true;
        }
    } else if cursor.eat(&["INVISIBLE"]) {
        column.invisible = true;
    } else if cursor.eat(&["VISIBLE"]) {
        column.invisible = false;
    } else {
        return Ok(cursor.eat(&["VIRTUAL"]));
    }
    Ok(true)
}

fn generated(cursor: &mut Cursor<'_>) -> Parsed<Generated> {
    if cursor.eat(&["ROW", "START"]) {
        return Ok(Generated::RowStart);
    }
    if cursor.eat(&["ROW", "END"]) {
        return Ok(Generated::RowEnd);
    }
    Ok(Generated::Expression { expression: cursor.skip_parentheses()?, stored: false })
}

/// Keys, checks and references.
fn constraint(cursor: &mut Cursor<'_>, column: &mut ColumnDefinition, keys: &mut Vec<Key>) -> Parsed<bool> {
    if cursor.eat(&["CONSTRAINT"]) && !cursor.is_any(&["CHECK", "PRIMARY", "UNIQUE", "REFERENCES"]) {
        cursor.name()?;
    }
    if cursor.is(&["CHECK"]) {
        let expression = check(cursor)?;
        column.column_type.is_json |= is_json_check(&expression, column);
    } else if cursor.is(&["REFERENCES"]) {
        references(cursor)?;
        // MySQL ignores the attribute
        if cursor.is_mariadb() {
            keys.push(column_key(column, KeyKind::ForeignKey));
        }
    } else if cursor.eat(&["UNIQUE"]) {
        cursor.eat_any(&["KEY", "INDEX"]);
        inline_key(column, keys, InlineKey::Unique);
    } else if cursor.eat(&["PRIMARY", "KEY"]) || cursor.eat(&["PRIMARY"]) || cursor.eat(&["KEY"]) {
        inline_key(column, keys, InlineKey::Primary);
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Attributes about storage, and others without effect on the schema.
fn storage_attribute(cursor: &mut Cursor<'_>, column: &mut ColumnDefinition) -> Parsed<bool> {
    if cursor.eat(&["COMMENT"]) {
        cursor.eat_sign(b'=');
        column.comment = Some(cursor.text()?.ok_or_else(|| cursor.unknown("comment"))?);
    } else if cursor.eat_any(&["COLUMN_FORMAT", "STORAGE", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"])
    {
        option_value(cursor)?;
        // Percona Server
        if cursor.eat(&["WITH", "COMPRESSION_DICTIONARY"]) {
            cursor.name()?;
        }
    } else if cursor.eat(&["WITH", "SYSTEM", "VERSIONING"]) {
        column.system_versioning = true;
    } else if is_named_option(cursor) {
        cursor.step();
        option_value(cursor)?;
    } else {
        return Ok(cursor.eat(&["NOT", "SECONDARY"]) || cursor.eat(&["WITHOUT", "SYSTEM", "VERSIONING"]));
    }
    Ok(true)
}

/// SERIAL: NOT NULL AUTO_INCREMENT UNIQUE.
fn serial(column: &mut ColumnDefinition, keys: &mut Vec<Key>) {
    (column.auto_increment, column.nullable) = (true, Some(false));
    inline_key(column, keys, InlineKey::Unique);
}

/// Adds a key of an attribute; the same attribute again has no effect.
fn inline_key(column: &mut ColumnDefinition, keys: &mut Vec<Key>, key: InlineKey) {
    if column.keys.contains(&key) {
        return;
    }
    column.keys.push(key);
    let kind = match key {
        InlineKey::Primary => KeyKind::Primary,
        InlineKey::Unique => KeyKind::Unique,
    };
    keys.push(column_key(column, kind));
}

fn column_key(column: &ColumnDefinition, kind: KeyKind) -> Key {
    let part = KeyPart { column: Some(column.name.clone()), prefix: None };
    Key { parts: vec![part], ..Key::new(None, kind) }
}

/// Whether a check is `json_valid` of the column itself, by which MariaDB marks a text as JSON.
fn is_json_check(expression: &str, column: &ColumnDefinition) -> bool {
    let is_text = column.column_type.name == TypeName::LongText;
    let compact: String = expression
        .chars()
        .filter(|sign| !sign.is_whitespace() && *sign != '`')
        .collect::<String>()
        .to_lowercase();
    let argument = column.name.replace('`', "").to_lowercase();
    is_text && compact.trim_matches(['(', ')']) == format!("json_valid({argument}")
}
