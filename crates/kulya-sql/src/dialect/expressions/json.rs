//! The JSON functions of the standard, whose arguments have clauses of keywords.
//!
//! - `JSON_EXISTS(x, path TRUE ON ERROR)` becomes `json_exists(x, path, 'TRUE')`;
//! - `JSON_VALUE(x, path RETURNING INT DEFAULT 1 ON EMPTY ERROR ON ERROR)` becomes
//!   `json_value_int(x, path, 'INT', 'DEFAULT', 1, 'ERROR', NULL)`;
//! - `JSON_QUERY(x, path RETURNING ARRAY<STRING> WITH WRAPPER …)` becomes
//!   `json_query_array(x, path, 'ARRAY<STRING>', 'UNCONDITIONAL', 'NULL', 'NULL')`;
//! - `JSON_OBJECT(KEY k VALUE v, … ABSENT ON NULL)` becomes `json_object('ABSENT', k, v, …)`;
//! - `JSON_ARRAY(v, … NULL ON NULL)` becomes `json_array('NULL', v, …)`;
//! - `JSON_OBJECTAGG(KEY k VALUE v NULL ON NULL)` becomes `json_objectagg(k, v, 'NULL')`;
//! - `JSON_ARRAYAGG(v ABSENT ON NULL)` becomes `json_arrayagg(v, 'ABSENT')`.
//!
//! A clause that is left out has Flink's default: FALSE ON ERROR, STRING, NULL ON EMPTY and ON ERROR, WITHOUT
//! WRAPPER, NULL ON NULL for objects and ABSENT ON NULL for arrays.

use super::calls::{call, text};
use crate::dialect::error::not_supported;
use crate::dialect::flink_type::{FlinkType, MAX_LENGTH, TypeKind, parse_type_kind};
use crate::dialect::words::{accept_words, at_words, word};
use datafusion::sql::sqlparser::ast::{Expr, UnaryOperator, Value, ValueWithSpan};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

const STRING: TypeKind = TypeKind::Varchar(MAX_LENGTH);

/// Parses a call of a JSON function, if `name` is one; the name is the next token.
pub(super) fn parse_call(parser: &mut Parser<'_>, name: &str) -> Option<Result<Expr, ParserError>> {
    let parse = match name {
        "JSON_EXISTS" => json_exists,
        "JSON_VALUE" => json_value,
        "JSON_QUERY" => json_query,
        "JSON_OBJECT" => json_object,
        "JSON_ARRAY" => json_array,
        "JSON_OBJECTAGG" => json_objectagg,
        "JSON_ARRAYAGG" => json_arrayagg,
        _ => return None,
    };
    parser.advance_token();
    parser.advance_token();
    let name = name.to_ascii_lowercase();
    Some(parse(parser).and_then(|args| {
        parser.expect_token(&Token::RParen)?;
        let suffix = match (name.as_str(), args.get(2)) {
            ("json_value" | "json_query", Some(returning)) => suffix(returning),
            _ => "",
        };
        Ok(call(&format!("{name}{suffix}"), args))
    }))
}

/// Parses `IS [NOT] JSON [VALUE | SCALAR | ARRAY | OBJECT]`.
pub(super) fn is_json(parser: &mut Parser<'_>, left: &Expr) -> Expr {
    parser.advance_token();
    let negated = accept_words(parser, &["NOT"]);
    parser.advance_token();
    let kind = word(parser, 0);
    let kind = ["VALUE", "SCALAR", "ARRAY", "OBJECT"].into_iter().find(|known| *known == kind);
    if kind.is_some() {
        parser.advance_token();
    }
    let is_json = call("is_json", vec![left.clone(), text(kind.unwrap_or("VALUE"))]);
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(is_json) } } else { is_json }
}

fn json_exists(parser: &mut Parser<'_>) -> Result<Vec<Expr>, ParserError> {
    let mut args = document_and_path(parser)?;
    let behaviour = ["TRUE", "FALSE", "UNKNOWN", "ERROR"]
        .into_iter()
        .find(|behaviour| accept_words(parser, &[behaviour, "ON", "ERROR"]));
    args.push(text(behaviour.unwrap_or("FALSE")));
    Ok(args)
}

fn json_value(parser: &mut Parser<'_>) -> Result<Vec<Expr>, ParserError> {
    let mut args = document_and_path(parser)?;
    let types = [STRING, TypeKind::Boolean, TypeKind::Int, TypeKind::Double];
    args.push(returning(parser, &types)?);
    let (mut on_empty, mut on_error) = (None, None);
    loop {
        let behaviour = match word(parser, 0).as_str() {
            "NULL" => "NULL",
            "ERROR" => "ERROR",
            "DEFAULT" => "DEFAULT",
            _ => break,
        };
        parser.advance_token();
        let default = if behaviour == "DEFAULT" { parser.parse_expr()? } else { null() };
        on_event(parser, &mut on_empty, &mut on_error, (text(behaviour), default))?;
    }
    for clause in [on_empty, on_error] {
        let (behaviour, default) = clause.unwrap_or((text("NULL"), null()));
        args.extend([behaviour, default]);
    }
    Ok(args)
}

fn json_query(parser: &mut Parser<'_>) -> Result<Vec<Expr>, ParserError> {
    let mut args = document_and_path(parser)?;
    let texts = TypeKind::Array(Box::new(FlinkType { kind: STRING, nullable: true }));
    args.push(returning(parser, &[STRING, texts])?);
    args.push(text(wrapper(parser)?));
    let (mut on_empty, mut on_error) = (None, None);
    let behaviours: [(&[&str], &str); 4] = [
        (&["NULL"], "NULL"),
        (&["EMPTY", "ARRAY"], "EMPTY ARRAY"),
        (&["EMPTY", "OBJECT"], "EMPTY OBJECT"),
        (&["ERROR"], "ERROR"),
    ];
    while let Some((_, behaviour)) = behaviours.iter().find(|(words, _)| accept_words(parser, words)) {
        on_event(parser, &mut on_empty, &mut on_error, text(behaviour))?;
    }
    args.extend([on_empty, on_error].map(|clause| clause.unwrap_or(text("NULL"))));
    Ok(args)
}

