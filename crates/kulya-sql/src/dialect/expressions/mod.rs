//! Syntax of expressions that sqlparser does not have: CAST to Flink's types, MAP literals, tables and units
//! of time as arguments, JSON functions, IS JSON, BETWEEN SYMMETRIC.
//!
//! They become expressions that DataFusion plans: mostly calls of functions, in which a keyword is a string
//! literal.
//!
//! | SQL | becomes |
//! |---|---|
//! | `CAST(x AS type)`, `TRY_CAST(x AS type)` | `flink_cast(x, 'type')`, `flink_try_cast(x, 'type')` |
//! | `TIMESTAMPADD(DAY, n, x)`, `TIMESTAMPDIFF(DAY, x, y)` | `timestampadd('DAY', n, x)`,
//! `timestampdiff('DAY', x, y)` |
//! | `x IS JSON OBJECT` | `is_json(x, 'OBJECT')` |
//! | `TABLE t PARTITION BY a` as an argument | a call of [`TABLE_ARGUMENT`], which the query's
//! rewriting consumes |
//! | JSON functions | see [`json`] |

mod calls;
mod json;

pub(crate) use calls::{arguments, call, text};

use super::error::not_supported;
use super::flink_type::parse_type;
use super::words::{accept_words, at_words, word};
use calls::function;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArguments, Map, MapEntry, TrimWhereField, WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

/// The function that CAST becomes: a value, and the text of the type.
pub(crate) const CAST: &str = "flink_cast";
/// The function that TRY_CAST becomes.
pub(crate) const TRY_CAST: &str = "flink_try_cast";

/// The function that a table as an argument becomes.
pub(crate) const TABLE_ARGUMENT: &str = "\0table";

/// The units of TIMESTAMPADD and TIMESTAMPDIFF; a plural or `SQL_TSI_` form is accepted too.
const UNITS: &[&str] =
    &["MICROSECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"];

/// Parses an expression of the dialect's own syntax, if one is next.
pub(crate) fn parse_prefix(parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
    let Token::Word(first) = &parser.peek_token_ref().token else { return None };
    if first.quote_style.is_some() {
        return None;
    }
    let next = &parser.peek_nth_token_ref(1).token;
    let is_call = *next == Token::LParen;
    let name = first.value.to_ascii_uppercase();
    Some(match name.as_str() {
        "CAST" if is_call => cast(parser, CAST),
        "TRY_CAST" if is_call => cast(parser, TRY_CAST),
        "MAP" if *next == Token::LBracket => map(parser),
        "MULTISET" if *next == Token::LBracket => {
            Err(not_supported("MULTISET", parser.peek_token_ref().span.start))
        }
        "TRIM" if is_call && word(parser, 3) == "FROM" => return trim(parser),
        "TABLE" if is_call || matches!(next, Token::Word(_)) => table_argument(parser),
        "TIMESTAMPADD" | "TIMESTAMPDIFF" if is_call => timestamp_function(parser, &name),
        _ if is_call => return json::parse_call(parser, &name),
        _ => return None,
    })
}

/// Parses an operator of the dialect's own syntax after an expression, if one is next.
pub(crate) fn parse_infix(parser: &mut Parser<'_>, left: &Expr) -> Option<Result<Expr, ParserError>> {
    if at_words(parser, &["IS", "JSON"]) || at_words(parser, &["IS", "NOT", "JSON"]) {
        return Some(Ok(json::is_json(parser, left)));
    }
    let negated = at_words(parser, &["NOT"]);
    let ahead = usize::from(negated);
    if word(parser, ahead) != "BETWEEN" {
        return None;
    }
    let is_symmetric = word(parser, ahead + 1) == "SYMMETRIC";
    if !is_symmetric && word(parser, ahead + 1) != "ASYMMETRIC" {
        return None;
    }
    (0..ahead + 2).for_each(|_| parser.advance_token());
    Some(between(parser, left, negated, is_symmetric))
}

fn between(
    parser: &mut Parser<'_>,
    left: &Expr,
    negated: bool,
    is_symmetric: bool,
) -> Result<Expr, ParserError> {
    let between = parser.parse_between(left.clone(), negated)?;
    let Expr::Between { low, high, .. } = &between else { return Ok(between) };
    if !is_symmetric {
        return Ok(between);
    }
    // the bounds may be in either order
    let swapped =
        Expr::Between { expr: Box::new(left.clone()), negated, low: high.clone(), high: low.clone() };
    let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
    Ok(Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(between), op, right: Box::new(swapped) })))
}

