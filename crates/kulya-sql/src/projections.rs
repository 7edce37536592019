//! Keeps projections apart that the optimizer would take for one.
//!
//! DataFusion 55.2 removes a projection whose expressions equal those of the projection below it
//! (`merge_consecutive_projections`), as if both saw the same columns: `SELECT a + a AS a FROM (SELECT a + a AS a FROM t)` would
//! give 2a. An alias's metadata makes two expressions differ and changes nothing else, so that the lower one gets some.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNodeRewriter};
use datafusion::logical_expr::expr::FieldMetadata;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection};
use std::collections::BTreeMap;

/// The plan, with projections that equal one above them marked.
pub(crate) fn keep_apart(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut marking = Marking { above: Vec::new(), marked: 0 };
    Ok(plan.rewrite_with_subqueries(&mut marking)?.data)
}

struct Marking {
    /// The expressions of the projections that a node stands below.
    above: Vec<Vec<Expr>>,
    marked: usize,
}

impl TreeNodeRewriter for Marking {
    type Node = LogicalPlan;

    fn f_down(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Projection(projection) = node else { return Ok(Transformed::no(node)) };
        let computes = projection.expr.iter().any(|expression| matches!(expression, Expr::Alias(_)));
        let is_double = computes && self.above.contains(&projection.expr);
        self.above.push(projection.expr.clone());
        if !is_double {
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
            self.above.pop();
        }
        if self.marked == 0 {
            return Ok(Transformed::no(node));
        }
        node.recompute_schema().map(Transformed::yes)
    }
}
