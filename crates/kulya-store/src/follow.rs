//! Reading a whole stream: where it begins and ends now, and everything in between.

use crate::{EventPointer, Result, StreamCut, StreamId, StreamStore};
use bytes::Bytes;

/// Bytes asked of the store at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// Where a stream begins now.
pub async fn head_cut(store: &dyn StreamStore, stream: &StreamId) -> Result<StreamCut> {
    Ok(StreamCut::head(stream, &store.segments(stream).await?))
}

/// Where a stream ends now.
pub async fn tail_cut(store: &dyn StreamStore, stream: &StreamId) -> Result<StreamCut> {
    Ok(StreamCut::tail(stream, &store.segments(stream).await?))
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
