//! Events of a stream as one answer of JSON lines, which is made as it is taken.
//!
//! Where the answer ends must be known before it begins, since its head says where to go on. So the events are read, and
//! those of a large answer are given up again and read a second time when their turn comes: however slow a client is, and
//! however many there are, each holds a chunk and a piece.

use super::event::{Encoder, Frame};
use crate::reads::Reads;
use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use kulya_store::{ReadChunk, Result, SegmentId, SegmentInfo, StreamCut, framing};
use std::collections::VecDeque;

/// An answer ends behind the event with which its events have so many bytes.
const ANSWER_BYTES: usize = 8 << 20;
/// What stands around an event, about.
const AROUND_BYTES: usize = 160;
/// What an event is thought to have at the most when few are asked for: larger ones take more reads.
const EVENT_BYTES: usize = 4 << 10;
/// Bytes asked of the store at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// Events of so many bytes are an answer at once, which has a length.
const WHOLE_BYTES: usize = 64 << 10;
/// Events of so many bytes are kept for the answer and not read again.
const KEPT_BYTES: usize = 256 << 10;

/// What an answer consists of: of each segment the events from one offset to another, and those that are kept.
struct Plan {
    ranges: VecDeque<(SegmentId, u64, u64)>,
    kept: VecDeque<(SegmentId, ReadChunk)>,
    bytes: usize,
}

impl Plan {
    fn is_kept(&self) -> bool {
        self.bytes <= KEPT_BYTES
    }
}

/// At most `limit` events from a cut on: where to go on, and the lines.
pub(super) async fn read(
    reads: Reads,
    segments: Vec<SegmentInfo>,
    mut cut: StreamCut,
    limit: usize,
) -> Result<(StreamCut, Body)> {
    let mut plan = Plan { ranges: VecDeque::new(), kept: VecDeque::new(), bytes: 0 };
    let mut left = limit;
    for segment in segments {
        let begin = cut.offset(&segment.id).unwrap_or(segment.head);
        let mut offset = begin;
        while left > 0 && plan.bytes < ANSWER_BYTES && offset < segment.tail {
            // few events are asked for with few bytes: what a storage reads, it reads for nobody else
            let bytes = CHUNK_BYTES.min(left.saturating_mul(EVENT_BYTES));
            let mut chunk = reads.read(&segment.id, offset, bytes).await?;
            if chunk.next <= offset {
                let what = format!("segment {} cannot be read on from offset {offset}", segment.id);
                return Err(kulya_store::Error::new(kulya_store::ErrorKind::Corrupt, what));
            }
            chunk.events.retain(|(at, _)| *at < segment.tail);
            let mut taken = 0;
            for (_, event) in &chunk.events {
                if left == 0 || plan.bytes >= ANSWER_BYTES {
                    break;
                }
                left -= 1;
                taken += 1;
                plan.bytes += event.len() + AROUND_BYTES;
            }
            if taken < chunk.events.len() {
                chunk.events.truncate(taken);
                chunk.next =
                    chunk.events.last().map_or(offset, |(at, event)| at + framing::framed_len(event.len()));
            }
            offset = chunk.next.min(segment.tail);
            if plan.is_kept() {
                plan.kept.push_back((segment.id.clone(), chunk));
            } else {
                plan.kept.clear();
            }
        }
        if offset > begin {
            cut.advance(&segment.id, offset);
            plan.ranges.push_back((segment.id, begin, offset));
        }
    }
    Ok((cut, body(reads, plan).await?))
}

/// The first piece is made at once: so an answer whose events go meanwhile is refused, and not begun and cut off.
async fn body(reads: Reads, plan: Plan) -> Result<Body> {
    if plan.bytes <= WHOLE_BYTES {
        let mut lines = Vec::new();
        for (segment, chunk) in plan.kept {
            let mut encoder = Encoder::new(Frame::Line, segment, chunk);
            while encoder.fill(&mut lines) {}
        }
        return Ok(Body::from(lines));
    }
    let ranges = if plan.is_kept() { VecDeque::new() } else { plan.ranges };
    let mut lines = Lines { reads, ranges, kept: plan.kept, encoder: None };
    let first = lines.next().await?;
    let rest = stream::unfold(Some(lines), |lines| async move {
        let mut lines = lines?;
        match lines.next().await {
            Ok(piece) => Some((Ok(piece?), Some(lines))),
            Err(error) => {
                tracing::warn!("an answer of events is cut off: {error}");
                Some((Err(error), None))
            }
        }
    });
    Ok(Body::from_stream(stream::iter(first.map(Ok)).chain(rest)))
}

/// The lines of an answer as they are taken.
struct Lines {
    reads: Reads,
    ranges: VecDeque<(SegmentId, u64, u64)>,
    kept: VecDeque<(SegmentId, ReadChunk)>,
    encoder: Option<Encoder>,
}

impl Lines {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some(mut encoder) = self.encoder.take() {
                let mut piece = Vec::new();
                if encoder.fill(&mut piece) {
                    self.encoder = Some(encoder);
                }
                if !piece.is_empty() {
                    return Ok(Some(piece.into()));
                }
            }
            let Some((segment, chunk)) = self.chunk().await? else { return Ok(None) };
            self.encoder = Some(Encoder::new(Frame::Line, segment, chunk));
        }
    }

    async fn chunk(&mut self) -> Result<Option<(SegmentId, ReadChunk)>> {
        if let Some(kept) = self.kept.pop_front() {
            return Ok(Some(kept));
        }
        let Some((segment, begin, end)) = self.ranges.front_mut() else { return Ok(None) };
        let mut chunk = self.reads.read_when_there_is_room(segment, *begin, CHUNK_BYTES).await?;
        chunk.events.retain(|(at, _)| at < end);
        let segment = segment.clone();
        if chunk.next <= *begin {
            let what = format!("segment {segment} cannot be read on from offset {begin}");
            return Err(kulya_store::Error::new(kulya_store::ErrorKind::Corrupt, what));
        }
        *begin = chunk.next;
        if *begin >= *end {
            self.ranges.pop_front();
        }
        Ok(Some((segment, chunk)))
    }
}
