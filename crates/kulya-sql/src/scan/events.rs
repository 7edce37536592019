//! Scan of one part of a source: its events as rows.

use super::column::ScanColumn;
use super::context::ScanContext;
use super::metadata::{EventPlace, MetadataKey, as_type};
use super::source::{EventReader, SourcePart};
use crate::format::RowFormat;
use crate::{SqlError, SqlResult};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use kulya_codec::arrow::{BatchDecoder, DecodedBatch, RowKind};
use kulya_store::{ReadChunk, framing};
use std::sync::Arc;

/// A scan of one part.
#[derive(Clone)]
pub(crate) struct EventScan {
    context: ScanContext,
    schema: SchemaRef,
    part: Arc<dyn SourcePart>,
    format: Arc<dyn RowFormat>,
    columns: Vec<ScanColumn>,
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
        format: Arc<dyn RowFormat>,
        columns: Vec<ScanColumn>,
    ) -> Self {
        Self { context, schema, part, format, columns }
    }

    pub(super) fn open(&self) -> SqlResult<RunningScan> {
        let physical: Vec<usize> = self.columns.iter().filter_map(ScanColumn::physical).collect();
        let of_format: Vec<&str> = self.columns.iter().filter_map(ScanColumn::format_metadata).collect();
        let has_metadata = self.columns.iter().any(|column| matches!(column, ScanColumn::Metadata(_)));
        let decoder = self.format.decoder_with_metadata(&physical, &of_format, has_metadata)?;
        let reader = self.part.open();
        Ok(RunningScan {
            scan: self.clone(),
            decoder,
            reader,
            has_metadata,
            places: Vec::new(),
            is_done: false,
        })
    }

    /// Returns the table's rows for those of the format.
    fn rows(&self, batch: DecodedBatch, places: &[EventPlace]) -> SqlResult<RecordBatch> {
        let of_event = |number: &u64| places.get(*number as usize).copied();
        let places: Vec<EventPlace> = batch.events.iter().flatten().filter_map(of_event).collect();
        let physical = self.columns.iter().filter(|column| column.physical().is_some()).count();
        let (mut physical, mut of_format) =
            (batch.rows.columns().iter().take(physical), batch.rows.columns().iter().skip(physical));
        let columns = self.columns.iter().zip(self.schema.fields()).map(|(column, field)| match column {
            ScanColumn::Physical(_) => physical.next().cloned().ok_or_else(SqlError::internal),
            ScanColumn::Metadata(key) => key.values(self.part.segment(), &places, field.data_type()),
            ScanColumn::FormatMetadata(_) => {
                as_type(of_format.next().ok_or_else(SqlError::internal)?, field.data_type())
            }
        });
        let columns = columns.collect::<SqlResult<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.rows.num_rows()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        rows.map_err(|e| SqlError::from(DataFusionError::from(e)))
    }
}

/// Rows and their kinds; `None` if all are inserted.
pub(super) type KindedRows = (RecordBatch, Option<Vec<RowKind>>);

/// A running scan.
pub(super) struct RunningScan {
    scan: EventScan,
    decoder: Box<dyn BatchDecoder>,
    reader: Box<dyn EventReader>,
    /// Whether columns need the places of events.
    has_metadata: bool,
    /// The places of the events since the last batch, by their numbers.
    places: Vec<EventPlace>,
    is_done: bool,
}

impl RunningScan {
    /// Reads until there are batches; `None` at the end of the part.
    pub(super) async fn next(&mut self) -> SqlResult<Option<Vec<KindedRows>>> {
        while !self.is_done {
            let mut ready = Vec::new();
            match self.reader.next().await? {
                Some(chunk) => {
                    let places = self.places_of(&chunk).await?;
                    let (offsets, events): (Vec<u64>, Vec<Bytes>) = chunk.events.into_iter().unzip();
                    self.decoder.prepare(&events).await?;
                    self.decode(&offsets, &events, &places, &mut ready)?;
                }
                None => {
                    self.is_done = true;
                    self.flush(&mut ready)?;
                }
            }
            if !ready.is_empty() {
                return Ok(Some(ready));
            }
        }
        Ok(None)
    }

    /// Returns the places of events, if columns need them.
    async fn places_of(&mut self, chunk: &ReadChunk) -> SqlResult<Vec<EventPlace>> {
        if !self.has_metadata {
            return Ok(Vec::new());
        }
        let place = |(offset, event): &(u64, Bytes)| EventPlace {
            offset: *offset,
            length: framing::framed_len(event.len()) as u32,
            millis: None,
        };
        let mut places: Vec<EventPlace> = chunk.events.iter().map(place).collect();
        if self.scan.columns.contains(&ScanColumn::Metadata(MetadataKey::AppendTime)) {
            for (place, time) in places.iter_mut().zip(self.reader.times(chunk).await?) {
                place.millis = time.and_then(|time| time.as_millis().try_into().ok());
            }
        }
        Ok(places)
    }

    fn decode(
        &mut self,
        offsets: &[u64],
        events: &[Bytes],
        places: &[EventPlace],
        ready: &mut Vec<KindedRows>,
    ) -> SqlResult<()> {
        let mut next = 0;
        while let Some(rest @ [_, ..]) = events.get(next..) {
            // the decoder may not take all of them before it is flushed
            let number = self.places.len() as u64;
            let decoded = self.decoder.decode(rest, number);
            self.places.extend(places.iter().skip(next).take(decoded.count));
            next += decoded.count;
            match decoded.failed {
                Some(error) => {
                    let (Some(offset), Some(event)) = (offsets.get(next), events.get(next)) else { break };
                    let EventScan { context, part, .. } = &self.scan;
                    context.on_codec_error(&**part, (*offset, event), error)?;
                    next += 1;
                }
                None if next < events.len() => self.flush(ready)?,
                None => {}
            }
        }
        Ok(())
    }

    fn flush(&mut self, ready: &mut Vec<KindedRows>) -> SqlResult<()> {
        if let Some(batch) = self.decoder.flush()? {
            let kinds = batch.kinds.clone();
            let rows = self.scan.rows(batch, &self.places)?;
            ready.push((rows, kinds));
        }
        self.places.clear();
        Ok(())
    }
}

impl PartitionStream for EventScan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let scan = self.clone();
        let groups = futures::stream::try_unfold(None, move |running: Option<RunningScan>| {
            let running = match running {
                Some(running) => Ok(running),
                None => scan.open(),
            };
            async move {
                let mut running = running?;
                let ready = running.next().await?;
                Ok::<_, DataFusionError>(ready.map(|batches| (batches, Some(running))))
            }
        });
        let flat = groups
            .map_ok(|batches| futures::stream::iter(batches.into_iter().map(|(rows, _)| Ok(rows))))
            .try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}
