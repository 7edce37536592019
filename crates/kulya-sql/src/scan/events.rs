//! Scan of one part of a source, with one row per event.

use super::context::ScanContext;
use super::source::{EventReader, SourcePart};
use crate::SqlResult;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use kulya_codec::CodecResult;
use kulya_codec::arrow::{AvroBatchDecoder, Column, JsonBatchDecoder};
use kulya_schema::SchemaInfo;
use std::sync::Arc;

/// The format of a part's events.
#[derive(Clone)]
pub(crate) enum EventFormat {
    Avro { reader: SchemaInfo, projection: Option<Vec<usize>> },
    Json(Vec<Column>),
}

/// A scan of one part.
#[derive(Clone)]
pub(crate) struct EventScan {
    context: ScanContext,
    schema: SchemaRef,
    part: Arc<dyn SourcePart>,
    format: EventFormat,
}

impl std::fmt::Debug for EventScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventScan({:?})", self.part)
    }
}

impl EventScan {
    pub(crate) fn new(
        context: ScanContext,
        schema: SchemaRef,
        part: Arc<dyn SourcePart>,
        format: EventFormat,
    ) -> Self {
        Self { context, schema, part, format }
    }

    fn decoder(&self) -> CodecResult<BatchDecoder> {
        let group = self.context.group.clone();
        let registry = Arc::clone(&self.context.registry);
        Ok(match &self.format {
            EventFormat::Avro { reader, projection } => BatchDecoder::Avro(Box::new(AvroBatchDecoder::new(
                registry,
                group,
                reader,
                projection.clone(),
            )?)),
            EventFormat::Json(columns) => {
                BatchDecoder::Json(Box::new(JsonBatchDecoder::new(registry, group, columns.clone())))
            }
        })
    }
}

enum BatchDecoder {
    Avro(Box<AvroBatchDecoder>),
    Json(Box<JsonBatchDecoder>),
}

impl BatchDecoder {
    async fn push(&mut self, event: &[u8]) -> CodecResult<()> {
        match self {
            Self::Avro(batches) => batches.push(event).await,
            Self::Json(batches) => batches.push(event).await,
        }
    }

    fn take(&mut self, all: bool) -> CodecResult<Vec<RecordBatch>> {
        match self {
            Self::Avro(batches) => batches.take(all),
            Self::Json(batches) => batches.take(all),
        }
    }
}

/// A running scan.
struct RunningScan {
    scan: EventScan,
    decoder: BatchDecoder,
    reader: Box<dyn EventReader>,
    is_done: bool,
}

impl RunningScan {
    /// Reads until there are batches; `None` at the end of the part.
    async fn next(&mut self) -> SqlResult<Option<Vec<RecordBatch>>> {
        while !self.is_done {
            match self.reader.next().await? {
                Some(events) => {
                    for (offset, event) in &events {
                        if let Err(error) = self.decoder.push(event).await {
                            let EventScan { context, part, .. } = &self.scan;
                            context.on_codec_error(&**part, (*offset, event), error)?;
                        }
                    }
                }
                None => self.is_done = true,
            }
            let ready = self.decoder.take(self.is_done)?;
            if !ready.is_empty() {
                return Ok(Some(ready));
            }
        }
        Ok(None)
    }
}

impl PartitionStream for EventScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let scan = self.clone();
        let open = move || -> SqlResult<RunningScan> {
            let (decoder, reader) = (scan.decoder()?, scan.part.open());
            Ok(RunningScan { scan, decoder, reader, is_done: false })
        };
        let groups = futures::stream::try_unfold(None, move |running: Option<RunningScan>| {
            let running = match running {
                Some(running) => Ok(running),
                None => open.clone()(),
            };
            async move {
                let mut running = running?;
                let ready = running.next().await?;
                Ok::<_, DataFusionError>(ready.map(|batches| (batches, Some(running))))
            }
        });
        let flat = groups.map_ok(|batches| futures::stream::iter(batches.into_iter().map(Ok))).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}
