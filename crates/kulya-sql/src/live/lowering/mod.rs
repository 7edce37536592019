//! From DataFusion's logical plan to a graph of incremental operators, node by node, and what is known about
//! the rows of each: whether they are only added, by which columns they are unique, and how they are bound
//! to event time.
//!
//! What no operator does is no error: the query is run again when its tables change, and EXPLAIN says which
//! node asks for it. Knows no store.

mod aggregate;
mod aggregate_call;
mod builder;
mod constants;
mod dispatch;
mod expression;
mod join;
mod join_times;
mod list_aggregate;
mod optimize;
mod over;
mod properties;
mod ranking;
mod rows;
mod scan;
mod session_window;
mod table;
mod temporal;
mod time_bounds;

#[cfg(test)]
mod tests;

pub(crate) use table::{ChangesNode, LiveTable, TableTraits, WATERMARK, WatermarkNode};

use super::plan::{LivePlan, LiveQuery, LiveSource, Rerun, Stop};
use crate::{SqlError, SqlResult};
use arrow::datatypes::SchemaRef;
use builder::{Lowering, Relation};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Counted up when the same plan becomes another graph: stored state is then not of it.
const LOWERING_VERSION: u32 = 1;

/// Returns a plan as a graph, or why it has none. It is one of the SQL planner, in the form that DataFusion
/// executes.
///
/// # Errors
/// Those of the optimizer.
pub(crate) fn lower(plan: LogicalPlan, state: &SessionState) -> SqlResult<LiveQuery> {
    let schema: SchemaRef = Arc::new(plan.schema().as_arrow().clone());
    let mut lowering = Lowering::default();
    match lowering.run(plan, state) {
        Ok(relation) => finish(lowering, relation, schema),
        Err(Stop::Rerun(reason)) => Ok(LiveQuery::Rerun(Rerun { reason, schema, nodes: lowering.nodes })),
        Err(Stop::Error(error)) => Err(*error),
    }
}

/// Returns the graph with its sources and its fingerprint.
fn finish(lowering: Lowering, relation: Relation, schema: SchemaRef) -> SqlResult<LiveQuery> {
    let Relation { output, properties, .. } = relation;
    let failed = |error| SqlError::internal().because(error);
    let graph = lowering.graph.finish(output).map_err(failed)?;
    let sources: Vec<LiveSource> = lowering.sources.into_iter().map(|(source, _)| source).collect();
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    add(&format!("{LOWERING_VERSION} {} {schema:?}", datafusion::DATAFUSION_VERSION));
    for (source, (_, schema)) in sources.iter().zip(graph.sources()) {
        add(&format!("{} {:?} {:?} {:?} {schema:?}", source.name, source.columns, source.mode, source.key));
    }
    for node in &lowering.nodes {
        add(&format!("{} {} {:?}", node.depth, node.text, node.state));
    }
    for node in graph.nodes() {
        add(&format!("{} {} {:?}", node.name(), node.kind(), node.schema()));
    }
    let fingerprint = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let (mode, key) = (properties.mode(), properties.key);
    Ok(LiveQuery::Incremental(Box::new(LivePlan {
        graph,
        sources,
        schema,
        mode,
        key,
        nodes: lowering.nodes,
        fingerprint,
    })))
}
