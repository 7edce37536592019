//! Ticks from streams: what changed in the tables of a live query from one consistent cut to the next.
//!
//! A cut is where all streams of the tables end at one moment, so that a commit over several streams is in a
//! tick whole or not at all.

use super::program::Program;
use crate::scan::{ScannedRows, segment_parts};
use crate::table::{RowChanges, TickTable};
use crate::{SqlError, SqlErrorKind, SqlResult};
use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use futures::FutureExt;
use futures::future::select_all;
use kulya_codec::arrow::RowKind;
use kulya_incremental::{Batch, Tick};
use kulya_store::{BoundedSegment, Capability, ErrorKind, SegmentInfo, StreamCut, StreamId, StreamStore};
use std::sync::Arc;

/// How often the ends of streams are looked up again when they were not of one moment.
const TAIL_ATTEMPTS: u32 = 100;
/// The size of rows, in bytes, from which on a part of a tick is passed to the operators.
const STEP_BYTES: usize = 16 << 20;
/// The rows of a replica that are retracted at a time.
const RETRACTED_ROWS: usize = 8192;

/// A table of a live query.
pub(crate) struct Source {
    pub(crate) table: TickTable,
    /// Whether the program keeps its rows, with columns that the query does not read.
    pub(crate) has_replica: bool,
}

/// Where the streams of all tables end at one moment.
pub(crate) struct Ends {
    /// The segments of each stream, in the order of [`Sources::streams`].
    streams: Vec<Vec<SegmentInfo>>,
}

impl Ends {
    /// Returns whether no event was ever truncated.
    pub(crate) fn are_complete(&self) -> bool {
        self.streams.iter().flatten().all(|segment| segment.head == 0)
    }

    /// Returns the cuts.
    pub(crate) fn cuts(&self, streams: &[StreamId]) -> Vec<StreamCut> {
        streams
            .iter()
            .zip(&self.streams)
            .map(|(stream, segments)| StreamCut::tail(stream, segments))
            .collect()
    }
}

/// What was read for a tick.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// The rows of the result that changed.
    pub(crate) changes: Vec<Batch>,
    pub(crate) rows_in: u64,
    /// Their size in bytes.
    pub(crate) bytes: usize,
}

/// The tables of a live query, and how far they were read.
pub(crate) struct Sources {
    store: Arc<dyn StreamStore>,
    sources: Vec<Source>,
    streams: Vec<StreamId>,
    /// Where each stream was read to; none before the first tick.
    cuts: Option<Vec<StreamCut>>,
}

impl Sources {
    /// Creates the tables of a query that has read nothing yet.
    ///
    /// # Errors
    /// `NotSupported` for a store that shows a commit in parts.
    pub(crate) fn new(store: Arc<dyn StreamStore>, sources: Vec<Source>) -> SqlResult<Self> {
        let is_atomic = |(capability, _): &(Capability, _)| *capability != Capability::AtomicVisibility;
        if !store.unsupported().iter().all(is_atomic) {
            let what = "live queries in a store that shows the streams of a commit one after the other";
            return Err(SqlError::not_supported(what));
        }
        let streams = sources.iter().flat_map(|source| source.table.streams.clone()).collect();
        Ok(Self { store, sources, streams, cuts: None })
    }

    /// Goes on from stored cuts.
    ///
    /// # Errors
    /// `Failed` if they are of other streams.
    pub(crate) fn resume(&mut self, cuts: Vec<StreamCut>) -> SqlResult<()> {
        let is_same = cuts.iter().map(|cut| &cut.stream).eq(&self.streams);
        if !is_same {
            let what = "the stored cuts are of other streams than the query's tables have";
            return Err(SqlError::new(SqlErrorKind::Failed, what));
        }
        self.cuts = Some(cuts);
        Ok(())
    }

    pub(crate) fn streams(&self) -> &[StreamId] {
        &self.streams
    }

    /// Returns where each stream was read to; none before the first tick.
    pub(crate) fn cuts(&self) -> &[StreamCut] {
        self.cuts.as_deref().unwrap_or_default()
    }

