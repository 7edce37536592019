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
use kulya_codec::arrow::{BATCH_ROWS, Column, CurrentRows, RowHistory, change_event_json, rows_to_batch};
use kulya_codec::{CodecResult, Deserializer};
use serde_json::{Map, Value};
use std::sync::Arc;

type Row = Map<String, Value>;

/// A scan that reads all parts of a changelog and returns the current rows.
#[derive(Clone)]
pub(crate) struct ChangelogScan {
    context: ScanContext,
    schema: SchemaRef,
    parts: Vec<Arc<dyn SourcePart>>,
    /// The projected columns.
    columns: Vec<Column>,
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
        write!(f, "ChangelogScan({} columns, {} parts)", self.columns.len(), self.parts.len())
    }
}

impl ChangelogScan {
    pub(crate) fn new(
        context: ScanContext,
        schema: SchemaRef,
        parts: Vec<Arc<dyn SourcePart>>,
        columns: Vec<Column>,
        (key, form, history): (Vec<String>, EventForm, RowHistory),
    ) -> Self {
        Self { context, schema, parts, columns, key, form, history }
    }

    async fn rows(&self) -> SqlResult<Vec<Row>> {
        let mut current = CurrentRows::new(self.key.clone()).with_history(self.history.clone());
        let registry = Arc::clone(&self.context.registry);
        let deserializer = Deserializer::new(registry, self.context.group.clone());
        for part in &self.parts {
            let mut reader = part.open();
            while let Some(events) = reader.next().await? {
                for (offset, event) in &events {
                    let applied = match self.form {
                        EventForm::Json => current.apply(event),
                        EventForm::WithHeader => match decoded(&deserializer, event).await {
                            Ok(event) => current.apply_json(event),
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
        Ok(current.into_rows())
    }

    fn batch(&self, rows: &[Row]) -> SqlResult<RecordBatch> {
        // rows that were written before a column was added lack it, even if it is required now
        let columns: Vec<Column> =
            self.columns.iter().map(|c| Column { nullable: true, ..c.clone() }).collect();
        let batch = rows_to_batch(&columns, rows)?;
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), batch.columns().to_vec(), &options)
            .map_err(|e| DataFusionError::from(e).into())
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
            let rows = scan.rows().await?;
            let batches: Vec<_> =
                rows.chunks(BATCH_ROWS).map(|rows| scan.batch(rows).map_err(DataFusionError::from)).collect();
            Ok::<_, DataFusionError>(futures::stream::iter(batches))
        };
        let flat = futures::stream::once(batches).try_flatten().boxed();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}
