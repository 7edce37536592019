//! A workaround for an optimizer rule that merges nested projections incorrectly.
//!
//! DataFusion 55.2 removes a projection whose expressions equal those of the projection below it
//! (`merge_consecutive_projections`), as if both had the same input:
//! `SELECT a + a AS a FROM (SELECT a + a AS a FROM t)` would return 2a. Metadata in an alias makes two
//! expressions unequal without another effect, so the lower projection gets some.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNodeRewriter};
use datafusion::logical_expr::expr::FieldMetadata;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use std::collections::BTreeMap;

/// Marks projections that equal one above them.
pub(crate) fn mark_duplicates(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut marker = DuplicateMarker { ancestors: Vec::new(), marked: 0 };
    Ok(plan.rewrite_with_subqueries(&mut marker)?.data)
}

struct DuplicateMarker {
    /// The expressions of the projections above the current node.
    ancestors: Vec<Vec<Expr>>,
    marked: usize,
}

impl TreeNodeRewriter for DuplicateMarker {
    type Node = LogicalPlan;

    fn f_down(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Projection(projection) = node else { return Ok(Transformed::no(node)) };
        let computes = projection.expr.iter().any(|expression| matches!(expression, Expr::Alias(_)));
        let is_duplicate = computes && self.ancestors.contains(&projection.expr);
        self.ancestors.push(projection.expr.clone());
        if !is_duplicate {
            return Ok(Transformed::no(LogicalPlan::Projection(projection)));
        }
        self.marked += 1;
        let mark = FieldMetadata::from(BTreeMap::from([("kulya.level".to_owned(), self.marked.to_string())]));
        let marked = projection.expr.into_iter().map(|expression| match expression {
            Expr::Alias(alias) => Expr::Alias(alias.with_metadata(Some(mark.clone()))),
            other => other,
        });
        let marked = Projection::try_new(marked.collect(), projection.input)?;
        Ok(Transformed::yes(LogicalPlan::Projection(marked)))
    }

    fn f_up(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        if matches!(node, LogicalPlan::Projection(_)) {
            self.ancestors.pop();
        }
        if self.marked == 0 {
            return Ok(Transformed::no(node));
        }
        node.recompute_schema().map(Transformed::yes)
    }
}
