//! Scan of a changelog as the current rows of its table.

use super::context::ScanContext;
use super::source::SourcePart;
use crate::SqlResult;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, TryStreamExt};
use kulya_codec::arrow::{Column, CurrentRows, RowHistory, change_event_json};
use kulya_codec::{CodecResult, Deserializer};
use serde_json::Value;
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

    async fn batches(&self) -> SqlResult<Vec<RecordBatch>> {
        let rows = CurrentRows::new(&self.columns, &self.key, self.projection.as_deref())?;
        let mut current = rows.with_history(self.history.clone());
        let registry = Arc::clone(&self.context.registry);
        let deserializer = Deserializer::new(registry, self.context.group.clone());
        for part in &self.parts {
            let mut reader = part.open();
            while let Some(chunk) = reader.next().await? {
                for (offset, event) in &chunk.events {
                    let applied = match self.form {
                        EventForm::Json => current.apply(event),
                        EventForm::WithHeader => match decoded(&deserializer, event).await {
                            Ok(event) => current.apply_json(&event),
                            Err(error) => {
                                self.context.on_codec_error(&**part, (*offset, event), error)?;
                                continue;
                            }
                        },
                    };
                    if let Err(cause) = applied {
                        self.context.on_invalid_event(&**part, (*offset, event), &cause)?;
                    }
                }
            }
        }
        Ok(current.into_batches()?)
    }

    /// Gives a batch the table's schema: rows that were written before a column was added lack it, even if
    /// it is required now, so that its columns are nullable.
    fn with_schema(&self, batch: &RecordBatch) -> Result<RecordBatch, DataFusionError> {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().to_vec();
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// Returns an event with a header in Debezium's JSON.
async fn decoded(deserializer: &Deserializer, event: &[u8]) -> CodecResult<Value> {
    change_event_json(deserializer.deserialize_any(event).await?.value)
}

impl PartitionStream for ChangelogScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let scan = self.clone();
        let batches = async move {
            let batches = scan.batches().await?;
            let batches = batches.into_iter().map(move |batch| scan.with_schema(&batch));
            Ok::<_, DataFusionError>(futures::stream::iter(batches))
        };
        let flat = futures::stream::once(batches).try_flatten().boxed();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}
