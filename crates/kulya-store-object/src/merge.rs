//! Merging: events that stand in many small objects, or in data objects that are mostly dead, are written into a few large
//! ones, each with its times, and the log says where they stand from then on. What cannot be read stays where it is.

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

/// A data object takes no more beyond this.
const OBJECT_BYTES: u64 = 16 << 20;
/// Events stand together in runs of about this: what is read at a time.
const RUN_BYTES: usize = 256 << 10;
/// Requests at once.
const AT_ONCE: usize = 8;

/// Merges all that is due; gives how many bytes of events that were.
pub(crate) async fn run(maintenance: &mut Maintenance, inner: &Arc<Inner>) -> Result<u64> {
    let ToMerge { runs, parts } = inner.journal.with(|state| state.to_merge())?;
    let mut merge = Merge { maintenance, inner, open: Building::default(), bytes: 0 };
    for (segment, extents) in runs {
        merge.run(&segment, extents).await?;
    }
    for (transaction, segment, place) in parts {
        match inner.journal.events(place).await {
            Ok(Some(events)) => merge.part(transaction, &segment, place.object, place.at, events).await?,
            // it is over, or what is damaged is said when it is read
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Corrupt => tracing::warn!("not merged: {error}"),
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

/// A data object before it is put. Places are counted from where its events will begin.
#[derive(Default)]
pub(crate) struct Building {
    data: Data,
    events: Vec<Bytes>,
    runs: Vec<MergedRun>,
    parts: Vec<MergedPart>,
    length: u64,
}

/// Some events of one segment that are being gathered.
#[derive(Default)]
struct Gathered {
    start: u64,
    bytes: BytesMut,
    /// Of each commit, where it begins and its time.
    commits: Vec<(u64, u64)>,
}

impl Merge<'_> {
    /// Takes over extents that touch.
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
                // readers are told
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::warn!("not merged: {error}");
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

    /// Takes over what a transaction has staged.
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

    /// Puts the data object, and then says so in the log.
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
            _ => Err(Error::new(ErrorKind::Conflict, "another process does the maintenance by now")),
        }
    }
}

/// The events of an extent, and of each of its commits where it begins and its time; `None` when its object is not there.
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
    /// Bytes of events in it.
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
            // commits of one time need be told apart by nobody
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

    /// The object, and the record that speaks of it, but for its epoch.
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
