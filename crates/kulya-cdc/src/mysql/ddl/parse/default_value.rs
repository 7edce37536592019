//! Default values: literals, functions and expressions.

use super::super::column::DefaultValue;
use super::super::cursor::{Cursor, literal_bytes};
use super::super::error::Parsed;
use super::super::token::TokenKind;

/// Reads what follows DEFAULT.
pub(super) fn default_value(cursor: &mut Cursor<'_>) -> Parsed<DefaultValue> {
    let start = cursor.offset();
    let mut literal = operand(cursor)?;
    // MariaDB accepts expressions without parentheses
    while eat_operator(cursor) {
        operand(cursor)?;
        literal = None;
    }
    Ok(literal.unwrap_or_else(|| DefaultValue::Expression(cursor.text_since(start))))
}

/// Reads an operand; `None` if it is no literal.
fn operand(cursor: &mut Cursor<'_>) -> Parsed<Option<DefaultValue>> {
    cursor.eat_introducer();
    if let Some(text) = cursor.text()? {
        return Ok(Some(DefaultValue::Text(text)));
    }
    let is_negative = cursor.eat_sign(b'-');
    if !is_negative {
        cursor.eat_sign(b'+');
    }
    let Some(token) = cursor.peek() else { return Err(cursor.unknown("default value")) };
    match token.kind {
        TokenKind::Number => {
            cursor.step();
            let sign = if is_negative { "-" } else { "" };
            Ok(Some(DefaultValue::Number(format!("{sign}{}", String::from_utf8_lossy(token.raw)))))
        }
        TokenKind::Hex | TokenKind::Bits => {
            cursor.step();
            Ok(Some(DefaultValue::Bytes(literal_bytes(token))))
        }
        TokenKind::Sign(b'(') => {
            cursor.skip_parentheses()?;
            Ok(None)
        }
        TokenKind::Word | TokenKind::QuotedName => word(cursor),
        _ => Err(cursor.unknown("default value")),
    }
}

/// Reads a keyword, or a function with its arguments.
fn word(cursor: &mut Cursor<'_>) -> Parsed<Option<DefaultValue>> {
    let is_call = cursor.sign_at(1, b'(') || cursor.sign_at(1, b'.');
    if !is_call && cursor.eat(&["NULL"]) {
        return Ok(Some(DefaultValue::Null));
    }
    for (keyword, number) in [("TRUE", "1"), ("FALSE", "0")] {
        if !is_call && cursor.eat(&[keyword]) {
            return Ok(Some(DefaultValue::Number(number.to_owned())));
        }
    }
    if cursor.eat(&["NEXT", "VALUE", "FOR"]) {
        cursor.other_table()?;
        return Ok(None);
    }
    // a time's literal, DATE '2020-01-01'
    let is_time = cursor.is_any(&["DATE", "TIME", "TIMESTAMP"]);
    if is_time && cursor.peek_at(1).is_some_and(|token| token.kind == TokenKind::Text) {
        cursor.step();
        return Ok(cursor.text()?.map(DefaultValue::Text));
    }
    cursor.other_table()?;
    if cursor.is_sign(b'(') {
        cursor.skip_parentheses()?;
    }
    Ok(None)
}

fn eat_operator(cursor: &mut Cursor<'_>) -> bool {
    let signs = [b'+', b'-', b'*', b'/', b'%', b'|', b'&', b'^', b'<', b'>'];
    let mut found = cursor.eat_any(&["DIV", "MOD"]);
    while signs.iter().any(|sign| cursor.eat_sign(*sign)) {
        found = true;
    }
    found
}
