//! Merging: events in many small objects, or in sparse data objects (mostly dead), are rewritten into a few
//! large data objects with the time of each commit, and a log record publishes their new locations. Events
//! that cannot be read stay where they are.

use crate::journal::Journal;
use crate::maintenance::{LEASE, Maintenance};
use crate::object::{self, Kind};
use crate::plan::{Answer, Ask};
use crate::record::{Data, DataRun, MergedPart, MergedRecord, MergedRun, SegmentName};
use crate::state::{Extent, ToMerge};
use crate::store::Inner;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt};
use kulya_store::{Error, ErrorKind, Result, SegmentId};
use object_store::PutPayload;
use std::sync::Arc;

/// The target size of a data object, in bytes.
const OBJECT_BYTES: u64 = 16 << 20;
/// The target size of a run, in bytes: the unit of reading.
const RUN_BYTES: usize = 256 << 10;
/// The maximum number of concurrent requests.
const AT_ONCE: usize = 8;

/// Merges all events that are due. Returns their size in bytes.
pub(crate) async fn run(maintenance: &mut Maintenance, inner: &Arc<Inner>) -> Result<u64> {
    let ToMerge { runs, parts } = inner.journal.with(|state| state.to_merge())?;
    let mut merge = Merge { maintenance, inner, open: Building::default(), bytes: 0 };
    for (segment, extents) in runs {
        merge.run(&segment, extents).await?;
    }
    for (transaction, segment, place) in parts {
        match inner.journal.events(place).await {
            Ok(Some(events)) => merge.part(transaction, &segment, place.object, place.at, events).await?,
            // the transaction is over; damage is reported when the events are read
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Corrupt => tracing::warn!("events not merged: {error}"),
            Err(error) => return Err(error),
        }
    }
    merge.put().await?;
    Ok(merge.bytes)
}

struct Merge<'a> {
    maintenance: &'a mut Maintenance,
    inner: &'a Arc<Inner>,
    open: Building,
    bytes: u64,
}

/// A data object under construction. Offsets count from the start of its events.
#[derive(Default)]
pub(crate) struct Building {
    data: Data,
    events: Vec<Bytes>,
    runs: Vec<MergedRun>,
    parts: Vec<MergedPart>,
    length: u64,
}

/// Consecutive events of one segment that are being collected into a run.
#[derive(Default)]
struct Gathered {
    start: u64,
    bytes: BytesMut,
    /// The start offset and time of each commit.
    commits: Vec<(u64, u64)>,
}

impl Merge<'_> {
    /// Copies adjacent extents of a segment.
    async fn run(&mut self, segment: &SegmentId, extents: Vec<Extent>) -> Result<()> {
        let journal = Arc::clone(&self.inner.journal);
        let reading = stream::iter(extents)
            .map(|extent| {
                let journal = Arc::clone(&journal);
                async move { (extent, read(&journal, &extent).await) }
            })
            .buffered(AT_ONCE);
        futures::pin_mut!(reading);
        let mut gathered = Gathered::default();
        while let Some((extent, read)) = reading.next().await {
            let (bytes, commits) = match read {
                Ok(Some(read)) => read,
                Ok(None) => {
                    self.open.add(segment, std::mem::take(&mut gathered));
                    continue;
                }
                // readers get the error
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::warn!("events not merged: {error}");
                    self.open.add(segment, std::mem::take(&mut gathered));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if gathered.bytes.is_empty() {
                gathered.start = extent.start;
            }
            gathered.commits.extend(commits);
            gathered.bytes.extend_from_slice(&bytes);
            if gathered.bytes.len() >= RUN_BYTES {
                self.open.add(segment, std::mem::take(&mut gathered));
                if self.open.length >= OBJECT_BYTES {
                    self.put().await?;
                }
            }
        }
        self.open.add(segment, gathered);
        if self.open.length >= OBJECT_BYTES {
            self.put().await?;
        }
        Ok(())
    }

    /// Copies events staged by a transaction.
    async fn part(
        &mut self,
        transaction: u64,
        segment: &SegmentId,
        object: u64,
        old_at: u64,
        events: Bytes,
    ) -> Result<()> {
        self.open.parts.push(MergedPart { transaction, object, old_at, at: self.open.length });
        self.open.push(segment, 0, events, Vec::new());
        if self.open.length >= OBJECT_BYTES {
            self.put().await?;
        }
        Ok(())
    }

    /// Puts the data object, and then publishes it by a log record.
    ///
    /// # Errors
    /// `Conflict` when another process has taken the maintenance lease.
    async fn put(&mut self) -> Result<()> {
        let building = std::mem::take(&mut self.open);
        if building.length == 0 {
            return Ok(());
        }
        self.bytes += building.length;
        let (data, epoch) = self.maintenance.next_data()?;
        let (body, mut record) = building.finish(data)?;
        record.epoch = epoch;
        record.until = self.inner.journal.bucket.now().as_millis() as u64 + LEASE;
        self.inner.journal.bucket.create_data(data, &body).await?;
        match self.inner.ask(Ask::Merged(Box::new(record))).await? {
            Answer::Done(true) => Ok(()),
            _ => Err(Error::new(ErrorKind::Conflict, "maintenance lease lost to another process")),
        }
    }
}

