//! Scan of a changelog as the current rows of its table.

use super::capture_events::{CaptureEvents, EventForm};
use super::context::ScanContext;
use super::source::SourcePart;
use super::spill::RowMemory;
use crate::SqlResult;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt};
use kulya_codec::arrow::{Column, CurrentRows, RowHistory, RowState};
use std::sync::Arc;

/// A scan that reads all parts of a changelog and returns the current rows.
#[derive(Clone)]
pub(crate) struct ChangelogScan {
    context: ScanContext,
    schema: SchemaRef,
    parts: Vec<Arc<dyn SourcePart>>,
    /// The table's columns.
    columns: Vec<Column>,
    projection: Option<Vec<usize>>,
    key: Vec<String>,
    form: EventForm,
    history: RowHistory,
}

impl std::fmt::Debug for ChangelogScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChangelogScan({} columns, {} parts)", self.schema.fields().len(), self.parts.len())
    }
}

impl ChangelogScan {
    pub(crate) fn new(
        context: ScanContext,
        schema: SchemaRef,
        parts: Vec<Arc<dyn SourcePart>>,
        (columns, projection): (Vec<Column>, Option<Vec<usize>>),
        (key, form, history): (Vec<String>, EventForm, RowHistory),
    ) -> Self {
        Self { context, schema, parts, columns, projection, key, form, history }
    }

    /// Reads all parts.
    async fn rows(&self, context: &TaskContext) -> SqlResult<(RowMemory, RowState)> {
        let (mut memory, target) = RowMemory::new(context);
        let rows = CurrentRows::new(&self.columns, &self.key, self.projection.as_deref())?;
        let mut current = rows.with_history(self.history.clone()).with_spill(target);
        let mut events = CaptureEvents::new(&self.context, self.form);
        for part in &self.parts {
            let mut reader = part.open();
            while let Some(chunk) = reader.next().await? {
                events.each(&**part, &chunk, |event| current.apply(event)).await?;
                memory.fit(current.state()).await?;
                // a store that never waits leaves no other place to cancel the query
                tokio::task::yield_now().await;
            }
        }
        Ok((memory, current.into_state()))
    }
}

impl PartitionStream for ChangelogScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (scan, schema) = (self.clone(), Arc::clone(&self.schema));
        let batches = async move {
            let (memory, rows) = scan.rows(&context).await?;
            Ok::<_, DataFusionError>(memory.into_stream(rows, schema))
        };
        let flat = futures::stream::once(batches).try_flatten().boxed();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}