    /// Returns where the streams end now.
    ///
    /// # Errors
    /// `UnknownTable` if a stream is no longer there, `Failed` if events after the cut were truncated, and
    /// those of the store.
    pub(crate) async fn ends(&self) -> SqlResult<Ends> {
        let mut attempts = 0;
        let tails = loop {
            let tails = match self.store.tails(&self.streams).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let what = format!("a table of the query was dropped: {error}");
                    return Err(SqlError::new(SqlErrorKind::UnknownTable, what).because(error));
                }
                tails => tails?,
            };
            attempts += 1;
            if tails.exact {
                break tails;
            }
            if attempts >= TAIL_ATTEMPTS {
                let what =
                    "the ends of the streams at one moment cannot be found, as all are written all the time";
                return Err(SqlError::new(SqlErrorKind::Unavailable, what));
            }
        };
        for (cut, segments) in self.cuts.iter().flatten().zip(&tails.streams) {
            self.check(cut, segments)?;
        }
        Ok(Ends { streams: tails.streams })
    }

    fn check(&self, cut: &StreamCut, segments: &[SegmentInfo]) -> SqlResult<()> {
        if cut.check(segments).is_err() {
            let what =
                format!("stream {} is another one than the query has read: it was made again", cut.stream);
            return Err(SqlError::new(SqlErrorKind::UnknownTable, what));
        }
        for segment in segments {
            if let Some(offset) = cut.offset(&segment.id)
                && offset < segment.head
            {
                let what = format!(
                    "events of stream {} that the query has not read were truncated: segment {} was read to offset \
                     {offset}, and begins at {}; drop the query and create it again",
                    cut.stream, segment.id, segment.head
                );
                return Err(SqlError::new(SqlErrorKind::Failed, what));
            }
        }
        Ok(())
    }

    /// Returns whether there are events between the cut and these ends, or nothing was read yet.
    pub(crate) fn is_behind(&self, ends: &Ends) -> bool {
        self.cuts.as_ref().is_none_or(|cuts| *cuts != ends.cuts(&self.streams))
    }

    /// Returns how many bytes of events are between the cut and these ends.
    pub(crate) fn lag_bytes(&self, ends: &Ends) -> u64 {
        let cuts = self.cuts();
        let of_stream = |(number, segments): (usize, &Vec<SegmentInfo>)| {
            let from = |segment: &SegmentInfo| cuts.get(number).and_then(|cut| cut.offset(&segment.id));
            let bytes = segments.iter().map(|info| info.tail.saturating_sub(from(info).unwrap_or(info.head)));
            bytes.sum::<u64>()
        };
        ends.streams.iter().enumerate().map(of_stream).sum()
    }

    /// Waits until a stream has events after its cut. A stream that is sealed has no more.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn wait(&self) -> SqlResult<()> {
        let offsets = self.cuts().iter().flat_map(StreamCut::offsets);
        let mut waits: Vec<_> = offsets
            .map(|(segment, offset)| async move { self.store.wait_for_data(&segment, offset).await }.boxed())
            .collect();
        while !waits.is_empty() {
            let (ready, _, rest) = select_all(waits).await;
            match ready {
                Err(error) if error.kind() == ErrorKind::Sealed => waits = rest,
                // the look-up of the ends says what happened
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                ready => return Ok(ready?),
            }
        }
        std::future::pending().await
    }

    /// Reads from the cut to these ends, and applies it to the program.
    ///
    /// # Errors
    /// Those of the store, of events by the policies of their tables, of captured tables that were changed,
    /// and of operators. Neither the program nor the sources go on then.
    pub(crate) async fn tick(&mut self, program: &mut Program, ends: &Ends) -> SqlResult<Read> {
        for source in &mut self.sources {
            if let Some(captured) = &mut source.table.captured {
                captured.check().await?;
            }
        }
        let mut read = Read::default();
        let mut pending: Vec<Tick> = self.ticks();
        let (mut bytes, mut first) = (0, 0);
        for (number, source) in self.sources.iter().enumerate() {
            let count = source.table.streams.len();
            let mut parts = Vec::new();
            for index in first..first + count {
                let segments = ends.streams.get(index).cloned().unwrap_or_default();
                let from = self.cuts.as_ref().and_then(|cuts| cuts.get(index));
                parts.extend(segment_parts(&self.store, BoundedSegment::between_cuts(segments, from, None)?));
            }
            first += count;
            parts.retain(|part| !part.is_empty());
            let mut running = source.table.scan.open(parts)?;
            while let Some(scanned) = running.next().await? {
                for rows in scanned {
                    if rows.clears {
                        let changes = program.step(std::mem::replace(&mut pending, self.ticks()))?;
                        read.changes.extend(changes.batches);
                        let retracted = program.retracted_replica(number, RETRACTED_ROWS)?;
                        pending.get_mut(number).ok_or_else(SqlError::internal)?.batches.extend(retracted);
                    }
                    read.rows_in += rows.rows.num_rows() as u64;
                    let size = rows.rows.get_array_memory_size();
                    (bytes, read.bytes) = (bytes + size, read.bytes + size);
                    if let Some(batch) = source.batch(rows)? {
                        pending.get_mut(number).ok_or_else(SqlError::internal)?.batches.push(batch);
                    }
                }
                if bytes > STEP_BYTES {
                    let changes = program.step(std::mem::replace(&mut pending, self.ticks()))?;
                    read.changes.extend(changes.batches);
                    bytes = 0;
                }
            }
        }
        let changes = program.step(pending)?;
        read.changes.extend(changes.batches);
        self.cuts = Some(ends.cuts(&self.streams));
        Ok(read)
    }

    /// Returns a tick of each source without rows. Watermarks come from the rows, in the graph.
    fn ticks(&self) -> Vec<Tick> {
        self.sources.iter().map(|_| Tick::default()).collect()
    }
}

