//! Limits on the size and depth of a logical plan, checked before it is optimized: a statement within the
//! limits of its text may expand to a plan of exponential size.

use crate::{SqlError, SqlErrorKind, SqlResult};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;

/// The maximum number of operators of a plan, after common table expressions are inlined.
const MAX_PLAN_NODES: usize = 20_000;
/// The maximum depth of a plan.
const MAX_PLAN_DEPTH: usize = 400;

/// Checks the size and depth of a plan, which common table expressions that reference each other repeatedly
/// can make exponential.
pub(crate) fn check_plan(plan: &LogicalPlan) -> SqlResult<()> {
    let mut nodes = 0;
    let visited = plan.apply_with_subqueries(|_| {
        nodes += 1;
        Ok(if nodes > MAX_PLAN_NODES { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    visited?;
    if nodes > MAX_PLAN_NODES {
        return Err(SqlError::new(
            SqlErrorKind::TooComplex,
            format!(
                "the query plan has more than {MAX_PLAN_NODES} operators once common table expressions are inlined: split it"
            ),
        ));
    }
    if depth(plan) > MAX_PLAN_DEPTH {
        return Err(SqlError::new(
            SqlErrorKind::TooComplex,
            format!("the query plan is more than {MAX_PLAN_DEPTH} operators deep: split it"),
        ));
    }
    Ok(())
}

/// Returns the depth of a plan; recursive, so called only on plans of limited size.
fn depth(plan: &LogicalPlan) -> usize {
    1 + plan.inputs().into_iter().map(depth).max().unwrap_or_default()
}
