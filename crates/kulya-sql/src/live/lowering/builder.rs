//! The graph that a plan becomes while it is lowered, with what EXPLAIN says of each node.

use super::properties::Properties;
use crate::SqlError;
use crate::live::plan::{LiveSource, NodeState, PlanNode, SourceMode, Stop};
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use kulya_incremental::{GraphBuilder, Node, Operator, Output, Project, column};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The rows of a node.
pub(super) struct Relation {
    pub(super) output: Output,
    /// The columns as the graph has them.
    pub(super) schema: SchemaRef,
    pub(super) properties: Properties,
}

#[derive(Default)]
pub(super) struct Lowering {
    pub(super) graph: GraphBuilder,
    pub(super) sources: Vec<(LiveSource, Output)>,
    /// The columns that are read of each table.
    pub(super) demands: Vec<Demand>,
    pub(super) nodes: Vec<PlanNode>,
    /// The node of [`Self::nodes`] that is being lowered, and how many are above it.
    pub(super) current: usize,
    pub(super) depth: usize,
    pub(super) reads_versions: bool,
    pub(super) has_stopped: bool,
}

/// The columns that are read of a table.
pub(super) struct Demand {
    pub(super) table: Arc<dyn TableProvider>,
    pub(super) mode: SourceMode,
    pub(super) columns: BTreeSet<usize>,
}

impl Lowering {
    /// The columns of a relation at positions.
    pub(super) fn pick(&mut self, relation: &Relation, positions: &[usize]) -> Result<Output, Stop> {
        if positions.iter().copied().eq(0..relation.schema.fields().len()) {
            return Ok(relation.output);
        }
        let names = positions.iter().map(|position| relation.schema.field(*position).name().clone());
        let columns: Vec<_> = names.zip(positions.iter().map(|position| column(*position))).collect();
        self.add("columns", Project::new(Arc::clone(&relation.schema), columns)?, &[relation.output])
    }

    pub(super) fn schema(&self, output: Output) -> Result<SchemaRef, Stop> {
        self.graph.schema(output).cloned().ok_or_else(|| SqlError::internal().into())
    }

    /// Adds an operator to the graph.
    pub(super) fn add(
        &mut self,
        name: &str,
        operator: impl Operator + 'static,
        inputs: &[Output],
    ) -> Result<Output, Stop> {
        let node = Node::new(format!("{} {name}", self.graph.node_count()), operator);
        if node.has_state()
            && let Some(plan_node) = self.nodes.get_mut(self.current)
        {
            plan_node.state = NodeState::State(kept(node.kind()).to_owned());
        }
        Ok(self.graph.node(node, inputs).map_err(|error| SqlError::internal().because(error))?)
    }

    /// Says that the state of the current node grows without end.
    pub(super) fn warn(&mut self, what: &str) {
        if let Some(node) = self.nodes.get_mut(self.current) {
            let name = node.text.split([':', '(']).next().unwrap_or_default().trim().to_owned();
            node.warnings.push(format!("{name}: {what}"));
        }
    }
}

/// Returns what an operator keeps, for EXPLAIN.
fn kept(kind: &str) -> &'static str {
    match kind {
        "aggregate" => "a row for each group",
        "window aggregate" => "the groups of open windows",
        "session" => "the rows of open sessions",
        "distinct" => "the different rows",
        "semi join" | "anti join" => "the rows of the left side, the keys of the right one",
        "not in" => "the rows of the left side, the values of the right one",
        "lookup join" => "the table",
        "versioned join" => "the versions of the table and the rows before the watermark",
        "top-n" => "the rows in order",
        "over" => "the rows",
        "values" => "whether the rows were passed on",
        _ => "the rows of both sides",
    }
}