impl Source {
    /// Returns the weights of scanned rows.
    fn batch(&self, scanned: ScannedRows) -> SqlResult<Option<Batch>> {
        let ScannedRows { rows, kinds, .. } = scanned;
        if rows.num_rows() == 0 {
            return Ok(None);
        }
        let (rows, weights) = match (&self.table.changes, kinds) {
            (RowChanges::Append, _) | (_, None) => {
                let weights = vec![1; rows.num_rows()];
                (rows, weights)
            }
            (RowChanges::Retract | RowChanges::Captured(_), Some(kinds)) => {
                (rows, kinds.iter().map(|kind| weight(*kind)).collect())
            }
            (RowChanges::Upsert(_), Some(kinds)) => without_old_rows(&rows, &kinds)?,
        };
        let rows = match self.has_replica {
            true => rows,
            false => rows.project(&self.table.output).map_err(|e| SqlError::internal().because(e))?,
        };
        Ok(Some(Batch::new(rows, weights).map_err(|e| SqlError::internal().because(e))?))
    }
}

fn weight(kind: RowKind) -> i64 {
    match kind {
        RowKind::Insert | RowKind::UpdateAfter => 1,
        RowKind::UpdateBefore | RowKind::Delete => -1,
    }
}

/// Returns the new rows and the deletions of a keyed change log: the old row of an update is in the replica.
fn without_old_rows(rows: &RecordBatch, kinds: &[RowKind]) -> SqlResult<(RecordBatch, Vec<i64>)> {
    let is_old = |kind: &&RowKind| **kind == RowKind::UpdateBefore;
    let weights = kinds.iter().filter(|kind| !is_old(kind)).map(|kind| weight(*kind)).collect();
    if !kinds.iter().any(|kind| is_old(&kind)) {
        return Ok((rows.clone(), weights));
    }
    let kept: BooleanArray = kinds.iter().map(|kind| Some(!is_old(&kind))).collect();
    let rows = filter_record_batch(rows, &kept).map_err(|e| SqlError::internal().because(e))?;
    Ok((rows, weights))
}
