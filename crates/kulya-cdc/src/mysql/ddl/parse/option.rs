//! Options of tables and databases: those that matter for columns are kept, the others are stepped over. An
//! option that is not known must have an equals sign, as those of storage engines have.

use super::super::cursor::Cursor;
use super::super::error::Parsed;
use super::super::statement::{Charset, TableOptions};
use super::super::token::TokenKind;

/// Options of one word whose value may come without an equals sign.
const VALUE_OPTIONS: &[&str] = &[
    "AUTOEXTEND_SIZE",
    "AUTO_INCREMENT",
    "AVG_ROW_LENGTH",
    "CHECKSUM",
    "COMPRESSION",
    "CONNECTION",
    "DELAY_KEY_WRITE",
    "ENCRYPTED",
    "ENCRYPTION",
    "ENCRYPTION_KEY_ID",
    "ENGINE",
    "ENGINE_ATTRIBUTE",
    "IETF_QUOTES",
    "INSERT_METHOD",
    "KEY_BLOCK_SIZE",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "PAGE_COMPRESSED",
    "PAGE_COMPRESSION_LEVEL",
    "PASSWORD",
    "ROW_FORMAT",
    "SECONDARY_ENGINE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "SEQUENCE",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "STORAGE",
    "TABLESPACE",
    "TABLE_CHECKSUM",
    "TRANSACTIONAL",
    "TYPE",
];

/// Reads options up to a word that is none.
pub(super) fn table_options(cursor: &mut Cursor<'_>, options: &mut TableOptions) -> Parsed<()> {
    while table_option(cursor, options)? {}
    Ok(())
}

fn table_option(cursor: &mut Cursor<'_>, options: &mut TableOptions) -> Parsed<bool> {
    if cursor.is(&["DEFAULT"]) && !cursor.sign_at(1, b'=') {
        cursor.step();
    }
    if eat_charset(cursor) {
        cursor.eat_sign(b'=');
        options.charset = Some(charset(cursor)?);
    } else if cursor.eat(&["COLLATE"]) {
        cursor.eat_sign(b'=');
        options.collation = Some(collation(cursor)?);
    } else if cursor.eat(&["COMMENT"]) {
        cursor.eat_sign(b'=');
        options.comment = Some(cursor.text()?.ok_or_else(|| cursor.unknown("comment"))?);
    } else if cursor.eat(&["WITH", "SYSTEM", "VERSIONING"]) {
        options.system_versioning = true;
    } else if cursor.eat(&["UNION"]) {
        cursor.eat_sign(b'=');
        cursor.skip_parentheses()?;
    } else if cursor.eat(&["DATA", "DIRECTORY"])
        || cursor.eat(&["INDEX", "DIRECTORY"])
        || cursor.eat(&["READ", "ONLY"])
        || cursor.eat_any(VALUE_OPTIONS)
    {
        let is_sequence = cursor.is_behind("SEQUENCE");
        let value = option_value(cursor)?;
        options.is_sequence |= is_sequence && value != "0";
    } else if is_named_option(cursor) {
        cursor.step();
        option_value(cursor)?;
    } else {
        return Ok(cursor.eat(&["START", "TRANSACTION"]));
    }
    Ok(true)
}

/// Steps over CHARACTER SET in its forms.
pub(super) fn eat_charset(cursor: &mut Cursor<'_>) -> bool {
    cursor.eat(&["CHARSET"]) || cursor.eat(&["CHARACTER", "SET"]) || cursor.eat(&["CHAR", "SET"])
}

/// Reads a character set's name, or DEFAULT.
pub(super) fn charset(cursor: &mut Cursor<'_>) -> Parsed<Charset> {
    if cursor.eat(&["DEFAULT"]) {
        return Ok(Charset::DatabaseDefault);
    }
    charset_name(cursor).map(Charset::Named)
}

/// Reads a character set's name, in lower case; `utf8` is `utf8mb3`.
pub(super) fn charset_name(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let name = cursor.name_or_text()?.to_lowercase();
    Ok(if name == "utf8" { "utf8mb3".to_owned() } else { name })
}

/// Reads a collation's name, in lower case; those of `utf8` are of `utf8mb3`.
pub(super) fn collation(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let name = cursor.name_or_text()?.to_lowercase();
    Ok(name.strip_prefix("utf8_").map(|rest| format!("utf8mb3_{rest}")).unwrap_or(name))
}

/// Whether a name with an equals sign and a value comes next.
pub(super) fn is_named_option(cursor: &Cursor<'_>) -> bool {
    cursor.peek().is_some_and(|token| matches!(token.kind, TokenKind::Word | TokenKind::QuotedName))
        && cursor.sign_at(1, b'=')
}

/// Steps over an option's value, and returns it as written.
pub(super) fn option_value(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.eat_sign(b'=');
    let start = cursor.offset();
    cursor.eat_sign(b'-');
    match cursor.peek().map(|token| token.kind) {
        Some(TokenKind::Sign(_)) | None => Err(cursor.unknown("value of an option")),
        Some(_) => {
            cursor.step();
            Ok(cursor.text_since(start))
        }
    }
}

/// Steps over PARTITION BY and what belongs to it, up to the query of CREATE TABLE … SELECT.
pub(super) fn skip_partitions(cursor: &mut Cursor<'_>) -> Parsed<()> {
    while !cursor.is_end() && !cursor.is_any(&["AS", "SELECT"]) && !cursor.is_sign(b';') {
        if cursor.is_sign(b'(') {
            cursor.skip_parentheses()?;
        } else {
            cursor.step();
        }
    }
    Ok(())
}
