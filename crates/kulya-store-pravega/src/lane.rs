//! The short way for a commit that is nothing but events of one segment: one append is whole by itself and needs no
//! journal. While one is on its way the next ones gather, and go together.

use crate::appender::{Appended, Appender, Batch};
use crate::committer::again;
use crate::segments::Segments;
use bytes::{Buf, Bytes, BytesMut};
use kulya_store::{Error, ErrorKind, Result, SegmentId, framing};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// What goes together in one append, beyond its first commit.
const APPEND_BYTES: usize = 1 << 20;
/// How far a batch is searched for whose place nobody remembers.
const SEARCHED_BYTES: u64 = 1 << 30;

/// The events of one commit, and who waits for where they begin.
pub(crate) struct Job {
    pub(crate) frames: Bytes,
    pub(crate) count: u32,
    pub(crate) reply: oneshot::Sender<Result<u64>>,
}

/// Works until nobody can ask any more.
pub(crate) async fn run(
    segments: Arc<Segments>,
    segment: SegmentId,
    writer: u128,
    mut jobs: mpsc::UnboundedReceiver<Job>,
) {
    let appender = Appender::new(segment.clone(), writer);
    let mut next = None;
    // where the segment ended when that was last known: what is searched for lies behind it
    let mut known = None;
    loop {
        let first = match next.take() {
            Some(job) => job,
            None => match jobs.recv().await {
                Some(job) => job,
                None => return,
            },
        };
        let mut gathered = vec![first];
        let mut size = gathered.iter().map(|job| job.frames.len()).sum::<usize>();
        while size < APPEND_BYTES
            && let Ok(job) = jobs.try_recv()
        {
            if size + job.frames.len() > APPEND_BYTES {
                next = Some(job);
                break;
            }
            size += job.frames.len();
            gathered.push(job);
        }
        match append(&segments, &segment, &appender, &mut known, &gathered, size).await {
            Ok(start) => {
                known = Some(start + size as u64);
                let mut at = start;
                for job in gathered {
                    let length = job.frames.len() as u64;
                    let _ = job.reply.send(Ok(at));
                    at += length;
                }
            }
            Err(error) => {
                known = None;
                gathered.into_iter().for_each(|job| _ = job.reply.send(Err(again(&error))));
            }
        }
    }
}

async fn append(
    segments: &Segments,
    segment: &SegmentId,
    appender: &Appender,
    known: &mut Option<u64>,
    gathered: &[Job],
    size: usize,
) -> Result<u64> {
    let from = match *known {
        Some(tail) => tail,
        None => segments.extent(segment).await?.tail,
    };
    let frames = match gathered {
        [one] => one.frames.clone(),
        many => {
            let mut all = BytesMut::with_capacity(size);
            many.iter().for_each(|job| all.extend_from_slice(&job.frames));
            all.freeze()
        }
    };
    let count = gathered.iter().map(|job| job.count).sum();
    // each append has a number of its own: a number below the writer's last is this very append, stored before
    let number = appender.last_number(segments).await? + i64::from(count);
    match appender.append(segments, &Batch { number, count, frames: frames.clone(), at: None }).await? {
        Appended::At(start) => Ok(start),
        Appended::Before | Appended::Moved => find(segments, segment, from, &frames).await,
    }
}

/// Where a batch begins that was stored somewhere behind `from`, a place where an event begins, when the answer that said
/// where was lost. Another one with the very same bytes will do: nobody can tell them apart.
///
/// # Errors
/// `AnswerLost`, whatever went wrong: the batch is stored, and whoever asked must not take it for refused.
pub(crate) async fn find(segments: &Segments, segment: &SegmentId, from: u64, frames: &Bytes) -> Result<u64> {
    let lost = || {
        let what = format!(
            "a commit is stored in segment {segment}, but where could not be found out: read it from offset {from} on"
        );
        Error::new(ErrorKind::AnswerLost, what)
    };
    match search(segments, segment, from, frames).await {
        Ok(Some(at)) => Ok(at),
        Ok(None) => Err(lost()),
        Err(error) => Err(lost().because(error)),
    }
}

/// Goes from event to event, with no more in memory than the batch and one read.
async fn search(segments: &Segments, segment: &SegmentId, from: u64, frames: &Bytes) -> Result<Option<u64>> {
    let extent = segments.extent(segment).await?;
    let tail = extent.tail.min(from.saturating_add(SEARCHED_BYTES));
    // a segment begins with an event wherever it is truncated
    let (mut at, mut read) = (from.max(extent.head), BytesMut::new());
    while at + frames.len() as u64 <= tail {
        let needed = frames.len().max(framing::HEADER_BYTES);
        while read.len() < needed {
            let behind = at + read.len() as u64;
            match segments.bytes(segment, behind, u32::MAX).await? {
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
