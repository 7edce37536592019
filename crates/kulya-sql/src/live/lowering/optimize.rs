//! The optimizer of live queries: DataFusion's rules without those that only suit one execution.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, exec_err};
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::{Optimizer, OptimizerContext};

/// Rules that are left out: repeated expressions cost little, a distinct aggregate has an operator of its
/// own, and the branches of a union are separate.
const LEFT_OUT: [&str; 5] = [
    "single_distinct_aggregation_to_group_by",
    "common_sub_expression_eliminate",
    "extract_leaf_expressions",
    "push_down_leaf_projections",
    "unions_to_filter",
];

/// Optimizes a plan. Functions of the moment are not replaced by the time of planning.
pub(super) fn optimized(plan: LogicalPlan, state: &SessionState) -> Result<LogicalPlan> {
    let mut options = state.config_options().as_ref().clone();
    // a subquery with one row is a join like others
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    let plan = with_moments(plan)?;
    let plan = state.analyzer().execute_and_check(plan, &options, |_, _| {})?;
    let rules = Optimizer::new().rules.into_iter().filter(|rule| !LEFT_OUT.contains(&rule.name()));
    let context =
        OptimizerContext::new_with_config_options(options.into()).without_query_execution_start_time();
    Optimizer::with_rules(rules.collect()).optimize(plan, &context, |_, _| {})
}

/// Replaces functions of the moment by ones of the same name that nothing computes while planning: whether
/// one is refused depends on whether it is needed.
fn with_moments(plan: LogicalPlan) -> Result<LogicalPlan> {
    let replaced = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let replaced = expr.transform_up(|expr| match &expr {
                Expr::ScalarFunction(call)
                    if call.func.signature().volatility == Volatility::Stable && call.args.is_empty() =>
                {
                    let moment = Moment {
                        name: call.name().to_owned(),
                        data_type: call.func.return_type(&[])?,
                        signature: Signature::nullary(Volatility::Volatile),
                    };
                    let func = ScalarUDF::new_from_impl(moment).into();
                    let call = ScalarFunction { func, args: Vec::new() };
                    Ok(Transformed::yes(Expr::ScalarFunction(call)))
                }
                _ => Ok(Transformed::no(expr)),
            })?;
            Ok(replaced.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(replaced.data)
}

/// A function with another value each time.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Moment {
    name: String,
    data_type: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for Moment {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        exec_err!("{} has another value each time", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_are_left_out_exist() {
        let rules = Optimizer::new().rules;
        for name in LEFT_OUT {
            assert!(rules.iter().any(|rule| rule.name() == name), "{name}");
        }
    }
}
