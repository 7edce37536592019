//! The tables of a plan as sources of the graph: each once, with the columns that any scan reads of it.

use super::builder::{Demand, Lowering, Relation};
use super::properties::{ColumnTraits, Properties};
use super::table::LiveTable;
use super::temporal::TemporalJoinNode;
use crate::live::plan::{LiveSource, SourceMode, Stop};
use arrow::datatypes::Schema;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use std::any::Any;
use std::sync::Arc;

impl Lowering {
    /// Collects the columns that are read of each table.
    pub(super) fn demand(&mut self, plan: &LogicalPlan, reads_versions: bool) -> Result<(), Stop> {
        plan.apply(|node| {
            if let LogicalPlan::Extension(extension) = node
                && let Some(join) = extension.node.as_any().downcast_ref::<TemporalJoinNode>()
            {
                let demanded = self.demand(&join.left, reads_versions);
                let demanded = demanded.and_then(|()| self.demand(&join.right, join.reads_versions()));
                return match demanded {
                    Ok(()) => Ok(TreeNodeRecursion::Jump),
                    Err(Stop::Error(error)) => Err((*error).into()),
                    // found again by the lowering
                    Err(Stop::Rerun(_)) => Ok(TreeNodeRecursion::Jump),
                };
            }
            let LogicalPlan::TableScan(scan) = node else { return Ok(TreeNodeRecursion::Continue) };
            let provider = source_as_provider(&scan.source)?;
            let Some((_, mode)) = live_table(&provider, reads_versions) else {
                return Ok(TreeNodeRecursion::Continue);
            };
            let columns = scanned(scan, &provider);
            match self.demands.iter_mut().find(|it| is_same(&it.table, &provider) && it.mode == mode) {
                Some(demand) => demand.columns.extend(columns),
                None => self.demands.push(Demand {
                    table: provider,
                    mode,
                    columns: columns.into_iter().collect(),
                }),
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(())
    }

    pub(super) fn lower_scan(&mut self, scan: &TableScan) -> Result<Relation, Stop> {
        let provider = source_as_provider(&scan.source)?;
        let Some((table, mode)) = live_table(&provider, self.reads_versions) else {
            return Err(Stop::rerun(format!(
                "table {} has no changes that can be followed",
                scan.table_name
            )));
        };
        let demand = self.demands.iter().find(|it| is_same(&it.table, &provider) && it.mode == mode);
        let columns: Vec<usize> = demand.map(|it| it.columns.iter().copied().collect()).unwrap_or_default();
        let known =
            self.sources.iter().find(|(it, _)| is_same(&it.table, &table.provider) && it.mode == mode);
        let output = match known {
            Some((_, output)) => *output,
            None => {
                let fields = provider.schema().project(&columns)?;
                // the row before a change may have only its key
                let fields = fields.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
                let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
                let output = self.graph.source(table.name.clone(), schema);
                let source = LiveSource {
                    name: table.name.clone(),
                    columns: columns.clone(),
                    mode,
                    key: table.traits.key.clone(),
                    table: Arc::clone(&table.provider),
                };
                self.sources.push((source, output));
                output
            }
        };
        let scanned = scanned(scan, &provider);
        let place = |column: &usize| columns.iter().position(|other| other == column);
        let is_append = mode == SourceMode::Append;
        let key: Option<Vec<usize>> = match table.traits.key.as_slice() {
            [] => None,
            key => key.iter().map(|it| scanned.iter().position(|other| other == it)).collect(),
        };
        let properties = Properties {
            insert_only: is_append,
            key: key.filter(|_| !is_append),
            columns: vec![ColumnTraits::default(); scanned.len()],
            grows: is_append,
            ..Properties::default()
        };
        let positions: Vec<usize> = scanned.iter().filter_map(place).collect();
        let source = Relation { schema: self.schema(output)?, output, properties: Properties::default() };
        let output = self.pick(&source, &positions)?;
        let mut relation = Relation { schema: self.schema(output)?, output, properties };
        for filter in &scan.filters {
            relation = self.filtered(relation, &scan.projected_schema, filter)?;
        }
        Ok(relation)
    }
}

/// Returns the table of a scan, and what its ticks have.
fn live_table(provider: &Arc<dyn TableProvider>, reads_versions: bool) -> Option<(&LiveTable, SourceMode)> {
    let table = (provider.as_ref() as &dyn Any).downcast_ref::<LiveTable>()?;
    let mode = match (reads_versions, table.traits.is_append) {
        (true, _) => SourceMode::Versions,
        (false, true) => SourceMode::Append,
        (false, false) => SourceMode::Changes,
    };
    Some((table, mode))
}

fn is_same(one: &Arc<dyn TableProvider>, other: &Arc<dyn TableProvider>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

/// Returns the positions of a scan's columns in its table.
fn scanned(scan: &TableScan, provider: &Arc<dyn TableProvider>) -> Vec<usize> {
    scan.projection.clone().unwrap_or_else(|| (0..provider.schema().fields().len()).collect())
}