/// Parses `ON EMPTY` or `ON ERROR` and stores the behaviour before it.
fn on_event<T>(
    parser: &mut Parser<'_>,
    on_empty: &mut Option<T>,
    on_error: &mut Option<T>,
    behaviour: T,
) -> Result<(), ParserError> {
    let slot = if at_words(parser, &["ON", "EMPTY"]) && on_empty.is_none() && on_error.is_none() {
        on_empty
    } else if at_words(parser, &["ON", "ERROR"]) && on_error.is_none() {
        on_error
    } else {
        return parser.expected_ref("ON EMPTY or ON ERROR, once each", parser.peek_token_ref());
    };
    parser.advance_token();
    parser.advance_token();
    *slot = Some(behaviour);
    Ok(())
}

/// Parses `WITHOUT ARRAY WRAPPER` and its like.
fn wrapper(parser: &mut Parser<'_>) -> Result<&'static str, ParserError> {
    let wrapper = if accept_words(parser, &["WITHOUT"]) {
        "WITHOUT"
    } else if accept_words(parser, &["WITH", "CONDITIONAL"]) {
        "CONDITIONAL"
    } else if accept_words(parser, &["WITH", "UNCONDITIONAL"]) || accept_words(parser, &["WITH"]) {
        "UNCONDITIONAL"
    } else {
        return Ok("WITHOUT");
    };
    accept_words(parser, &["ARRAY"]);
    if !accept_words(parser, &["WRAPPER"]) {
        return parser.expected_ref("WRAPPER", parser.peek_token_ref());
    }
    Ok(wrapper)
}

fn json_object(parser: &mut Parser<'_>) -> Result<Vec<Expr>, ParserError> {
    let mut args = vec![null()];
    if !is_end(parser) {
        loop {
            let (key, value) = member(parser)?;
            args.extend([key, value]);
            if !parser.consume_token(&Token::Comma) {
                break;
            }
        }
    }
    if let Some(first) = args.first_mut() {
        *first = on_null(parser, "NULL");
    }
    Ok(args)
}

fn json_array(parser: &mut Parser<'_>) -> Result<Vec<Expr>, ParserError> {
    let mut args = vec![null()];
    if !is_end(parser) {
        args.extend(parser.parse_comma_separated(Parser::parse_expr)?);
    }
    if let Some(first) = args.first_mut() {
        *first = on_null(parser, "ABSENT");
    }
    Ok(args)
}

fn json_objectagg(parser: &mut Parser<'_>) -> Result<Vec<Expr>, ParserError> {
    let (key, value) = member(parser)?;
    Ok(vec![key, value, on_null(parser, "NULL")])
}

fn json_arrayagg(parser: &mut Parser<'_>) -> Result<Vec<Expr>, ParserError> {
    let value = parser.parse_expr()?;
    Ok(vec![value, on_null(parser, "ABSENT")])
}

/// Returns whether no members follow.
fn is_end(parser: &Parser<'_>) -> bool {
    parser.peek_token_ref().token == Token::RParen
        || at_words(parser, &["NULL", "ON", "NULL"])
        || at_words(parser, &["ABSENT", "ON", "NULL"])
}

/// Parses `[KEY] key VALUE value` or `key : value`.
fn member(parser: &mut Parser<'_>) -> Result<(Expr, Expr), ParserError> {
    accept_words(parser, &["KEY"]);
    let key = parser.parse_expr()?;
    if !accept_words(parser, &["VALUE"]) && !parser.consume_token(&Token::Colon) {
        return parser.expected_ref("VALUE", parser.peek_token_ref());
    }
    Ok((key, parser.parse_expr()?))
}

/// Parses `NULL ON NULL` or `ABSENT ON NULL`.
fn on_null(parser: &mut Parser<'_>, default: &str) -> Expr {
    let typed =
        ["NULL", "ABSENT"].into_iter().find(|behaviour| accept_words(parser, &[behaviour, "ON", "NULL"]));
    text(typed.unwrap_or(default))
}

fn document_and_path(parser: &mut Parser<'_>) -> Result<Vec<Expr>, ParserError> {
    let document = parser.parse_expr()?;
    parser.expect_token(&Token::Comma)?;
    Ok(vec![document, parser.parse_expr()?])
}

/// Parses `RETURNING type`; STRING without it.
fn returning(parser: &mut Parser<'_>, types: &[TypeKind]) -> Result<Expr, ParserError> {
    if !accept_words(parser, &["RETURNING"]) {
        return Ok(text("STRING"));
    }
    let start = parser.peek_token_ref().span.start;
    let parsed = parse_type_kind(parser)?;
    match types.contains(&parsed) {
        true => Ok(text(&parsed.to_string())),
        false => Err(not_supported(&format!("RETURNING {parsed}"), start)),
    }
}

/// Returns the end of the name of the function that returns a type.
fn suffix(returning: &Expr) -> &'static str {
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(returning), .. }) = returning else {
        return "";
    };
    match returning.as_str() {
        "BOOLEAN" => "_boolean",
        "INT" => "_int",
        "DOUBLE" => "_double",
        array if array.starts_with("ARRAY") => "_array",
        _ => "",
    }
}

fn null() -> Expr {
    Expr::value(Value::Null)
}
