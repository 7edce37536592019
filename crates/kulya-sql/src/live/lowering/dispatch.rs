//! The nodes of a plan, each by its kind.

use super::builder::{Lowering, Relation};
use super::table::{ChangesNode, WatermarkNode};
use super::{optimize, session_window, temporal};
use crate::live::plan::{NodeState, PlanNode, Stop};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use kulya_incremental::{Project, column};
use std::any::Any;
use std::sync::Arc;

impl Lowering {
    /// Adds the operators of a plan, and returns its rows.
    ///
    /// # Errors
    /// Why the plan has none, or those of the optimizer.
    pub(super) fn run(&mut self, plan: LogicalPlan, state: &SessionState) -> Result<Relation, Stop> {
        let plan = temporal::recognize(session_window::recognize(plan)?)?;
        let plan = optimize::optimized(plan, state)?;
        self.demand(&plan, false)?;
        let mut relation = self.lower(&plan)?;
        if relation.properties.columns.iter().any(|column| column.is_arrival) {
            let why = "PROCTIME has another value each time";
            if let Some(node) = self.nodes.first_mut() {
                node.state = NodeState::Rerun(why.to_owned());
            }
            return Err(Stop::rerun(why));
        }
        // the names are those of the query
        let names: Vec<String> = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
        if relation.schema.fields().iter().map(|field| field.name()).ne(&names) {
            let columns = names.into_iter().zip((0..).map(column)).collect::<Vec<_>>();
            let operator = Project::new(Arc::clone(&relation.schema), columns)?;
            relation.output = self.add("result", operator, &[relation.output])?;
        }
        Ok(relation)
    }

    pub(super) fn lower(&mut self, plan: &LogicalPlan) -> Result<Relation, Stop> {
        let (above, index) = (self.current, self.nodes.len());
        self.nodes.push(PlanNode {
            depth: self.depth,
            text: plan.display().to_string(),
            state: NodeState::Stateless,
            mode: None,
            key: None,
            warnings: Vec::new(),
        });
        self.current = index;
        self.depth += 1;
        let lowered = self.lower_node(plan);
        self.depth -= 1;
        self.current = above;
        let Some(node) = self.nodes.get_mut(index) else { return lowered };
        match &lowered {
            Ok(relation) => {
                node.mode = Some(relation.properties.mode());
                let name = |index: &usize| plan.schema().field(*index).name().clone();
                node.key = relation.properties.key.as_ref().map(|key| key.iter().map(name).collect());
            }
            Err(Stop::Rerun(why)) if !self.has_stopped => {
                self.has_stopped = true;
                node.state = NodeState::Rerun(why.clone());
            }
            Err(_) => {}
        }
        lowered
    }

    fn lower_node(&mut self, plan: &LogicalPlan) -> Result<Relation, Stop> {
        match plan {
            LogicalPlan::TableScan(scan) => self.lower_scan(scan),
            LogicalPlan::Projection(projection) => self.lower_projection(projection),
            LogicalPlan::Filter(filter) => self.lower_filter(filter),
            LogicalPlan::SubqueryAlias(alias) => self.lower(&alias.input),
            LogicalPlan::Union(union) => self.lower_union(union),
            LogicalPlan::Unnest(unnest) => self.lower_unnest(unnest),
            LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => self.lower_constants(plan),
            LogicalPlan::Aggregate(aggregate) => self.lower_aggregate(aggregate),
            LogicalPlan::Join(join) => self.lower_join(join),
            LogicalPlan::Window(window) => self.lower_over(window),
            LogicalPlan::Limit(limit) => self.lower_limit(limit),
            LogicalPlan::Sort(sort) => self.lower_sort(sort),
            LogicalPlan::Extension(extension) => {
                let node: &dyn Any = extension.node.as_any();
                if let Some(node) = node.downcast_ref::<WatermarkNode>() {
                    return self.lower_watermark(node);
                }
                if let Some(node) = node.downcast_ref::<ChangesNode>() {
                    return self.lower_changes(node);
                }
                if let Some(node) = node.downcast_ref::<session_window::SessionNode>() {
                    return self.lower_session(node);
                }
                match node.downcast_ref::<temporal::TemporalJoinNode>() {
                    Some(node) => self.lower_temporal_join(node),
                    None => Err(Stop::rerun(format!("{} has no operator", extension.node.name()))),
                }
            }
            LogicalPlan::RecursiveQuery(_) => Err(Stop::rerun("WITH RECURSIVE has no operator")),
            LogicalPlan::Distinct(_) => Err(Stop::rerun("DISTINCT ON has no operator")),
            other => Err(Stop::rerun(format!("{} has no operator", other.display()))),
        }
    }
}
