//! Scalar subqueries that compare with columns of the query around them by something else than equality:
//!
//! ```sql
//! SELECT a, (SELECT count(*) FROM t AS x WHERE x.b < t.b) FROM t
//! ```
//!
//! DataFusion 55.2 plans those with equality only. Here the aggregate is computed once for each distinct
//! combination of the outer columns, and joined with the outer rows. Rows without a match count as none:
//! aggregates see only the rows that a marker column says are there.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Expr, Filter, LogicalPlan, LogicalPlanBuilder, Operator, Projection, Subquery, lit,
};
use std::sync::Arc;

/// Rewrites the subqueries of a plan that DataFusion does not plan.
pub(crate) fn unnest(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut count = 0;
    let plan = plan.transform_up_with_subqueries(|node| {
        let before = count;
        let node = unnest_node(node, &mut count)?;
        if count == 0 {
            return Ok(Transformed::no(node));
        }
        // a value of a subquery may have become nullable
        let node = if count == before { node.recompute_schema()? } else { node };
        Ok(Transformed::yes(node))
    })?;
    Ok(plan.data)
}

fn unnest_node(node: LogicalPlan, count: &mut usize) -> Result<LogicalPlan> {
    match node {
        LogicalPlan::Projection(projection) => {
            let names = NamePreserver::new_for_projection();
            let mut input = Arc::clone(&projection.input);
            let mut expressions = Vec::with_capacity(projection.expr.len());
            for expression in &projection.expr {
                let name = names.save(expression);
                expressions.push(name.restore(unnest_expression(expression.clone(), &mut input, count)?));
            }
            if Arc::ptr_eq(&input, &projection.input) {
                return Ok(LogicalPlan::Projection(projection));
            }
            Projection::try_new(expressions, input).map(LogicalPlan::Projection)
        }
        LogicalPlan::Filter(filter) => {
            let mut input = Arc::clone(&filter.input);
            let predicate = unnest_expression(filter.predicate.clone(), &mut input, count)?;
            if Arc::ptr_eq(&input, &filter.input) {
                return Ok(LogicalPlan::Filter(filter));
            }
            let columns: Vec<Expr> = filter.input.schema().columns().into_iter().map(Expr::Column).collect();
            let filtered = LogicalPlan::Filter(Filter::try_new(predicate, input)?);
            LogicalPlanBuilder::from(filtered).project(columns)?.build()
        }
        other => Ok(other),
    }
}

/// Replaces the subqueries of an expression by columns, which are joined to the input.
fn unnest_expression(expression: Expr, input: &mut Arc<LogicalPlan>, count: &mut usize) -> Result<Expr> {
    let replaced = expression.transform_up(|expression| {
        let Expr::ScalarSubquery(subquery) = &expression else { return Ok(Transformed::no(expression)) };
        let Some(parts) = Parts::of(subquery, input)? else { return Ok(Transformed::no(expression)) };
        *count += 1;
        let (joined, value) = parts.join(input, *count)?;
        *input = Arc::new(joined);
        Ok(Transformed::yes(value))
    })?;
    Ok(replaced.data)
}

/// The parts of a subquery that is rewritten: an aggregate of filtered rows, which has one row.
struct Parts<'a> {
    /// The value, of the aggregate's columns.
    value: Expr,
    aggregate: &'a Aggregate,
    filter: &'a Filter,
    /// The columns of the outer query that the filter refers to.
    columns: Vec<Column>,
}

impl<'a> Parts<'a> {
    fn of(subquery: &'a Subquery, input: &LogicalPlan) -> Result<Option<Self>> {
        let (value, plan) = match &*subquery.subquery {
            LogicalPlan::Projection(Projection { expr, input, .. }) if expr.len() == 1 => {
                (expr.first().cloned(), &**input)
            }
            other => (None, other),
        };
        let LogicalPlan::Aggregate(aggregate) = plan else { return Ok(None) };
        let (true, LogicalPlan::Filter(filter)) = (aggregate.group_expr.is_empty(), &*aggregate.input) else {
            return Ok(None);
        };
        let first = || aggregate.schema.columns().into_iter().next().map(Expr::Column);
        let Some(value) = value.or_else(first) else { return Ok(None) };
        let columns = outer_columns([&filter.predicate, &value]);
        let is_planned = split_conjunction(&filter.predicate).into_iter().all(is_equality);
        let is_elsewhere = has_subquery(&value)
            || aggregate.aggr_expr.iter().any(refers_outside)
            || plan_refers_outside(&filter.input)?;
        let is_of_input = columns.iter().all(|column| input.schema().has_column(column));
        if columns.is_empty() || is_planned || is_elsewhere || !is_of_input || is_volatile(input)? {
            return Ok(None);
        }
        Ok(Some(Self { value, aggregate, filter, columns }))
    }

