//! A stream as a DataFusion table.

use super::definition::{TableDefinition, TableRows};
use crate::format::RowFormat;
use crate::scan::{
    ChangelogScan, ChangesScan, DecodeErrorPolicy, EventScan, ScanColumn, ScanContext, SkippedEvents,
    SourcePart,
};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use kulya_registry_api::SchemaRegistry;
use std::sync::Arc;

/// A table of one statement.
pub(crate) struct StreamTable {
    definition: TableDefinition,
    /// The segments of its streams, up to whose tails it is read.
    parts: Vec<Arc<dyn SourcePart>>,
    context: ScanContext,
}

impl std::fmt::Debug for StreamTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamTable").field("streams", &self.definition.streams).finish_non_exhaustive()
    }
}

impl StreamTable {
    /// Creates a table of a query with a policy for events that cannot be decoded; all tables of the query
    /// share the count.
    pub(crate) fn new(
        definition: TableDefinition,
        parts: Vec<Arc<dyn SourcePart>>,
        registry: Arc<dyn SchemaRegistry>,
        policy: DecodeErrorPolicy,
        skipped: &SkippedEvents,
    ) -> Self {
        let context =
            ScanContext { registry, group: definition.group.clone(), policy, skipped: skipped.clone() };
        Self { definition, parts, context }
    }
}

impl StreamTable {
    /// Returns the scan of a change log: with the columns that tell rows apart, beside those that are
    /// returned.
    fn changes(
        &self,
        format: &Arc<dyn RowFormat>,
        columns: &[ScanColumn],
        projection: Option<&Vec<usize>>,
        schema: SchemaRef,
    ) -> DataFusionResult<ChangesScan> {
        let definition = &self.definition;
        let returned: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..columns.len()).collect());
        let is_physical = |index: &usize| matches!(columns.get(*index), Some(ScanColumn::Physical(_)));
        let identity: Vec<usize> = match definition.key.as_slice() {
            [] => (0..columns.len()).filter(is_physical).collect(),
            key => key.iter().filter_map(|name| definition.schema.index_of(name).ok()).collect(),
        };
        let mut scanned = identity.clone();
        scanned.extend(returned.iter().copied().filter(|index| !identity.contains(index)));
        scanned.sort_unstable();
        let place = |index: &usize| scanned.iter().position(|other| other == index).unwrap_or_default();
        let needed = Arc::new(definition.schema.project(&scanned)?);
        let of_scan = project(columns, Some(&scanned));
        let scan = |part: &Arc<dyn SourcePart>| {
            let (needed, format) = (Arc::clone(&needed), Arc::clone(format));
            EventScan::new(self.context.clone(), needed, Arc::clone(part), format, of_scan.clone())
        };
        let identity = (identity.iter().map(place).collect(), !definition.key.is_empty());
        let output = returned.iter().map(place).collect();
        Ok(ChangesScan::new(self.parts.iter().map(scan).collect(), identity, output, schema))
    }
}

/// Returns the projected columns.
fn project<C: Clone>(columns: &[C], projection: Option<&Vec<usize>>) -> Vec<C> {
    match projection {
        Some(indexes) => indexes.iter().filter_map(|index| columns.get(*index).cloned()).collect(),
        None => columns.to_vec(),
    }
}

#[async_trait]
impl TableProvider for StreamTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.definition.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(indexes) => Arc::new(self.definition.schema.project(indexes)?),
            None => self.schema(),
        };
        let (context, parts) = (self.context.clone(), self.parts.clone());
        let partitions = match &self.definition.rows {
            TableRows::Changelog { columns, form, history } => {
                let columns = (columns.clone(), projection.cloned());
                let rows = (self.definition.key.clone(), *form, history.clone());
                let scan = ChangelogScan::new(context, schema.clone(), parts, columns, rows);
                vec![Arc::new(scan) as Arc<dyn PartitionStream>]
            }
            TableRows::Events { format, columns } if format.is_change_log() => {
                vec![Arc::new(self.changes(format, columns, projection, schema.clone())?)
                    as Arc<dyn PartitionStream>]
            }
            TableRows::Events { format, columns } => {
                let columns = project(columns, projection);
                let scan = |part| {
                    let (schema, format) = (schema.clone(), Arc::clone(format));
                    EventScan::new(context.clone(), schema, part, format, columns.clone())
                };
                parts.into_iter().map(|part| Arc::new(scan(part)) as Arc<dyn PartitionStream>).collect()
            }
        };
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}
