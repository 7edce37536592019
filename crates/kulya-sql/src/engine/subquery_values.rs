//! `x IN (SELECT …)` and EXISTS as values, in SELECT lists and within CASE and functions:
//!
//! ```sql
//! SELECT a, a IN (SELECT b FROM u) FROM t
//! ```
//!
//! DataFusion 55.2 plans them as conditions of WHERE only. Here a value is computed from counts, which are
//! scalar subqueries: of the rows that are equal, of those that are null, and of all.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, ExprSchema, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Subquery,
    lit, not, when,
};
use std::sync::Arc;

/// The name of the rows of a subquery after IN.
const ITEMS: &str = "items of IN";

/// Rewrites the subqueries of a plan that are values.
pub(crate) fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Projection(projection) if projection.expr.iter().any(is_predicate_within) => {
            let names = NamePreserver::new_for_projection();
            let schema = Arc::clone(projection.input.schema());
            let expressions = projection.expr.into_iter().map(|expression| {
                let name = names.save(&expression);
                Ok(name.restore(value(expression, &schema)?))
            });
            let expressions = expressions.collect::<Result<Vec<_>>>()?;
            Projection::try_new(expressions, projection.input)
                .map(LogicalPlan::Projection)
                .map(Transformed::yes)
        }
        LogicalPlan::Filter(filter) if is_predicate_within(&filter.predicate) => {
            let columns: Vec<Expr> = filter.input.schema().columns().into_iter().map(Expr::Column).collect();
            let mut operands = Vec::new();
            let predicate = condition(filter.predicate.clone(), filter.input.schema(), &mut operands)?;
            if operands.is_empty() {
                let changed = predicate != filter.predicate;
                let plan = LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?);
                return Ok(if changed { Transformed::yes(plan) } else { Transformed::no(plan) });
            }
            let input = columns.iter().cloned().chain(operands);
            let input = LogicalPlanBuilder::from(Arc::unwrap_or_clone(filter.input)).project(input)?;
            input.filter(predicate)?.project(columns)?.build().map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(plan.data)
}

/// Whether there is IN or EXISTS with a subquery in an expression.
fn is_predicate_within(expression: &Expr) -> bool {
    let is_predicate = |it: &Expr| matches!(it, Expr::InSubquery(_) | Expr::Exists(_));
    expression.exists(|expression| Ok(is_predicate(expression))).unwrap_or(false)
}

/// Rewrites a condition of WHERE, in which IN and EXISTS stay as they are where DataFusion plans them. An
/// operand with a subquery in it becomes a column of `operands`.
fn condition(expression: Expr, schema: &DFSchema, operands: &mut Vec<Expr>) -> Result<Expr> {
    Ok(match expression {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let left = Box::new(condition(*left, schema, operands)?);
            let right = Box::new(condition(*right, schema, operands)?);
            Expr::BinaryExpr(BinaryExpr { left, op, right })
        }
        Expr::Not(inner) => Expr::Not(Box::new(condition(*inner, schema, operands)?)),
        Expr::InSubquery(InSubquery { expr, subquery, negated }) if is_predicate_within(&expr) => {
            let name = format!("operand {} of IN", operands.len());
            operands.push(value(*expr, schema)?.alias(&name));
            let expr = Box::new(Expr::Column(Column::new_unqualified(name)));
            Expr::InSubquery(InSubquery { expr, subquery, negated })
        }
        Expr::InSubquery(_) | Expr::Exists(_) => expression,
        other if is_predicate_within(&other) => value(other, schema)?,
        other => other,
    })
}

/// Rewrites an expression in which IN and EXISTS are values.
fn value(expression: Expr, schema: &DFSchema) -> Result<Expr> {
    let rewritten = expression.transform_up(|expression| match expression {
        Expr::Exists(Exists { subquery, negated }) => {
            let rows = number_of_rows(&subquery, None)?;
            Ok(Transformed::yes(if negated { rows.eq(lit(0_i64)) } else { rows.gt(lit(0_i64)) }))
        }
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            let is_in = is_in(*expr, &subquery, schema)?;
            Ok(Transformed::yes(if negated { not(is_in) } else { is_in }))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// Returns whether an operand is among the rows of a subquery: null if that is not known.
fn is_in(operand: Expr, subquery: &Subquery, schema: &DFSchema) -> Result<Expr> {
    // both sides may have columns of the same name
    let items = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone()).alias(ITEMS)?.build()?;
    let subquery = &Subquery { subquery: Arc::new(items), ..subquery.clone() };
    let Some(column) = subquery.subquery.schema().columns().into_iter().next() else {
        return Ok(lit(false));
    };
    let can_be_null = subquery.subquery.schema().nullable(&column)?;
    let items = Expr::Column(column);
    let unknown = Expr::Literal(ScalarValue::Boolean(None), None);
    let (outer, columns) = seen_from_inside(operand.clone(), schema)?;
    let equal = number_of_rows(subquery, Some((items.clone().eq(outer), columns)))?;
    let mut cases = when(equal.gt(lit(0_i64)), lit(true));
    if can_be_null {
        let nulls = number_of_rows(subquery, Some((items.is_null(), Vec::new())))?;
        cases = cases.when(nulls.gt(lit(0_i64)), unknown.clone());
    }
    if operand.nullable(schema)? {
        let all = number_of_rows(subquery, None)?;
        cases = cases.when(operand.is_null().and(all.gt(lit(0_i64))), unknown);
    }
    cases.otherwise(lit(false))
}

/// Returns an expression as a subquery has it, and its columns.
fn seen_from_inside(operand: Expr, schema: &DFSchema) -> Result<(Expr, Vec<Expr>)> {
    let mut columns = Vec::new();
    let inside = operand.transform_up(|expression| match expression {
        Expr::Column(column) => {
            let field = schema.field_from_column(&column)?;
            let outer = Expr::OuterReferenceColumn(Arc::clone(field), column);
            columns.push(outer.clone());
            Ok(Transformed::yes(outer))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok((inside.data, columns))
}

/// Returns the number of rows of a subquery that meet a condition, which refers to these columns outside.
fn number_of_rows(subquery: &Subquery, condition: Option<(Expr, Vec<Expr>)>) -> Result<Expr> {
    let mut rows = LogicalPlanBuilder::from(subquery.subquery.as_ref().clone());
    let mut outer_ref_columns = subquery.outer_ref_columns.clone();
    if let Some((condition, columns)) = condition {
        rows = rows.filter(condition)?;
        outer_ref_columns.extend(
            columns.into_iter().filter(|column| !outer_ref_columns.contains(column)).collect::<Vec<_>>(),
        );
    }
    let counted = rows.aggregate(Vec::<Expr>::new(), [count(lit(1_i64))])?.build()?;
    let spans = subquery.spans.clone();
    Ok(Expr::ScalarSubquery(Subquery { subquery: Arc::new(counted), outer_ref_columns, spans }))
}
