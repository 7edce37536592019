//! Merging: events in many small objects, or in sparse data objects (mostly dead), are rewritten into a few
//! large data objects with the time of each commit, and a log record publishes their new locations. Events
//! that cannot be read stay where they are.

use crate::journal::Journal;
use crate::lease::{LEASE_MS, Lease};
use crate::log_client::LogClient;
use crate::object::{self, Kind};
use crate::plan::{Request, Response};
use crate::record::{Data, DataRun, MergeRecord, MergeRun, MergeStaged, SegmentName};
use crate::state::{Extent, MergeCandidates};
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
const MAX_CONCURRENT_REQUESTS: usize = 8;

/// Merges all events that are due. Returns their size in bytes.
pub(crate) async fn run(lease: &mut Lease, client: &Arc<LogClient>) -> Result<u64> {
    let MergeCandidates { runs, parts } = client.journal.with_state(|state| state.merge_candidates())?;
    let mut merge = Merge { lease, client, builder: DataObjectBuilder::default(), bytes: 0 };
    for (segment, extents) in runs {
        merge.run(&segment, extents).await?;
    }
    for (transaction, segment, location) in parts {
        match client.journal.events(location).await {
            Ok(Some(events)) => {
                merge.part(transaction, &segment, location.object, location.at, events).await?
            }
            // the transaction is over; damage is reported when the events are read
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Corrupt => tracing::warn!("events not merged: {error}"),
            Err(error) => return Err(error),
        }
    }
    merge.flush().await?;
    Ok(merge.bytes)
}

struct Merge<'a> {
    lease: &'a mut Lease,
    client: &'a Arc<LogClient>,
    builder: DataObjectBuilder,
    bytes: u64,
}

/// A data object under construction. Offsets count from the start of its events.
#[derive(Default)]
pub(crate) struct DataObjectBuilder {
    data: Data,
    events: Vec<Bytes>,
    runs: Vec<MergeRun>,
    parts: Vec<MergeStaged>,
    length: u64,
}

/// Consecutive events of one segment that are being collected into a run.
#[derive(Default)]
struct RunBuffer {
    start: u64,
    bytes: BytesMut,
    /// The start offset and time of each commit.
    commits: Vec<(u64, u64)>,
}

impl Merge<'_> {
    /// Copies adjacent extents of a segment.
    async fn run(&mut self, segment: &SegmentId, extents: Vec<Extent>) -> Result<()> {
        let journal = Arc::clone(&self.client.journal);
        let reading = stream::iter(extents)
            .map(|extent| {
                let journal = Arc::clone(&journal);
                async move { (extent, read(&journal, &extent).await) }
            })
            .buffered(MAX_CONCURRENT_REQUESTS);
        futures::pin_mut!(reading);
        let mut buffer = RunBuffer::default();
        while let Some((extent, read)) = reading.next().await {
            let (bytes, commits) = match read {
                Ok(Some(read)) => read,
                Ok(None) => {
                    self.builder.add(segment, std::mem::take(&mut buffer));
                    continue;
                }
                // readers get the error
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::warn!("events not merged: {error}");
                    self.builder.add(segment, std::mem::take(&mut buffer));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if buffer.bytes.is_empty() {
                buffer.start = extent.start;
            }
            buffer.commits.extend(commits);
            buffer.bytes.extend_from_slice(&bytes);
            if buffer.bytes.len() >= RUN_BYTES {
                self.builder.add(segment, std::mem::take(&mut buffer));
                if self.builder.length >= OBJECT_BYTES {
                    self.flush().await?;
                }
            }
        }
        self.builder.add(segment, buffer);
        if self.builder.length >= OBJECT_BYTES {
            self.flush().await?;
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
        self.builder.parts.push(MergeStaged { transaction, object, old_at, at: self.builder.length });
        self.builder.push(segment, 0, events, Vec::new());
        if self.builder.length >= OBJECT_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Puts the data object, and then publishes it by a log record.
    ///
    /// # Errors
    /// `Conflict` when another process has taken the maintenance lease.
    async fn flush(&mut self) -> Result<()> {
        let builder = std::mem::take(&mut self.builder);
        if builder.length == 0 {
            return Ok(());
        }
        self.bytes += builder.length;
        let data = self.lease.next_data()?;
        let (body, mut record) = builder.finish(data)?;
        record.epoch = self.lease.epoch();
        record.until = self.client.journal.bucket.now().as_millis() as u64 + LEASE_MS;
        self.client.journal.bucket.create_data(data, &body).await?;
        match self.client.submit(Request::Merge(Box::new(record))).await? {
            Response::Changed(true) => Ok(()),
            _ => Err(Error::new(ErrorKind::Conflict, "maintenance lease lost to another process")),
        }
    }
}

/// Reads the events of an extent, with start offset and time of each of its commits; `None` when its object
/// does not exist.
pub(crate) async fn read(journal: &Journal, extent: &Extent) -> Result<Option<(Bytes, Vec<(u64, u64)>)>> {
    let Some(bytes) = journal.events(extent.location).await? else { return Ok(None) };
    if extent.time == extent.last_time || extent.location.is_log() {
        return Ok(Some((bytes, vec![(extent.start, extent.time)])));
    }
    let Some(run) = journal.data_run(extent).await? else { return Ok(None) };
    Ok(Some((bytes, run.commits(extent.start).collect())))
}

impl DataObjectBuilder {
    /// Returns the size of its events, in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Adds an extent as a run of its own.
    pub(crate) fn extent(&mut self, segment: &SegmentId, start: u64, bytes: Bytes, commits: Vec<(u64, u64)>) {
        self.add(segment, RunBuffer { start, bytes: bytes.as_ref().into(), commits });
    }

    fn add(&mut self, segment: &SegmentId, buffer: RunBuffer) {
        if buffer.bytes.is_empty() {
            return;
        }
        let RunBuffer { start, bytes, commits } = buffer;
        let (first, last) = (commits.first().map_or(0, |c| c.1), commits.last().map_or(0, |c| c.1));
        let name = SegmentName::of(segment);
        let follows = self.runs.last().is_some_and(|run| {
            let length: u64 = run.lengths.iter().map(|length| u64::from(*length)).sum();
            run.segment.as_ref() == Some(&name) && run.start + length == start
        });
        if !follows {
            self.runs.push(MergeRun { segment: Some(name), start, ..MergeRun::default() });
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
        for (commit_start, at) in commits {
            // commits with the same time need not be distinguished
            if time == Some(at) {
                continue;
            }
            run.steps.push(commit_start.saturating_sub(offset) as u32);
            run.times.push(at.saturating_sub(time.unwrap_or(0)));
            (offset, time) = (commit_start, Some(at));
        }
        self.length += bytes.len() as u64;
        self.events.push(bytes);
        self.data.runs.push(run);
    }

    /// Returns the object's body, and the record that publishes it, without its epoch.
    pub(crate) fn finish(mut self, data: u64) -> Result<(PutPayload, MergeRecord)> {
        let header = object::encode_header(Kind::Data, data, &self.data).map_err(Error::invalid)?;
        let from = header.len() as u64;
        self.runs.iter_mut().flat_map(|run| &mut run.at).for_each(|at| *at += from);
        self.parts.iter_mut().for_each(|part| part.at += from);
        let record = MergeRecord {
            data,
            runs: self.runs,
            parts: self.parts,
            bytes: self.length,
            ..MergeRecord::default()
        };
        Ok((std::iter::once(header).chain(self.events).collect(), record))
    }
}
