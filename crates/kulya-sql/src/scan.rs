//! Scan of one segment, with one row per event.

use crate::backend::CatalogBackend;
use crate::decode_errors::{DecodeErrorPolicy, SkippedEvents};
use crate::{SqlError, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use kulya_codec::arrow::{AvroBatchDecoder, Column, JsonBatchDecoder};
use kulya_codec::{CodecError, CodecResult};
use kulya_registry_api::RegistryErrorKind;
use kulya_schema::{GroupId, SchemaInfo};
use kulya_store::{BoundedSegment, EventPointer, SegmentInfo, framing};
use std::sync::Arc;

/// The maximum size of a read from the store, in bytes.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// What all scans of a table share.
#[derive(Clone)]
pub(crate) struct ScanContext {
    pub(crate) backend: CatalogBackend,
    /// The registry group of the events' schemas.
    pub(crate) group: GroupId,
    pub(crate) decode_error_policy: DecodeErrorPolicy,
    pub(crate) skipped: SkippedEvents,
}

impl ScanContext {
    /// Counts an event that cannot be decoded, or returns its error, by the policy.
    pub(crate) fn on_decode_error(&self, error: SqlError) -> SqlResult<()> {
        self.skipped.handle(self.decode_error_policy, error)
    }
}

/// The format of a segment's events.
#[derive(Clone)]
pub(crate) enum EventFormat {
    Avro { reader: SchemaInfo, projection: Option<Vec<usize>> },
    Json(Vec<Column>),
}

/// A scan of one segment, up to its end when the query started.
#[derive(Clone)]
pub(crate) struct EventScan {
    context: ScanContext,
    schema: SchemaRef,
    segment: SegmentInfo,
    format: EventFormat,
}

impl std::fmt::Debug for EventScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventScan({})", self.segment.id)
    }
}

impl EventScan {
    pub(crate) fn new(
        context: ScanContext,
        schema: SchemaRef,
        segment: SegmentInfo,
        format: EventFormat,
    ) -> Self {
        Self { context, schema, segment, format }
    }

    fn decoder(&self) -> CodecResult<BatchDecoder> {
        let group = self.context.group.clone();
        let registry = Arc::clone(&self.context.backend.registry);
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

/// Returns the error of an event that cannot be decoded, with the event's pointer.
pub(crate) fn decode_error(
    segment: &SegmentInfo,
    offset: u64,
    event: &[u8],
    cause: &dyn std::fmt::Display,
) -> SqlError {
    let length = framing::framed_len(event.len()) as u32;
    let pointer = EventPointer { segment: segment.id.clone(), offset, length };
    SqlError::new(format!("event {pointer} of stream {} cannot be decoded: {cause}", segment.id.stream))
}

/// Returns whether an error is the event's fault, and thus permanent.
pub(crate) fn is_decode_error(error: &CodecError) -> bool {
    match error {
        CodecError::Registry(error) => error.kind() == RegistryErrorKind::NotFound,
        CodecError::Key(_) => false,
        _ => true,
    }
}

/// A running scan.
struct SegmentReader {
    scan: EventScan,
    decoder: BatchDecoder,
    reader: BoundedSegment,
    is_done: bool,
}

impl SegmentReader {
    /// Reads until there are batches; `None` at the end of the segment.
    async fn next(&mut self) -> SqlResult<Option<Vec<RecordBatch>>> {
        while !self.is_done {
            match self.reader.next(&*self.scan.context.backend.store, CHUNK_BYTES).await? {
                Some(chunk) => {
                    for (offset, event) in &chunk.events {
                        let Err(error) = self.decoder.push(event).await else { continue };
                        let is_event_fault = is_decode_error(&error);
                        let error = decode_error(&self.scan.segment, *offset, event, &error).because(error);
                        // other errors, as of an unavailable registry, fail the query whatever the policy
                        if !is_event_fault {
                            return Err(error);
                        }
                        self.scan.context.on_decode_error(error)?;
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
        let open = move || -> SqlResult<SegmentReader> {
            let (decoder, reader) = (scan.decoder()?, BoundedSegment::new(scan.segment.clone()));
            Ok(SegmentReader { scan, decoder, reader, is_done: false })
        };
        let groups = futures::stream::try_unfold(None, move |reader: Option<SegmentReader>| {
            let reader = match reader {
                Some(reader) => Ok(reader),
                None => open.clone()(),
            };
            async move {
                let mut reader = reader?;
                let ready = reader.next().await?;
                Ok::<_, DataFusionError>(ready.map(|batches| (batches, Some(reader))))
            }
        });
        let flat = groups.map_ok(|batches| futures::stream::iter(batches.into_iter().map(Ok))).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}
