//! The fast path for commits of events of one segment alone: a single append is atomic and needs no journal.
//! Commits that arrive while one append is under way are batched into the next.

use crate::appender::{AppendOutcome, Appender, Batch};
use crate::segments::Segments;
use bytes::{Buf, Bytes, BytesMut};
use kulya_store::log_backend::queue::{Job, JobReceiver, fail_all};
use kulya_store::{Error, ErrorKind, Result, SegmentId, framing};
use std::sync::Arc;

/// The maximum size of an append in bytes, beyond its first commit.
const APPEND_BYTES: usize = 1 << 20;
/// The maximum distance in bytes over which a stored batch with unknown offset is searched.
const MAX_SCAN_BYTES: u64 = 1 << 30;

/// The framed events of one commit.
pub(crate) struct FastAppend {
    pub(crate) frames: Bytes,
    pub(crate) count: u32,
}

/// Runs until all senders are dropped. Each job is answered by the offset of its events.
pub(crate) async fn run(
    segments: Arc<Segments>,
    segment: SegmentId,
    writer: u128,
    mut jobs: JobReceiver<FastAppend, u64>,
) {
    let appender = Appender::new(segment.clone(), writer);
    let mut next = None;
    // the last known end of the segment: a search for stored events starts there
    let mut known_tail = None;
    loop {
        let first = match next.take() {
            Some(job) => job,
            None => match jobs.next().await {
                Some(job) => job,
                None => return,
            },
        };
        let mut size = first.request.frames.len();
        let mut batch = vec![first];
        while size < APPEND_BYTES
            && let Some(job) = jobs.try_next()
        {
            if size + job.request.frames.len() > APPEND_BYTES {
                next = Some(job);
                break;
            }
            size += job.request.frames.len();
            batch.push(job);
        }
        match append(&segments, &segment, &appender, &mut known_tail, &batch, size).await {
            Ok(start) => {
                known_tail = Some(start + size as u64);
                let mut offset = start;
                for job in batch {
                    let length = job.request.frames.len() as u64;
                    job.respond(Ok(offset));
                    offset += length;
                }
            }
            Err(error) => {
                known_tail = None;
                fail_all(batch, &error);
            }
        }
    }
}

async fn append(
    segments: &Segments,
    segment: &SegmentId,
    appender: &Appender,
    known_tail: &mut Option<u64>,
    batch: &[Job<FastAppend, u64>],
    size: usize,
) -> Result<u64> {
    let from = match *known_tail {
        Some(tail) => tail,
        None => segments.bounds(segment).await?.tail,
    };
    let frames = match batch {
        [one] => one.request.frames.clone(),
        many => {
            let mut all = BytesMut::with_capacity(size);
            many.iter().for_each(|job| all.extend_from_slice(&job.request.frames));
            all.freeze()
        }
    };
    let count = batch.iter().map(|job| job.request.count).sum();
    // each append has its own number: a number not above the writer's last is this very append, stored before
    let number = appender.last_number(segments).await? + i64::from(count);
    match appender
        .append(segments, &Batch { number, count, frames: frames.clone(), expected_offset: None })
        .await?
    {
        AppendOutcome::At(start) => Ok(start),
        AppendOutcome::AlreadyStored | AppendOutcome::OffsetMismatch => {
            find_stored_batch(segments, segment, from, &frames).await
        }
    }
}

/// Finds the offset of a batch that was stored at or after `from`, where an event starts, when the response
/// with its offset was lost. Another batch with the same bytes is as good: they cannot be distinguished.
///
/// # Errors
/// `ResponseLost` in all cases: the batch is stored, and the caller must not take it for rejected.
pub(crate) async fn find_stored_batch(
    segments: &Segments,
    segment: &SegmentId,
    from: u64,
    frames: &Bytes,
) -> Result<u64> {
    let response_lost = || {
        let what = format!(
            "response lost: a commit is stored in segment {segment}, at an unknown offset from {from} on"
        );
        Error::new(ErrorKind::ResponseLost, what)
    };
    match scan(segments, segment, from, frames).await {
        Ok(Some(at)) => Ok(at),
        Ok(None) => Err(response_lost()),
        Err(error) => Err(response_lost().because(error)),
    }
}

/// Scans event by event, with at most the batch and one read in memory.
async fn scan(segments: &Segments, segment: &SegmentId, from: u64, frames: &Bytes) -> Result<Option<u64>> {
    let extent = segments.bounds(segment).await?;
    let tail = extent.tail.min(from.saturating_add(MAX_SCAN_BYTES));
    // a truncated segment starts with an event, too
    let (mut at, mut read) = (from.max(extent.head), BytesMut::new());
    while at + frames.len() as u64 <= tail {
        let needed = frames.len().max(framing::HEADER_BYTES);
        while read.len() < needed {
            let read_offset = at + read.len() as u64;
            match segments.read(segment, read_offset, u32::MAX).await? {
                Some(bytes) if !bytes.is_empty() => read.extend_from_slice(&bytes),
                _ => return Ok(None),
            }
        }
        if read.starts_with(frames) {
            return Ok(Some(at));
        }
        let Some(payload) = framing::payload_len(at, &read)? else { return Ok(None) };
        let event = framing::HEADER_BYTES + payload;
        at += event as u64;
        if event <= read.len() { read.advance(event) } else { read.clear() }
    }
    Ok(None)
}
