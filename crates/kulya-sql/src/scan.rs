//! Reading one segment, event by event, as rows.

use crate::table::Table;
use crate::unreadable::{OnUnreadable, Skipped};
use crate::{Backend, SqlError, SqlResult};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use kulya_codec::arrow::{AvroBatches, Column, JsonBatches};
use kulya_codec::{CodecError, CodecResult};
use kulya_registry_api::RegistryErrorKind;
use kulya_schema::{GroupId, SchemaInfo};
use kulya_store::{BoundedSegment, EventPointer, SegmentInfo, framing};
use std::sync::Arc;

/// Bytes asked of the store at a time.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

/// What the events of a segment are read as.
#[derive(Clone)]
pub(crate) enum Rows {
    Avro { reader: SchemaInfo, projection: Option<Vec<usize>> },
    Json(Vec<Column>),
}

/// One segment, up to where it ended when the query began.
#[derive(Clone)]
pub(crate) struct EventScan {
    backend: Backend,
    group: GroupId,
    schema: SchemaRef,
    segment: SegmentInfo,
    rows: Rows,
    on_unreadable: OnUnreadable,
    skipped: Skipped,
}

impl std::fmt::Debug for EventScan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventScan({})", self.segment.id)
    }
}

impl EventScan {
    pub(crate) fn new(table: &Table, schema: SchemaRef, segment: SegmentInfo, rows: Rows) -> Self {
        let (on_unreadable, skipped) = (table.on_unreadable, table.skipped.clone());
        let (backend, group) = (table.backend.clone(), table.group.clone());
        Self { backend, group, schema, segment, rows, on_unreadable, skipped }
    }

    fn batches(&self) -> CodecResult<Batches> {
        let group = self.group.clone();
        let registry = Arc::clone(&self.backend.registry);
        Ok(match &self.rows {
            Rows::Avro { reader, projection } => {
                Batches::Avro(Box::new(AvroBatches::new(registry, group, reader, projection.clone())?))
            }
            Rows::Json(columns) => {
                Batches::Json(Box::new(JsonBatches::new(registry, group, columns.clone())))
            }
        })
    }
}

enum Batches {
    Avro(Box<AvroBatches>),
    Json(Box<JsonBatches>),
}

impl Batches {
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

/// The error of an event that cannot be read, with the way back to it.
pub(crate) fn unreadable(
    segment: &SegmentInfo,
    offset: u64,
    event: &[u8],
    why: &dyn std::fmt::Display,
) -> SqlError {
    let length = framing::framed_len(event.len()) as u32;
    let pointer = EventPointer { segment: segment.id.clone(), offset, length };
    SqlError::new(format!("event {pointer} of stream {} cannot be read: {why}", segment.id.stream))
}

/// Whether it is the event that cannot be read, now and ever.
fn is_damage(error: &CodecError) -> bool {
    match error {
        CodecError::Registry(error) => error.kind() == RegistryErrorKind::NotFound,
        CodecError::Key(_) => false,
        _ => true,
    }
}

struct Progress {
    scan: EventScan,
    batches: Batches,
    reader: BoundedSegment,
    done: bool,
}

impl Progress {
    /// Reads on until there is something to show.
    async fn next(&mut self) -> SqlResult<Option<Vec<RecordBatch>>> {
        while !self.done {
            match self.reader.next(&*self.scan.backend.store, CHUNK_BYTES).await? {
                Some(chunk) => {
                    for (offset, event) in &chunk.events {
                        match self.batches.push(event).await {
                            Ok(()) => {}
                            // a registry that does not answer is no fault of the event's
                            Err(error) if is_damage(&error) => {
                                let why =
                                    unreadable(&self.scan.segment, *offset, event, &error).because(error);
                                self.scan.skipped.take(self.scan.on_unreadable, why)?;
                            }
                            Err(error) => {
                                return Err(
                                    unreadable(&self.scan.segment, *offset, event, &error).because(error)
                                );
                            }
                        }
                    }
                }
                None => self.done = true,
            }
            let ready = self.batches.take(self.done)?;
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
        let begin = move || -> SqlResult<Progress> {
            let (batches, reader) = (scan.batches()?, BoundedSegment::new(scan.segment.clone()));
            Ok(Progress { scan, batches, reader, done: false })
        };
        let groups = futures::stream::try_unfold(None, move |progress: Option<Progress>| {
            let begun = match progress {
                Some(progress) => Ok(progress),
                None => begin.clone()(),
            };
            async move {
                let mut progress = begun?;
                let ready = progress.next().await?;
                Ok::<_, DataFusionError>(ready.map(|batches| (batches, Some(progress))))
            }
        });
        let flat = groups.map_ok(|batches| futures::stream::iter(batches.into_iter().map(Ok))).try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}