    /// Joins the values of the subquery to the input, and returns the column with them.
    fn join(&self, input: &LogicalPlan, number: usize) -> Result<(LogicalPlan, Expr)> {
        let (outer, joined) = (format!("outer rows {number}"), format!("subquery {number}"));
        let key = |index: usize| format!("outer column {number} {index}");
        let keys = || (0..self.columns.len()).map(|index| Column::new(Some(outer.as_str()), key(index)));
        let distinct = self.columns.iter().enumerate();
        let distinct = distinct.map(|(index, column)| Expr::Column(column.clone()).alias(key(index)));
        let distinct = LogicalPlanBuilder::from(input.clone()).project(distinct)?.distinct()?;
        let marker = format!("is there {number}");
        let inner: Vec<Expr> = self.filter.input.schema().columns().into_iter().map(Expr::Column).collect();
        let inner = inner.into_iter().chain([lit(true).alias(&marker)]);
        let inner = LogicalPlanBuilder::from(self.filter.input.as_ref().clone()).project(inner)?.build()?;
        let with_keys = |expression: &Expr| {
            let replaced = expression.clone().transform_up(|expression| match &expression {
                Expr::OuterReferenceColumn(_, column) => {
                    let index = self.columns.iter().position(|other| other == column).unwrap_or_default();
                    let column = Column::new(Some(outer.as_str()), key(index));
                    Ok(Transformed::yes(Expr::Column(column)))
                }
                _ => Ok(Transformed::no(expression)),
            });
            replaced.map(|replaced| replaced.data)
        };
        let predicate = with_keys(&self.filter.predicate)?;
        let matches = distinct.alias(outer.as_str())?.join_on(inner, JoinType::Left, [predicate])?;
        let marker = Expr::Column(Column::new_unqualified(marker));
        let aggregates: Vec<Expr> =
            self.aggregate.aggr_expr.iter().map(|expr| of_matches(expr, &marker)).collect::<Result<_>>()?;
        let groups = matches.aggregate(keys().map(Expr::Column), aggregates)?;
        let value = std::iter::once(with_keys(&self.value)?.alias("value"));
        let values = value.chain(keys().enumerate().map(|(index, it)| Expr::Column(it).alias(key(index))));
        let values = groups.project(values)?.alias(joined.as_str())?.build()?;
        let right: Vec<Column> =
            (0..self.columns.len()).map(|index| Column::new(Some(joined.as_str()), key(index))).collect();
        let on = (self.columns.clone(), right);
        let plan = LogicalPlanBuilder::from(input.clone())
            .join_detailed(values, JoinType::Left, on, None, NullEquality::NullEqualsNull)?
            .build()?;
        Ok((plan, Expr::Column(Column::new(Some(joined.as_str()), "value"))))
    }
}

/// Returns an aggregate of the rows that match, under its name.
fn of_matches(expression: &Expr, marker: &Expr) -> Result<Expr> {
    let name = NamePreserver::new_for_projection().save(expression);
    let filtered = expression.clone().transform_up(|expression| match expression {
        Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
            let filter = params.filter.take().map(|filter| filter.and(marker.clone()));
            params.filter = Some(Box::new(filter.unwrap_or_else(|| marker.clone())));
            Ok(Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, params })))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(name.restore(filtered.data))
}

/// Whether DataFusion plans a condition of a subquery: it does not refer to the outer query, or it compares
/// by equality.
fn is_equality(condition: &Expr) -> bool {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            !(refers_outside(left) && refers_outside(right))
        }
        other => !refers_outside(other),
    }
}

fn refers_outside(expression: &Expr) -> bool {
    !outer_columns([expression]).is_empty() || has_subquery(expression)
}

/// Whether an expression has a subquery, which may refer to the outer query too.
fn has_subquery(expression: &Expr) -> bool {
    let is_subquery =
        |it: &Expr| matches!(it, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_));
    expression.exists(|expression| Ok(is_subquery(expression))).unwrap_or(true)
}

fn plan_refers_outside(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        let mut refers = false;
        node.apply_expressions(|expression| {
            refers |= refers_outside(expression);
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(refers)
    })
}

/// Whether a plan gives other rows when it is executed again.
fn is_volatile(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        let mut volatile = false;
        node.apply_expressions(|expression| {
            volatile |= expression.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(volatile)
    })
}

/// Returns the columns of the outer query in expressions, each once.
fn outer_columns<'a>(expressions: impl IntoIterator<Item = &'a Expr>) -> Vec<Column> {
    let mut columns = Vec::new();
    for expression in expressions {
        let _ = expression.apply(|expression| {
            if let Expr::OuterReferenceColumn(_, column) = expression
                && !columns.contains(column)
            {
                columns.push(column.clone());
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }
    columns
}
