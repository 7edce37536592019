//! Scan of a changelog as the current rows of its table.

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
use kulya_codec::arrow::{ChangeEvents, Column, CurrentRows, RowHistory, RowState};
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

/// The form of a changelog's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventForm {
    /// JSON.
    Json,
    /// JSON or Avro behind a header, by whose encoding id the registry has the schema.
    WithHeader,
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
        let registry = Arc::clone(&self.context.registry);
        let mut events =
            ChangeEvents::new(registry, self.context.group.clone()).codecs(self.context.codecs.clone());
        let mut letters = Vec::new();
        for part in &self.parts {
            let mut reader = part.open();
            while let Some(chunk) = reader.next().await? {
                for (offset, event) in chunk.offsets().zip(chunk.payloads()) {
                    let place = (offset, event);
                    let applied = match self.form {
                        EventForm::Json => current.apply(event),
                        EventForm::WithHeader => match events.json(event).await {
                            Ok(event) => current.apply(event),
                            Err(error) => {
                                self.context.on_codec_error(&**part, place, error, &mut letters)?;
                                continue;
                            }
                        },
                    };
                    if let Err(cause) = applied {
                        self.context.on_invalid_event(&**part, place, &cause, &mut letters)?;
                    }
                }
                self.context.write(&mut letters).await?;
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
