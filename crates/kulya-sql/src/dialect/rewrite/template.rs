//! Queries made from text: names in backticks that begin with `$` stand for expressions, and `$input` in FROM
//! for a relation. Users cannot write such names unquoted, and have no reason to quote them.

use crate::dialect::error::{DialectError, DialectResult, Position};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArguments, Query, TableFactor, VisitMut, VisitorMut, visit_expressions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use std::ops::ControlFlow;

/// Parses an expression of the dialect of templates.
pub(super) fn expression(text: &str, values: &[(&str, &Expr)], at: Position) -> DialectResult<Expr> {
    let parser = Parser::new(&GenericDialect {}).try_with_sql(text);
    let mut expr = parser.and_then(|mut parser| parser.parse_expr()).map_err(|error| invalid(error, at))?;
    fill(&mut expr, values, None);
    Ok(expr)
}

/// Parses a query of the dialect of templates.
pub(super) fn query(
    text: &str,
    values: &[(&str, &Expr)],
    input: TableFactor,
    at: Position,
) -> DialectResult<Query> {
    let parser = Parser::new(&GenericDialect {}).try_with_sql(text);
    let query = parser.and_then(|mut parser| parser.parse_query());
    let mut query = *query.map_err(|error| invalid(error, at))?;
    fill(&mut query, values, Some(input));
    Ok(query)
}

/// Refuses subqueries in an expression that a rewritten query repeats: nested ones would grow exponentially.
pub(super) fn check_repeated<'a>(
    exprs: impl IntoIterator<Item = &'a Expr>,
    at: Position,
) -> DialectResult<()> {
    let has_subquery = |expr: &Expr| {
        let is_subquery = |part: &Expr| match part {
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => ControlFlow::Break(()),
            Expr::Function(Function { args: FunctionArguments::Subquery(_), .. }) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        visit_expressions(expr, is_subquery).is_break()
    };
    match exprs.into_iter().any(has_subquery) {
        true => Err(DialectError::not_supported("a subquery in the definition of a window", at)),
        false => Ok(()),
    }
}

fn invalid(error: impl std::fmt::Display, at: Position) -> DialectError {
    DialectError::syntax(format!("the window cannot be rewritten: {error}"), at)
}

fn fill(node: &mut impl VisitMut, values: &[(&str, &Expr)], input: Option<TableFactor>) {
    let ControlFlow::Continue(()) = node.visit(&mut Filler { values, input });
}

struct Filler<'a> {
    values: &'a [(&'a str, &'a Expr)],
    input: Option<TableFactor>,
}

impl VisitorMut for Filler<'_> {
    type Break = std::convert::Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::Identifier(name) = expr
            && let Some((_, value)) = self.values.iter().find(|(key, _)| *key == name.value)
        {
            *expr = (*value).clone();
        }
        ControlFlow::Continue(())
    }

    /// After the visit of the children, so that the input itself is not changed.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        let TableFactor::Table { name, alias, .. } = factor else { return ControlFlow::Continue(()) };
        if name.to_string() == "`$input`"
            && let Some(mut input) = self.input.take()
        {
            if let (Some(alias), Some(slot)) = (alias.take(), alias_of(&mut input)) {
                *slot = Some(alias);
            }
            *factor = input;
        }
        ControlFlow::Continue(())
    }
}

/// Returns the place of a relation's alias.
fn alias_of(factor: &mut TableFactor) -> Option<&mut Option<datafusion::sql::sqlparser::ast::TableAlias>> {
    match factor {
        TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } => Some(alias),
        _ => None,
    }
}
