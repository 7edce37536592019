//! Where the events of a scan come from: parts, each an ordered sequence of events that is read to the end
//! that it had when the query started.

use crate::SqlResult;
use async_trait::async_trait;
use kulya_store::{
    BoundedSegment, EventPointer, ReadChunk, SegmentId, SegmentInfo, StreamStore, chunk_times, framing,
};
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Duration;

/// The maximum size of a read from the store, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// A part of a table's events. Parts can be read at the same time.
pub(crate) trait SourcePart: Debug + Send + Sync {
    /// Opens a reader at the first event.
    fn open(&self) -> Box<dyn EventReader>;

    /// Returns the segment of the events.
    fn segment(&self) -> &SegmentId;

    /// Returns the name of an event, for messages.
    fn event_name(&self, offset: u64, event: &[u8]) -> String {
        let length = framing::framed_len(event.len()) as u32;
        let pointer = EventPointer { segment: self.segment().clone(), offset, length };
        format!("event {pointer} of stream {}", self.segment().stream)
    }
}

/// A reader of a part.
#[async_trait]
pub(crate) trait EventReader: Send {
    /// Returns the next events; `None` after the last ones. Cancel-safe.
    async fn next(&mut self) -> SqlResult<Option<ReadChunk>>;

    /// Returns when each event of a chunk was committed; `None` for one that was truncated meanwhile.
    ///
    /// # Errors
    /// `NotSupported` if the store does not know it.
    async fn times(&mut self, chunk: &ReadChunk) -> SqlResult<Vec<Option<Duration>>>;
}

/// Returns segments of a stream as parts.
pub(crate) fn segment_parts(
    store: &Arc<dyn StreamStore>,
    segments: Vec<SegmentInfo>,
) -> Vec<Arc<dyn SourcePart>> {
    let part = |segment| Arc::new(SegmentPart { store: Arc::clone(store), segment }) as Arc<dyn SourcePart>;
    segments.into_iter().map(part).collect()
}

struct SegmentPart {
    store: Arc<dyn StreamStore>,
    segment: SegmentInfo,
}

impl Debug for SegmentPart {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.segment.id)
    }
}

impl SourcePart for SegmentPart {
    fn open(&self) -> Box<dyn EventReader> {
        let segment = BoundedSegment::new(self.segment.clone());
        Box::new(SegmentReader { store: Arc::clone(&self.store), segment })
    }

    fn segment(&self) -> &SegmentId {
        &self.segment.id
    }
}

struct SegmentReader {
    store: Arc<dyn StreamStore>,
    segment: BoundedSegment,
}

#[async_trait]
impl EventReader for SegmentReader {
    async fn next(&mut self) -> SqlResult<Option<ReadChunk>> {
        Ok(self.segment.next(&*self.store, CHUNK_BYTES).await?)
    }

    async fn times(&mut self, chunk: &ReadChunk) -> SqlResult<Vec<Option<Duration>>> {
        Ok(chunk_times(&*self.store, &self.segment.segment.id, chunk).await?)
    }
}