fn cast(parser: &mut Parser<'_>, function: &str) -> Result<Expr, ParserError> {
    parser.advance_token();
    parser.expect_token(&Token::LParen)?;
    let expr = parser.parse_expr()?;
    if !accept_words(parser, &["AS"]) {
        return parser.expected_ref("AS", parser.peek_token_ref());
    }
    let wanted = text(&parse_type(parser)?.to_string());
    parser.expect_token(&Token::RParen)?;
    Ok(call(function, vec![expr, wanted]))
}

/// Parses `MAP[key, value, …]`.
fn map(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.advance_token();
    parser.expect_token(&Token::LBracket)?;
    let mut entries = Vec::new();
    if parser.consume_token(&Token::RBracket) {
        return Ok(Expr::Map(Map { entries }));
    }
    loop {
        let key = Box::new(parser.parse_expr()?);
        parser.expect_token(&Token::Comma)?;
        let value = Box::new(parser.parse_expr()?);
        entries.push(MapEntry { key, value });
        if !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    parser.expect_token(&Token::RBracket)?;
    Ok(Expr::Map(Map { entries }))
}

/// Parses `TRIM(LEADING FROM x)` and its like, if it is next: sides without characters.
fn trim(parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
    let side = match word(parser, 2).as_str() {
        "LEADING" => TrimWhereField::Leading,
        "TRAILING" => TrimWhereField::Trailing,
        "BOTH" => TrimWhereField::Both,
        _ => return None,
    };
    // TRIM, the bracket, the side and FROM
    (0..4).for_each(|_| parser.advance_token());
    let trimmed = parser.parse_expr().and_then(|expr| {
        parser.expect_token(&Token::RParen)?;
        Ok(Expr::Trim {
            expr: Box::new(expr),
            trim_where: Some(side),
            trim_what: None,
            trim_characters: None,
        })
    });
    Some(trimmed)
}

/// Parses `TABLE path` or `TABLE (query)`, with PARTITION BY and ORDER BY.
fn table_argument(parser: &mut Parser<'_>) -> Result<Expr, ParserError> {
    parser.advance_token();
    let args = if parser.consume_token(&Token::LParen) {
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        FunctionArguments::Subquery(query)
    } else {
        let name = parser.parse_object_name(false)?;
        let path = name.0.into_iter().filter_map(|part| part.as_ident().cloned()).collect();
        arguments(vec![Expr::CompoundIdentifier(path)])
    };
    let partition_by =
        if accept_words(parser, &["PARTITION", "BY"]) { partition_keys(parser)? } else { Vec::new() };
    let order_by =
        if accept_words(parser, &["ORDER", "BY"]) { vec![parser.parse_order_by_expr()?] } else { Vec::new() };
    let window = WindowSpec { window_name: None, partition_by, order_by, window_frame: None };
    Ok(Expr::Function(Function {
        over: Some(WindowType::WindowSpec(window)),
        args,
        ..function(TABLE_ARGUMENT, Vec::new())
    }))
}

/// Parses `key` or `(key, …)`; a list without brackets would take the next argument.
fn partition_keys(parser: &mut Parser<'_>) -> Result<Vec<Expr>, ParserError> {
    if !parser.consume_token(&Token::LParen) {
        return Ok(vec![parser.parse_expr()?]);
    }
    let keys = parser.parse_comma_separated(Parser::parse_expr)?;
    parser.expect_token(&Token::RParen)?;
    Ok(keys)
}

/// Parses `TIMESTAMPADD(unit, count, x)` or `TIMESTAMPDIFF(unit, x, y)`.
fn timestamp_function(parser: &mut Parser<'_>, name: &str) -> Result<Expr, ParserError> {
    parser.advance_token();
    parser.expect_token(&Token::LParen)?;
    let typed = word(parser, 0);
    let unit = typed.strip_prefix("SQL_TSI_").unwrap_or(&typed);
    let unit = UNITS.iter().find(|known| unit.strip_suffix('S').unwrap_or(unit) == **known);
    let Some(unit) = unit else {
        return parser.expected_ref("a unit of time such as DAY", parser.peek_token_ref());
    };
    parser.advance_token();
    parser.expect_token(&Token::Comma)?;
    let first = parser.parse_expr()?;
    parser.expect_token(&Token::Comma)?;
    let second = parser.parse_expr()?;
    parser.expect_token(&Token::RParen)?;
    Ok(call(&name.to_ascii_lowercase(), vec![text(unit), first, second]))
}
