//! `FROM t CROSS JOIN UNNEST(t.items) AS u (item)`: DataFusion 55.2 parses UNNEST of a column of another
//! relation, and does not plan it. Here the other relation becomes the input of UNNEST.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, Result, ScalarValue};
use datafusion::functions_nested::expr_fn::array_empty;
use datafusion::logical_expr::expr_rewriter::normalize_col;
use datafusion::logical_expr::{
    EmptyRelation, Expr, Join, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias, when,
};
use std::sync::Arc;

/// Rewrites the joins of a plan with UNNEST of a column.
pub(crate) fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Join(join) = &node else { return Ok(Transformed::no(node)) };
        match Unnested::of(join)? {
            Some(unnested) => Ok(Transformed::yes(unnested)),
            None => Ok(Transformed::no(node)),
        }
    })?;
    Ok(plan.data)
}

/// A join whose right side unnests columns of the left one.
struct Unnested<'a> {
    left: &'a LogicalPlan,
    /// A row without items is kept.
    is_outer: bool,
}

impl Unnested<'_> {
    /// Returns the plan that replaces a join; `None` for other joins.
    fn of(join: &Join) -> Result<Option<LogicalPlan>> {
        let is_true = |filter: &Expr| matches!(filter, Expr::Literal(ScalarValue::Boolean(Some(true)), _));
        let is_outer = join.join_type == JoinType::Left;
        let is_cross = join.on.is_empty() && join.filter.as_ref().is_none_or(is_true);
        if !is_cross || !(is_outer || join.join_type == JoinType::Inner) || !refers_outside(&join.right)? {
            return Ok(None);
        }
        Unnested { left: &join.left, is_outer }.lift(&join.right)
    }

    /// Returns the right side over the left one, whose columns come first; `None` if there is something else
    /// than UNNEST in it.
    fn lift(&self, right: &LogicalPlan) -> Result<Option<LogicalPlan>> {
        let lifted = match right {
            LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, .. }) => self.left.clone(),
            LogicalPlan::Subquery(subquery) => return self.lift(&subquery.subquery),
            LogicalPlan::Projection(projection) => {
                let Some(input) = self.lift(&projection.input)? else { return Ok(None) };
                let is_argument = matches!(&*projection.input, LogicalPlan::EmptyRelation(_));
                // the columns of the input have got a qualifier
                let item = |expression| normalize_col(self.item(expression, is_argument)?, &input);
                let items: Vec<Expr> = projection.expr.iter().map(item).collect::<Result<_>>()?;
                let columns = self.left.schema().columns().into_iter().map(Expr::Column);
                LogicalPlan::Projection(Projection::try_new(columns.chain(items).collect(), Arc::new(input))?)
            }
            LogicalPlan::Unnest(unnest) => {
                let Some(input) = self.lift(&unnest.input)? else { return Ok(None) };
                let options = unnest.options.clone().with_preserve_nulls(self.is_outer);
                LogicalPlanBuilder::from(input)
                    .unnest_columns_with_options(unnest.exec_columns.clone(), options)?
                    .build()?
            }
            LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => {
                let Some(input) = self.lift(input)? else { return Ok(None) };
                let count = self.left.schema().fields().len();
                let columns = input.schema().columns().into_iter().enumerate().map(|(index, column)| {
                    let name = column.name.clone();
                    let column = Expr::Column(column);
                    if index < count { column } else { column.alias_qualified(Some(alias.clone()), name) }
                });
                LogicalPlanBuilder::from(input.clone()).project(columns.collect::<Vec<_>>())?.build()?
            }
            _ => return Ok(None),
        };
        Ok(Some(lifted))
    }

    /// Returns an expression with the columns of the left side; an empty array is as none for an outer join.
    fn item(&self, expression: &Expr, is_argument: bool) -> Result<Expr> {
        let own = expression.clone().transform_up(|expression| match expression {
            Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
            other => Ok(Transformed::no(other)),
        })?;
        match own.data {
            Expr::Alias(alias) if is_argument && self.is_outer => {
                let array = *alias.expr;
                let items = when(array_empty(array.clone()).is_not_true(), array).end()?;
                Ok(items.alias(alias.name))
            }
            // the left side may have a column of this name
            Expr::Alias(alias) if !is_argument => {
                Ok(alias.expr.alias_qualified(Some("items of UNNEST"), alias.name))
            }
            other => Ok(other),
        }
    }
}

fn refers_outside(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| Ok(matches!(node, LogicalPlan::Subquery(it) if !it.outer_ref_columns.is_empty())))
}
