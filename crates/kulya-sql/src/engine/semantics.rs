//! Types of literals and results as in Flink: an integer literal is INT if it fits, a decimal one has
//! at least a
//! digit before the point, arithmetic of decimals has Flink's digits, division by zero is an error.
//!
//! Runs on the plan of the SQL planner, before types are coerced.

use super::result_types;
use crate::functions;
use crate::{SqlError, SqlErrorKind};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion, TreeNodeRewriter};
use datafusion::common::{DFSchema, DFSchemaRef, ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    Expr, ExprSchemable, Join, LogicalPlan, LogicalPlanBuilder, Subquery, Union, Values,
};
use std::sync::Arc;

/// Gives a plan Flink's types.
pub(super) fn apply(plan: LogicalPlan) -> Result<LogicalPlan> {
    rewrite_plan(plan, &mut Vec::new())
}

/// `outer` are the schemas of the queries around a subquery.
fn rewrite_plan(plan: LogicalPlan, outer: &mut Vec<DFSchemaRef>) -> Result<LogicalPlan> {
    // the schema of its work table is fixed
    if matches!(plan, LogicalPlan::RecursiveQuery(_)) {
        return Ok(plan);
    }
    let plan = match plan {
        LogicalPlan::Join(join) => {
            let left = rewrite_plan(Arc::unwrap_or_clone(join.left), outer)?;
            // a lateral subquery refers to the left side
            outer.push(Arc::clone(left.schema()));
            let right = rewrite_plan(Arc::unwrap_or_clone(join.right), outer);
            outer.pop();
            LogicalPlan::Join(Join { left: Arc::new(left), right: Arc::new(right?), ..join })
        }
        other => other.map_children(|child| rewrite_plan(child, outer).map(Transformed::yes))?.data,
    };
    match plan {
        LogicalPlan::Union(union) => Ok(LogicalPlan::Union(Union::try_new_with_loose_types(union.inputs)?)),
        LogicalPlan::Values(Values { values, .. }) => {
            let schema = DFSchema::empty();
            // the planner has cast them to the common type of what it took literals for
            let uncast = |value: Expr| match value {
                Expr::Cast(cast) => *cast.expr,
                other => other,
            };
            let row = |row: Vec<Expr>| {
                row.into_iter().map(|value| rewrite(uncast(value), &schema, outer)).collect()
            };
            let values = values.into_iter().map(row).collect::<Result<Vec<Vec<Expr>>>>()?;
            LogicalPlanBuilder::values(values)?.build()
        }
        // its numbers of rows are no values
        LogicalPlan::Limit(_) => plan.recompute_schema(),
        plan => {
            let schema = match &plan {
                LogicalPlan::TableScan(scan) => scan.projected_schema.as_ref().clone(),
                other => merge_schema(&other.inputs()),
            };
            let names = NamePreserver::new(&plan);
            let rewritten = plan.map_expressions(|expr| {
                // the plan above refers to the sets by their names
                if matches!(expr, Expr::GroupingSet(_)) {
                    return Ok(Transformed::no(expr));
                }
                let name = names.save(&expr);
                Ok(Transformed::yes(name.restore(rewrite(expr, &schema, outer)?)))
            })?;
            match rewritten.data.recompute_schema()? {
                LogicalPlan::Aggregate(aggregate) => result_types::aggregate(aggregate),
                LogicalPlan::Window(window) => result_types::window(window),
                other => Ok(other),
            }
        }
    }
}

/// Rewrites an expression over a schema.
fn rewrite(expr: Expr, schema: &DFSchema, outer: &mut Vec<DFSchemaRef>) -> Result<Expr> {
    Ok(expr.rewrite(&mut Rewriter { schema, outer })?.data)
}

struct Rewriter<'a> {
    schema: &'a DFSchema,
    outer: &'a mut Vec<DFSchemaRef>,
}