/// Reads the events of an extent, with start offset and time of each of its commits; `None` when its object
/// does not exist.
pub(crate) async fn read(journal: &Journal, extent: &Extent) -> Result<Option<(Bytes, Vec<(u64, u64)>)>> {
    let Some(bytes) = journal.events(extent.place).await? else { return Ok(None) };
    if extent.time == extent.last_time || extent.place.is_log() {
        return Ok(Some((bytes, vec![(extent.start, extent.time)])));
    }
    let Some(run) = journal.run_of(extent).await? else { return Ok(None) };
    let (mut offset, mut time) = (extent.start, 0u64);
    let commits = run.steps.iter().zip(&run.times).map(|(step, later)| {
        offset = offset.saturating_add(u64::from(*step));
        time = time.saturating_add(*later);
        (offset, time)
    });
    Ok(Some((bytes, commits.collect())))
}

impl Building {
    /// Returns the size of its events, in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Adds an extent as a run of its own.
    pub(crate) fn extent(&mut self, segment: &SegmentId, start: u64, bytes: Bytes, commits: Vec<(u64, u64)>) {
        self.add(segment, Gathered { start, bytes: bytes.as_ref().into(), commits });
    }

    fn add(&mut self, segment: &SegmentId, gathered: Gathered) {
        if gathered.bytes.is_empty() {
            return;
        }
        let Gathered { start, bytes, commits } = gathered;
        let (first, last) = (commits.first().map_or(0, |c| c.1), commits.last().map_or(0, |c| c.1));
        let name = SegmentName::of(segment);
        let follows = self.runs.last().is_some_and(|run| {
            let length: u64 = run.lengths.iter().map(|length| u64::from(*length)).sum();
            run.segment.as_ref() == Some(&name) && run.start + length == start
        });
        if !follows {
            self.runs.push(MergedRun { segment: Some(name), start, ..MergedRun::default() });
        }
        let bytes = bytes.freeze();
        if let Some(run) = self.runs.last_mut() {
            run.at.push(self.length);
            run.lengths.push(bytes.len() as u32);
            run.checksums.push(crc32c::crc32c(&bytes));
            run.first_times.push(first);
            run.last_times.push(last);
        }
        self.push(segment, start, bytes, commits);
    }

    fn push(&mut self, segment: &SegmentId, start: u64, bytes: Bytes, commits: Vec<(u64, u64)>) {
        let mut run = DataRun {
            segment: Some(SegmentName::of(segment)),
            start,
            at: self.length,
            length: bytes.len() as u32,
            checksum: crc32c::crc32c(&bytes),
            ..DataRun::default()
        };
        let (mut offset, mut time) = (start, None);
        for (begins, at) in commits {
            // commits with the same time need not be distinguished
            if time == Some(at) {
                continue;
            }
            run.steps.push(begins.saturating_sub(offset) as u32);
            run.times.push(at.saturating_sub(time.unwrap_or(0)));
            (offset, time) = (begins, Some(at));
        }
        self.length += bytes.len() as u64;
        self.events.push(bytes);
        self.data.runs.push(run);
    }

    /// Returns the object's body, and the record that publishes it, without its epoch.
    pub(crate) fn finish(mut self, data: u64) -> Result<(PutPayload, MergedRecord)> {
        let begin = object::begin(Kind::Data, data, &self.data).map_err(Error::invalid)?;
        let from = begin.len() as u64;
        self.runs.iter_mut().flat_map(|run| &mut run.at).for_each(|at| *at += from);
        self.parts.iter_mut().for_each(|part| part.at += from);
        let record = MergedRecord {
            data,
            runs: self.runs,
            parts: self.parts,
            bytes: self.length,
            ..MergedRecord::default()
        };
        Ok((std::iter::once(begin).chain(self.events).collect(), record))
    }
}
