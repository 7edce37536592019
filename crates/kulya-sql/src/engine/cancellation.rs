//! Plans that can be cancelled: a query ends only where its task waits.

use crate::SqlResult;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use std::sync::Arc;

/// Lets the task wait now and then at each join and union. DataFusion has it wait where rows are read; a join
/// of a few rows with themselves computes for hours without reading any.
pub(super) fn cancellable(plan: Arc<dyn ExecutionPlan>) -> SqlResult<Arc<dyn ExecutionPlan>> {
    let cooperative = plan.transform_up(|node| {
        Ok(match node.children().len() {
            0 | 1 => Transformed::no(node),
            _ => Transformed::yes(Arc::new(CooperativeExec::new(node)) as Arc<dyn ExecutionPlan>),
        })
    })?;
    Ok(cooperative.data)
}