impl TreeNodeRewriter for Rewriter<'_> {
    type Node = Expr;

    /// Arguments such as the offset of LAG stay as they are.
    fn f_down(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        let Expr::WindowFunction(mut function) = expr else { return Ok(Transformed::no(expr)) };
        let is_ntile = function.fun.name() == "ntile";
        let mut args = std::mem::take(&mut function.params.args);
        if let Some(first) = args.first_mut().filter(|_| !is_ntile) {
            *first = rewrite(std::mem::take(first), self.schema, self.outer)?;
        }
        function.params.args = args;
        Ok(Transformed::new(Expr::WindowFunction(function), true, TreeNodeRecursion::Jump))
    }

    fn f_up(&mut self, expr: Expr) -> Result<Transformed<Expr>> {
        Ok(Transformed::yes(match expr {
            Expr::Literal(value, metadata) => Expr::Literal(literal(value)?, metadata),
            // integers wrap around, which DataFusion's negation refuses
            Expr::Negative(negated) if negated.get_type(self.schema)?.is_integer() => {
                let zero = Expr::Literal(ScalarValue::new_zero(&negated.get_type(self.schema)?)?, None);
                zero - *negated
            }
            Expr::BinaryExpr(binary) => {
                let types = (binary.left.get_type(self.schema)?, binary.right.get_type(self.schema)?);
                let own = functions::arithmetic(binary.op, &binary.left, &binary.right, (&types.0, &types.1));
                own.unwrap_or(Expr::BinaryExpr(binary))
            }
            Expr::OuterReferenceColumn(field, column) => {
                let found = self.outer.iter().rev().find_map(|schema| schema.field_from_column(&column).ok());
                Expr::OuterReferenceColumn(found.map_or(field, Arc::clone), column)
            }
            Expr::ScalarFunction(function) if function.name() == "array_element" => {
                if let Some(Expr::Literal(
                    ScalarValue::Int32(Some(..=0)) | ScalarValue::Int64(Some(..=0)),
                    _,
                )) = function.args.get(1)
                {
                    let what = "the first element of an array has the index 1";
                    return Err(SqlError::new(SqlErrorKind::InvalidQuery, what).into());
                }
                Expr::ScalarFunction(function)
            }
            Expr::ScalarSubquery(subquery) => Expr::ScalarSubquery(self.subquery(subquery)?),
            Expr::Exists(Exists { subquery, negated }) => {
                Expr::Exists(Exists { subquery: self.subquery(subquery)?, negated })
            }
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                Expr::InSubquery(InSubquery { expr, subquery: self.subquery(subquery)?, negated })
            }
            other => other,
        }))
    }
}

impl Rewriter<'_> {
    fn subquery(&mut self, subquery: Subquery) -> Result<Subquery> {
        let Subquery { subquery, outer_ref_columns, spans } = subquery;
        self.outer.push(Arc::new(self.schema.clone()));
        let plan = rewrite_plan(Arc::unwrap_or_clone(subquery), self.outer);
        let columns = outer_ref_columns
            .into_iter()
            .map(|column| rewrite(column, self.schema, self.outer))
            .collect::<Result<_>>();
        self.outer.pop();
        Ok(Subquery { subquery: Arc::new(plan?), outer_ref_columns: columns?, spans })
    }
}

/// Returns a literal in Flink's type.
fn literal(value: ScalarValue) -> Result<ScalarValue> {
    Ok(match value {
        ScalarValue::Int64(Some(number)) => match i32::try_from(number) {
            Ok(number) => ScalarValue::Int32(Some(number)),
            Err(_) => value,
        },
        ScalarValue::Decimal256(..) => {
            let what = "a number has more than 38 digits: write it as a DOUBLE, such as 1e0";
            return Err(SqlError::new(SqlErrorKind::OutOfRange, what).into());
        }
        ScalarValue::UInt64(Some(number)) => ScalarValue::Decimal128(Some(i128::from(number)), 20, 0),
        ScalarValue::Decimal128(number, precision, scale) => {
            let least = u8::try_from(scale).unwrap_or(0).saturating_add(1);
            ScalarValue::Decimal128(number, precision.max(least).min(38), scale)
        }
        other => other,
    })
}
