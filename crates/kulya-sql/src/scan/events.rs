//! Scan of one part of a source: its events as rows.

use super::column::ScanColumn;
use super::context::ScanContext;
use super::dead_letters::DeadLetter;
use super::filter::{EventFilter, RunningFilter};
use super::metadata::{EventPlace, MetadataKey, as_type};
use super::source::{EventReader, SourcePart};
use crate::format::{ChangeKey, RowFormat, WantedRows};
use crate::{SqlError, SqlResult};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::TryStreamExt;
use kulya_codec::arrow::{BatchDecoder, DecodedBatch, RowKind};
use kulya_store::{FramedChunk, framing};
use std::sync::Arc;

/// A scan of one part.
#[derive(Clone)]
pub(crate) struct EventScan {
    context: ScanContext,
    schema: SchemaRef,
    part: Arc<dyn SourcePart>,
    format: Arc<dyn RowFormat>,
    columns: Vec<ScanColumn>,
    /// Leaves events out before all columns are decoded.
    filter: Option<EventFilter>,
    /// The key of a change log of which the last row of each key is enough.
    key: Option<ScanKey>,
}

/// The primary key of a change log: the positions of its columns among those of the format that are scanned.
#[derive(Debug, Clone)]
pub(crate) struct ScanKey {
    pub(crate) columns: Vec<usize>,
    /// Whether a truncate is a change of all rows.
    pub(crate) has_truncates: bool,
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
        Self { context, schema, part, format, columns, filter: None, key: None }
    }

    /// Leaves out events by a filter.
    pub(crate) fn with_filter(self, filter: Option<EventFilter>) -> Self {
        Self { filter, ..self }
    }

    /// Scans another part.
    pub(crate) fn with_part(self, part: Arc<dyn SourcePart>) -> Self {
        Self { part, ..self }
    }

    /// Scans a change log of which the last row of each key is enough.
    pub(crate) fn with_key(self, key: Option<ScanKey>) -> Self {
        Self { key, ..self }
    }

    pub(super) fn open(&self) -> SqlResult<RunningScan> {
        let physical: Vec<usize> = self.columns.iter().filter_map(ScanColumn::physical).collect();
        let of_format: Vec<&str> = self.columns.iter().filter_map(ScanColumn::format_metadata).collect();
        let has_metadata = self.columns.iter().any(|column| matches!(column, ScanColumn::Metadata(_)));
        let key = self.key.as_ref();
        let wanted = WantedRows {
            columns: &physical,
            metadata: &of_format,
            event_numbers: has_metadata,
            key: key.map(|key| ChangeKey { columns: &key.columns, has_truncates: key.has_truncates }),
        };
        Ok(RunningScan {
            scan: self.clone(),
            decoder: self.format.decoder(&wanted)?,
            filter: self.filter.as_ref().map(|filter| filter.open(&*self.format)).transpose()?,
            reader: self.part.open(),
            has_metadata,
            places: Vec::new(),
            letters: Vec::new(),
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

/// Rows of a table.
pub(crate) struct ScannedRows {
    pub(crate) rows: RecordBatch,
    /// Their kinds; `None` if all are inserted.
    pub(crate) kinds: Option<Vec<RowKind>>,
    /// Whether no row of the batches before is left.
    pub(crate) clears: bool,
}

/// A running scan.
pub(crate) struct RunningScan {
    scan: EventScan,
    decoder: Box<dyn BatchDecoder>,
    filter: Option<RunningFilter>,
    reader: Box<dyn EventReader>,
    /// Whether columns need the places of events.
    has_metadata: bool,
    /// The places of the events since the last batch, by their numbers.
    places: Vec<EventPlace>,
    /// Events that cannot be decoded, and are to be written.
    letters: Vec<DeadLetter>,
    is_done: bool,
}

impl RunningScan {
    /// Reads until there are batches; `None` at the end of the part.
    pub(super) async fn next(&mut self) -> SqlResult<Option<Vec<ScannedRows>>> {
        while !self.is_done {
            let mut ready = Vec::new();
            match self.reader.next().await? {
                Some(chunk) => {
                    let chunk = self.selected(chunk).await?;
                    let places = self.places_of(&chunk).await?;
                    let events: Vec<&[u8]> = chunk.payloads().collect();
                    self.decoder.prepare(&events).await?;
                    self.decode(&chunk, &events, &places, &mut ready)?;
                    self.scan.context.write(&mut self.letters).await?;
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

    /// Leaves out the events that the filter does not let through.
    async fn selected(&mut self, mut chunk: FramedChunk) -> SqlResult<FramedChunk> {
        let Some(filter) = &mut self.filter else { return Ok(chunk) };
        let events: Vec<&[u8]> = chunk.payloads().collect();
        let mut selected = filter.select(&events).await?.into_iter();
        chunk.retain(|| selected.next().unwrap_or(true));
        if !filter.is_useful() {
            self.filter = None;
        }
        Ok(chunk)
    }

    /// Returns the places of events, if columns need them.
    async fn places_of(&mut self, chunk: &FramedChunk) -> SqlResult<Vec<EventPlace>> {
        if !self.has_metadata {
            return Ok(Vec::new());
        }
        let place = |(offset, event): (u64, &[u8])| EventPlace {
            offset,
            length: framing::framed_len(event.len()) as u32,
            millis: None,
        };
        let mut places: Vec<EventPlace> = chunk.offsets().zip(chunk.payloads()).map(place).collect();
        if self.scan.columns.contains(&ScanColumn::Metadata(MetadataKey::AppendTime)) {
            for (place, time) in places.iter_mut().zip(self.reader.times(chunk).await?) {
                place.millis = time.and_then(|time| time.as_millis().try_into().ok());
            }
        }
        Ok(places)
    }

    fn decode(
        &mut self,
        chunk: &FramedChunk,
        events: &[&[u8]],
        places: &[EventPlace],
        ready: &mut Vec<ScannedRows>,
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
                    let (Some(offset), Some(event)) = (chunk.offsets().nth(next), events.get(next)) else {
                        break;
                    };
                    let EventScan { context, part, .. } = &self.scan;
                    context.on_codec_error(&**part, (offset, event), error, &mut self.letters)?;
                    next += 1;
                }
                None if next < events.len() => self.flush(ready)?,
                None => {}
            }
        }
        Ok(())
    }

    fn flush(&mut self, ready: &mut Vec<ScannedRows>) -> SqlResult<()> {
        if let Some(batch) = self.decoder.flush()? {
            let (kinds, clears) = (batch.kinds.clone(), batch.clears);
            let rows = self.scan.rows(batch, &self.places)?;
            ready.push(ScannedRows { rows, kinds, clears });
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
            .map_ok(|batches| futures::stream::iter(batches.into_iter().map(|batch| Ok(batch.rows))))
            .try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), flat))
    }
}
