//! A stream as a DataFusion table.

use super::definition::{RowFormat, TableDefinition};
use crate::SqlError;
use crate::scan::{
    ChangelogScan, DecodeErrorPolicy, EventFormat, EventScan, ScanContext, SkippedEvents, segment_parts,
};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use kulya_codec::arrow::Column;
use kulya_registry_api::SchemaRegistry;
use kulya_store::StreamStore;
use std::sync::Arc;

/// A table of one statement.
pub(crate) struct StreamTable {
    definition: TableDefinition,
    store: Arc<dyn StreamStore>,
    context: ScanContext,
}

impl std::fmt::Debug for StreamTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamTable").field("stream", &self.definition.stream).finish_non_exhaustive()
    }
}

impl StreamTable {
    /// Creates a table of a query with a policy for events that cannot be decoded; all tables of the query
    /// share the count.
    pub(crate) fn new(
        definition: TableDefinition,
        store: Arc<dyn StreamStore>,
        registry: Arc<dyn SchemaRegistry>,
        policy: DecodeErrorPolicy,
        skipped: &SkippedEvents,
    ) -> Self {
        let context =
            ScanContext { registry, group: definition.group.clone(), policy, skipped: skipped.clone() };
        Self { definition, store, context }
    }
}

/// Returns the projected columns.
fn project(columns: &[Column], projection: Option<&Vec<usize>>) -> Vec<Column> {
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
        // the query reads up to the current ends of the segments
        let segments = self.store.segments(&self.definition.stream).await.map_err(SqlError::from)?;
        let parts = segment_parts(&self.store, segments);
        let schema = match projection {
            Some(indexes) => Arc::new(self.definition.schema.project(indexes)?),
            None => self.schema(),
        };
        let context = self.context.clone();
        let one_row_per_event = |format: EventFormat| -> Vec<Arc<dyn PartitionStream>> {
            let scan = |part| EventScan::new(context.clone(), schema.clone(), part, format.clone());
            parts.iter().map(|part| Arc::new(scan(Arc::clone(part))) as Arc<dyn PartitionStream>).collect()
        };
        let partitions = match &self.definition.format {
            RowFormat::Changelog { columns, key, form, history } => {
                let columns = project(columns, projection);
                let rows = (key.clone(), *form, history.clone());
                let scan = ChangelogScan::new(context, schema.clone(), parts, columns, rows);
                vec![Arc::new(scan) as Arc<dyn PartitionStream>]
            }
            RowFormat::Avro(reader) => one_row_per_event(EventFormat::Avro {
                reader: reader.clone(),
                projection: projection.cloned(),
            }),
            RowFormat::Json(columns) => one_row_per_event(EventFormat::Json(project(columns, projection))),
        };
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, [], false, limit)?))
    }
}
