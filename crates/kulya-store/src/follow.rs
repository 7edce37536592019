//! Reading a whole stream: where each segment's tail is now, and everything before it.

use crate::{EventPointer, Result, SegmentId, StreamId, StreamStore};
use bytes::Bytes;

/// Bytes asked of the store at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// A place in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The segment.
    pub segment: SegmentId,
    /// Offset of the next event to be read.
    pub offset: u64,
}

/// Where a stream ends now: each segment's tail, in number order.
pub async fn tail_cut(store: &dyn StreamStore, stream: &StreamId) -> Result<Vec<Position>> {
    let segments = store.segments(stream).await?;
    Ok(segments.into_iter().map(|s| Position { segment: s.id, offset: s.tail }).collect())
}

/// Every event the stream holds at the time of the call, segment after segment, each with its pointer.
pub async fn bounded_read(store: &dyn StreamStore, stream: &StreamId) -> Result<Vec<(EventPointer, Bytes)>> {
    let mut found = Vec::new();
    for segment in store.segments(stream).await? {
        let mut offset = segment.head;
        while offset < segment.tail {
            let chunk = store.read(&segment.id, offset, CHUNK_BYTES).await?;
            let pointers: Vec<_> = chunk.pointers(&segment.id).collect();
            found.extend(
                pointers
                    .into_iter()
                    .zip(chunk.events.iter())
                    .filter(|(p, _)| p.offset < segment.tail)
                    .map(|(p, (_, e))| (p, e.clone())),
            );
            offset = chunk.next;
        }
    }
    Ok(found)
}
