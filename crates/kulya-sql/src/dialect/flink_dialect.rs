//! Flink's dialect for sqlparser's tokenizer and parser: identifiers, and the syntax in which queries and
//! expressions differ from the standard.

use super::expressions;
use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use std::cell::Cell;

/// Flink's dialect. One value parses one statement: it counts the expressions, because the parser goes back
/// at errors, in some nested statements once per level.
#[derive(Debug, Default)]
pub(crate) struct FlinkDialect {
    /// The number of expressions that may still be parsed.
    remaining: Cell<usize>,
}

impl FlinkDialect {
    /// Creates the dialect for a statement of this many tokens.
    pub(crate) fn new(tokens: usize) -> Self {
        Self { remaining: Cell::new(tokens.saturating_mul(32).saturating_add(1000)) }
    }
}

impl Dialect for FlinkDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _: &str) -> Option<char> {
        Some('`')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || matches!(ch, '_' | '$')
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        match self.remaining.get().checked_sub(1) {
            Some(remaining) => self.remaining.set(remaining),
            None => return Some(Err(ParserError::RecursionLimitExceeded)),
        }
        expressions::parse_prefix(parser)
    }

    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        expr: &Expr,
        _precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        expressions::parse_infix(parser, expr)
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        true
    }

    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_limit_comma(&self) -> bool {
        false
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }

    /// ON begins what follows the query of an INSERT.
    fn is_select_item_alias(&self, explicit: bool, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        explicit || *keyword != Keyword::ON && self.is_column_alias(keyword, parser)
    }

    /// A name that begins an expression; other reserved words are refused where statements define names.
    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        matches!(
            keyword,
            Keyword::CASE | Keyword::CAST | Keyword::TRY_CAST | Keyword::EXISTS | Keyword::INTERVAL
        )
    }
}
