//! `UNNEST(items) AS u` over an array of rows has the fields of the rows as its columns.

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::TableFactor;

/// Plans UNNEST.
#[derive(Debug)]
pub(super) struct UnnestRelation;

impl RelationPlanner for UnnestRelation {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias: None, with_ordinality } =
            relation
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        // the offset, which the dialect does not have, says that the call comes from here
        let plain = |with_offset| TableFactor::UNNEST {
            alias: None,
            array_exprs: array_exprs.clone(),
            with_offset,
            with_offset_alias: None,
            with_ordinality,
        };
        if with_offset {
            return Ok(RelationPlanning::Original(Box::new(plain(false))));
        }
        let plan = with_fields(context.plan(plain(true))?)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
    }
}

/// Returns the fields of rows that are the only column.
fn with_fields(plan: LogicalPlan) -> Result<LogicalPlan> {
    let [column] = &plan.schema().columns()[..] else { return Ok(plan) };
    let DataType::Struct(fields) = plan.schema().field(0).data_type() else { return Ok(plan) };
    let row = Expr::Column(column.clone());
    let fields: Vec<Expr> = fields
        .iter()
        .map(|field| get_field(row.clone(), field.name().as_str()).alias(field.name()))
        .collect();
    LogicalPlanBuilder::from(plan).project(fields)?.build()
}
