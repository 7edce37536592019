//! Reading events of a stream as one response of JSON lines, which is generated as it is sent.
//!
//! The cut at the end of the response is in its head and has to be known first. So the events are read to
//! plan the response, and those of a large response are dropped and read a second time when they are sent:
//! each client, however slow, holds one chunk of events and one piece of JSON.

use super::event_json::{Encoder, Format};
use crate::reads::Reads;
use axum::body::Body;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use kulya_store::{ReadChunk, Result, SegmentId, SegmentInfo, StreamCut, framing};
use std::collections::VecDeque;

/// A response ends after the event with which its events have this size, in bytes.
const MAX_RESPONSE_BYTES: usize = 8 << 20;
/// The approximate overhead of an event's JSON.
const OVERHEAD_BYTES: usize = 160;
/// The assumed size of an event when few are requested: larger ones take more reads.
const ASSUMED_EVENT_BYTES: usize = 4 << 10;
/// Bytes per read of the store.
const CHUNK_BYTES: usize = 256 << 10;
/// Responses up to this size are encoded at once and have a length.
const MAX_BUFFERED_BYTES: usize = 64 << 10;
/// Events up to this size are cached for the response and not read again.
const MAX_CACHED_BYTES: usize = 256 << 10;

/// The content of a response: ranges of offsets per segment, and the cached events.
struct Plan {
    ranges: VecDeque<(SegmentId, u64, u64)>,
    cached: VecDeque<(SegmentId, ReadChunk)>,
    bytes: usize,
}

impl Plan {
    fn is_cached(&self) -> bool {
        self.bytes <= MAX_CACHED_BYTES
    }
}

/// Reads at most `limit` events from a cut on; returns the cut after them and the response's body.
pub(super) async fn read(
    reads: Reads,
    segments: Vec<SegmentInfo>,
    mut cut: StreamCut,
    limit: usize,
) -> Result<(StreamCut, Body)> {
    let mut plan = Plan { ranges: VecDeque::new(), cached: VecDeque::new(), bytes: 0 };
    let mut remaining = limit;
    for segment in segments {
        let start = cut.offset(&segment.id).unwrap_or(segment.head);
        let mut offset = start;
        while remaining > 0 && plan.bytes < MAX_RESPONSE_BYTES && offset < segment.tail {
            // few events are read with few bytes: what a storage reads in excess is wasted
            let bytes = CHUNK_BYTES.min(remaining.saturating_mul(ASSUMED_EVENT_BYTES));
            let mut chunk = reads.read(&segment.id, offset, bytes).await?;
            if chunk.next <= offset {
                let what = format!("segment {} cannot be read from offset {offset}", segment.id);
                return Err(kulya_store::Error::new(kulya_store::ErrorKind::Corrupt, what));
            }
            chunk.events.retain(|(at, _)| *at < segment.tail);
            let mut included = 0;
            for (_, event) in &chunk.events {
                if remaining == 0 || plan.bytes >= MAX_RESPONSE_BYTES {
                    break;
                }
                remaining -= 1;
                included += 1;
                plan.bytes += event.len() + OVERHEAD_BYTES;
            }
            if included < chunk.events.len() {
                chunk.events.truncate(included);
                chunk.next =
                    chunk.events.last().map_or(offset, |(at, event)| at + framing::framed_len(event.len()));
            }
            offset = chunk.next.min(segment.tail);
            if plan.is_cached() {
                plan.cached.push_back((segment.id.clone(), chunk));
            } else {
                plan.cached.clear();
            }
        }
        if offset > start {
            cut.advance(&segment.id, offset);
            plan.ranges.push_back((segment.id, start, offset));
        }
    }
    Ok((cut, body(reads, plan).await?))
}

/// The first piece is encoded at once, so that events truncated meanwhile are an error instead of an aborted
/// response.
async fn body(reads: Reads, plan: Plan) -> Result<Body> {
    if plan.bytes <= MAX_BUFFERED_BYTES {
        let mut lines = Vec::new();
        for (segment, chunk) in plan.cached {
            let mut encoder = Encoder::new(Format::Line, segment, chunk);
            while encoder.fill(&mut lines) {}
        }
        return Ok(Body::from(lines));
    }
    let ranges = if plan.is_cached() { VecDeque::new() } else { plan.ranges };
    let mut lines = LineStream { reads, ranges, cached: plan.cached, encoder: None };
    let first = lines.next().await?;
    let rest = stream::unfold(Some(lines), |lines| async move {
        let mut lines = lines?;
        match lines.next().await {
            Ok(piece) => Some((Ok(piece?), Some(lines))),
            Err(error) => {
                tracing::warn!("response aborted: cannot read events: {error}");
                Some((Err(error), None))
            }
        }
    });
    Ok(Body::from_stream(stream::iter(first.map(Ok)).chain(rest)))
}

/// The lines of a response, generated as they are sent.
struct LineStream {
    reads: Reads,
    ranges: VecDeque<(SegmentId, u64, u64)>,
    cached: VecDeque<(SegmentId, ReadChunk)>,
    encoder: Option<Encoder>,
}

impl LineStream {
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
            self.encoder = Some(Encoder::new(Format::Line, segment, chunk));
        }
    }

    async fn chunk(&mut self) -> Result<Option<(SegmentId, ReadChunk)>> {
        if let Some(cached) = self.cached.pop_front() {
            return Ok(Some(cached));
        }
        let Some((segment, start, end)) = self.ranges.front_mut() else { return Ok(None) };
        let mut chunk = self.reads.read_when_memory_is_available(segment, *start, CHUNK_BYTES).await?;
        chunk.events.retain(|(at, _)| at < end);
        let segment = segment.clone();
        if chunk.next <= *start {
            let what = format!("segment {segment} cannot be read from offset {start}");
            return Err(kulya_store::Error::new(kulya_store::ErrorKind::Corrupt, what));
        }
        *start = chunk.next;
        if *start >= *end {
            self.ranges.pop_front();
        }
        Ok(Some((segment, chunk)))
    }
}
